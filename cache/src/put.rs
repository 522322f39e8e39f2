//! Putting records, and taking in those that other processes left in the spool.

use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use crate::database::{Change, Database, Failure, Family, row_name};
use crate::journal::Journal;
use crate::listing::time_row_name;
use crate::lookup::Lookup;
use crate::spool::Spool;
use crate::store::PutOutcome;
use crate::{Error, Kind, Record, Result, Store, Warning, folder};

impl Store {
    /// Keeps a record. Trainings and manifests have reached the disk when this returns; the other kinds
    /// survive the end of the process at once and a power failure a little later. A reader's records all
    /// reach the disk.
    ///
    /// What is stored under a key is never replaced by something else: see [`PutOutcome`].
    ///
    /// # Errors
    /// Only if neither the database nor the spool can be written.
    pub fn put(&self, record: &Record) -> Result<PutOutcome> {
        let outcome = self.put_as(record, record.key.kind().is_synchronous())?;
        // Afterwards: a spool that cannot be read must not cost the record.
        self.tick()?;
        Ok(outcome)
    }

    /// As [`Store::put`] for many records, waiting for the disk once. The outcomes are in the records' order.
    pub fn put_many(&self, records: &[Record]) -> Result<Vec<PutOutcome>> {
        self.tick()?;
        let outcomes = records.iter().map(|record| self.put_as(record, false)).collect::<Result<_>>()?;
        if let Some(database) = self.database().filter(|_| self.is_writer())
            && records.iter().any(|record| record.key.kind().is_synchronous())
        {
            database.sync().map_err(|failure| failure.into_error("write", database.path()))?;
        }
        Ok(outcomes)
    }

    fn put_as(&self, record: &Record, synchronous: bool) -> Result<PutOutcome> {
        let (kind, digest) = (record.key.kind(), record.key.digest());
        let _guard = self.stripe(digest);
        match self.find(kind, digest, true)? {
            Lookup::Found(stored) => return Ok(self.compare(record, &stored)),
            Lookup::Newer => return Ok(PutOutcome::Conflict),
            Lookup::Missing => {}
        }
        let envelope = record.to_bytes();
        if let Some(database) = self.database().filter(|_| self.is_writer()) {
            match write_record(database, record, &envelope, synchronous) {
                Ok(()) => return Ok(PutOutcome::Stored),
                // A database that met damage refuses to write; the spool keeps the record for its successor.
                Err(failure) => self.database_failed("write", failure)?,
            }
        }
        Journal::count(&self.journal.spooled);
        let is_first = self.spool.write(kind, digest, &envelope)?;
        self.note_spooled(digest);
        if is_first {
            return Ok(PutOutcome::Stored);
        }
        // Another process was quicker.
        match self.find(kind, digest, true)? {
            Lookup::Found(stored) => Ok(self.compare(record, &stored)),
            // Taken in meanwhile by a writer whose database cannot be read beside it.
            Lookup::Missing => Ok(PutOutcome::AlreadyPresent),
            Lookup::Newer => Ok(PutOutcome::Conflict),
        }
    }

    fn compare(&self, record: &Record, stored: &Record) -> PutOutcome {
        if record.same_result(stored) {
            return PutOutcome::AlreadyPresent;
        }
        self.journal.warn(Warning::Conflict { kind: record.key.kind(), digest: *record.key.digest() });
        PutOutcome::Conflict
    }

    /// Moves the spool's records into the database and says how many. The writer does so when it opens, when
    /// it lists, and every few seconds while it looks up or puts; readers do nothing.
    ///
    /// Files that are no intact records, or contradict a stored one, are moved aside and reported.
    pub fn take_in_spool(&self) -> Result<u64> {
        let Some(database) = self.database().filter(|_| self.is_writer()) else { return Ok(0) };
        let mut last = self.take_in_guard();
        let mut stored = Vec::new();
        for file in self.spool.files()? {
            match self.take_in(database, &file) {
                Ok(true) => stored.push(file),
                Ok(false) => {}
                Err(Error::Io { source, .. }) => {
                    let message = format!("{}: {source}", file.display());
                    self.journal.warn(Warning::SpoolUnreadable { message });
                }
                Err(error) => return Err(error),
            }
        }
        // Until the records have reached the disk, the files are the records.
        if !stored.is_empty() {
            match database.sync() {
                Ok(()) => stored.iter().try_for_each(|file| folder::remove_file(file))?,
                Err(failure) => self.database_failed("write", failure)?,
            }
        }
        *last = Instant::now();
        self.journal.taken_in.fetch_add(stored.len() as u64, Relaxed);
        Ok(stored.len() as u64)
    }

    /// Whether the file's record is stored now.
    fn take_in(&self, database: &Database, file: &Path) -> Result<bool> {
        let Some(envelope) = Spool::read(file)? else { return Ok(false) };
        let record = match Record::from_bytes(&envelope) {
            Ok(record) => record,
            // It waits for a later version of this program.
            Err(Error::Newer(what)) => {
                self.journal.warn(Warning::Newer { what });
                return Ok(false);
            }
            Err(error) => {
                self.set_aside(file, error.to_string())?;
                return Ok(false);
            }
        };
        let (kind, digest) = (record.key.kind(), record.key.digest());
        let _guard = self.stripe(digest);
        match self.find_stored(kind, digest, true)? {
            Lookup::Newer => Ok(false),
            Lookup::Found(stored) if self.compare(&record, &stored) == PutOutcome::Conflict => {
                self.set_aside(file, "it contradicts a stored record".to_owned())?;
                Ok(false)
            }
            Lookup::Found(_) => Ok(true),
            Lookup::Missing => match write_record(database, &record, &envelope, false) {
                Ok(()) => Ok(true),
                Err(failure) => self.database_failed("write", failure).map(|()| false),
            },
        }
    }

    /// Moves a spool file aside and reports it.
    pub(crate) fn set_aside(&self, file: &Path, reason: String) -> Result<()> {
        if let Some(path) = self.spool.set_aside(file)? {
            self.journal.warn(Warning::SetAside { path, reason });
        }
        Ok(())
    }
}

/// Writes a record that is not there yet, a manifest together with its place in time.
pub(crate) fn write_record(
    database: &Database,
    record: &Record,
    envelope: &[u8],
    synchronous: bool,
) -> std::result::Result<(), Failure> {
    let (kind, digest) = (record.key.kind(), record.key.digest());
    let row = row_name(kind, digest);
    let put = Change::Put(Family::of(kind, record.payload.len()), &row, envelope);
    if kind == Kind::Manifest {
        let time_row = time_row_name(record.created_unix_ms, digest);
        database.write(&[put, Change::Put(Family::Manifests, &time_row, &[])], synchronous)
    } else {
        database.write(&[put], synchronous)
    }
}
