//! Looking records up. Whatever is wrong with one, the answer is that it is not there.

use crate::database::{Change, Database, Family, row_name};
use crate::journal::Journal;
use crate::reading::write_bytes;
use crate::spool::Spool;
use crate::{Digest, Error, Key, Kind, Record, Result, Store, Warning, envelope};

/// The answer to a look-up.
pub(crate) enum Lookup<T> {
    Found(T),
    Missing,
    /// There is one, but of a later version: not to be read, and not to be overwritten.
    Newer,
}

/// What a look-up makes of an envelope: an error unless it is an intact one of the key looked up.
type Read<'a, T> = &'a dyn Fn(&[u8]) -> Result<T>;

/// The record of one key, as the bytes of a row say it.
fn read_record(bytes: &[u8], kind: Kind, digest: &Digest) -> Result<Record> {
    let record = envelope::decode(bytes)?;
    expect(kind, digest, record.key.kind(), record.key.digest())?;
    Ok(record)
}

/// Only whether the row holds an intact record of that key.
fn read_nothing(bytes: &[u8], kind: Kind, digest: &Digest) -> Result<()> {
    let (head, _) = envelope::head(bytes)?;
    expect(kind, digest, head.kind, &head.digest)
}

fn expect(kind: Kind, digest: &Digest, found_kind: Kind, found_digest: &Digest) -> Result<()> {
    if (kind, digest) == (found_kind, found_digest) {
        Ok(())
    } else {
        Err(Error::Damaged(envelope::OTHER_KEY))
    }
}

impl Store {
    /// The record of `key`; `None` if there is none. A damaged one is set aside, counted, reported and not
    /// there.
    ///
    /// # Errors
    /// Only if the folder cannot be read for a reason other than damage.
    pub fn get(&self, key: &Key) -> Result<Option<Record>> {
        let lookup =
            self.find_with(key.kind(), key.digest(), false, &|bytes| envelope::decode_for(bytes, key))?;
        self.answer(lookup)
    }

    /// As [`Store::get`], for those who know a key only by its digest.
    pub fn get_digest(&self, kind: Kind, digest: &Digest) -> Result<Option<Record>> {
        let lookup = self.find(kind, digest, false)?;
        self.answer(lookup)
    }

    fn answer(&self, lookup: Lookup<Record>) -> Result<Option<Record>> {
        if let Lookup::Found(record) = lookup {
            self.journal.hit(record.cost);
            return Ok(Some(record));
        }
        Journal::count(&self.journal.misses);
        self.tick()?;
        Ok(None)
    }

    /// Whether [`Store::get`] would find a record. Checks it, but neither decodes it nor counts a hit.
    pub fn contains(&self, key: &Key) -> Result<bool> {
        let (kind, digest) = (key.kind(), key.digest());
        let lookup = self.find_with(kind, digest, false, &|bytes| read_nothing(bytes, kind, digest))?;
        Ok(matches!(lookup, Lookup::Found(())))
    }

    /// Finds a record in the database or the spool. `is_held`: the caller holds the key's stripe.
    pub(crate) fn find(&self, kind: Kind, digest: &Digest, is_held: bool) -> Result<Lookup<Record>> {
        self.find_with(kind, digest, is_held, &|bytes| read_record(bytes, kind, digest))
    }

    fn find_with<T>(
        &self,
        kind: Kind,
        digest: &Digest,
        is_held: bool,
        read: Read<'_, T>,
    ) -> Result<Lookup<T>> {
        let mut lookup = self.find_stored_with(kind, digest, is_held, read)?;
        if let Lookup::Missing = lookup {
            lookup = self.find_spooled(kind, digest, read)?;
        }
        // The order matters: a record leaves the spool only after the writer has stored it.
        if let Lookup::Missing = lookup
            && self.catch_up_for(digest)
        {
            lookup = self.find_stored_with(kind, digest, is_held, read)?;
        }
        Ok(lookup)
    }

    /// As [`Store::find`], in the database only.
    pub(crate) fn find_stored(&self, kind: Kind, digest: &Digest, is_held: bool) -> Result<Lookup<Record>> {
        self.find_stored_with(kind, digest, is_held, &|bytes| read_record(bytes, kind, digest))
    }

    fn find_stored_with<T>(
        &self,
        kind: Kind,
        digest: &Digest,
        is_held: bool,
        read: Read<'_, T>,
    ) -> Result<Lookup<T>> {
        let Some(database) = self.database() else { return Ok(Lookup::Missing) };
        for &family in Family::places(kind) {
            let row = row_name(kind, digest);
            let bytes = match database.get(family, &row) {
                Ok(bytes) => bytes,
                Err(failure) => {
                    self.database_failed("read", failure)?;
                    // The envelope tells whether this very record was hit.
                    database.get_regardless(family, &row).unwrap_or_default()
                }
            };
            let Some(bytes) = bytes else { continue };
            match read(&bytes) {
                Ok(found) => return Ok(Lookup::Found(found)),
                Err(Error::Newer(what)) => {
                    self.journal.warn(Warning::Newer { what });
                    return Ok(Lookup::Newer);
                }
                Err(error) => {
                    drop(bytes);
                    self.quarantine(family, kind, digest, &error, is_held)?;
                }
            }
        }
        Ok(Lookup::Missing)
    }

    fn find_spooled<T>(&self, kind: Kind, digest: &Digest, read: Read<'_, T>) -> Result<Lookup<T>> {
        let file = self.spool.file(kind, digest);
        let Some(bytes) = Spool::read(&file)? else { return Ok(Lookup::Missing) };
        match Record::from_bytes(&bytes).and_then(|_| read(&bytes)) {
            Ok(found) => Ok(Lookup::Found(found)),
            Err(Error::Newer(what)) => {
                self.journal.warn(Warning::Newer { what });
                Ok(Lookup::Newer)
            }
            Err(error) => {
                self.set_aside(&file, error.to_string())?;
                Ok(Lookup::Missing)
            }
        }
    }

    /// Counts and reports a damaged row; the writer also moves it to quarantine.
    pub(crate) fn quarantine(
        &self,
        family: Family,
        kind: Kind,
        digest: &Digest,
        error: &Error,
        is_held: bool,
    ) -> Result<()> {
        self.journal.warn(Warning::Corrupt { kind, digest: *digest, reason: error.to_string() });
        let Some(database) = self.database().filter(|_| self.is_writer()) else { return Ok(()) };
        let _guard = (!is_held).then(|| self.stripe(digest));
        match move_to_quarantine(database, family, kind, digest, error) {
            Ok(()) => Ok(()),
            Err(failure) => self.database_failed("write", failure),
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
    let mut value = Vec::with_capacity(bytes.len() + 128);
    write_bytes(&mut value, error.to_string().as_bytes());
    value.extend_from_slice(&bytes);
    let name = quarantine_name(&row, &value);
    database.write(&[Change::Put(Family::Quarantine, &name, &value), Change::Delete(family, &row)], true)
}

/// Named by row and content: a row that is damaged twice, in two ways, leaves two entries.
fn quarantine_name(row: &[u8], value: &[u8]) -> Vec<u8> {
    [row, &Digest::of("nas-pipeline cache quarantine v1", value).0].concat()
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
