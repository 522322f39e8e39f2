//! Flipped bytes and cuts in the files of a cache folder: the next run finishes with the right result and says so.

use std::fs;
use std::path::PathBuf;

use crate::sandbox::{Random, Sandbox, copy};

/// A run that needs the trainings of the plain one, and a few more.
const MORE: [&str; 2] = ["--set", "architectures.count=4"];

/// Places hit in a file that holds records.
const HITS: usize = 3;

/// Files of the database that hold records or say where they are.
fn files(sandbox: &Sandbox) -> Vec<PathBuf> {
    let entries = fs::read_dir(sandbox.cache().join("db")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| {
        let name = file.file_name().unwrap().to_str().unwrap();
        let is_list = name.starts_with("MANIFEST") || name.starts_with("CURRENT");
        (is_list || is_log(file) || is_table(file)) && fs::metadata(file).unwrap().len() > 0
    });
    files.sort();
    files
}

fn is_log(file: &std::path::Path) -> bool {
    file.extension().is_some_and(|suffix| suffix == "log")
}

fn is_table(file: &std::path::Path) -> bool {
    file.extension().is_some_and(|suffix| suffix == "sst")
}

/// Places inside the keys of records of trainings: nodes have a field of this name too, behind a section's name.
fn trainings(bytes: &[u8]) -> Vec<usize> {
    let mark = b"split_seed";
    let places =
        (1..bytes.len().saturating_sub(mark.len())).filter(|&place| bytes[place..].starts_with(mark));
    places.filter(|&place| bytes[place - 1] != b'.').map(|place| place + 5).collect()
}

/// Damages every file of the sandbox's cache, one at a time, every other flip in a training's key; returns how often a
/// training was lost and said to be.
fn hold_damaged(sandbox: &Sandbox, expected: &str, new: u64, random: &mut Random) -> usize {
    let intact = sandbox.path("intact");
    let _ = fs::remove_dir_all(&intact);
    copy(&sandbox.cache(), &intact);
    let mut losses = 0;
    for file in files(sandbox) {
        let hits = if is_log(&file) || is_table(&file) { HITS } else { 1 };
        for (hit, is_cut) in [false, true, false].repeat(hits).into_iter().enumerate() {
            fs::remove_dir_all(sandbox.cache()).unwrap();
            copy(&intact, &sandbox.cache());
            let mut bytes = fs::read(&file).unwrap();
            let aims = if is_cut || hit % 2 == 1 { Vec::new() } else { trainings(&bytes) };
            let position = match aims.len() as u64 {
                0 => random.below(bytes.len() as u64) as usize,
                count => aims[random.below(count) as usize],
            };
            if is_cut {
                bytes.truncate(position);
            } else {
                bytes[position] ^= 1 << random.below(8);
            }
            fs::write(&file, bytes).unwrap();
            let what = format!("{}, byte {position}, cut: {is_cut}", file.display());

            let run = sandbox.run(&MORE);
            assert_eq!(run.result, expected, "{what}");
            assert!(run.run >= new, "{what}");
            if run.run > new {
                let is_told = run.stderr.contains("warning: ");
                // A log without its end is what a kill leaves behind.
                assert!(is_told || (is_log(&file) && is_cut), "{what}: trained in silence\n{}", run.stderr);
                losses += usize::from(is_told);
            }
            let again = sandbox.run(&MORE);
            assert_eq!((again.run, again.result.as_str()), (0, expected), "{what}");
        }
    }
    fs::remove_dir_all(sandbox.cache()).unwrap();
    copy(&intact, &sandbox.cache());
    losses
}

#[test]
fn damage_is_found_told_and_made_good() {
    let sandbox = Sandbox::new();
    let first = sandbox.run(&[]);
    let whole = Sandbox::new().run(&MORE);
    copy(&sandbox.cache(), &sandbox.path("plain"));
    let new = sandbox.run(&MORE).run;
    assert!(new > 0 && new < first.run);
    fs::remove_dir_all(sandbox.cache()).unwrap();
    copy(&sandbox.path("plain"), &sandbox.cache());

    let mut random = Random(3);
    let in_log = hold_damaged(&sandbox, &whole.result, new, &mut random);
    // Opening the folder again moves the records from the log into tables.
    sandbox.program(&["cache", "stats"]).succeeded();
    let in_tables = hold_damaged(&sandbox, &whole.result, new, &mut random);
    assert!(in_log > 0 && in_tables > 0, "no damage hit a training: {in_log} {in_tables}");
}

#[test]
fn many_flipped_records_are_told_of_and_trained_again() {
    let sandbox = Sandbox::new();
    let first = sandbox.run(&[]);
    let whole = Sandbox::new().run(&MORE);
    // The text of an architecture is in the key of its trainings.
    let needle = b"sep_conv_3x3";
    let mut hits = 0;
    for file in files(&sandbox) {
        let mut bytes = fs::read(&file).unwrap();
        let windows = bytes.windows(needle.len()).enumerate();
        let places: Vec<usize> =
            windows.filter(|(_, window)| window == needle).map(|(place, _)| place).collect();
        for &place in &places {
            bytes[place] ^= 1;
        }
        hits += places.len();
        fs::write(&file, bytes).unwrap();
    }
    assert!(hits > 0);
    let stats = sandbox.program(&["cache", "stats"]).succeeded();
    assert!(stats.stderr.contains("damaged"), "{}", stats.stderr);
    let left = sandbox.trainings().len() as u64;
    assert!(left < first.run);
    let run = sandbox.run(&MORE);
    assert_eq!(run.result, whole.result);
    assert_eq!(sandbox.trainings().len() as u64, left + run.run);
    sandbox.assert_verified();
}
