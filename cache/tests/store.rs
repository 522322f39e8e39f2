//! What a store promises to one process.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use cache::{Codec, Cost, Digest, Kind, PutOutcome, Record, Store, Warning};
use common::{key, record, sized};

#[test]
fn what_was_put_is_found_again_also_by_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let records = [
        record(1),
        sized(Kind::NodeOutput, 2, 0),
        sized(Kind::Blob, 3, 64 << 10),
        sized(Kind::Blob, 4, (64 << 10) + 8),
        sized(Kind::Blob, 5, 5 << 20),
        sized(Kind::Manifest, 6, 100),
    ];
    for opened in 0..3 {
        let store = Store::open(dir.path()).unwrap();
        for record in &records {
            assert_eq!(store.contains(&record.key).unwrap(), opened > 0);
            if opened == 0 {
                assert_eq!(store.get(&record.key).unwrap(), None);
                assert_eq!(store.put(record).unwrap(), PutOutcome::Stored);
            }
            assert_eq!(store.get(&record.key).unwrap().as_ref(), Some(record));
            assert_eq!(
                store.get_digest(record.key.kind(), record.key.digest()).unwrap().as_ref(),
                Some(record)
            );
        }
        assert!(!store.contains(&key(Kind::Training, 99)).unwrap());
        // The same fields under another kind are another record.
        assert_eq!(store.get(&key(Kind::NodeOutput, 1)).unwrap(), None);
        assert!(store.drain_warnings().is_empty());
        assert!(store.verify().unwrap().is_clean());
    }
}

#[test]
fn a_stored_record_is_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let first = record(1);
    assert_eq!(store.put(&first).unwrap(), PutOutcome::Stored);

    let mut elsewhere = first.clone();
    elsewhere.provenance.insert("device".to_owned(), "gpu".to_owned());
    elsewhere.cost = Cost::default();
    elsewhere.created_unix_ms += 1;
    assert_eq!(store.put(&elsewhere).unwrap(), PutOutcome::AlreadyPresent);
    assert!(store.drain_warnings().is_empty());

    // Also when the other payload would be kept in another place, or differs only in how it is to be read.
    let small = Record { payload: vec![1, 2, 3], ..first.clone() };
    let large = Record { payload: vec![0; 100 << 10], ..first.clone() };
    let other_codec = Record { codec: Codec::Bincode2, ..first.clone() };
    for (count, other) in [small, large, other_codec].iter().enumerate() {
        assert_eq!(store.put(other).unwrap(), PutOutcome::Conflict);
        assert_eq!(store.get(&first.key).unwrap().as_ref(), Some(&first));
        assert_eq!(store.counters().conflicts, count as u64 + 1);
        let warnings = store.drain_warnings();
        assert!(matches!(&warnings[..], [Warning::Conflict { digest, .. }] if digest == first.key.digest()));
    }
}

#[test]
fn put_many_keeps_the_order_of_outcomes() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.put(&record(1)).unwrap();
    let conflict = Record { payload: vec![1], ..record(1) };
    let outcomes = store.put_many(&[record(0), record(1), record(0), conflict]).unwrap();
    use PutOutcome::{AlreadyPresent, Conflict, Stored};
    assert_eq!(outcomes, [Stored, AlreadyPresent, AlreadyPresent, Conflict]);
    assert_eq!(store.get(&record(0).key).unwrap(), Some(record(0)));
}

#[test]
fn a_kind_is_listed_completely_and_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let mut expected: Vec<Record> =
        (0..50).map(|n| sized(Kind::NodeOutput, n, if n % 10 == 0 { 70 << 10 } else { 100 })).collect();
    store.put_many(&expected).unwrap();
    store.put_many(&(0..20).map(record).collect::<Vec<_>>()).unwrap();
    let mut listed: Vec<Record> = store.iter(Kind::NodeOutput).unwrap().map(Result::unwrap).collect();
    listed.sort_by_key(|record| record.created_unix_ms);
    expected.sort_by_key(|record| record.created_unix_ms);
    assert!(listed == expected, "listed {} records", listed.len());
    assert_eq!(store.iter(Kind::Training).unwrap().count(), 20);
    assert_eq!(store.iter(Kind::Blob).unwrap().count(), 0);
}

#[test]
fn manifests_are_listed_newest_first() {
    let dir = tempfile::tempdir().unwrap();
    let times = |store: &Store, limit| -> Vec<u64> {
        store
            .manifests(limit)
            .unwrap()
            .iter()
            .map(|record| record.created_unix_ms - 1_700_000_000_000)
            .collect()
    };
    let store = Store::open(dir.path()).unwrap();
    for n in [1, 2, 3, 255, 256, 65_536] {
        store.put(&sized(Kind::Manifest, n, 80)).unwrap();
    }
    assert_eq!(times(&store, 4), [65_536, 256, 255, 3]);
    assert_eq!(times(&store, 100), [65_536, 256, 255, 3, 2, 1]);
    assert_eq!(times(&store, 0), [0; 0]);
    // A reader sees them too, its own spooled one among them.
    let reader = Store::open(dir.path()).unwrap();
    reader.put(&sized(Kind::Manifest, 1000, 80)).unwrap();
    // It came last, whatever its clock said.
    assert_eq!(times(&reader, 3), [65_537, 65_536, 256]);
    assert_eq!(times(&store, 3), [65_537, 65_536, 256]);
}

#[test]
fn statistics_count_every_kind_and_what_was_saved() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.put_many(&[record(1), record(2), sized(Kind::Blob, 3, 100 << 10)]).unwrap();
    let stats = store.stats().unwrap();
    assert_eq!(stats.kinds.keys().copied().collect::<Vec<_>>(), [Kind::Training, Kind::Blob]);
    let trainings = stats.kinds[&Kind::Training];
    assert_eq!(trainings.records, 2);
    assert_eq!(trainings.bytes, (record(1).to_bytes().len() + record(2).to_bytes().len()) as u64);
    assert_eq!(trainings.cost, Cost { flops: 2003, elapsed_ms: 3 });
    assert_eq!(stats.kinds[&Kind::Blob].records, 1);
    assert!(stats.disk_bytes > 100 << 10);
    assert_eq!((stats.quarantined, stats.spooled, stats.set_aside), (0, 0, 0));

    store.get(&record(2).key).unwrap();
    store.get(&record(2).key).unwrap();
    store.get(&record(9).key).unwrap();
    let counters = store.counters();
    assert_eq!((counters.hits, counters.misses), (2, 1));
    assert_eq!(counters.saved, Cost { flops: 2004, elapsed_ms: 4 });

    let report = store.verify().unwrap();
    assert!(report.is_clean());
    assert_eq!(report.kinds, stats.kinds);
    assert_eq!(report.records, 3);
}

#[test]
fn many_threads_share_one_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let stored: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let store = &store;
                scope.spawn(move || {
                    let mut stored = 0;
                    for n in 0..100 {
                        // All threads race for the same keys, half of them with another payload.
                        let mut record = sized(Kind::NodeOutput, n, 64);
                        record.payload[0] = thread % 2;
                        let outcome = store.put(&record).unwrap();
                        stored += usize::from(outcome == PutOutcome::Stored);
                        let found = store.get(&record.key).unwrap().unwrap();
                        assert_eq!(
                            found == record,
                            outcome != PutOutcome::Conflict || found.payload == record.payload
                        );
                    }
                    stored
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(stored, 100, "each key is stored by exactly one thread");
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn paths_that_cannot_be_a_cache_are_errors_that_name_them() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "text").unwrap();
    let error = Store::open(&file).unwrap_err().to_string();
    assert!(error.contains("file"), "{error}");
    let blocked = dir.path().join("blocked");
    std::fs::create_dir(&blocked).unwrap();
    std::fs::write(blocked.join("db"), "a file where the database should be").unwrap();
    let error = Store::open(&blocked).unwrap_err().to_string();
    assert!(error.contains("blocked"), "{error}");
}

#[test]
fn payload_digests_name_results() {
    assert_eq!(record(1).payload_digest(), record(1).payload_digest());
    assert_ne!(record(1).payload_digest(), record(2).payload_digest());
    assert_ne!(record(1).payload_digest(), Digest::of("other", &record(1).payload));
}
