//! Folders that cannot be written to, or not always: full disks, missing permissions, things in the way, folders that
//! go away, locks that are lost. What can be read is read, what was kept stays, and what cannot be kept is said.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;
#[path = "common/hostile.rs"]
mod hostile;

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use cache::{Error, Kind, PutOutcome, Store, Warning};
use common::{key, record, sized};
use hostile::{
    SmallDisk, allow_writing, as_common_user, forbid_writing, set_mode, where_mounting_is_allowed,
};

#[test]
fn a_folder_that_may_only_be_read_is_read() {
    if !as_common_user(&[], "a_folder_that_may_only_be_read_is_read") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("cache");
    let store = Store::open(&folder).unwrap();
    store.put(&record(1)).unwrap();
    store.put(&sized(Kind::Manifest, 2, 50)).unwrap();
    drop(store);
    forbid_writing(&folder);
    let store = Store::open(&folder).unwrap();
    assert!(!store.is_writer());
    assert_eq!(store.get(&record(1).key).unwrap(), Some(record(1)));
    assert_eq!(store.manifests(10).unwrap().len(), 1);
    assert_eq!(store.iter(Kind::Training).unwrap().count(), 1);
    assert!(store.verify().unwrap().is_clean());
    assert_eq!(store.stats().unwrap().kinds.len(), 2);
    assert_eq!(store.put(&record(1)).unwrap(), PutOutcome::AlreadyPresent);
    assert!(matches!(store.claim(&key(Kind::Training, 9), String::new), cache::Claim::Granted(_)));
    let warnings = store.drain_warnings();
    assert!(matches!(&warnings[..], [Warning::NotWritable { .. }]), "{warnings:?}");
    let error = store.put(&record(9)).unwrap_err();
    assert!(matches!(error, Error::Io { .. }) && error.to_string().contains("spool"), "{error}");
    allow_writing(&folder);
    let nowhere = dir.path().join("closed/cache");
    fs::create_dir(dir.path().join("closed")).unwrap();
    set_mode(&dir.path().join("closed"), 0o555);
    let error = Store::open(&nowhere).unwrap_err().to_string();
    assert!(error.contains("closed/cache"), "{error}");
    allow_writing(dir.path());
}

#[test]
fn an_unreadable_record_in_the_spool_is_a_miss_and_does_not_hold_its_name() {
    if !as_common_user(&[], "an_unreadable_record_in_the_spool_is_a_miss_and_does_not_hold_its_name") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (writer, reader) = (Store::open(dir.path()).unwrap(), Store::open(dir.path()).unwrap());
    reader.put(&record(1)).unwrap();
    let file = fs::read_dir(dir.path().join("spool")).unwrap().next().unwrap().unwrap().path();
    set_mode(&file, 0o000);
    for store in [&writer, &reader] {
        assert_eq!(store.get(&record(1).key).unwrap(), None);
        assert!(matches!(&store.drain_warnings()[..], [Warning::SpoolUnreadable { .. }]));
    }
    assert_eq!(writer.take_in_spool(), 0);
    // It is computed again, and the new one is kept.
    assert_eq!(reader.put(&record(1)).unwrap(), PutOutcome::Stored);
    assert_eq!(writer.take_in_spool(), 1);
    assert_eq!(writer.get(&record(1).key).unwrap(), Some(record(1)));
}

#[test]
fn a_spool_whose_files_cannot_be_deleted_stops_nothing() {
    if !as_common_user(&[], "a_spool_whose_files_cannot_be_deleted_stops_nothing") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (writer, reader) = (Store::open(dir.path()).unwrap(), Store::open(dir.path()).unwrap());
    reader.put(&record(1)).unwrap();
    set_mode(&dir.path().join("spool"), 0o555);
    assert_eq!(writer.take_in_spool(), 1);
    assert_eq!(writer.put(&record(2)).unwrap(), PutOutcome::Stored);
    drop((reader, writer));
    for _ in 0..2 {
        let store = Store::open(dir.path()).unwrap();
        for n in [1, 2] {
            assert_eq!(store.get(&record(n).key).unwrap(), Some(record(n)));
        }
        let warnings = store.drain_warnings();
        assert!(matches!(&warnings[..], [Warning::SpoolUnreadable { .. }]), "{warnings:?}");
    }
    set_mode(&dir.path().join("spool"), 0o755);
}

#[test]
fn whatever_has_the_name_of_a_record_in_the_spool_is_a_miss() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, reader) = (Store::open(dir.path()).unwrap(), Store::open(dir.path()).unwrap());
    reader.put(&record(1)).unwrap();
    let file = fs::read_dir(dir.path().join("spool")).unwrap().next().unwrap().unwrap().path();
    let make: [(&str, &dyn Fn()); 4] = [
        ("folder", &|| fs::create_dir(&file).unwrap()),
        ("loop", &|| symlink(&file, &file).unwrap()),
        ("link to nothing", &|| symlink("nothing", &file).unwrap()),
        ("pipe", &|| assert!(Command::new("mkfifo").arg(&file).status().unwrap().success())),
    ];
    for (count, (what, make)) in make.into_iter().enumerate() {
        let _ = fs::remove_file(&file);
        make();
        for store in [&reader, &writer] {
            assert_eq!(store.get(&record(1).key).unwrap(), None, "{what}");
            assert!(!store.contains(&record(1).key).unwrap(), "{what}");
            assert_eq!(store.iter(Kind::Training).unwrap().count(), 0, "{what}");
            store.verify().unwrap();
        }
        assert_eq!(writer.take_in_spool(), 0, "{what}");
        assert_eq!(reader.put(&record(1)).unwrap(), PutOutcome::Stored, "{what}");
        assert_eq!(reader.get(&record(1).key).unwrap(), Some(record(1)), "{what}");
        assert_eq!(writer.stats().unwrap().set_aside, count as u64 + 1, "{what}");
        // The writer took it in while it counted.
        assert_eq!(writer.remove(Kind::Training, record(1).key.digest()).ok(), Some(true), "{what}");
    }
}

#[test]
fn a_full_disk_loses_nothing_that_was_kept_and_is_still_read() {
    if !where_mounting_is_allowed("a_full_disk_loses_nothing_that_was_kept_and_is_still_read") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // Room for what RocksDB allocates ahead for its logs, several times over, once the disk is free again.
    let disk = SmallDisk::mount(dir.path().join("disk"), "192m").unwrap();
    let folder = disk.0.join("cache");
    let store = Store::open(&folder).unwrap();
    store.put(&record(0)).unwrap();
    disk.fill(0);
    // A little is kept by giving up the reserve; then what cannot be kept is an error, and no put lies.
    let mut kept: Vec<u64> = vec![0];
    let mut n = 1;
    let error = loop {
        match store.put(&sized(Kind::Training, n, 20 << 10)) {
            Ok(PutOutcome::Stored) => kept.push(n),
            Ok(outcome) => panic!("{outcome:?}"),
            Err(error) => break error,
        }
        n += 1;
        assert!(n < 10_000);
    };
    assert!(kept.len() > 10, "the reserve holds what is in flight");
    assert!(error.to_string().contains("No space left"), "{error}");
    let warnings = store.drain_warnings();
    assert!(warnings.iter().any(|warning| matches!(warning, Warning::NotWritten { .. })), "{warnings:?}");
    let whole = |n: u64| if n == 0 { record(0) } else { sized(Kind::Training, n, 20 << 10) };
    let all_there = |store: &Store| {
        for &n in &kept {
            assert!(store.get(&whole(n).key).unwrap() == Some(whole(n)), "{n}");
        }
    };
    all_there(&store);
    drop(store);
    // Opened anew while it is still full.
    let full = Store::open(&folder).unwrap();
    all_there(&full);
    assert_eq!(full.iter(Kind::Training).unwrap().count(), kept.len());
    assert!(full.verify().unwrap().corrupt.is_empty());
    full.manifests(10).unwrap();
    drop(full);
    disk.free();
    for _ in 0..2 {
        let store = Store::open(&folder).unwrap();
        assert!(store.is_writer(), "{:?}", store.drain_warnings());
        all_there(&store);
        assert!(store.verify().unwrap().is_clean());
        store.put(&record(99_999)).unwrap();
    }
}

#[test]
fn a_disk_that_is_read_only_is_read() {
    if !where_mounting_is_allowed("a_disk_that_is_read_only_is_read") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(dir.path().join("disk"), "48m").unwrap();
    let folder = disk.0.join("cache");
    Store::open(&folder).unwrap().put(&record(1)).unwrap();
    disk.remount("ro");
    let store = Store::open(&folder).unwrap();
    assert_eq!(store.get(&record(1).key).unwrap(), Some(record(1)));
    assert!(store.verify().unwrap().is_clean());
    assert!(store.put(&record(2)).is_err());
    assert!(matches!(&store.drain_warnings()[..], [Warning::NotWritable { .. }]));
    drop(store);
    disk.remount("rw");
}

#[test]
fn a_folder_that_goes_away_in_use_is_said_and_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("cache");
    let store = Store::open(&folder).unwrap();
    store.put(&record(1)).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(store.put(&record(2)).unwrap(), PutOutcome::Stored);
    let warnings = store.drain_warnings();
    assert!(matches!(&warnings[..], [Warning::FolderGone { .. }]), "{warnings:?}");
    assert!(warnings[0].to_string().contains("removed"));
    drop(store);
    let store = Store::open(&folder).unwrap();
    assert_eq!(store.get(&record(2).key).unwrap(), Some(record(2)));
    assert_eq!(store.get(&record(1).key).unwrap(), None);
}

#[test]
fn words_in_the_path_decide_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["blocks", "locked", "While lock file", "No such file", "lock hold by current process"] {
        let folder = dir.path().join(name);
        let store = Store::open(&folder).unwrap();
        store.put(&record(1)).unwrap();
        drop(store);
        let files = fs::read_dir(folder.join("db")).unwrap().map(|file| file.unwrap().path());
        for file in files.filter(|file| file.file_name().unwrap().to_str().unwrap().starts_with("MANIFEST")) {
            fs::remove_file(file).unwrap();
        }
        let store = Store::open(&folder).unwrap();
        assert!(store.is_writer(), "{name}");
        assert!(matches!(&store.drain_warnings()[..], [Warning::Rebuilt { .. }]), "{name}");
        assert_eq!(store.get(&record(1).key).unwrap(), Some(record(1)), "{name}");
    }
}

#[test]
fn a_lost_lock_lets_nobody_rebuild_under_a_living_writer() {
    let dir = tempfile::tempdir().unwrap();
    let writer = Store::open(dir.path()).unwrap();
    writer.put(&record(1)).unwrap();
    // Its lock is deleted by hand, and so is what RocksDB begins with; and a rebuild is asked for.
    fs::remove_file(dir.path().join("lock")).unwrap();
    let current = fs::read(dir.path().join("db/CURRENT")).unwrap();
    fs::write(dir.path().join("db/rebuild-wanted"), "").unwrap();
    let second = Store::open(dir.path()).unwrap();
    assert!(!second.is_writer());
    second.put(&record(2)).unwrap();
    fs::remove_file(dir.path().join("db/CURRENT")).unwrap();
    let third = Store::open(dir.path()).unwrap();
    assert!(!third.is_writer());
    assert!(!dir.path().join("db.damaged-1").exists());
    let report = third.verify().unwrap();
    assert!(report.is_unread && !report.is_clean(), "a database that could not be read is not clean");
    fs::write(dir.path().join("db/CURRENT"), current).unwrap();
    writer.put(&record(3)).unwrap();
    drop((writer, second, third));
    let store = Store::open(dir.path()).unwrap();
    for n in 1..4 {
        assert_eq!(store.get(&record(n).key).unwrap(), Some(record(n)));
    }
}

#[test]
fn a_note_that_cannot_be_deleted_costs_one_rebuild() {
    let dir = tempfile::tempdir().unwrap();
    Store::open(dir.path()).unwrap().put(&record(1)).unwrap();
    fs::create_dir(dir.path().join("db/rebuild-wanted")).unwrap();
    for start in 0..3 {
        let store = Store::open(dir.path()).unwrap();
        let is_rebuilt = matches!(&store.drain_warnings()[..], [Warning::Rebuilt { .. }]);
        assert_eq!(is_rebuilt, start == 0);
        assert_eq!(store.get(&record(1).key).unwrap(), Some(record(1)));
    }
}

#[test]
fn the_end_of_a_log_that_is_cut_off_is_not_lost_in_silence() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    for n in 0..20 {
        store.put(&record(n)).unwrap();
    }
    drop(store);
    let logs = fs::read_dir(dir.path().join("db")).unwrap().map(|file| file.unwrap().path());
    let logs: Vec<_> = logs.filter(|file| file.extension().is_some_and(|suffix| suffix == "log")).collect();
    let log = logs.iter().max_by_key(|log| fs::metadata(log).unwrap().len()).unwrap();
    let length = fs::metadata(log).unwrap().len();
    fs::File::options().write(true).open(log).unwrap().set_len(length * 2 / 3).unwrap();
    let store = Store::open(dir.path()).unwrap();
    let lost = (0..20).filter(|n| store.get(&record(*n).key).unwrap().is_none()).count();
    assert!(lost > 0);
    assert!(
        matches!(&store.drain_warnings()[..], [Warning::ChangesLost { changes }] if *changes == lost as u64)
    );
    for n in 0..20 {
        store.put(&record(n)).unwrap();
    }
    drop(store);
    assert!(Store::open(dir.path()).unwrap().drain_warnings().is_empty(), "said once");
}
