//! Weights: state that a record names and that is too large to be part of it.
//!
//! It is a file under the digest of its bytes, written whole or not at all, and checked against its name when it is
//! read: what was damaged is as good as not there. A record that names such a file is worth nothing without it, so who
//! reads the record asks for the file, and computes both again where it is missing.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::{Digest, Error, Result, Store, folder};

/// The hash domain of weights.
const DOMAIN: &str = "nas-pipeline weights v1";

/// What [`Store::verify_weights`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WeightsReport {
    /// Files that are whole.
    pub files: u64,
    /// Names of those that are not what their names say. The trainings that wrote them are done again when they are
    /// needed.
    pub damaged: Vec<String>,
}

impl Store {
    /// Keeps bytes as a file under their digest, which is what a record names.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep_weights(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = digest_of(bytes);
        if !self.has_own_weights(&digest) {
            folder::replace_file(&self.weights_path(&digest), &[bytes])?;
        }
        // A process that was killed may have kept and not offered them.
        self.share_weights(&digest);
        Ok(digest)
    }

    /// The bytes under a digest, if they are there and whole, or in a share, from which they are kept here.
    pub fn weights(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.own_weights(digest).or_else(|| {
            let bytes = self.find_shared_weights(digest)?;
            // What cannot be kept is found again.
            let _ = self.keep_found_weights(digest, &bytes);
            Some(bytes)
        })
    }

    /// Whether the bytes under a digest are there and whole. All of them are read.
    pub fn has_weights(&self, digest: &Digest) -> bool {
        self.weights(digest).is_some()
    }

    /// The bytes under a digest, if they are here and whole.
    fn own_weights(&self, digest: &Digest) -> Option<Vec<u8>> {
        let bytes = fs::read(self.weights_path(digest)).ok()?;
        (digest_of(&bytes) == *digest).then_some(bytes)
    }

    /// Whether the bytes under a digest are here and whole.
    pub(crate) fn has_own_weights(&self, digest: &Digest) -> bool {
        self.own_weights(digest).is_some()
    }

    /// Keeps weights that a share has.
    pub(crate) fn keep_found_weights(&self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        folder::replace_file(&self.weights_path(digest), &[bytes])
    }

    /// Checks every file of weights against its name, and leaves it as it is.
    ///
    /// # Errors
    /// When the folder of weights is there and cannot be read.
    pub fn verify_weights(&self) -> Result<WeightsReport> {
        let mut report = WeightsReport::default();
        for (name, path) in self.weight_files()? {
            match fs::read(&path) {
                Ok(bytes) if digest_of(&bytes).to_string() == name => report.files += 1,
                _ => report.damaged.push(name),
            }
        }
        report.damaged.sort_unstable();
        Ok(report)
    }

    /// Names and paths of the files of weights, damaged or not.
    pub(crate) fn weight_files(&self) -> Result<Vec<(String, PathBuf)>> {
        let folder = self.path().join(FOLDER);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io("read", &folder)(error)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(Error::io("read", &folder))?.path();
            // What a kill left unfinished is in nobody's way.
            let name = path.file_name().and_then(|name| name.to_str()).filter(|_| path.extension().is_none());
            if let Some(name) = name {
                files.push((name.to_owned(), path));
            }
        }
        Ok(files)
    }

    pub(crate) fn weights_path(&self, digest: &Digest) -> PathBuf {
        self.path().join(FOLDER).join(digest.to_string())
    }
}

/// Where the files lie in a cache folder.
pub(crate) const FOLDER: &str = "weights";

/// What bytes of weights are named by.
pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    Digest::of(DOMAIN, bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_found_by_their_digest_and_never_read_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.verify_weights().unwrap(), WeightsReport::default());
        let digest = store.keep_weights(b"many numbers").unwrap();
        let other = store.keep_weights(b"other numbers").unwrap();
        assert_ne!(digest, other);
        assert_eq!(store.weights(&digest).as_deref(), Some(&b"many numbers"[..]));
        // Other processes that use the folder see it too, and what is kept twice lies there once.
        assert_eq!(Store::open(folder.path()).unwrap().keep_weights(b"many numbers").unwrap(), digest);
        let found = store.verify_weights().unwrap();
        assert_eq!((found.files, found.damaged.len()), (2, 0));
        let stats = store.stats().unwrap();
        assert_eq!((stats.weights, stats.weights_bytes), (2, 25));

        let path = store.weights_path(&digest);
        let whole = fs::read(&path).unwrap();
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x10;
            fs::write(&path, &damaged).unwrap();
            assert!(!store.has_weights(&digest), "byte {place}");
            fs::write(&path, &whole[..place]).unwrap();
            assert!(!store.has_weights(&digest), "cut at {place}");
        }
        fs::copy(store.weights_path(&other), &path).unwrap();
        assert!(!store.has_weights(&digest), "those of another digest");
        assert_eq!(store.verify_weights().unwrap().damaged, [digest.to_string()]);
        // What is damaged is replaced, whatever a kill left beside it.
        fs::write(folder::unfinished_path(&path), b"ma").unwrap();
        assert_eq!(store.keep_weights(b"many numbers").unwrap(), digest);
        assert!(store.has_weights(&digest));
        fs::remove_file(&path).unwrap();
        assert!(!store.has_weights(&digest));
    }
}
