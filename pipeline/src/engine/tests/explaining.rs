//! Why something runs.

use super::fake::{Bench, Best, FakeExecutor, Map, Number, Sum, budget};
use crate::engine::explain::{Change, StaleReason, causes, changes, changes_between};
use crate::engine::manifest::History;
use crate::engine::node::Dag;

fn sums(number: u64) -> Dag {
    let mut dag = Dag::default();
    let a = dag.add("number@a", Number(number));
    let b = dag.add("number@b", Number(20));
    let sum = dag.add("sum", Sum(vec![a, b]));
    dag.add("sum@again", Sum(vec![sum]));
    dag
}

#[test]
fn a_changed_input_is_named_with_both_digests_and_traced_to_the_setting_behind_it() {
    let bench = Bench::new();
    bench.run(&sums(10), "sum@again", &FakeExecutor::default());
    let dag = sums(50);
    let plan = bench.plan(&dag, "sum@again");
    let history = History::load(&bench.store).unwrap();
    let (run, entry) = history.latest("sum").unwrap();
    let changed = changes(&dag, 2, plan.nodes[2].key.as_ref().unwrap(), entry);
    let [change] = changed.as_slice() else { panic!("one input changed: {changed:?}") };
    assert_eq!(change.node.as_deref(), Some("number@a"));
    assert_ne!(change.old, change.new);
    assert!(change.old.is_some() && change.new.is_some());
    let setting = Change {
        field: "toy.number".to_owned(),
        node: None,
        old: Some("10".to_owned()),
        new: Some("50".to_owned()),
    };
    assert_eq!(causes(&dag, &plan, 3, run), [("number@a".to_owned(), vec![setting.clone()])]);

    // After the run the same is told from the two manifests.
    bench.run(&dag, "sum@again", &FakeExecutor::default());
    let history = History::load(&bench.store).unwrap();
    let (_, newer) = history.latest("number@a").unwrap();
    let (_, older) = history.latest_other("number@a", &newer.key.unwrap()).unwrap();
    assert_eq!(changes_between(older, newer), [setting]);
}

#[test]
fn what_comes_after_a_missing_training_waits_for_it() {
    let maps = |epochs| {
        let mut dag = Dag::default();
        let map = dag.add("map", Map { architectures: 0..2, budget: budget(epochs) });
        dag.add("best", Best(map));
        dag
    };
    let bench = Bench::new();
    bench.run(&maps(3), "best", &FakeExecutor::default());
    let plan = bench.plan(&maps(4), "best");
    assert_eq!(plan.nodes[0].reason.as_ref().unwrap().to_string(), "epochs: 3 -> 4");
    assert_eq!(plan.nodes[1].reason, Some(StaleReason::Waits(vec!["map".to_owned()])));
}

#[test]
fn a_record_that_is_gone_is_told_from_a_change() {
    let bench = Bench::new();
    let broken = FakeExecutor { stop_after: Some(1), ..FakeExecutor::default() };
    let mut dag = Dag::default();
    dag.add("map", Map { architectures: 0..2, budget: budget(3) });
    bench.run(&dag, "map", &broken);
    assert_eq!(bench.plan(&dag, "map").nodes[0].reason, Some(StaleReason::OutputMissing));
}
