//! How far the database had come when it last said that a record is kept.
//!
//! The end of a log that is cut off looks like what a kill leaves behind, so that `RocksDB` takes it for that and says
//! nothing. The mark is written after every durable write; a database that has not come so far has lost records.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::Digest;

const NAME: &str = "mark";
const DOMAIN: &str = "nas-pipeline cache mark v1";
const BYTES: usize = 16;

/// The mark of an open database. Without one (its file could not be made) nothing is noted.
#[derive(Debug)]
pub(crate) struct Mark(Option<File>);

impl Mark {
    pub(crate) fn open(database: &Path) -> Self {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true);
        Self(options.open(database.join(NAME)).ok())
    }

    /// The sequence number that was noted; none if there is no intact mark.
    pub(crate) fn read(&self) -> Option<u64> {
        let mut bytes = [0; BYTES];
        self.0.as_ref()?.read_exact_at(&mut bytes, 0).ok()?;
        let number = u64::from_le_bytes(*bytes.first_chunk()?);
        (bytes == encode(number)).then_some(number)
    }

    /// Notes a sequence number, all of whose records have reached the disk. Two threads may note theirs in any order:
    /// a mark that is too low only says less.
    pub(crate) fn write(&self, number: u64) {
        if let Some(file) = &self.0 {
            let _ = file.write_all_at(&encode(number), 0);
        }
    }
}

fn encode(number: u64) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes[8..].copy_from_slice(&Digest::of(DOMAIN, &number.to_le_bytes()).0[..8]);
    bytes
}
