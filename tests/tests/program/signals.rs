//! Runs that are told to end: by a person, by the system, or by nobody, for their signals are ignored.

use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use crate::sandbox::{Ran, SLOWER, Sandbox, signal};

/// What interrupted programs end with.
const INTERRUPTED: i32 = 130;

/// A run that takes longer than any test.
const LONG: [&str; 2] = ["--set=full.epochs=200", "--set=data.train_images=2000"];

/// A run that ignores these signals from its start, as under `nohup`, or as a background job of a script.
fn deaf_to(signals: &str, sandbox: &Sandbox, more: &[&str]) -> Child {
    let ignore = format!("trap '' {signals}");
    sandbox.command_after(&ignore, &Sandbox::run_arguments(more)).spawn().unwrap()
}

/// Waits until the run says that it trains; what it says from then on is read when it is waited for.
fn until_it_trains(child: &mut Child) -> (String, BufReader<std::process::ChildStderr>) {
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("to run,") {
        assert!(stderr.read_line(&mut said).unwrap() > 0, "{said}");
    }
    thread::sleep(Duration::from_millis(100));
    (said, stderr)
}

fn end_of(child: Child, (mut said, mut stderr): (String, BufReader<std::process::ChildStderr>)) -> Ran {
    stderr.read_to_string(&mut said).unwrap();
    Ran { stderr: said, ..Ran::of(child.wait_with_output().unwrap()) }
}

#[test]
fn what_is_ignored_at_the_start_stays_ignored() {
    let sandbox = Sandbox::new();
    let mut child = deaf_to("HUP INT", &sandbox, &SLOWER);
    let said = until_it_trains(&mut child);
    for name in ["HUP", "INT", "HUP", "INT"] {
        signal(&child, name);
    }
    let ran = end_of(child, said);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    // Signals that are not ignored count all the same.
    let sandbox = Sandbox::new();
    let mut child = deaf_to("HUP", &sandbox, &LONG);
    let said = until_it_trains(&mut child);
    signal(&child, "HUP");
    thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "it ended by a signal that was ignored");
    signal(&child, "INT");
    let ran = end_of(child, said);
    assert_eq!(ran.code, Some(INTERRUPTED), "{}", ran.stderr);
}

#[test]
fn a_terminal_that_closes_interrupts_like_a_person() {
    let sandbox = Sandbox::new();
    let mut child = sandbox.start(&LONG);
    let said = until_it_trains(&mut child);
    signal(&child, "HUP");
    let ran = end_of(child, said);
    assert_eq!(ran.code, Some(INTERRUPTED), "{}", ran.stderr);
    let log = sandbox.program(&["log", "--json"]).json();
    assert_eq!(log["runs"][0]["ending"], "interrupted");
}

/// Whether the process is still at work.
fn is_running(child: &mut Child) -> bool {
    child.try_wait().unwrap().is_none()
}

#[test]
fn a_second_signal_ends_at_once_what_a_first_one_cannot() {
    let sandbox = Sandbox::new();
    // One step takes many seconds, and nothing is asked between its beginning and its end.
    let budget = "BPE-1,layers=3,channels=512,image_size=16,batch_size=128,epochs=1";
    let arguments = ["train", "--genotype", "DARTS_V2", "--budget", budget, "--device", "cpu"];
    // Nothing says when the step begins: on a busy machine the first signal may come before, and then ends it.
    let mut child = [3, 6, 12, 24]
        .into_iter()
        .find_map(|seconds| {
            let mut child = sandbox.command(&arguments).spawn().unwrap();
            thread::sleep(Duration::from_secs(seconds));
            signal(&child, "INT");
            thread::sleep(Duration::from_millis(500));
            if is_running(&mut child) {
                return Some(child);
            }
            assert_eq!(child.wait().unwrap().code(), Some(INTERRUPTED));
            None
        })
        .expect("a signal in the midst of a step ended it");
    signal(&child, "INT");
    let sent = Instant::now();
    while is_running(&mut child) {
        assert!(sent.elapsed() < Duration::from_secs(1), "it took more than a second to end");
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(child.wait().unwrap().code(), Some(INTERRUPTED));
}
