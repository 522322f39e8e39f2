//! Where in a folder a set lies: in it, or one or two folders deeper, as archives and other libraries leave it; and what
//! else lies there.

use std::fs;
use std::path::{Path, PathBuf};

use super::idx_names::{self, Set};
use super::{Source, cifar, folder};
use crate::Error;

/// How much deeper a set is looked for.
const DEPTH: usize = 2;
/// Folders that are looked into.
const FOLDERS: usize = 1000;
/// Names that a message lists.
const LISTED: usize = 8;

/// The layouts that are looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Layouts {
    Cifar10,
    Cifar100,
    Idx,
    /// Pictures.
    Folder,
    Any,
}

impl Layouts {
    /// Whether `layout` is among them.
    fn hold(self, layout: Self) -> bool {
        self == layout || self == Self::Any
    }
}

/// The one set in `path`, by the folder that holds its files. An IDX set may also be named by its folder and what stands
/// in front of its files' names.
///
/// # Errors
/// When there is none, or several.
pub(super) fn find(path: &Path, layouts: Layouts) -> Result<Source, Error> {
    let error =
        |problem: String, remedy: &str| Error::Data { path: path.into(), problem, remedy: remedy.into() };
    if path.is_file() {
        return Err(error("is a file".into(), "give the folder that holds the files of the set"));
    }
    if !path.is_dir() {
        let named = path.parent().zip(path.file_name()).filter(|_| layouts.hold(Layouts::Idx));
        let named = named.and_then(|(folder, name)| {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            idx_names::sets(folder).into_iter().find(|set| name == set.prefix.as_str())
        });
        return match named {
            Some(set) => Ok(Source::Idx(set.path())),
            None => Err(error(
                "no such folder".into(),
                "check the path; `embedded` are the images of the program",
            )),
        };
    }
    let mut level = vec![path.to_path_buf()];
    for depth in 0..=DEPTH {
        let mut found: Vec<Source> = level.iter().flat_map(|folder| sets(folder, layouts)).collect();
        if found.len() > 1 {
            let places = found.iter().map(ToString::to_string).collect::<Vec<_>>();
            return Err(error(format!("holds {} sets: {}", found.len(), list(&places)), "give one of them"));
        }
        if let Some(found) = found.pop() {
            return Ok(found);
        }
        if depth < DEPTH {
            level = level
                .iter()
                .flat_map(|folder| entries(folder).1)
                .map(|(_, folder)| folder)
                .take(FOLDERS)
                .collect();
        }
    }
    Err(error(format!("no data files that are known; {}", what_lies_in(path)), remedy(path)))
}

/// The files of the IDX set that a path of [`find`]'s names.
///
/// # Errors
/// When it is gone.
pub(super) fn idx_set(path: &Path) -> Result<Set, Error> {
    let mut sets = if path.is_dir() { idx_names::sets(path) } else { Vec::new() };
    if sets.is_empty() {
        sets = path.parent().map(idx_names::sets).unwrap_or_default();
        sets.retain(|set| set.path() == path);
    }
    let place = sets.iter().position(|set| set.path() == path);
    place.map(|place| sets.swap_remove(place)).ok_or_else(|| Error::Data {
        path: path.into(),
        problem: "no data files that are known".into(),
        remedy: "give a folder with train-images-idx3-ubyte".into(),
    })
}

/// The sets whose files lie right in a folder.
fn sets(path: &Path, layouts: Layouts) -> Vec<Source> {
    let mut found = Vec::new();
    if layouts.hold(Layouts::Cifar10) && cifar::is_cifar10(path) {
        found.push(Source::Cifar10(path.into()));
    }
    if layouts.hold(Layouts::Cifar100) && cifar::is_cifar100(path) {
        found.push(Source::Cifar100(path.into()));
    }
    if layouts.hold(Layouts::Idx) {
        let sets = idx_names::sets(path);
        // MNIST's own names are those of the folder's set, whatever else lies there.
        let usual = sets.iter().any(|set| set.prefix.is_empty());
        let meant = sets.into_iter().filter(|set| !usual || set.prefix.is_empty());
        found.extend(meant.map(|set| Source::Idx(set.path())));
    }
    if layouts.hold(Layouts::Folder) && folder::is_here(path) {
        found.push(Source::Folder(path.into()));
    }
    found
}

/// Files and folders in a folder, by name; hidden ones are left out.
fn entries(folder: &Path) -> (Vec<String>, Vec<(String, PathBuf)>) {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (name, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            folders.push((name, path));
        } else {
            files.push(name);
        }
    }
    files.sort();
    folders.sort();
    (files, folders)
}

fn list(names: &[String]) -> String {
    let shown = names[..names.len().min(LISTED)].join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn what_lies_in(folder: &Path) -> String {
    let (files, folders) = entries(folder);
    let folders: Vec<String> = folders.into_iter().map(|(name, _)| format!("{name}/")).collect();
    let all = [folders, files].concat();
    if all.is_empty() { "it is empty".to_owned() } else { format!("there are {}", list(&all)) }
}

/// What to do with what lies in a folder instead of a set.
fn remedy(folder: &Path) -> &'static str {
    let (files, folders) = entries(folder);
    let has = |name: &str| {
        files.iter().any(|file| file == name) || folders.iter().any(|(folder, _)| folder == name)
    };
    if has("cifar-10-batches-py") || has("data_batch_1") || has("cifar-10-python.tar.gz") {
        return "that is CIFAR-10's Python version; unpack the binary version (cifar-10-binary.tar.gz)";
    }
    if has("cifar-100-python") || has("cifar-100-python.tar.gz") || has("meta") && has("train") {
        return "that is CIFAR-100's Python version; unpack the binary version (cifar-100-binary.tar.gz)";
    }
    let is_packed = |name: &String| {
        [".tar.gz", ".tgz", ".zip", ".tar"].iter().any(|end| name.to_lowercase().ends_with(end))
    };
    if files.iter().any(is_packed) {
        return "unpack the archive, and give the folder that it unpacks to";
    }
    "give `embedded`, or a folder with data_batch_1.bin or train.bin (CIFAR-10 and CIFAR-100, binary versions), \
     train-images-idx3-ubyte (IDX), or train/CLASS and val/CLASS with pictures"
}
