//! Trials in numbers: kills, flipped bytes, full disks, folders without permission. Nothing that was finished is lost or
//! trained again, nothing wrong is found, nothing panics, and the result is the same in the end.
//!
//! A few of each here; all of them with `tests/trials.sh`, which sets [`ALL`].
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../../../cache/tests/common/hostile.rs"]
mod hostile;
#[allow(dead_code, reason = "the tests of the program use all of it")]
#[path = "../program/sandbox.rs"]
mod sandbox;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use cache::{Digest, Kind, Store};
use hostile::{SmallDisk, allow_writing, as_common_user, set_mode, where_mounting_is_allowed};
use sandbox::{COPY, PROGRAM, Ran, Random, SLOWER, Sandbox, copy};

/// Set to run all trials.
const ALL: &str = "NAS_TRIALS_ALL";

/// How many trials to run, of so many.
fn trials(all: u64) -> u64 {
    if std::env::var_os(ALL).is_some() { all } else { all.div_ceil(25) }
}

/// What an undisturbed run finds.
struct Undisturbed {
    result: String,
    trainings: u64,
    elapsed_ms: u64,
}

impl Undisturbed {
    fn run(more: &[&str]) -> Self {
        let begun = Instant::now();
        let run = Sandbox::new().run(more);
        let elapsed_ms = begun.elapsed().as_millis() as u64;
        Self { result: run.result, trainings: run.run, elapsed_ms }
    }

    /// Goes on in a folder that holds `finished` trainings, which are not trained again.
    fn hold(&self, sandbox: &Sandbox, more: &[&str], finished: u64, what: &str) {
        let run = sandbox.run(more);
        assert_eq!(run.result, self.result, "{what}");
        assert_eq!(run.run, self.trainings - finished, "{what}: {finished} had finished\n{}", run.stderr);
        let again = sandbox.run(more);
        assert_eq!((again.run, again.result.as_str()), (0, self.result.as_str()), "{what}");
    }
}

fn finished(sandbox: &Sandbox) -> u64 {
    sandbox.trainings().len() as u64
}

#[test]
fn kills_of_one_to_four_processes() {
    let undisturbed = Undisturbed::run(&SLOWER);
    let mut random = Random(1);
    let mut sandbox = Sandbox::new();
    let (mut kills, mut before) = (0, 0);
    while kills < trials(200) {
        let processes = 1 + random.below(4);
        let children: Vec<_> = (0..processes).map(|_| sandbox.start(&SLOWER)).collect();
        for mut child in children {
            thread::sleep(Duration::from_millis(random.below(undisturbed.elapsed_ms / 2 / processes + 2)));
            kills += u64::from(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            let ran = Ran::of(child.wait_with_output().unwrap());
            assert!(ran.code.is_none() || ran.code == Some(0), "kill {kills}: {}", ran.stderr);
        }
        let now = finished(&sandbox);
        assert!(now >= before, "kill {kills}: {before} trainings became {now}");
        assert!(now <= undisturbed.trainings);
        before = now;
        if now == undisturbed.trainings {
            undisturbed.hold(&sandbox, &SLOWER, now, &format!("kill {kills}"));
            sandbox.assert_verified();
            (sandbox, before) = (Sandbox::new(), 0);
        }
    }
    undisturbed.hold(&sandbox, &SLOWER, before, "after the last kill");
    sandbox.assert_verified();
}

/// What is told of a training that another process has done too.
const TWICE: &str = "another process has trained it too";

/// Ten processes on two folders and one share, killed at random moments for a while.
#[test]
fn kills_of_ten_processes_of_a_team() {
    let people = [Sandbox::new(), Sandbox::new()];
    let share = people[0].path("share");
    fs::create_dir(&share).unwrap();
    let flag = format!("--share={}", share.display());
    kill_ten_processes(&people, &[&flag]);
    let pulled = Sandbox::new().program(&["cache", "pull", "--json", &flag]).succeeded().json();
    assert_eq!(pulled["shares"][0]["left"], 0, "nothing in the share is damaged: {pulled}");
}

#[test]
fn kills_of_ten_processes_on_one_folder() {
    kill_ten_processes(&[Sandbox::new()], &[]);
}

/// Kills ten processes on these folders at random moments, with something new to train every few seconds. What they came to
/// is what an undisturbed run comes to, and next to nothing was trained twice.
#[allow(clippy::print_stdout, reason = "how much was tried belongs to the trial")]
fn kill_ten_processes(people: &[Sandbox], more: &[&str]) {
    let (begun, mut random, mut kills, mut twice) = (Instant::now(), Random(6), 0, 0);
    // Of seeds up to 17 the few architectures of these runs can be ranked.
    let seed = || format!("--set=train.seed={}", begun.elapsed().as_secs() / 4);
    let start =
        |number: usize| people[number % people.len()].start(&[&SLOWER[..], more, &[&seed()]].concat());
    let mut children: Vec<_> = (0..10).map(start).collect();
    while begun.elapsed() < Duration::from_secs(trials(60).max(5)) {
        thread::sleep(Duration::from_millis(random.below(300)));
        let number = random.below(10) as usize;
        let mut child = std::mem::replace(&mut children[number], start(number));
        kills += u64::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        let ran = Ran::of(child.wait_with_output().unwrap());
        assert!(ran.code.is_none() || ran.code == Some(0), "kill {kills}: {}", ran.stderr);
        twice += ran.stderr.matches(TWICE).count();
    }
    let seed = seed();
    let last = [&SLOWER[..], &[&seed]].concat();
    for mut child in children {
        child.kill().unwrap();
        twice += Ran::of(child.wait_with_output().unwrap()).stderr.matches(TWICE).count();
    }
    let undisturbed = Undisturbed::run(&last);
    let shared = [&last[..], more].concat();
    let all: Vec<_> = people.iter().map(|person| person.start(&shared)).collect();
    let ends = all.into_iter().map(|child| Ran::of(child.wait_with_output().unwrap()).summary());
    let runs: Vec<_> = ends.collect();
    assert!(kills > 0 && runs.iter().all(|run| run.result == undisturbed.result));
    // Distinct trainings, and how often one that a person has made was made by another too.
    let mut made: BTreeMap<Digest, usize> = BTreeMap::new();
    for person in people {
        assert_eq!(person.run(&shared).run, 0);
        person.assert_verified();
        for record in Store::open(person.cache()).unwrap().iter(Kind::Training).unwrap() {
            let record = record.unwrap();
            let is_own = !record.provenance.contains_key(cache::FOUND_IN);
            *made.entry(*record.key.digest()).or_default() += usize::from(is_own);
        }
    }
    let trained = made.len();
    twice += made.values().map(|count| count.saturating_sub(1)).sum::<usize>();
    println!("{kills} processes were killed at work; {twice} trainings of {trained} were done twice");
    // Two who look at one moment may both find nothing and nobody.
    assert!(twice <= 2 + trained / 50, "{twice} of {trained}");
}

/// Everything that lies in a folder, folders left out.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            files.extend(self::files(&entry));
        } else {
            files.push(entry);
        }
    }
    files.sort();
    files
}

#[test]
fn flipped_bytes() {
    const MORE: [&str; 2] = ["--set", "architectures.count=4"];
    let undisturbed = Undisturbed::run(&MORE);
    // Records in tables, from a first run and a second start; and in a log.
    let sandbox = Sandbox::new();
    sandbox.run(&[]);
    sandbox.run(&MORE);
    // Without what the nodes came to, so that every run needs the trainings themselves.
    sandbox.forget_outputs();
    let intact = sandbox.path("intact");
    copy(&sandbox.cache(), &intact);
    let mut random = Random(2);
    let mut losses = 0;
    for trial in 0..trials(1000) {
        fs::remove_dir_all(sandbox.cache()).unwrap();
        copy(&intact, &sandbox.cache());
        let files = files(&sandbox.cache());
        let hit =
            files.iter().filter(|file| !file.ends_with("reserve") && fs::metadata(file).unwrap().len() > 0);
        let hit: Vec<_> = hit.collect();
        let file = hit[random.below(hit.len() as u64) as usize];
        let mut bytes = fs::read(file).unwrap();
        let position = random.below(bytes.len() as u64) as usize;
        bytes[position] ^= 1 << random.below(8);
        fs::write(file, bytes).unwrap();
        let what = format!("trial {trial}: {}, byte {position}", file.display());

        let run = sandbox.run(&MORE);
        assert_eq!(run.result, undisturbed.result, "{what}");
        // What is trained again is said.
        assert!(run.run == 0 || run.stderr.contains("warning: "), "{what}: {} in silence", run.run);
        losses += u64::from(run.run > 0);
        let again = sandbox.run(&MORE);
        assert_eq!((again.run, &again.result), (0, &undisturbed.result), "{what}");
    }
    assert!(losses > 0 || trials(1000) < 1000, "no byte hit a training");
}

#[test]
fn full_disks() {
    if !where_mounting_is_allowed("full_disks") {
        return;
    }
    let undisturbed = Undisturbed::run(&SLOWER);
    let mut random = Random(3);
    let mut failures = 0;
    for trial in 0..trials(50) {
        let sandbox = Sandbox::new();
        let disk = SmallDisk::mount(sandbox.cache(), "40m").unwrap();
        // On every other disk the cache is there before it fills up, and has kept a little room for itself.
        if trial % 2 == 0 {
            sandbox.program(&["log"]).succeeded();
        }
        let left = random.below(1 + (trial << 12) % (64 << 10));
        disk.fill(left);
        let what = format!("trial {trial}, {left} bytes left");
        let ran = sandbox.program(&Sandbox::run_arguments(&SLOWER));
        let said = ran.stderr.clone();
        if ran.code == Some(0) {
            assert_eq!(ran.summary().result, undisturbed.result, "{what}");
        } else {
            failures += 1;
            assert_eq!(ran.code, Some(1), "{what}: {}", ran.stderr);
            let last = ran.stderr.lines().last().unwrap();
            assert!(last.contains("full") || last.contains("No space left"), "{what}: {}", ran.stderr);
        }
        let kept = finished(&sandbox);
        // Everything that only reads still reads.
        let log = sandbox.program(&["log", "--json"]).succeeded().json();
        sandbox.program(&["status"]).succeeded();
        if let Some(run) = log["runs"].get(0) {
            assert_eq!(run["trainings"]["run"], kept, "{what}");
        } else {
            assert!(trial % 2 == 1, "{what}: with room kept for it, a run that fails is in the log\n{said}");
        }
        disk.free();
        undisturbed.hold(&sandbox, &SLOWER, kept, &what);
        sandbox.assert_verified();
    }
    assert!(failures > 0, "no disk was full");
}

#[test]
fn folders_without_permission() {
    if !as_common_user(&[(COPY, Path::new(PROGRAM))], "folders_without_permission") {
        return;
    }
    let undisturbed = Undisturbed::run(&[]);
    let mut random = Random(4);
    for trial in 0..trials(50) {
        let sandbox = Sandbox::new();
        let is_whole = random.below(2) == 0;
        if is_whole {
            sandbox.run(&[]);
        } else {
            let part = ["run", "--target", "rank@1", "--config", "tiny.toml", "--device", "cpu"];
            sandbox.program(&part).succeeded();
        }
        let had = finished(&sandbox);
        let mut all = files(&sandbox.cache());
        all.extend(["db", "spool", "claims", ""].map(|name| sandbox.cache().join(name)));
        let (mode_of_folders, mode_of_files) = [(0o555, 0o444), (0o000, 0o000)][random.below(2) as usize];
        // All of it, or some of it.
        let share = [1, 2, 5][random.below(3) as usize];
        let mut closed = Vec::new();
        for path in &all {
            if random.below(share) == 0 {
                closed.push((path, if path.is_dir() { mode_of_folders } else { mode_of_files }));
            }
        }
        // The innermost first: a closed folder hides what is in it.
        for (path, mode) in &closed {
            set_mode(path, *mode);
        }
        let what = format!("trial {trial}, whole: {is_whole}, {closed:?}");
        let ran = sandbox.program(&Sandbox::run_arguments(&[]));
        match ran.code {
            Some(0) => assert_eq!(ran.summary().result, undisturbed.result, "{what}"),
            Some(1) => assert!(ran.stderr.contains("cache"), "{what}: {}", ran.stderr),
            code => panic!("{what}: {code:?} {}", ran.stderr),
        }
        for question in [&["status"][..], &["log"], &["cache", "verify"], &["plan", "--config", "tiny.toml"]]
        {
            let ran = sandbox.program(question);
            assert!(matches!(ran.code, Some(0 | 1)), "{what}, {question:?}: {}", ran.stderr);
            // Where everything may be read, it is.
            assert!(mode_of_files == 0 || ran.code == Some(0), "{what}, {question:?}: {}", ran.stderr);
        }
        allow_writing(&sandbox.cache());
        assert!(finished(&sandbox) >= had, "{what}");
        undisturbed.hold(&sandbox, &[], finished(&sandbox), &what);
    }
}
