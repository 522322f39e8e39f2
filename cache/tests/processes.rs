//! Several processes on one cache folder, and processes that are killed.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use cache::{Kind, PutOutcome, Record, Store, Warning};
use common::{Random, key, record, sized};

const CHILD_DIR: &str = "CACHE_TEST_CHILD_DIR";
const CHILD_START: &str = "CACHE_TEST_CHILD_START";

/// Runs this test binary again as a child process that only runs `test`, which then calls [`child`].
fn spawn(test: &str, dir: &Path, start: u64) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD_DIR, dir)
        .env(CHILD_START, start.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    (child, output)
}

/// In a child process: puts records from its start number on, and says each number after its put has
/// returned.
fn child() -> bool {
    let Some(dir) = env::var_os(CHILD_DIR).map(PathBuf::from) else { return false };
    let start: u64 = env::var(CHILD_START).unwrap().parse().unwrap();
    let store = Store::open(dir).unwrap();
    let mut output = std::io::stdout();
    for n in start.. {
        let record = numbered(n);
        assert_ne!(store.put(&record).unwrap(), PutOutcome::Conflict);
        writeln!(output, "put {n}").unwrap();
        output.flush().unwrap();
    }
    true
}

fn numbered(n: u64) -> Record {
    match n % 8 {
        0 => sized(Kind::Manifest, n, 300),
        1 => sized(Kind::Blob, n, 100 << 10),
        _ => record(n),
    }
}

/// Reads what a child has put until it is gone.
fn finished(output: BufReader<ChildStdout>) -> Vec<u64> {
    // A killed process may leave half a line.
    let lines = output.split(b'\n').map_while(Result::ok).map(|line| String::from_utf8(line).unwrap());
    lines.filter_map(|line| line.strip_prefix("put ").and_then(|n| n.parse().ok())).collect()
}

#[test]
fn killed_processes_lose_at_most_the_put_in_flight() {
    if child() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(7);
    let mut all: Vec<u64> = Vec::new();
    for round in 0..20 {
        // A writer and, beside it, a reader; both are killed at a random moment, the first sometimes while it
        // opens.
        let base = round * 1_000_000;
        let children = [0, 1].map(|which| {
            spawn("killed_processes_lose_at_most_the_put_in_flight", dir.path(), base + which * 500_000)
        });
        thread::sleep(Duration::from_millis(random.below(150)));
        for (mut child, output) in children {
            child.kill().unwrap();
            child.wait().unwrap();
            let mut numbers = finished(output);
            // The last line may have been cut short, and then names another number.
            numbers.truncate(numbers.len().saturating_sub(1));
            all.extend(numbers);
        }
    }
    let store = Store::open(dir.path()).unwrap();
    assert!(store.is_writer());
    assert!(all.len() > 100, "only {} puts in all rounds", all.len());
    for n in &all {
        let found = store.get(&numbered(*n).key).unwrap();
        // Manifests of two processes get an order, and with it other moments than their own.
        let created_unix_ms = found.as_ref().map_or(0, |record| record.created_unix_ms);
        assert!(found == Some(Record { created_unix_ms, ..numbered(*n) }), "record {n} is lost");
    }
    let report = store.verify().unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.spooled, report.set_aside, report.quarantined), (0, 0, 0));
    assert!(store.drain_warnings().is_empty());
    // At most one put in flight of each of the forty processes.
    assert!(report.records >= all.len() as u64 && report.records <= all.len() as u64 + 80);
}

#[test]
fn a_second_process_neither_fails_nor_loses() {
    if child() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (mut first, mut output) = spawn("a_second_process_neither_fails_nor_loses", dir.path(), 0);
    while !output.by_ref_line().starts_with("put 50") {}

    let store = Store::open(dir.path()).unwrap();
    assert!(!store.is_writer());
    // It sees what the writer had, and what the writer goes on to put.
    assert_eq!(store.get(&numbered(50).key).unwrap(), Some(numbered(50)));
    let last = loop {
        let line = output.by_ref_line();
        if let Some(n) = line.strip_prefix("put ").and_then(|n| n.trim().parse::<u64>().ok())
            && n > 80
        {
            break n;
        }
    };
    let start = Instant::now();
    while store.get(&numbered(last).key).unwrap() != Some(numbered(last)) {
        assert!(start.elapsed() < Duration::from_secs(10), "the reader does not see what the writer puts");
        thread::sleep(Duration::from_millis(10));
    }
    // What it puts, it finds, and the writer takes it in while both run; then it is found in the database.
    let mine = record(999_999_999);
    assert_eq!(store.put(&mine).unwrap(), PutOutcome::Stored);
    assert_eq!(store.put(&mine).unwrap(), PutOutcome::AlreadyPresent);
    assert_eq!(store.get(&mine.key).unwrap().as_ref(), Some(&mine));
    let start = Instant::now();
    let reader = thread::spawn(move || while !output.by_ref_line().is_empty() {});
    while store.stats().unwrap().spooled > 0 {
        assert!(start.elapsed() < Duration::from_secs(30), "the writer does not take in the spool");
        assert_eq!(store.get(&mine.key).unwrap().as_ref(), Some(&mine));
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(store.get(&mine.key).unwrap().as_ref(), Some(&mine));
    // A different result for the writer's record is refused here as well.
    let conflict = Record { payload: vec![1], ..numbered(50) };
    assert_eq!(store.put(&conflict).unwrap(), PutOutcome::Conflict);

    // The writer is gone; what it had stays readable, what comes is kept.
    first.kill().unwrap();
    first.wait().unwrap();
    reader.join().unwrap();
    let later = record(999_999_998);
    assert_eq!(store.put(&later).unwrap(), PutOutcome::Stored);
    assert_eq!(store.get(&later.key).unwrap().as_ref(), Some(&later));
    assert_eq!(store.get(&numbered(last).key).unwrap(), Some(numbered(last)));

    // Whoever opens next is the writer and has it all.
    let next = Store::open(dir.path()).unwrap();
    assert!(next.is_writer());
    assert_eq!(next.counters().taken_in, 1);
    for expected in [&mine, &later, &numbered(last)] {
        assert_eq!(next.get(&expected.key).unwrap().as_ref(), Some(expected));
    }
    assert!(next.verify().unwrap().is_clean());
}

trait Lines {
    fn by_ref_line(&mut self) -> String;
}

impl Lines for BufReader<ChildStdout> {
    fn by_ref_line(&mut self) -> String {
        let mut line = String::new();
        self.read_line(&mut line).unwrap();
        line
    }
}

/// Two stores in one process are a writer and a reader as well.
fn writer_and_reader(dir: &Path) -> (Store, Store) {
    let (writer, reader) = (Store::open(dir).unwrap(), Store::open(dir).unwrap());
    assert!(writer.is_writer() && !reader.is_writer());
    (writer, reader)
}

fn spool_files(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir.join("spool")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_reader_lists_what_is_stored_and_what_it_spooled() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, reader) = writer_and_reader(dir.path());
    writer.put(&record(1)).unwrap();
    reader.put(&record(2)).unwrap();
    let listed: Vec<_> = reader.iter(Kind::Training).unwrap().map(Result::unwrap).collect();
    assert_eq!(listed, [record(1), record(2)]);
    let listed: Vec<_> = writer.iter(Kind::Training).unwrap().map(|r| r.unwrap().created_unix_ms).collect();
    assert_eq!(listed.len(), 2);
    assert!(spool_files(dir.path()).is_empty());
    // Taken in and spooled again: listed once.
    reader.put(&record(2)).unwrap();
    assert_eq!(reader.iter(Kind::Training).unwrap().count(), 2);
}

#[test]
fn the_writer_finds_a_spooled_record_before_it_takes_it_in() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, reader) = writer_and_reader(dir.path());
    reader.put(&record(1)).unwrap();
    assert_eq!(writer.get(&record(1).key).unwrap(), Some(record(1)));
    assert!(writer.contains(&record(1).key).unwrap());
    assert_eq!(writer.put(&record(1)).unwrap(), PutOutcome::AlreadyPresent);
    assert_eq!(writer.take_in_spool(), 1);
    assert_eq!(writer.get(&record(1).key).unwrap(), Some(record(1)));
    assert_eq!(reader.take_in_spool(), 0);
}

#[test]
fn every_damaged_spool_file_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, reader) = writer_and_reader(dir.path());
    reader.put(&record(1)).unwrap();
    let file = spool_files(dir.path()).pop().unwrap();
    let bytes = std::fs::read(&file).unwrap();
    let mut count = 0;
    for index in (0..bytes.len()).step_by(7) {
        for is_cut in [false, true] {
            let mut bytes = bytes.clone();
            if is_cut {
                bytes.truncate(index);
            } else {
                bytes[index] ^= 0x10;
            }
            std::fs::write(&file, bytes).unwrap();
            count += 1;
            // Whoever meets it moves it: a look-up of either side, taking in, or verifying.
            match index % 4 {
                0 => assert_eq!(reader.get(&record(1).key).unwrap(), None),
                1 => assert_eq!(writer.get(&record(1).key).unwrap(), None),
                2 => assert_eq!(writer.take_in_spool(), 0),
                _ => assert!(!writer.verify().unwrap().is_clean()),
            }
            assert!(!file.exists(), "byte {index}");
            assert_eq!(writer.stats().unwrap().set_aside, count);
        }
    }
    assert!(writer.verify().unwrap().is_clean());
    let warnings = writer.drain_warnings();
    assert!(
        warnings.iter().all(|warning| matches!(warning, Warning::SetAside { path, .. } if path.exists()))
    );
    assert_eq!(warnings.len() + reader.drain_warnings().len(), count as usize);
    // And the record can be spooled again.
    assert_eq!(reader.put(&record(1)).unwrap(), PutOutcome::Stored);
    assert_eq!(writer.take_in_spool(), 1);
}

#[test]
fn a_spool_file_that_contradicts_a_stored_record_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, reader) = writer_and_reader(dir.path());
    let other = Record { payload: vec![9], ..record(1) };
    reader.put(&other).unwrap();
    let file = spool_files(dir.path()).pop().unwrap();
    let bytes = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    writer.put(&record(1)).unwrap();
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(writer.take_in_spool(), 0);
    assert_eq!(writer.get(&record(1).key).unwrap(), Some(record(1)));
    assert_eq!(writer.counters().conflicts, 1);
    assert!(!file.exists());
    assert_eq!(writer.stats().unwrap().set_aside, 1);
    assert!(!writer.contains(&key(Kind::Training, 2)).unwrap());
}
