//! Putting records, and replacing one by another.

use crate::database::{Change, Database, Failure, Family, row_name};
use crate::journal::Journal;
use crate::listing::time_row_name;
use crate::lookup::{Lookup, evidence, evidence_name};
use crate::record::now_unix_ms;
use crate::spool::Spooling;
use crate::store::KeyGuard;
use crate::{Kind, Record, Result, Store, Warning, envelope};

/// What a put did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// The record was written.
    Stored,
    /// The same result was there already; what is stored, its provenance included, stayed as it was.
    AlreadyPresent,
    /// A different result was there already and was kept. Counted, and reported as a warning.
    Conflict,
    /// A different result was there and was replaced ([`Store::supersede`]).
    Superseded,
}

/// What the names of superseded records begin with in the quarantine, where those of damaged ones begin with a kind.
pub(crate) const SUPERSEDED_TAG: u8 = 0xF0;

impl Store {
    /// Keeps a record. Trainings and manifests have reached the disk when this returns; the other kinds
    /// survive the end of the process at once and a power failure a little later. A reader's records all
    /// reach the disk.
    ///
    /// What is stored under a key is never replaced by something else: see [`PutOutcome`]. A manifest that would be
    /// older than the last one, because a clock was once ahead, is kept as a moment younger.
    ///
    /// # Errors
    /// Only if neither the database nor the spool can be written.
    pub fn put(&self, record: &Record) -> Result<PutOutcome> {
        let outcome = self.put_as(record, record.key.kind().is_synchronous(), true)?;
        self.tick();
        Ok(outcome)
    }

    /// As [`Store::put`] for many records, waiting for the disk once. The outcomes are in the records' order.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn put_many(&self, records: &[Record]) -> Result<Vec<PutOutcome>> {
        self.tick();
        let outcomes: Vec<_> =
            records.iter().map(|record| self.put_as(record, false, true)).collect::<Result<_>>()?;
        if let Some(database) = self.writer()
            && records.iter().any(|record| record.key.kind().is_synchronous())
            && let Err(failure) = database.sync()
        {
            // Whether they have reached the disk is not known, so they go there another way.
            self.not_written(failure);
            for (record, _) in records.iter().zip(&outcomes).filter(|(_, put)| **put == PutOutcome::Stored) {
                self.spool_as(record, &self.guard(record.key.digest()))?;
            }
        }
        Ok(outcomes)
    }

    /// Keeps a record in place of the one that is stored under its key, if that holds another result: it was wrong, or
    /// cannot be read by those who need it. The one that was replaced is kept in quarantine.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn supersede(&self, record: &Record) -> Result<PutOutcome> {
        let (kind, digest) = (record.key.kind(), record.key.digest());
        let guard = self.guard(digest);
        let stored = match self.finder_held(kind, digest, &guard).find()? {
            Lookup::Missing => {
                drop(guard);
                return self.put(record);
            }
            Lookup::Newer => return Ok(PutOutcome::Conflict),
            Lookup::Found(stored) if record.same_result(&stored) => return Ok(PutOutcome::AlreadyPresent),
            Lookup::Found(stored) => stored,
        };
        let new = record.superseding(&stored);
        self.offer(&new);
        if let Some(database) = self.writer_to_existing() {
            match replace(database, &stored, &new) {
                Ok(()) => return Ok(PutOutcome::Superseded),
                Err(failure) => self.not_written(failure),
            }
        }
        self.spool_as(&new, &guard)?;
        Ok(PutOutcome::Superseded)
    }

    /// Keeps a record that a share has. What a power failure takes is found there again.
    pub(crate) fn keep_found(&self, record: &Record) -> Result<PutOutcome> {
        self.put_as(record, false, false)
    }

    /// Waits until everything that was put has reached the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        let Some(database) = self.writer() else { return Ok(()) };
        database.sync().map_err(|failure| failure.into_error("write", database.path()))
    }

    /// `is_own`: made here, and so offered to the shares.
    fn put_as(&self, record: &Record, synchronous: bool, is_own: bool) -> Result<PutOutcome> {
        let (kind, digest) = (record.key.kind(), record.key.digest());
        let guard = self.guard(digest);
        match self.finder_held(kind, digest, &guard).find()? {
            Lookup::Found(stored) => return Ok(self.compare(record, &stored)),
            Lookup::Newer => return Ok(PutOutcome::Conflict),
            Lookup::Missing => {}
        }
        if kind == Kind::Manifest && !is_own {
            // Somebody else's run is no later than it says, and no later than now.
            let created_unix_ms = record.created_unix_ms.min(now_unix_ms());
            return self.write_as(&Record { created_unix_ms, ..record.clone() }, synchronous, is_own, &guard);
        }
        if kind == Kind::Manifest {
            let _order = self.manifest_guard();
            let moment = self.latest_manifest_moment()?.map_or(0, |latest| latest.saturating_add(1));
            let created_unix_ms = record.created_unix_ms.max(moment);
            return self.write_as(&Record { created_unix_ms, ..record.clone() }, synchronous, is_own, &guard);
        }
        self.write_as(record, synchronous, is_own, &guard)
    }

    /// Writes a record that is not there yet: to the database, or else to the spool.
    fn write_as(
        &self,
        record: &Record,
        synchronous: bool,
        is_own: bool,
        guard: &KeyGuard<'_>,
    ) -> Result<PutOutcome> {
        if is_own {
            self.offer(record);
        }
        if let Some(database) = self.writer_to_existing() {
            match write_record(database, record, &record.to_bytes(), synchronous) {
                Ok(()) => return Ok(PutOutcome::Stored),
                // A database that could not write once refuses all that comes later.
                Err(failure) => self.not_written(failure),
            }
        }
        self.spool_as(record, guard)
    }

    fn spool_as(&self, record: &Record, guard: &KeyGuard<'_>) -> Result<PutOutcome> {
        let (kind, digest) = (record.key.kind(), record.key.digest());
        let file = self.spool.file(kind, digest, record.generation());
        let envelope = record.to_bytes();
        Journal::count(&self.journal.spooled);
        let mut spooling = self.spool.write(&file, &envelope)?;
        if spooling == Spooling::AlreadyThere {
            // Another process was quicker, or something that cannot be read has the name.
            match self.finder_held(kind, digest, guard).find()? {
                Lookup::Found(stored) => return Ok(self.compare(record, &stored)),
                Lookup::Newer => return Ok(PutOutcome::Conflict),
                Lookup::Missing => {
                    self.set_aside(&file, "it cannot be read".to_owned());
                    spooling = self.spool.write(&file, &envelope)?;
                }
            }
        }
        self.note_spooled(digest, record.generation());
        match spooling {
            Spooling::Written => Ok(PutOutcome::Stored),
            // Taken in meanwhile by a writer whose database cannot be read beside it.
            Spooling::AlreadyThere => Ok(PutOutcome::AlreadyPresent),
        }
    }

    /// What a put of `record` comes to where `stored` is there already.
    pub(crate) fn compare(&self, record: &Record, stored: &Record) -> PutOutcome {
        if record.same_result(stored) {
            return PutOutcome::AlreadyPresent;
        }
        self.journal.warn(Warning::Conflict { kind: record.key.kind(), digest: *record.key.digest() });
        PutOutcome::Conflict
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

/// Puts `new` in the place of `old` and `old` into quarantine. There its first byte is another one, so that the salvage
/// of a damaged database does not take it for a record.
pub(crate) fn replace(database: &Database, old: &Record, new: &Record) -> std::result::Result<(), Failure> {
    let (kind, digest) = (new.key.kind(), new.key.digest());
    let row = row_name(kind, digest);
    let mut masked = old.to_bytes();
    masked[0] = !envelope::MAGIC[0];
    let value = evidence("another result was put in its place", &masked);
    let name = evidence_name(&[SUPERSEDED_TAG], &row, &value);
    let envelope = new.to_bytes();
    let mut changes: Vec<Change<'_>> =
        Family::places(kind).iter().map(|f| Change::Delete(*f, &row)).collect();
    changes.push(Change::Put(Family::Quarantine, &name, &value));
    changes.push(Change::Put(Family::of(kind, new.payload.len()), &row, &envelope));
    database.write(&changes, true)
}
