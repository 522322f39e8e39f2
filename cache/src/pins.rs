//! Pins: records that people want to keep, whatever else is cleared away.
//!
//! A file of lines, each the digest of a record: of a run's manifest, or of anything else.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;

use crate::{Digest, Error, Result, Store, folder};

impl Store {
    /// The digests that are pinned.
    ///
    /// # Errors
    /// When the list cannot be read, or a line of it is no digest: what is to be kept must not be guessed.
    pub fn pins(&self) -> Result<BTreeSet<Digest>> {
        match fs::read_to_string(self.pins_path()) {
            Ok(text) => {
                let bad = |error: Error| Error::io("read", &self.pins_path())(io::Error::other(error));
                text.lines().map(|line| line.parse().map_err(bad)).collect()
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
            Err(error) => Err(Error::io("read", &self.pins_path())(error)),
        }
    }

    /// Pins a digest, or takes its pin away.
    ///
    /// # Errors
    /// As [`Store::pins`], and when the list cannot be written.
    pub fn pin(&self, digest: &Digest, is_pinned: bool) -> Result<()> {
        let mut pins = self.pins()?;
        if is_pinned {
            pins.insert(*digest);
        } else {
            pins.remove(digest);
        }
        let mut lines: Vec<String> = pins.iter().map(Digest::to_string).collect();
        lines.push(String::new());
        folder::replace_file(&self.pins_path(), &[lines.join("\n").as_bytes()])
    }

    fn pins_path(&self) -> PathBuf {
        self.path().join("pins")
    }
}
