//! Looking records up. Whatever is wrong with one, the answer is that it is not there.

use crate::database::{Change, Database, Family, row_name};
use crate::journal::Journal;
use crate::reading::write_bytes;
use crate::spool::{Spool, Spooled};
use crate::store::KeyGuard;
use crate::{Digest, Error, Key, Kind, Record, Result, Store, Warning, envelope, salvage};

/// The answer to a look-up.
pub(crate) enum Lookup<T> {
    Found(T),
    Missing,
    /// There is one, but of a later version: not to be read, and not to be overwritten.
    Newer,
}

/// What a look-up makes of an envelope: an error unless it is an intact one of the key looked up.
type Read<'a, T> = &'a dyn Fn(&[u8]) -> Result<T>;

/// A key that is looked up.
#[derive(Clone, Copy)]
pub(crate) struct Finder<'a> {
    store: &'a Store,
    kind: Kind,
    digest: &'a Digest,
    /// That of the key, where its holder looks it up to write it; damaged rows are moved under it.
    guard: Option<&'a KeyGuard<'a>>,
}

impl Store {
    /// The record of `key`; `None` if there is none. A damaged one is set aside, counted, reported and not
    /// there.
    ///
    /// # Errors
    /// Only if the folder cannot be read for a reason other than damage.
    pub fn get(&self, key: &Key) -> Result<Option<Record>> {
        let finder = self.finder(key.kind(), key.digest());
        let lookup = finder.find_with(&|bytes| envelope::decode_for(bytes, key))?;
        Ok(self.answer(key.kind(), key.digest(), lookup, false))
    }

    /// As [`Store::get`], and sees everything that any process has stored or shared before this was called. For a reader
    /// this takes some milliseconds, and where there are shares a look into each.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn get_latest(&self, key: &Key) -> Result<Option<Record>> {
        self.catch_up();
        let read: Read<'_, Record> = &|bytes| envelope::decode_for(bytes, key);
        let finder = self.finder(key.kind(), key.digest());
        let mut lookup = finder.find_with(read)?;
        if let (Lookup::Missing, false) = (&lookup, self.is_writer()) {
            // The writer may have taken it in between the look at the database and the one at the spool.
            self.catch_up();
            lookup = finder.find_stored_with(read)?;
        }
        Ok(self.answer(key.kind(), key.digest(), lookup, true))
    }

    /// As [`Store::get`], for those who know a key only by its digest.
    pub fn get_digest(&self, kind: Kind, digest: &Digest) -> Result<Option<Record>> {
        let lookup = self.finder(kind, digest).find()?;
        Ok(self.answer(kind, digest, lookup, false))
    }

    /// What was found here, or else in a share.
    fn answer(&self, kind: Kind, digest: &Digest, lookup: Lookup<Record>, latest: bool) -> Option<Record> {
        let found = match lookup {
            Lookup::Found(record) => Some(record),
            // One of a later version is not to be overwritten, and so not looked for.
            Lookup::Newer => None,
            Lookup::Missing => self.find_shared(kind, digest, latest),
        };
        if let Some(record) = found {
            self.journal.hit(record.cost);
            return Some(record);
        }
        Journal::count(&self.journal.misses);
        self.tick();
        None
    }

    /// Whether [`Store::get`] would find a record. Checks it, but neither decodes it nor counts a hit.
    pub fn contains(&self, key: &Key) -> Result<bool> {
        let finder = self.finder(key.kind(), key.digest());
        Ok(matches!(finder.find_with(&|bytes| finder.read_nothing(bytes))?, Lookup::Found(())))
    }

    /// Whether an intact record is stored here, whatever the shares have.
    pub(crate) fn has(&self, kind: Kind, digest: &Digest) -> Result<bool> {
        let finder = self.finder(kind, digest);
        Ok(!matches!(finder.find_with(&|bytes| finder.read_nothing(bytes))?, Lookup::Missing))
    }

    /// When the record of a key was made, in milliseconds since 1970; none where there is none.
    pub(crate) fn moment_of(&self, kind: Kind, digest: &Digest) -> Result<Option<u64>> {
        match self.finder(kind, digest).find()? {
            Lookup::Found(record) => Ok(Some(record.created_unix_ms)),
            Lookup::Missing | Lookup::Newer => Ok(None),
        }
    }

    /// To look a key up.
    pub(crate) fn finder<'a>(&'a self, kind: Kind, digest: &'a Digest) -> Finder<'a> {
        Finder { store: self, kind, digest, guard: None }
    }

    /// To look a key up that will be written next.
    pub(crate) fn finder_held<'a>(
        &'a self,
        kind: Kind,
        digest: &'a Digest,
        guard: &'a KeyGuard<'a>,
    ) -> Finder<'a> {
        Finder { guard: Some(guard), ..self.finder(kind, digest) }
    }
}

impl Finder<'_> {
    /// The record, from the database or the spool.
    pub(crate) fn find(self) -> Result<Lookup<Record>> {
        self.find_with(&|bytes| self.read_record(bytes))
    }

    /// The record, from the database only.
    pub(crate) fn find_stored(self) -> Result<Lookup<Record>> {
        self.find_stored_with(&|bytes| self.read_record(bytes))
    }

    /// The record of this key, as the bytes of a row say it.
    fn read_record(self, bytes: &[u8]) -> Result<Record> {
        let record = envelope::decode(bytes)?;
        self.expect(record.key.kind(), record.key.digest())?;
        Ok(record)
    }

    /// Only whether the row holds an intact record of this key.
    fn read_nothing(self, bytes: &[u8]) -> Result<()> {
        let (head, _) = envelope::head(bytes)?;
        self.expect(head.kind, &head.digest)
    }

    fn expect(self, kind: Kind, digest: &Digest) -> Result<()> {
        if (self.kind, self.digest) == (kind, digest) {
            Ok(())
        } else {
            Err(Error::Damaged(envelope::OTHER_KEY))
        }
    }

    fn find_with<T>(self, read: Read<'_, T>) -> Result<Lookup<T>> {
        // What this process has superseded and the writer has not taken in yet comes before what it supersedes.
        if let Some(generation) = self.store.spooled_generation(self.digest)
            && let found @ Lookup::Found(_) = self.find_spooled_with(generation, read)
        {
            return Ok(found);
        }
        let mut lookup = self.find_stored_with(read)?;
        if let Lookup::Missing = lookup {
            lookup = self.find_spooled_with(0, read);
        }
        // The order matters: a record leaves the spool only after the writer has stored it.
        if let Lookup::Missing = lookup
            && self.store.catch_up_for(self.digest)
        {
            lookup = self.find_stored_with(read)?;
        }
        Ok(lookup)
    }

    fn find_stored_with<T>(self, read: Read<'_, T>) -> Result<Lookup<T>> {
        let Some(database) = self.store.database() else { return Ok(Lookup::Missing) };
        for &family in Family::places(self.kind) {
            let row = row_name(self.kind, self.digest);
            let bytes = match database.get(family, &row) {
                Ok(Some(bytes)) => bytes,
                Ok(None) => continue,
                Err(failure) => {
                    // The checksum that failed covers a block of rows; this one may be intact.
                    let block = salvage::block_named_by(&failure, database.path());
                    self.store.database_failed("read", failure)?;
                    let envelopes = block.as_deref().map(salvage::envelopes).into_iter().flatten();
                    match envelopes.map(read).find_map(Result::ok) {
                        Some(found) => return Ok(Lookup::Found(found)),
                        None => continue,
                    }
                }
            };
            match read(&bytes) {
                Ok(found) => return Ok(Lookup::Found(found)),
                Err(Error::Newer(what)) => {
                    self.store.journal.warn(Warning::Newer { what });
                    return Ok(Lookup::Newer);
                }
                Err(error) => {
                    drop(bytes);
                    self.quarantine(family, &error);
                }
            }
        }
        Ok(Lookup::Missing)
    }

    fn find_spooled_with<T>(self, generation: u64, read: Read<'_, T>) -> Lookup<T> {
        let file = self.store.spool.file(self.kind, self.digest, generation);
        let bytes = match Spool::read(&file) {
            Spooled::Bytes(bytes) => bytes,
            Spooled::Missing => return Lookup::Missing,
            Spooled::Unreadable(message) => {
                self.store.journal.warn(Warning::SpoolUnreadable { message });
                return Lookup::Missing;
            }
        };
        match Record::from_bytes(&bytes).and_then(|_| read(&bytes)) {
            Ok(found) => Lookup::Found(found),
            Err(Error::Newer(what)) => {
                self.store.journal.warn(Warning::Newer { what });
                Lookup::Newer
            }
            Err(error) => {
                self.store.set_aside(&file, error.to_string());
                Lookup::Missing
            }
        }
    }

    /// Counts and reports a damaged row; the writer also moves it to quarantine.
    pub(crate) fn quarantine(self, family: Family, error: &Error) {
        let Self { store, kind, digest, guard } = self;
        store.journal.warn(Warning::Corrupt { kind, digest: *digest, reason: error.to_string() });
        let Some(database) = store.writer() else { return };
        let _guard = guard.is_none().then(|| store.guard(digest));
        match move_to_quarantine(database, family, kind, digest, error) {
            Ok(()) => {}
            // The row stays, and is met again; looking up goes on.
            Err(failure) => store.not_written(failure),
        }
    }
}

/// Looks at the row again, now that nobody else writes it: another thread may have replaced it by a good one.
fn move_to_quarantine(
    database: &Database,
    family: Family,
    kind: Kind,
    digest: &Digest,
    error: &Error,
) -> std::result::Result<(), crate::database::Failure> {
    let row = row_name(kind, digest);
    let Some(bytes) = database.get(family, &row)? else { return Ok(()) };
    if Record::from_bytes(&bytes)
        .is_ok_and(|record| record.key.kind() == kind && record.key.digest() == digest)
    {
        return Ok(());
    }
    let value = evidence(&error.to_string(), &bytes);
    let name = evidence_name(&[], &row, &value);
    database.write(&[Change::Put(Family::Quarantine, &name, &value), Change::Delete(family, &row)], true)
}

/// What is kept of a row that is taken away: why, and its bytes.
pub(crate) fn evidence(reason: &str, bytes: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(bytes.len() + reason.len() + 8);
    write_bytes(&mut value, reason.as_bytes());
    value.extend_from_slice(bytes);
    value
}

/// Named by row and content: a row that is damaged twice, in two ways, leaves two entries.
pub(crate) fn evidence_name(prefix: &[u8], row: &[u8], value: &[u8]) -> Vec<u8> {
    [prefix, row, &Digest::of("nas-pipeline cache quarantine v1", value).0].concat()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Fields, PutOutcome};

    fn record(n: u64) -> Record {
        let key = Key::new(Kind::Training, Fields::new().with("n", n).unwrap());
        Record { created_unix_ms: n, ..Record::of(key, &vec![n as f64; 5]).unwrap() }
    }

    fn overwrite(store: &Store, record: &Record, value: &[u8]) {
        let row = row_name(record.key.kind(), record.key.digest());
        store.database().unwrap().write(&[Change::Put(Family::Records, &row, value)], false).unwrap();
    }

    #[test]
    fn every_flipped_byte_and_every_cut_of_a_stored_value_is_set_aside_and_recomputed() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let good = record(1);
        let bytes = good.to_bytes();
        let flips = (0..bytes.len()).map(|index| {
            let mut value = bytes.clone();
            value[index] ^= 1 << (index % 8);
            value
        });
        let cuts = (0..bytes.len()).map(|length| bytes[..length].to_vec());
        let mut count = 0;
        for value in flips.chain(cuts) {
            overwrite(&store, &good, &value);
            assert_eq!(store.get(&good.key).unwrap(), None);
            count += 1;
            assert_eq!(store.counters().corrupt, count);
            let warnings = store.drain_warnings();
            assert!(
                matches!(&warnings[..], [Warning::Corrupt { digest, .. }] if digest == good.key.digest())
            );
            // It is out of the way now, and the record can be computed and kept again.
            assert!(!store.contains(&good.key).unwrap());
            assert_eq!(store.put(&good).unwrap(), PutOutcome::Stored);
            assert_eq!(store.get(&good.key).unwrap().as_ref(), Some(&good));
        }
        assert_eq!(store.counters().corrupt, count);
        assert_eq!(store.stats().unwrap().quarantined, count);
        assert!(store.verify().unwrap().is_clean());
    }

    #[test]
    fn a_record_under_another_key_is_damage_too() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        overwrite(&store, &record(1), &record(2).to_bytes());
        assert_eq!(store.get(&record(1).key).unwrap(), None);
        assert_eq!(store.counters().corrupt, 1);
    }

    #[test]
    fn putting_iterating_and_verifying_set_damage_aside() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let mut bad = record(1).to_bytes();
        bad[100] ^= 1;
        store.put(&record(2)).unwrap();

        overwrite(&store, &record(1), &bad);
        assert_eq!(store.put(&record(1)).unwrap(), PutOutcome::Stored);
        assert_eq!(store.get(&record(1).key).unwrap(), Some(record(1)));

        overwrite(&store, &record(1), &bad);
        let listed: Vec<_> = store.iter(Kind::Training).unwrap().map(Result::unwrap).collect();
        assert_eq!(listed, [record(2)]);
        assert!(!store.contains(&record(1).key).unwrap());

        overwrite(&store, &record(1), &bad);
        let report = store.verify().unwrap();
        assert!(!report.is_clean());
        assert_eq!((report.records, report.corrupt.len()), (1, 1));
        assert!(report.corrupt[0].contains(&record(1).key.to_string()), "{}", report.corrupt[0]);
        let report = store.verify().unwrap();
        assert!(report.is_clean());
        // The same bytes damaged in the same way were set aside three times and are kept once.
        assert_eq!((report.records, report.quarantined), (1, 1));
    }

    #[test]
    fn a_record_of_a_later_version_is_neither_used_nor_lost() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let later = envelope::tests::of_later_version(&record(1));
        overwrite(&store, &record(1), &later);
        assert_eq!(store.get(&record(1).key).unwrap(), None);
        assert_eq!(store.put(&record(1)).unwrap(), PutOutcome::Conflict);
        let row = row_name(Kind::Training, record(1).key.digest());
        assert_eq!(store.database().unwrap().get(Family::Records, &row).unwrap().unwrap().to_vec(), later);
        assert!(matches!(&store.drain_warnings()[..], [Warning::Newer { .. }]));
        let report = store.verify().unwrap();
        assert!(report.is_clean());
        assert_eq!((report.newer, report.quarantined), (1, 0));
    }
}
