//! Settings as large as are allowed, and larger ones.

use crate::sandbox::Sandbox;
#[cfg(target_os = "linux")]
use crate::sandbox::{Ran, most_resident};

/// Architectures that a person may ask for at most.
const MANY: &str = "--set=architectures.count=100000";
#[cfg(target_os = "linux")]
const MIB: u64 = 1 << 20;

/// Memory that a command took at most, and its answer.
#[cfg(target_os = "linux")]
fn measured(sandbox: &Sandbox, arguments: &[&str]) -> (u64, Ran) {
    let mut child = sandbox.command(arguments).spawn().unwrap();
    let most = most_resident(&mut child);
    (most, Ran::of(child.wait_with_output().unwrap()).succeeded())
}

#[test]
#[cfg(target_os = "linux")]
fn a_hundred_thousand_architectures_are_planned_in_little_memory() {
    let sandbox = Sandbox::new();
    let (most, ran) = measured(&sandbox, &["plan", "--config=tiny.toml", MANY]);
    assert!(ran.stdout.contains("at least 200,000 and at most 500,004"), "{}", ran.stdout);
    assert!(most < 300 * MIB, "{} MiB", most / MIB);
    for arguments in [&["status", "--target=train@full"][..], &["explain", "train@full"]] {
        let (most, ran) = measured(&sandbox, &[arguments, &["--config=tiny.toml", MANY]].concat());
        assert!(ran.stdout.contains("never run before"), "{}", ran.stdout);
        assert!(most < 300 * MIB, "{arguments:?}: {} MiB", most / MIB);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn so_are_the_architectures_of_a_search() {
    let sandbox = Sandbox::new();
    let trained = sandbox.run(&[]).run;
    let more = ["plan", "--config=tiny.toml", "--json", "--set=search.samples=100000"];
    let (most, ran) = measured(&sandbox, &more);
    let trainings = &ran.json()["trainings"];
    assert!(trainings["at_most"].as_u64().unwrap() > 100_000 - trained, "{trainings}");
    assert!(most < 200 * MIB, "{} MiB", most / MIB);
}

#[test]
fn more_trainings_than_any_run_ends_are_refused_at_once() {
    let sandbox = Sandbox::new();
    for settings in [
        &[MANY, "--set=mip.budgets_per_round=10000"][..],
        &["--set=architectures.count=99999", "--set=mip.budgets_per_round=50"],
    ] {
        for command in ["plan", "status", "run"] {
            // A space with room for so many budgets.
            let space = ["--set=space.epochs=[1,2,3,4,5,6,7,8,9]", "--set=space.layers=[3,4,5,6,7,8,9]"];
            let ran = sandbox.program(&[&[command, "--config=tiny.toml"][..], &space, settings].concat());
            assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{settings:?}: {}", ran.stderr);
            for part in ["architectures.count", "mip.budgets_per_round", "search.samples", "10000000"] {
                assert!(ran.stderr.contains(part), "{}", ran.stderr);
            }
        }
    }
}
