//! Runs that do not end by themselves: killed at any moment, or interrupted by a person.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::thread;
use std::time::{Duration, Instant};

use crate::sandbox::{Ran, Random, SLOWER, Sandbox, signal};

/// Trainings that each node said it would run, in the order in which the nodes began.
fn announced(stderr: &str) -> Vec<(String, u64)> {
    let announcement = |line: &str| {
        let (node, rest) = line.split_once("] ")?.1.split_once(": ")?;
        let (count, rest) = rest.split_once(' ')?;
        let is_start = rest.starts_with("training to run") || rest.starts_with("trainings to run");
        is_start.then(|| (node.to_owned(), count.replace(',', "").parse().unwrap()))
    };
    stderr.lines().filter_map(announcement).collect()
}

/// Kills runs `times` times at random moments, each going on where the one before died, and then lets one finish.
fn survive_kills(times: u64, seed: u64) {
    let clean = Sandbox::new();
    let begun = Instant::now();
    let expected = clean.run(&SLOWER);
    let whole_ms = begun.elapsed().as_millis() as u64;
    // Nodes come one after the other, so what is finished is always the beginning of this list.
    let mut trained_by_then = BTreeMap::new();
    let mut total = 0;
    for (node, count) in announced(&expected.stderr) {
        total += count;
        trained_by_then.insert(node, total);
    }
    assert_eq!(total, expected.run);

    let sandbox = Sandbox::new();
    let mut random = Random(seed);
    let mut finished = 0;
    let hold = |stderr: &str, finished: u64| {
        let mut announced_so_far = 0;
        for (node, count) in announced(stderr) {
            announced_so_far += count;
            assert_eq!(announced_so_far + finished, trained_by_then[&node], "{finished} finished\n{stderr}");
        }
    };
    for kill in 0..times {
        // Most moments lie in the first part of a run; a run that had less left to do may be over by then.
        let delay_ms = random.below((whole_ms / 3).max(2));
        let mut child = sandbox.start(&SLOWER);
        thread::sleep(Duration::from_millis(delay_ms));
        child.kill().unwrap();
        let ran = Ran::of(child.wait_with_output().unwrap());
        assert!(ran.code.is_none() || ran.code == Some(0), "kill {kill}: {}", ran.stderr);
        hold(&ran.stderr, finished);
        let now = sandbox.trainings().len() as u64;
        assert!(now >= finished, "kill {kill}: {finished} trainings became {now}");
        finished = now;
    }
    let last = sandbox.run(&SLOWER);
    hold(&last.stderr, finished);
    assert_eq!(last.run, total - finished);
    assert_eq!(last.result, expected.result);
    assert_eq!(sandbox.trainings(), clean.trainings());
    assert_eq!(sandbox.files("checkpoints"), Vec::<std::path::PathBuf>::new());
    sandbox.assert_verified();
}

#[test]
fn twenty_kills_at_random_moments_lose_nothing_that_was_finished() {
    survive_kills(20, 1);
}

#[test]
fn a_killed_training_goes_on_from_its_last_epoch() {
    let long = ["--target=train@full", "--set=full.epochs=6", "--set=data.train_images=2000"];
    Sandbox::new().killed_behind_a_checkpoint(&long);
}

#[test]
fn a_training_alone_that_is_killed_again_and_again_has_the_bits_of_an_unbroken_one() {
    let arguments = [
        "train",
        "--genotype=DARTS_V2",
        "--budget=BPE-1,epochs=8,layers=3,channels=2,image_size=8",
        "--device=cpu",
        "--checkpoint-minutes=0",
        "--save=weights.safetensors",
    ];
    let weights = |sandbox: &Sandbox| std::fs::read(sandbox.path("weights.safetensors")).unwrap();
    let (unbroken, broken) = (Sandbox::new(), Sandbox::new());
    let begun = Instant::now();
    unbroken.program(&arguments).succeeded();
    let elapsed_ms = begun.elapsed().as_millis() as u64;
    let resume = [&arguments[..], &["--resume"]].concat();
    let none = broken.program(&resume);
    assert!(none.code == Some(2) && none.stderr.contains("finds no checkpoint"), "{}", none.stderr);
    let mut random = Random(7);
    for _ in 0..20 {
        let mut child = broken.command(&arguments).spawn().unwrap();
        thread::sleep(Duration::from_millis(random.below(elapsed_ms / 2)));
        child.kill().unwrap();
        Ran::of(child.wait_with_output().unwrap());
    }
    let last = if broken.files("checkpoints").is_empty() { &arguments[..] } else { &resume };
    let ran = broken.program(last).succeeded();
    assert!(!ran.stderr.contains("begins anew"), "{}", ran.stderr);
    assert!(weights(&broken) == weights(&unbroken));
    assert_eq!(broken.files("checkpoints"), Vec::<std::path::PathBuf>::new());
    for wrong in ["--checkpoint-minutes=-1", "--checkpoint-minutes=often", "--checkpoint-minutes=1e9"] {
        assert_eq!(broken.program(&[&arguments[..4], &[wrong]].concat()).code, Some(2));
    }
}

/// Starts a long run, waits until it trains and sends it a signal; what it said and how it ended.
fn interrupted_by(name: &str, sandbox: &Sandbox) -> Ran {
    let mut child = sandbox.start(&["--set=full.epochs=200", "--set=data.train_images=2000"]);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("train@full") {
        assert!(stderr.read_line(&mut said).unwrap() > 0, "{said}");
    }
    thread::sleep(Duration::from_millis(200));
    signal(&child, name);
    let sent = Instant::now();
    stderr.read_to_string(&mut said).unwrap();
    let mut ran = Ran::of(child.wait_with_output().unwrap());
    assert!(sent.elapsed() < Duration::from_secs(2), "it took {:?} to end", sent.elapsed());
    ran.stderr = said;
    ran
}

#[test]
fn an_interrupted_run_ends_cleanly_and_the_next_goes_on() {
    let sandbox = Sandbox::new();
    for name in ["INT", "TERM"] {
        let ran = interrupted_by(name, &sandbox);
        assert_eq!(ran.code, Some(130), "{}", ran.stderr);
        assert_eq!(ran.stdout, "");
        let last = ran.stderr.lines().last().unwrap();
        assert!(last.contains("interrupted") && last.contains("next run goes on"), "{}", ran.stderr);
    }
    let log = sandbox.program(&["log", "--json"]).json();
    assert_eq!(log["runs"][0]["ending"], "interrupted");
    let (finished, run) = (sandbox.trainings().len() as u64, sandbox.run(&[]));
    assert_eq!(sandbox.trainings().len() as u64, finished + run.run);
    assert_eq!(run.result, Sandbox::new().run(&[]).result);
    sandbox.assert_verified();
}
