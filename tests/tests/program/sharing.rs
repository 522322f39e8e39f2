//! Two runs on one cache folder.

use crate::sandbox::{Ran, SLOWER, Sandbox};

#[test]
fn two_runs_at_once_finish_with_the_same_result() {
    let sandbox = Sandbox::new();
    let [one, other] = [(); 2].map(|()| sandbox.start(&SLOWER));
    let [one, other] = [one, other].map(|child| Ran::of(child.wait_with_output().unwrap()).summary());
    assert_eq!(one.result, other.result);
    let next = sandbox.run(&SLOWER);
    assert_eq!((next.run, &next.result), (0, &one.result), "nothing that the two found is lost");
    let trainings = sandbox.trainings().len() as u64;
    assert!(one.run + other.run >= trainings);
    assert_eq!(Sandbox::new().run(&SLOWER).run, trainings);
    sandbox.assert_verified();
}

#[test]
fn questions_are_answered_while_a_run_is_at_work() {
    let sandbox = Sandbox::new();
    let run = sandbox.start(&SLOWER);
    for arguments in [&["log"][..], &["cache", "stats"], &["plan", "--config", "tiny.toml"]] {
        sandbox.program(&[arguments, &["--json"]].concat()).succeeded().json();
    }
    Ran::of(run.wait_with_output().unwrap()).summary();
}
