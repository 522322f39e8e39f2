//! Runs on one cache folder at the same time.

use crate::sandbox::{Ran, SLOWER, Sandbox};

#[test]
fn runs_at_once_train_everything_once_and_find_the_same() {
    let alone = Sandbox::new().run(&SLOWER);
    for processes in 2..=4 {
        let sandbox = Sandbox::new();
        let children: Vec<_> = (0..processes).map(|_| sandbox.start(&SLOWER)).collect();
        let runs: Vec<_> =
            children.into_iter().map(|child| Ran::of(child.wait_with_output().unwrap()).summary()).collect();
        let trained: u64 = runs.iter().map(|run| run.run).sum();
        assert_eq!(trained, alone.run, "{processes} processes train nothing twice and forget nothing");
        assert!(runs.iter().all(|run| run.result == alone.result));
        assert_eq!(sandbox.trainings().len() as u64, alone.run);
        let next = sandbox.run(&SLOWER);
        assert_eq!((next.run, &next.result), (0, &alone.result), "nothing that they found is lost");
        sandbox.assert_verified();
    }
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
