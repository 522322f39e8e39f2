//! Records that are of no use to a run: they are trained again once, and replaced.

use cache::{Kind, PutOutcome, Record, Store};

use crate::sandbox::Sandbox;

#[test]
fn a_training_that_no_longer_decodes_is_trained_again_once() {
    let sandbox = Sandbox::new();
    let first = sandbox.run(&[]);
    {
        let store = Store::open(sandbox.cache()).unwrap();
        let training = store.iter(Kind::Training).unwrap().next().unwrap().unwrap();
        // Intact, and nothing that this program can read.
        let foreign = Record { payload: vec![255; 9], ..training };
        assert_eq!(store.supersede(&foreign).unwrap(), PutOutcome::Superseded);
    }
    sandbox.forget_outputs();
    for expected in [1, 0] {
        let run = sandbox.run(&[]);
        assert_eq!((run.run, &run.result), (expected, &first.result));
        sandbox.forget_outputs();
    }
    let stats = sandbox.program(&["cache", "stats", "--json"]).json();
    assert_eq!(stats["superseded"], 2, "what was replaced is kept");
}

#[test]
fn what_is_removed_by_its_key_is_computed_again() {
    let sandbox = Sandbox::new();
    let first = sandbox.run(&[]);
    let key = sandbox.trainings().keys().next().unwrap().clone();
    sandbox.program(&["cache", "rm", "abc"]).code.map(|code| assert_eq!(code, 2)).unwrap();
    let short = format!("training/{}", &key[..10]);
    let removed = sandbox.program(&["cache", "rm", &short, "--json"]).succeeded().json();
    assert_eq!(removed["removed"][0], format!("training/{key}"));
    let again = sandbox.program(&["cache", "rm", &short]);
    assert_eq!(again.code, Some(2), "{}", again.stderr);
    for expected in [1, 0] {
        sandbox.forget_outputs();
        let run = sandbox.run(&[]);
        assert_eq!((run.run, &run.result), (expected, &first.result));
    }
    sandbox.assert_verified();
}
