//! How the files of an IDX set are called: MNIST's names (`train-images-idx3-ubyte`), with dots (`train-images.idx3-ubyte`),
//! with `test` for `t10k`, and with the name of the set in front, as EMNIST has them
//! (`emnist-letters-train-images-idx3-ubyte.gz`).

use std::fs;
use std::path::{Path, PathBuf};

use crate::Error;

/// A part of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Train,
    Test,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Images,
    Labels,
}

/// The files of one set in a folder.
pub(super) struct Set {
    folder: PathBuf,
    /// What stands in front of the parts: `emnist-letters`, mostly nothing.
    pub(super) prefix: String,
    files: Vec<(Part, Kind, String)>,
}

/// What a file's name says: what stands in front, the part, and what it holds. `None` for other files.
fn role(name: &str) -> Option<(&str, Part, Kind)> {
    // Letter for letter, so that places stay.
    let plain = name.to_ascii_lowercase().replace(['.', '_'], "-");
    let plain = plain.strip_suffix("-gz").unwrap_or(&plain);
    for (kind, word, dimensions) in
        [(Kind::Images, "-images", "-idx3-ubyte"), (Kind::Labels, "-labels", "-idx1-ubyte")]
    {
        let stem = plain.strip_suffix(dimensions).or_else(|| plain.strip_suffix("-idx"));
        let Some(stem) = stem.and_then(|stem| stem.strip_suffix(word)) else { continue };
        for (part, words) in [(Part::Train, &["train"][..]), (Part::Test, &["t10k", "test"])] {
            for front in words.iter().filter_map(|word| stem.strip_suffix(word)) {
                match front.strip_suffix('-') {
                    Some(front) => return Some((&name[..front.len()], part, kind)),
                    None if front.is_empty() => return Some(("", part, kind)),
                    None => {}
                }
            }
        }
    }
    None
}

/// The sets of a folder that have training images, by what stands in front of their names.
pub(super) fn sets(folder: &Path) -> Vec<Set> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| folder.join(name).is_file())
        .collect();
    names.sort();
    let mut sets: Vec<Set> = Vec::new();
    for name in names {
        let Some((prefix, part, kind)) = role(&name) else { continue };
        let (prefix, file) = (prefix.to_owned(), (part, kind, name));
        match sets.iter_mut().find(|set| set.prefix == prefix) {
            Some(set) => set.files.push(file),
            None => sets.push(Set { folder: folder.to_path_buf(), prefix, files: vec![file] }),
        }
    }
    sets.retain(|set| set.files.iter().any(|&(part, kind, _)| (part, kind) == (Part::Train, Kind::Images)));
    sets
}

impl Set {
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path that names this set: its folder, with what stands in front of the files' names.
    pub(super) fn path(&self) -> PathBuf {
        if self.prefix.is_empty() { self.folder.clone() } else { self.folder.join(&self.prefix) }
    }

    /// The file of a part, the plain one where it is there packed and plain.
    ///
    /// # Errors
    /// When there is none, or two that may differ.
    pub(super) fn file(&self, part: Part, kind: Kind) -> Result<PathBuf, Error> {
        let mut names: Vec<&str> = self
            .files
            .iter()
            .filter(|file| (file.0, file.1) == (part, kind))
            .map(|file| file.2.as_str())
            .collect();
        let packed = |name: &str| name.to_ascii_lowercase().ends_with(".gz");
        let plain: Vec<&str> = names.iter().copied().filter(|name| !packed(name)).collect();
        names.retain(|name| !packed(name) || !plain.contains(&&name[..name.len() - ".gz".len()]));
        let word = match part {
            Part::Train => "train",
            Part::Test => "t10k",
        };
        let front = if self.prefix.is_empty() { String::new() } else { format!("{}-", self.prefix) };
        let usual = match kind {
            Kind::Images => format!("{front}{word}-images-idx3-ubyte"),
            Kind::Labels => format!("{front}{word}-labels-idx1-ubyte"),
        };
        let error = |problem: String, remedy: &str| {
            Err(Error::Data { path: self.folder.join(&usual), problem, remedy: remedy.into() })
        };
        match names.as_slice() {
            [] => error(
                "no such file".into(),
                "a set is four files: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and \
                 t10k-labels-idx1-ubyte, plain or .gz",
            ),
            [name] => Ok(self.folder.join(name)),
            several => error(
                format!("{} may each be meant", several.join(" and ")),
                "leave one of them in the folder",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_mnist_and_its_relatives_are_known() {
        let (train, test, images, labels) = (Part::Train, Part::Test, Kind::Images, Kind::Labels);
        for (name, expected) in [
            ("train-images-idx3-ubyte", Some(("", train, images))),
            ("t10k-labels-idx1-ubyte.gz", Some(("", test, labels))),
            ("train-images.idx3-ubyte", Some(("", train, images))),
            ("t10k-labels.idx1-ubyte", Some(("", test, labels))),
            ("Train_Images.IDX3-ubyte.GZ", Some(("", train, images))),
            ("emnist-letters-train-images-idx3-ubyte.gz", Some(("emnist-letters", train, images))),
            ("EMNIST-byclass-test-labels-idx1-ubyte", Some(("EMNIST-byclass", test, labels))),
            ("train-images.idx.gz", Some(("", train, images))),
            ("mytrain-images-idx3-ubyte", None),
            ("train-images-idx1-ubyte", None),
            ("train-labels-idx3-ubyte", None),
            ("qmnist-train-labels-idx2-int.gz", None),
            ("train-images-idx3-ubyte (1)", None),
            ("train-images.png", None),
            ("größe-train-images-idx3-ubyte", Some(("größe", train, images))),
            ("", None),
        ] {
            assert_eq!(role(name), expected, "{name}");
        }
    }
}
