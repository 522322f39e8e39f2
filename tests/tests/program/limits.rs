//! What a machine, a container or a shell does not give: memory and threads. Runs wait, do with less, or say what they need.

use std::time::{Duration, Instant};

use crate::sandbox::{Ran, Sandbox};

/// Three full trainings of about 300 MiB each.
const LARGE: [&str; 4] = [
    "--set=full.batch_size=1024",
    "--set=full.channels=8",
    "--set=full.image_size=16",
    "--set=data.train_images=1100",
];

/// The program with an address space of so many MiB.
fn within(mib: u64, sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    let limit = format!("ulimit -v {}", mib * 1024);
    Ran::of(sandbox.command_after(&limit, arguments).output().unwrap())
}

#[test]
fn numbers_of_trainings_at_once_that_make_no_sense_are_refused() {
    let sandbox = Sandbox::new();
    for jobs in ["0", "-1", "65536", "99999999999999999999", "two", ""] {
        let flag = format!("--jobs={jobs}");
        let ran = sandbox.program(&Sandbox::run_arguments(&[&flag]));
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{jobs}: {}", ran.stderr);
        assert!(ran.stderr.contains("--jobs"), "{jobs}: {}", ran.stderr);
    }
}

#[test]
fn more_threads_than_there_are_cores_change_nothing() {
    let few = Sandbox::new().run(&["--jobs=1"]);
    let sandbox = Sandbox::new();
    let begun = Instant::now();
    let mut command = sandbox.command(&Sandbox::run_arguments(&["--jobs=65535"]));
    let many = Ran::of(command.env("RAYON_NUM_THREADS", "10000").output().unwrap()).summary();
    assert_eq!(many.result, few.result);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn trainings_that_do_not_fit_the_memory_at_once_wait_for_each_other() {
    let all = Sandbox::new().run(&LARGE);
    // From where one training fits beside the program and two do not to where both do: in between the second finds out that it
    // has to wait when the first has begun.
    for mib in [700, 800, 900] {
        let sandbox = Sandbox::new();
        let arguments = Sandbox::run_arguments(&[&LARGE[..], &["--jobs=2"]].concat());
        let ran = within(mib, &sandbox, &arguments).summary();
        assert_eq!((ran.run, &ran.result), (all.run, &all.result), "{mib} MiB");
    }
}

#[test]
fn a_training_that_never_fits_says_what_it_needs_and_what_there_is() {
    let sandbox = Sandbox::new();
    let ran = within(350, &sandbox, &Sandbox::run_arguments(&LARGE));
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{}", ran.stderr);
    let last = ran.stderr.lines().last().unwrap();
    for part in ["3 of 3 trainings failed", "the training needs", "MiB are available under `ulimit -v`"] {
        assert!(last.contains(part), "{last}");
    }
}

#[test]
fn however_small_the_address_space_a_run_ends_with_a_message_or_its_result() {
    let arguments = Sandbox::run_arguments(&["--jobs=64"]);
    let expected = Sandbox::new().run(&[]).result;
    let mut finished = 0;
    for mib in [60, 100, 150, 200, 250, 300, 350, 400, 500, 1000, 3000] {
        let sandbox = Sandbox::new();
        let ran = within(mib, &sandbox, &arguments);
        if ran.code == Some(0) {
            assert_eq!(ran.summary().result, expected, "{mib} MiB");
            finished += 1;
            continue;
        }
        assert_eq!(ran.code, Some(1), "{mib} MiB: {}", ran.stderr);
        let last = ran.stderr.lines().last().unwrap();
        assert!(last.starts_with("pipeline: ") && last.contains("ulimit -v"), "{mib} MiB: {last}");
    }
    assert!(finished >= 2, "no run finished");
}
