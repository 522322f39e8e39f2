//! How the writer takes in what other processes have left in the spool.

use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use crate::database::Database;
use crate::lookup::Lookup;
use crate::put::{PutOutcome, replace, write_record};
use crate::spool::{Spool, Spooled};
use crate::{Error, Record, Result, Store, Warning, folder};

impl Store {
    /// Moves the spool's records into the database and says how many. The writer does so when it opens, when
    /// it lists, and every few seconds while it looks up or puts; readers do nothing.
    ///
    /// Files that are no intact records, or contradict a stored one, are moved aside and reported. What cannot be
    /// read, stored or moved stays where it is and is reported: it stops nothing.
    pub fn take_in_spool(&self) -> u64 {
        let Some(database) = self.writer() else { return 0 };
        let mut last = self.take_in_guard();
        let mut stored = Vec::new();
        for file in self.spool.files().unwrap_or_else(|error| self.passed_over(&error)) {
            match self.take_in(database, &file) {
                Ok(true) => stored.push(file),
                Ok(false) => {}
                Err(error) => self.passed_over(&error),
            }
        }
        // Until the records have reached the disk, the files are the records.
        let mut count = 0;
        if !stored.is_empty() {
            match database.sync() {
                Ok(()) => {
                    count = stored.len() as u64;
                    for file in stored {
                        folder::remove_file(&file).unwrap_or_else(|error| self.passed_over(&error));
                    }
                }
                Err(failure) => self.not_written(failure),
            }
        }
        *last = Instant::now();
        self.journal.taken_in.fetch_add(count, Relaxed);
        count
    }

    /// Whether the file's record is stored now.
    fn take_in(&self, database: &Database, file: &Path) -> Result<bool> {
        let envelope = match Spool::read(file) {
            Spooled::Bytes(bytes) => bytes,
            Spooled::Missing => return Ok(false),
            Spooled::Unreadable(message) => {
                self.journal.warn(Warning::SpoolUnreadable { message });
                return Ok(false);
            }
        };
        let record = match Record::from_bytes(&envelope) {
            Ok(record) => record,
            // It waits for a later version of this program.
            Err(Error::Newer(what)) => {
                self.journal.warn(Warning::Newer { what });
                return Ok(false);
            }
            Err(error) => {
                self.set_aside(file, error.to_string());
                return Ok(false);
            }
        };
        let (kind, digest) = (record.key.kind(), record.key.digest());
        let guard = self.guard(digest);
        let written = match self.finder_held(kind, digest, &guard).find_stored()? {
            Lookup::Newer => return Ok(false),
            Lookup::Missing => write_record(database, &record, &envelope, false),
            Lookup::Found(stored)
                if !record.same_result(&stored) && record.generation() > stored.generation() =>
            {
                replace(database, &stored, &record)
            }
            Lookup::Found(stored) if self.compare(&record, &stored) == PutOutcome::Conflict => {
                self.set_aside(file, "it contradicts a stored record".to_owned());
                return Ok(false);
            }
            Lookup::Found(_) => Ok(()),
        };
        if let Err(failure) = written {
            self.not_written(failure);
            return Ok(false);
        }
        Ok(true)
    }

    /// Moves a spool file aside and reports it, also where it cannot be moved.
    pub(crate) fn set_aside(&self, file: &Path, reason: String) {
        match self.spool.set_aside(file) {
            Ok(Some(path)) => self.journal.warn(Warning::SetAside { path, reason }),
            Ok(None) => {}
            Err(error) => self.passed_over(&error),
        }
    }

    fn passed_over<T: Default>(&self, error: &Error) -> T {
        self.journal.warn(Warning::SpoolUnreadable { message: error.to_string() });
        T::default()
    }
}
