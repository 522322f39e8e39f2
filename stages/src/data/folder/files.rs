//! Which pictures a folder holds, and of which class each is: folders named after classes, as ImageNet has them, or lists.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::drawn::DrawnTest;
use super::lists;
use crate::Error;
use crate::data::{ReadingObserver, ReadingStep};
use crate::echo::shown_within;

/// Endings of pictures' names, in any case.
const ENDINGS: [&str; 16] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "gif", "webp", "bmp", "dib", "tif", "tiff", "pbm", "pgm", "ppm",
    "pnm", "pam",
];
/// What the folder of the training images is called, and that of the test images, the first that is there.
pub(super) const TRAIN: &str = "train";
pub(super) const TEST: [&str; 4] = ["val", "validation", "valid", "test"];
/// Names that a message lists, and how long each may be.
const LISTED: usize = 5;
const NAME_LONGEST: usize = 160;

/// A picture of a set.
#[derive(Clone, Debug)]
pub(in crate::data) struct File {
    pub(in crate::data) path: PathBuf,
    /// Its place in the set, with forward slashes. It is part of digests, and what messages name.
    pub(in crate::data) name: String,
    pub(in crate::data) label: u16,
}

/// The pictures of a set.
#[derive(Debug, Default)]
pub(in crate::data) struct Files {
    pub(in crate::data) classes: Vec<String>,
    pub(in crate::data) train: Vec<File>,
    pub(in crate::data) test: Vec<File>,
    /// How the test images were drawn, where none are there.
    pub(in crate::data) drawn_test: Option<DrawnTest>,
    /// What is there beside pictures, or seems odd.
    pub(in crate::data) notes: Vec<String>,
}

/// Entries of a folder among which a picture must be, so that it is taken for a set.
const LOOKED_AT: usize = 10_000;

/// Whether a folder holds pictures of classes.
pub(in crate::data) fn is_here(folder: &Path) -> bool {
    let entries = WalkDir::new(folder.join(TRAIN)).min_depth(2).follow_links(true).into_iter();
    let mut entries = entries.take(LOOKED_AT).flatten();
    lists::is_here(folder) || entries.any(|entry| is_picture(entry.path()))
}

/// Names in a message: the first of them, and how many more there are.
pub(in crate::data) fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(LISTED);
    let shown: Vec<String> = names.take(LISTED).map(|name| shown_within(name, NAME_LONGEST)).collect();
    let shown = shown.join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

impl Files {
    /// Finds the pictures in a folder. They are in an order in which any first part of them holds all classes alike: the first
    /// of each class by name, the second of each, and so on. Where there are no test images, they are a `test_share` of the
    /// pictures of each class.
    ///
    /// # Errors
    /// When classes are missing, or test images and the share is 0, or something cannot be read.
    pub(in crate::data) fn find(
        folder: &Path,
        test_share: f64,
        observer: &dyn ReadingObserver,
    ) -> Result<Self, Error> {
        observer.begun(ReadingStep::Listing, None);
        if lists::is_here(folder) {
            return lists::read(folder, test_share, observer);
        }
        let mut files = Self::default();
        let train = folder.join(TRAIN);
        files.classes = classes(&train)?;
        let Some(test) = TEST.iter().map(|name| folder.join(name)).find(|path| path.is_dir()) else {
            if test_share == 0.0 {
                return Err(Error::Data {
                    path: folder.into(),
                    problem: "there is no folder val with test images".into(),
                    remedy: format!(
                        "move a share of {TRAIN}/CLASS of each class to val/CLASS, list both parts in train.csv and val.csv, or \
                         have a share drawn (data.test_share)"
                    ),
                });
            }
            let by_class = files.in_classes(folder, &train, observer)?;
            return files.with_drawn_test(folder, "folder val", by_class, test_share);
        };
        let test_classes = classes(&test)?;
        let unknown: Vec<&str> =
            test_classes.iter().filter(|class| !files.classes.contains(class)).map(String::as_str).collect();
        if !unknown.is_empty() {
            let known = listed(files.classes.iter().map(String::as_str));
            return Err(Error::Data {
                path: test,
                problem: format!("holds classes that no training image has: {}", listed(unknown.into_iter())),
                remedy: format!("name the folders of both parts alike, or remove them; {TRAIN} has {known}"),
            });
        }
        files.train = interleaved(files.in_classes(folder, &train, observer)?);
        let by_class = files.in_classes(folder, &test, observer)?;
        files.note_untested(&by_class);
        files.test = interleaved(by_class);
        Ok(files)
    }

    /// Draws a share of the pictures of each class as test images, for there is no such folder or table of them.
    ///
    /// # Errors
    /// When each class has one picture only.
    pub(super) fn with_drawn_test(
        mut self,
        root: &Path,
        missing: &str,
        mut by_class: Vec<Vec<File>>,
        share: f64,
    ) -> Result<Self, Error> {
        let drawn = DrawnTest { share };
        let test = drawn.take(&mut by_class);
        self.note_untested(&test);
        (self.train, self.test) = (interleaved(by_class), interleaved(test));
        let (count, all) = (self.test.len(), self.train.len() + self.test.len());
        if count == 0 {
            return Err(Error::Data {
                path: root.into(),
                problem: format!(
                    "there is no {missing}, and no class has two pictures, of which one could be a test image"
                ),
                remedy: "put more pictures there".into(),
            });
        }
        self.notes.push(format!(
            "there is no {missing}; {count} of {all} pictures are test images: {drawn} (data.test_share)"
        ));
        self.drawn_test = Some(drawn);
        Ok(self)
    }

    /// Notes the classes that have no test image.
    fn note_untested(&mut self, test: &[Vec<File>]) {
        let classes = self.classes.iter().zip(test).filter(|(_, files)| files.is_empty());
        let untested: Vec<&str> = classes.map(|(class, _)| class.as_str()).collect();
        if !untested.is_empty() {
            self.notes.push(format!("classes without test images: {}", listed(untested.into_iter())));
        }
    }

    /// The pictures of each class in the folder of a part.
    fn in_classes(
        &mut self,
        root: &Path,
        part: &Path,
        observer: &dyn ReadingObserver,
    ) -> Result<Vec<Vec<File>>, Error> {
        let mut by_class = Vec::with_capacity(self.classes.len());
        let mut others = Vec::new();
        for (label, class) in self.classes.iter().enumerate() {
            let folder = part.join(class);
            if !folder.is_dir() {
                by_class.push(Vec::new());
                continue;
            }
            let found = pictures(root, &folder, label as u16, &mut others, observer)?;
            if found.is_empty() {
                return Err(Error::Data {
                    path: folder,
                    problem: "holds no picture".into(),
                    remedy: "put pictures of the class there, or remove the folder".into(),
                });
            }
            by_class.push(found);
        }
        let strays = fs::read_dir(part).into_iter().flatten().flatten();
        let strays = strays.map(|entry| entry.path()).filter(|path| path.is_file() && is_picture(path));
        let strays: Vec<String> = strays.map(|path| name_in(root, &path)).collect();
        if !strays.is_empty() {
            let names = listed(strays.iter().map(String::as_str));
            self.notes.push(format!("pictures outside of the folders of classes are left out: {names}"));
        }
        if !others.is_empty() {
            let names = listed(others.iter().map(String::as_str));
            self.notes.push(format!("files that are not called like pictures are left out: {names}"));
        }
        Ok(by_class)
    }
}

/// The first of each class, the second of each, and so on.
pub(super) fn interleaved(by_class: Vec<Vec<File>>) -> Vec<File> {
    let count = by_class.iter().map(Vec::len).sum();
    let mut classes: Vec<_> = by_class.into_iter().map(Vec::into_iter).collect();
    let mut files = Vec::with_capacity(count);
    while files.len() < count {
        files.extend(classes.iter_mut().filter_map(Iterator::next));
    }
    files
}

/// The classes that have a folder in the folder of a part, by name.
fn classes(part: &Path) -> Result<Vec<String>, Error> {
    let error =
        |problem: String, remedy: &str| Error::Data { path: part.into(), problem, remedy: remedy.into() };
    let entries = fs::read_dir(part).map_err(|source| {
        error(format!("cannot be read ({source})"), "check that it is a folder and may be read")
    })?;
    let mut classes = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        if !entry.path().is_dir() || is_hidden(&name) {
            continue;
        }
        let Ok(name) = name.into_string() else {
            let name = entry.file_name().to_string_lossy().into_owned();
            return Err(error(
                format!("the folder {} has a name that is no UTF-8", shown_within(name, NAME_LONGEST)),
                "rename it",
            ));
        };
        classes.push(name);
    }
    if classes.is_empty() {
        return Err(error(
            "holds no folder of a class".into(),
            "put the pictures of each class into a folder of its name",
        ));
    }
    if classes.len() > usize::from(u16::MAX) {
        return Err(error(format!("holds {} classes", classes.len()), "65,535 can be told apart"));
    }
    classes.sort();
    Ok(classes)
}

/// The pictures in a folder and all below it, by name. Links are followed, but not in circles.
fn pictures(
    root: &Path,
    folder: &Path,
    label: u16,
    others: &mut Vec<String>,
    observer: &dyn ReadingObserver,
) -> Result<Vec<File>, Error> {
    let mut found = BTreeMap::new();
    let entries = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
    for entry in entries.filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry.file_name())) {
        let entry = match entry {
            Ok(entry) => entry,
            // A link to a folder that it lies in.
            Err(error) if error.loop_ancestor().is_some() => continue,
            Err(error) => {
                let path = error.path().unwrap_or(folder).to_path_buf();
                let problem = match error.io_error() {
                    Some(source) => format!("cannot be read ({source})"),
                    None => "cannot be read".to_owned(),
                };
                let remedy = "check that it may be read, and that links lead somewhere".into();
                return Err(Error::Data { path, problem, remedy });
            }
        };
        if !entry.file_type().is_file() {
            continue;
        }
        let (path, name) = (entry.path().to_path_buf(), name_in(root, entry.path()));
        if is_picture(&path) {
            observer.picture();
            found.insert(name.clone(), File { path, name, label });
        } else {
            others.push(name);
        }
    }
    Ok(found.into_values().collect())
}

fn is_hidden(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

pub(super) fn is_picture(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// A path from the folder of the set on, with forward slashes. Bytes that are no UTF-8 are told apart.
fn name_in(root: &Path, path: &Path) -> String {
    let parts = path.strip_prefix(root).unwrap_or(path).components().map(|part| {
        let part = part.as_os_str();
        part.to_str().map_or_else(|| part.as_encoded_bytes().escape_ascii().to_string(), str::to_owned)
    });
    parts.collect::<Vec<_>>().join("/")
}
