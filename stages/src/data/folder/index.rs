//! What is in each picture's file: its digest, and whether it can be used. Reading all files of a large set takes minutes, so
//! it is remembered by path, size and time of change, and only what has changed is read again.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cache::{Digest, codec};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::decode::{DECODING, check_header, decode};
use super::files::File;
use crate::data::{ReadingObserver, ReadingStep};

/// The hash domain of the bytes of a file.
const FILE_DOMAIN: &str = "nas-pipeline image file 1";
/// That of what is remembered, with its version, and that of the names of such files. The version is raised when other
/// files are found to be usable than before.
const INDEX_DOMAIN: &str = "nas-pipeline image index 2";
const PLACE_DOMAIN: &str = "nas-pipeline image index place 1";
/// A file that changed so shortly before it was read may change once more within the same tick of the file system's clock,
/// so it is read again the next time.
const SETTLED: Duration = Duration::from_secs(2);

/// How far a picture is looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Depth {
    /// What begins and what ends it.
    Header,
    /// All of it is decoded.
    Whole,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) digest: Digest,
    /// Why it cannot be used.
    pub(super) problem: Option<String>,
}

/// What is remembered of a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Remembered {
    stamp: Stamp,
    depth: Depth,
    facts: Facts,
}

/// By what a change of a file is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    bytes: u64,
    /// Time of the last change, since 1970.
    changed: Duration,
}

impl Stamp {
    /// Whether the file would have another stamp if it changed after `now`.
    fn is_settled(&self, now: Duration) -> bool {
        self.changed + SETTLED < now
    }
}

/// The digest of the bytes of a file.
pub(super) fn digest_of(bytes: &[u8]) -> Digest {
    Digest::of(FILE_DOMAIN, bytes)
}

/// What the files of a set hold, in their order. `place` is the folder in which it is remembered; where that cannot be
/// written, everything is read again the next time.
pub(super) fn facts<'a>(
    root: &Path,
    files: impl IntoIterator<Item = &'a File>,
    depth: Depth,
    place: Option<&Path>,
    observer: &dyn ReadingObserver,
) -> Vec<Facts> {
    let path = place.map(|place| index_path(root, place));
    let known = path.as_deref().and_then(read).unwrap_or_default();
    let files: Vec<&File> = files.into_iter().collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    observer.begun(ReadingStep::Hashing, Some(files.len() as u64));
    let looked: Vec<(Facts, Option<Remembered>, bool)> = files
        .par_iter()
        .map(|file| {
            let stamp = stamp(&file.path);
            let old = known.get(&file.name).filter(|old| Some(old.stamp) == stamp && old.depth >= depth);
            if let Some(old) = old {
                return (old.facts.clone(), Some(old.clone()), false);
            }
            let bytes = match fs::read(&file.path) {
                Ok(bytes) => bytes,
                // Not remembered: that may change without the file.
                Err(source) => {
                    let problem = Some(format!("it cannot be read ({source})"));
                    return (Facts { digest: digest_of(&[]), problem }, None, true);
                }
            };
            let facts = look(&bytes, depth);
            let settled = stamp.filter(|stamp| stamp.is_settled(now));
            let remembered = settled.map(|stamp| Remembered { stamp, depth, facts: facts.clone() });
            (facts, remembered, true)
        })
        .inspect(|_| observer.picture())
        .collect();
    if let Some(path) = path.filter(|_| looked.iter().any(|(.., is_new)| *is_new)) {
        // Of files that were not asked for this time too: a part of a set may be.
        let mut entries: BTreeMap<&str, &Remembered> =
            known.iter().map(|(name, remembered)| (name.as_str(), remembered)).collect();
        for (file, (_, remembered, _)) in files.iter().zip(&looked) {
            match remembered {
                Some(remembered) => entries.insert(&file.name, remembered),
                None => entries.remove(file.name.as_str()),
            };
        }
        write(&path, &entries.into_iter().collect::<Vec<_>>());
    }
    looked.into_iter().map(|(facts, ..)| facts).collect()
}

fn stamp(path: &Path) -> Option<Stamp> {
    let data = fs::metadata(path).ok()?;
    let changed = data.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Stamp { bytes: data.len(), changed })
}

fn look(bytes: &[u8], depth: Depth) -> Facts {
    let looked = match depth {
        Depth::Header => check_header(bytes),
        Depth::Whole => decode(bytes).map(|_| ()),
    };
    Facts { digest: digest_of(bytes), problem: looked.err() }
}

/// One file for each folder of pictures, wherever it is named from, and each version of decoding.
fn index_path(root: &Path, place: &Path) -> PathBuf {
    let root = fs::canonicalize(root).unwrap_or_else(|_| root.to_path_buf());
    let named = [root.as_os_str().as_encoded_bytes(), &DECODING.to_le_bytes()].concat();
    place.join(Digest::of(PLACE_DOMAIN, &named).to_string())
}

/// What is remembered, if it is whole.
fn read(path: &Path) -> Option<HashMap<String, Remembered>> {
    let bytes = fs::read(path).ok()?;
    let (digest, payload) = bytes.split_at_checked(32)?;
    if digest != Digest::of(INDEX_DOMAIN, payload).0 {
        return None;
    }
    let entries: Vec<(String, Remembered)> = codec::decode(payload).ok()?;
    Some(entries.into_iter().collect())
}

fn write(path: &Path, entries: &[(&str, &Remembered)]) {
    let Ok(payload) = codec::encode(entries) else { return };
    let bytes = [&Digest::of(INDEX_DOMAIN, &payload).0[..], &payload].concat();
    if let Some(folder) = path.parent() {
        // What cannot be remembered is read again.
        let _ = fs::create_dir_all(folder).and_then(|()| kernels::file::write(path, &bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_settled_when_its_change_is_two_seconds_past() {
        let changed = Duration::from_secs(1_000_000);
        let stamp = Stamp { bytes: 5, changed };
        let moment = Duration::from_nanos(1);
        for (now, is_settled) in [
            (Duration::ZERO, false),
            (changed, false),
            (changed + SETTLED, false),
            (changed + SETTLED + moment, true),
        ] {
            assert_eq!(stamp.is_settled(now), is_settled, "{now:?}");
        }
    }
}
