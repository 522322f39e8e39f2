//! Folders that a later version of the program has written: what is known is used, the rest is left alone, and nothing
//! is lost.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use cache::{Digest, Error, Hasher, PutOutcome, Record, Store, Warning};
use common::record;
use rocksdb::{ColumnFamilyDescriptor, DB, IteratorMode, Options};

const FAMILIES: [&str; 5] = ["records", "blobs", "manifests", "quarantine", "leases"];

/// The database with one more family, as a later version would open it.
fn open_as_later(dir: &Path) -> DB {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    let families = FAMILIES.map(|name| ColumnFamilyDescriptor::new(name, Options::default()));
    DB::open_cf_descriptors(&options, dir.join("db"), families).unwrap()
}

/// The record in an envelope of a format that this version does not know.
fn in_later_format(record: &Record) -> Vec<u8> {
    let mut bytes = record.to_bytes();
    bytes[16] = 99;
    let end = bytes.len() - 32;
    let mut hasher = Hasher::new("nas-pipeline cache envelope v1");
    let Digest(digest) = hasher.update(&bytes[..end]).finalize();
    bytes[end..].copy_from_slice(&digest);
    bytes
}

/// A folder of three records of this version, two of a later one, and a family with rows of a later one.
fn prepare(dir: &Path) -> Vec<Vec<u8>> {
    let store = Store::open(dir).unwrap();
    for n in 0..3 {
        store.put(&record(n)).unwrap();
    }
    drop(store);
    let later = [record(10), record(11)].map(|record| in_later_format(&record));
    let db = open_as_later(dir);
    db.put_cf(db.cf_handle("records").unwrap(), [&[1], &record(10).key.digest().0[..]].concat(), &later[0])
        .unwrap();
    db.put_cf(db.cf_handle("leases").unwrap(), b"a lease", &later[1]).unwrap();
    db.put_cf(db.cf_handle("leases").unwrap(), b"another", b"no envelope").unwrap();
    later.into()
}

/// All envelopes of the later version, wherever in the database or the spool they are.
fn later_envelopes(dir: &Path, later: &[Vec<u8>]) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
    let db = open_as_later(dir);
    for family in FAMILIES {
        for row in db.iterator_cf(db.cf_handle(family).unwrap(), IteratorMode::Start) {
            found.insert(row.unwrap().1.to_vec());
        }
    }
    for file in fs::read_dir(dir.join("spool")).unwrap() {
        found.insert(fs::read(file.unwrap().path()).unwrap());
    }
    found.retain(|value| later.contains(value));
    found
}

#[test]
fn another_family_is_left_alone_and_the_known_ones_are_used() {
    let dir = tempfile::tempdir().unwrap();
    let later = prepare(dir.path());
    for start in 0..3 {
        let store = Store::open(dir.path()).unwrap();
        assert!(store.is_writer());
        for n in 0..3 {
            assert_eq!(store.get(&record(n).key).unwrap(), Some(record(n)));
        }
        assert_eq!(store.get(&record(10).key).unwrap(), None);
        assert_eq!(store.put(&record(10)).unwrap(), PutOutcome::Conflict, "it is not overwritten");
        store.put(&record(20 + start)).unwrap();
        assert_eq!(store.manifests(5).unwrap(), []);
        let report = store.verify().unwrap();
        assert!(report.is_clean());
        assert_eq!((report.newer, report.records), (1, 4 + start));
        let warnings = store.drain_warnings();
        assert!(warnings.iter().all(|warning| matches!(warning, Warning::Newer { .. })), "{warnings:?}");
        // A reader beside it sees the same.
        let reader = Store::open(dir.path()).unwrap();
        assert_eq!(reader.get(&record(1).key).unwrap(), Some(record(1)));
    }
    let db = open_as_later(dir.path());
    let lease = db.get_cf(db.cf_handle("leases").unwrap(), b"another").unwrap();
    assert_eq!(lease.as_deref(), Some(&b"no envelope"[..]));
    drop(db);
    assert_eq!(later_envelopes(dir.path(), &later).len(), 2);
    assert_eq!(fs::read_dir(dir.path().join("spool")).unwrap().count(), 0);
    assert!(!dir.path().join("db.damaged-1").exists());
}

#[test]
fn a_rebuild_loses_no_record_of_a_later_version() {
    let dir = tempfile::tempdir().unwrap();
    let later = prepare(dir.path());
    // Damaged, so that it has to be rebuilt.
    fs::write(dir.path().join("db/CURRENT"), "nonsense").unwrap();
    for _ in 0..2 {
        let store = Store::open(dir.path()).unwrap();
        for n in 0..3 {
            assert_eq!(store.get(&record(n).key).unwrap(), Some(record(n)));
        }
    }
    assert_eq!(later_envelopes(dir.path(), &later).len(), 2, "in the new database or the spool");
    assert!(dir.path().join("db.damaged-1").exists());
    // Also what was only in the log of a list of files that lost its end.
    let dir = tempfile::tempdir().unwrap();
    let later = prepare(dir.path());
    let list = fs::read_dir(dir.path().join("db")).unwrap().map(|file| file.unwrap().path());
    let list = list.filter(|file| file.file_name().unwrap().to_str().unwrap().starts_with("MANIFEST"));
    let list = list.max().unwrap();
    fs::File::options().write(true).open(&list).unwrap().set_len(0).unwrap();
    drop(Store::open(dir.path()).unwrap());
    assert_eq!(later_envelopes(dir.path(), &later).len(), 2);
}

#[test]
fn another_compression_is_refused_and_nothing_is_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("db")).unwrap();
    for file in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/zstd")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), dir.path().join("db").join(file.file_name())).unwrap();
    }
    let tables = tables(dir.path());
    assert_eq!(tables.len(), 4);
    for _ in 0..2 {
        let refused = Store::open(dir.path()).unwrap_err();
        assert!(matches!(refused, Error::NewerFolder { .. }), "{refused}");
        assert!(refused.to_string().contains("later version"), "{refused}");
    }
    assert!(!dir.path().join("db.damaged-1").exists());
    assert_eq!(self::tables(dir.path()), tables);
}

#[test]
fn another_order_of_rows_is_refused_and_nothing_is_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_comparator("later order", Box::new(|a: &[u8], b: &[u8]| b.cmp(a)));
    fs::create_dir(dir.path().join("db")).unwrap();
    let families = FAMILIES.map(|name| ColumnFamilyDescriptor::new(name, options.clone()));
    DB::open_cf_descriptors(&options, dir.path().join("db"), families).unwrap();
    let refused = Store::open(dir.path()).unwrap_err();
    assert!(matches!(refused, Error::NewerFolder { .. }), "{refused}");
    assert!(!dir.path().join("db.damaged-1").exists());
}

/// The tables of the database, with their bytes.
fn tables(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(dir.join("db")).unwrap().map(|file| file.unwrap().path());
    let tables = files.filter(|file| file.extension().is_some_and(|suffix| suffix == "sst"));
    let mut tables: Vec<_> =
        tables.map(|file| (file.display().to_string(), fs::read(file).unwrap())).collect();
    tables.sort();
    tables
}

/// Twenty folders, each with a mixture of records of both versions, hit in another way.
#[test]
fn whatever_hits_a_folder_of_a_later_version_nothing_is_lost() {
    let mut random = common::Random(5);
    for trial in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let later = prepare(dir.path());
        let files = fs::read_dir(dir.path().join("db")).unwrap().map(|file| file.unwrap().path());
        let lists: Vec<_> = files
            .filter(|file| {
                let name = file.file_name().unwrap().to_str().unwrap();
                name.starts_with("MANIFEST") || name == "CURRENT"
            })
            .collect();
        let list = &lists[random.below(lists.len() as u64) as usize];
        let mut bytes = fs::read(list).unwrap();
        let position = random.below(bytes.len() as u64) as usize;
        match trial % 4 {
            0 => {}
            1 => bytes[position] ^= 1 << random.below(8),
            2 => bytes.truncate(position),
            _ => bytes.clear(),
        }
        fs::write(list, bytes).unwrap();
        for start in 0..3 {
            let store = Store::open(dir.path()).unwrap();
            for n in 0..3 {
                let found = store.get(&record(n).key).unwrap();
                assert_eq!(found, Some(record(n)), "trial {trial}, start {start}");
            }
        }
        assert_eq!(later_envelopes(dir.path(), &later).len(), 2, "trial {trial}: {}", list.display());
    }
}
