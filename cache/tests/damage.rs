//! Damage to the files of the database: nobody panics, nothing wrong is returned, and only what was hit is lost.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use cache::{Kind, Record, Store, Warning};
use common::{Random, record, sized};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn records() -> Vec<Record> {
    let mut records: Vec<Record> = (0..120).map(record).collect();
    records.extend((0..8).map(|n| sized(Kind::Blob, n, 80 << 10)));
    records.extend((0..10).map(|n| sized(Kind::Manifest, n, 300)));
    records
}

/// A cache whose records are spread over several tables and the log.
fn prepare(dir: &Path) -> Vec<Record> {
    let records = records();
    for part in records.chunks(records.len() / 3 + 1) {
        Store::open(dir).unwrap().put_many(part).unwrap();
    }
    records
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(dir.join("db")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.is_file() && fs::metadata(file).unwrap().len() > 0);
    files.sort();
    files
}

/// Opens the damaged cache, as a run does: uses it, puts again what is missing, and opens it again. Returns how many
/// records were lost.
fn use_damaged(dir: &Path, records: &[Record], what: &str) -> (usize, Vec<Warning>) {
    let store = Store::open(dir).unwrap_or_else(|error| panic!("{what}: {error}"));
    let mut lost = 0;
    for record in records {
        match store.get(&record.key).unwrap() {
            Some(found) => assert!(found == *record, "{what}: a wrong record"),
            None => {
                lost += 1;
                store.put(record).unwrap();
                assert!(
                    store.get(&record.key).unwrap().as_ref() == Some(record),
                    "{what}: put and not found"
                );
            }
        }
    }
    store.verify().unwrap();
    let warnings = store.drain_warnings();
    drop(store);
    for last in [false, true] {
        let store = Store::open(dir).unwrap();
        for record in records {
            assert!(store.get(&record.key).unwrap().as_ref() == Some(record), "{what}: lost later");
        }
        let report = store.verify().unwrap();
        assert!(report.is_clean() || !last, "{what}: {report:?}");
    }
    (lost, warnings)
}

#[test]
fn flipped_bytes_and_cuts_lose_only_what_they_hit() {
    let dir = tempfile::tempdir().unwrap();
    let intact = dir.path().join("intact");
    let records = prepare(&intact);
    let mut random = Random(1);
    for file in files(&intact) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let length = fs::metadata(&file).unwrap().len();
        for round in 0..4 {
            let damaged = dir.path().join("damaged");
            let _ = fs::remove_dir_all(&damaged);
            copy(&intact, &damaged);
            let path = damaged.join("db").join(&name);
            let mut bytes = fs::read(&path).unwrap();
            let position = random.below(length) as usize;
            let is_cut = round == 3;
            if is_cut {
                bytes.truncate(position);
            } else {
                bytes[position] ^= 1 << random.below(8);
            }
            fs::write(&path, bytes).unwrap();
            let what =
                format!("{name} of {length} bytes, {} at {position}", if is_cut { "cut" } else { "flip" });
            let (lost, warnings) = use_damaged(&damaged, &records, &what);
            eprintln!(
                "{what}: lost {lost}, {:?}",
                warnings.iter().map(|w| w.to_string()).collect::<Vec<_>>()
            );
            // A flipped byte lies in one record at most; it may also hit a block of the database that holds several.
            assert!(is_cut || lost <= 64, "{what}: lost {lost}");
        }
    }
}

#[test]
fn missing_files_are_survived() {
    let dir = tempfile::tempdir().unwrap();
    let intact = dir.path().join("intact");
    let records = prepare(&intact);
    for file in files(&intact) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let damaged = dir.path().join("damaged");
        let _ = fs::remove_dir_all(&damaged);
        copy(&intact, &damaged);
        fs::remove_file(damaged.join("db").join(&name)).unwrap();
        let (lost, warnings) = use_damaged(&damaged, &records, &name);
        eprintln!(
            "{name} missing: lost {lost}, {:?}",
            warnings.iter().map(|w| w.to_string()).collect::<Vec<_>>()
        );
    }
}
