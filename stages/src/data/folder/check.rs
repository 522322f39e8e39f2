//! Looking at every picture of a folder: whether it can be decoded, and what is odd.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use cache::Digest;
use rayon::prelude::*;

use super::decode::decode;
use super::files::{File, Files};
use super::index::digest_of;
use crate::Error;
use crate::data::{Reading, ReadingObserver, ReadingStep};

/// What a folder of pictures holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderCheck {
    /// Of each class its name, and how many training and test images can be decoded.
    pub classes: Vec<(String, usize, usize)>,
    /// Pictures that cannot be decoded, and why.
    pub unreadable: Vec<(String, String)>,
    /// Pictures that are the very same bytes as another one, and that one's name.
    pub duplicates: Vec<(String, String)>,
    /// The least and the most pixels of a shorter side.
    pub shorter_sides: Option<(usize, usize)>,
    /// What is left out, and what is odd beside.
    pub notes: Vec<String>,
}

impl FolderCheck {
    /// Reads and decodes all pictures of a folder, whatever `reading` would take of it.
    ///
    /// # Errors
    /// When the folder is no set: classes or test images are missing.
    pub fn new(folder: &Path, reading: &Reading, observer: &dyn ReadingObserver) -> Result<Self, Error> {
        let files = Files::find(folder, reading.test_share, observer)?;
        let Files { classes, train, test, notes, .. } = files;
        let all: Vec<(&File, bool)> =
            train.iter().map(|file| (file, false)).chain(test.iter().map(|file| (file, true))).collect();
        observer.begun(ReadingStep::Decoding, Some(all.len() as u64));
        let looked: Vec<Result<(Digest, usize), String>> =
            all.par_iter().map(|(file, _)| look(&file.path)).inspect(|_| observer.picture()).collect();
        let mut check = Self {
            classes: classes.into_iter().map(|class| (class, 0, 0)).collect(),
            unreadable: Vec::new(),
            duplicates: Vec::new(),
            shorter_sides: None,
            notes,
        };
        let mut known: HashMap<Digest, &str> = HashMap::with_capacity(all.len());
        for ((file, is_test), looked) in all.into_iter().zip(looked) {
            let (digest, side) = match looked {
                Ok(looked) => looked,
                Err(problem) => {
                    check.unreadable.push((file.name.clone(), problem));
                    continue;
                }
            };
            let (_, train, test) = &mut check.classes[usize::from(file.label)];
            *(if is_test { test } else { train }) += 1;
            let (least, most) = check.shorter_sides.unwrap_or((side, side));
            check.shorter_sides = Some((least.min(side), most.max(side)));
            match known.get(&digest) {
                Some(first) => check.duplicates.push((file.name.clone(), (*first).to_owned())),
                None => drop(known.insert(digest, &file.name)),
            }
        }
        Ok(check)
    }
}

/// The digest of a picture's file, and the pixels of its shorter side.
fn look(path: &Path) -> Result<(Digest, usize), String> {
    let bytes = fs::read(path).map_err(|source| format!("it cannot be read ({source})"))?;
    let picture = decode(&bytes)?;
    Ok((digest_of(&bytes), picture.width.min(picture.height)))
}
