//! Records that are replaced or deleted, and the order of runs.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::fs;

use cache::{Kind, PutOutcome, Record, Store, Warning};
use common::{record, sized};

fn other_than(record: &Record) -> Record {
    Record { payload: vec![7, 7, 7], ..record.clone() }
}

/// The database is rebuilt at the next start: every record that is still in a file is found.
fn want_rebuild(dir: &std::path::Path) {
    fs::write(dir.join("db/rebuild-wanted"), "").unwrap();
}

#[test]
fn a_superseded_record_is_replaced_for_good_and_kept_as_evidence() {
    let dir = tempfile::tempdir().unwrap();
    let (wrong, right) = (record(1), other_than(&record(1)));
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.supersede(&wrong).unwrap(), PutOutcome::Stored);
    assert_eq!(store.supersede(&wrong).unwrap(), PutOutcome::AlreadyPresent);
    assert_eq!(store.supersede(&right).unwrap(), PutOutcome::Superseded);
    assert_eq!(store.get(&right.key).unwrap().unwrap().payload, right.payload);
    // What is stored now is as safe as what was there before.
    assert_eq!(store.put(&wrong).unwrap(), PutOutcome::Conflict);
    drop(store);
    for start in 0..3 {
        if start == 1 {
            want_rebuild(dir.path());
        }
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(store.get(&right.key).unwrap().unwrap().payload, right.payload, "start {start}");
        assert!(store.verify().unwrap().is_clean());
        let stats = store.stats().unwrap();
        assert_eq!(stats.quarantined, 0);
        // A rebuild leaves the evidence in the damaged folder.
        assert_eq!(stats.superseded, u64::from(start == 0));
    }
}

#[test]
fn a_record_in_another_place_is_superseded_too() {
    let dir = tempfile::tempdir().unwrap();
    let small = record(1);
    let large = Record { payload: vec![3; 100 << 10], ..small.clone() };
    let store = Store::open(dir.path()).unwrap();
    store.put(&small).unwrap();
    for new in [&large, &small, &large] {
        assert_eq!(store.supersede(new).unwrap(), PutOutcome::Superseded);
        assert_eq!(store.get(&new.key).unwrap().unwrap().payload, new.payload);
        let listed: Vec<_> = store.iter(Kind::Training).unwrap().map(|r| r.unwrap().payload).collect();
        assert_eq!(listed, std::slice::from_ref(&new.payload));
    }
    drop(store);
    want_rebuild(dir.path());
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.get(&large.key).unwrap().unwrap().payload, large.payload);
}

#[test]
fn a_process_that_does_not_write_supersedes_through_the_spool() {
    let dir = tempfile::tempdir().unwrap();
    let (wrong, right) = (record(1), other_than(&record(1)));
    let (writer, reader) = (Store::open(dir.path()).unwrap(), Store::open(dir.path()).unwrap());
    writer.put(&wrong).unwrap();
    assert_eq!(reader.get_latest(&wrong.key).unwrap().as_ref(), Some(&wrong));
    assert_eq!(reader.supersede(&right).unwrap(), PutOutcome::Superseded);
    assert_eq!(reader.get(&right.key).unwrap().unwrap().payload, right.payload);
    assert_eq!(writer.take_in_spool(), 1);
    for store in [&writer, &reader] {
        assert_eq!(store.get_latest(&right.key).unwrap().unwrap().payload, right.payload);
    }
    // The other way round: the writer's own, while an older one is still on its way.
    let (old, new) = (record(2), other_than(&record(2)));
    reader.put(&old).unwrap();
    assert_eq!(writer.supersede(&new).unwrap(), PutOutcome::Superseded);
    writer.take_in_spool();
    assert_eq!(writer.get(&new.key).unwrap().unwrap().payload, new.payload);
}

#[test]
fn what_was_deleted_does_not_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let records = [record(1), sized(Kind::Blob, 2, 100 << 10), sized(Kind::Manifest, 3, 100)];
    let kept = record(4);
    for is_in_log in [true, false] {
        let mut store = Store::open(dir.path()).unwrap();
        for record in records.iter().chain([&kept]) {
            store.put(record).unwrap();
        }
        if !is_in_log {
            drop(store);
            store = Store::open(dir.path()).unwrap();
        }
        for record in &records {
            let (kind, digest) = (record.key.kind(), record.key.digest());
            assert!(store.remove(kind, digest).unwrap());
            assert!(!store.remove(kind, digest).unwrap());
        }
        drop(store);
        for start in 0..4 {
            if start == 2 {
                want_rebuild(dir.path());
            }
            let store = Store::open(dir.path()).unwrap();
            for record in &records {
                assert_eq!(store.get(&record.key).unwrap(), None, "in the log: {is_in_log}, start {start}");
            }
            assert_eq!(store.get(&kept.key).unwrap().as_ref(), Some(&kept));
            assert!(store.manifests(10).unwrap().is_empty());
            assert!(store.verify().unwrap().is_clean());
        }
    }
}

#[test]
fn only_the_writer_deletes_and_what_lies_in_the_spool_goes_too() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, reader) = (Store::open(dir.path()).unwrap(), Store::open(dir.path()).unwrap());
    reader.put(&record(1)).unwrap();
    let error = reader.remove(Kind::Training, record(1).key.digest()).unwrap_err();
    assert!(matches!(error, cache::Error::NotWriter(_)), "{error}");
    assert!(writer.remove(Kind::Training, record(1).key.digest()).unwrap());
    writer.take_in_spool();
    assert_eq!(writer.get(&record(1).key).unwrap(), None);
}

#[test]
fn runs_are_in_the_order_in_which_they_came_whatever_the_clock_said() {
    let dir = tempfile::tempdir().unwrap();
    let manifest = |n: u64, created_unix_ms: u64| Record { created_unix_ms, ..sized(Kind::Manifest, n, 50) };
    let store = Store::open(dir.path()).unwrap();
    store.put(&manifest(1, 1000)).unwrap();
    // A clock that was ahead by years, and was set right.
    store.put(&manifest(2, 9_000_000)).unwrap();
    store.put(&manifest(3, 2000)).unwrap();
    let reader = Store::open(dir.path()).unwrap();
    reader.put(&manifest(4, 2001)).unwrap();
    let order = |store: &Store| {
        let newest = store.manifests(10).unwrap();
        newest.iter().map(|record| record.key.fields().clone()).collect::<Vec<_>>()
    };
    let expected: Vec<_> = [4, 3, 2, 1].map(|n| manifest(n, 0).key.fields().clone()).into();
    assert_eq!(order(&reader), expected);
    assert_eq!(order(&store), expected);
    drop((reader, store));
    want_rebuild(dir.path());
    let store = Store::open(dir.path()).unwrap();
    assert!(matches!(&store.drain_warnings()[..], [Warning::Rebuilt { .. }]));
    assert_eq!(order(&store), expected);
}
