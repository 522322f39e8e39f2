//! What runs and what does not.

use super::fake::{Bench, FakeExecutor, Number, Sum, number_of, run};
use crate::engine::explain::StaleReason;
use crate::engine::manifest::{Ending, History, NodeState};
use crate::engine::node::Dag;
use crate::error::Error;

fn sums(numbers: [u64; 2]) -> Dag {
    let mut dag = Dag::default();
    let a = dag.add("number@a", Number(numbers[0]));
    let b = dag.add("number@b", Number(numbers[1]));
    let sum = dag.add("sum", Sum(vec![a, b]));
    dag.add("sum@again", Sum(vec![sum, sum]));
    dag
}

fn states(dag: &Dag, bench: &Bench, target: &str) -> Vec<NodeState> {
    let outcome = bench.run(dag, target, &FakeExecutor::default());
    assert!(outcome.failure.is_none());
    outcome.manifest.nodes.iter().map(|node| node.state).collect()
}

#[test]
fn what_ran_once_is_remembered() {
    let bench = Bench::new();
    let dag = sums([10, 20]);
    let first = bench.run(&dag, "sum@again", &FakeExecutor::default());
    assert_eq!(number_of(&first, 3), 6);
    assert_eq!(states(&dag, &bench, "sum@again"), [NodeState::Cached; 4]);
}

#[test]
fn a_change_that_leads_to_the_same_output_stops_there() {
    use NodeState::{Cached, Ran};
    let bench = Bench::new();
    assert_eq!(states(&sums([10, 20]), &bench, "sum@again"), [Ran; 4]);
    assert_eq!(states(&sums([13, 20]), &bench, "sum@again"), [Ran, Cached, Cached, Cached]);
    assert_eq!(states(&sums([30, 20]), &bench, "sum@again"), [Ran, Cached, Ran, Ran]);
    // 10 + 40 and 30 + 20 have one sum: the cut-off comes one node later.
    assert_eq!(states(&sums([10, 40]), &bench, "sum@again"), [Cached, Ran, Ran, Cached]);
}

#[test]
fn a_target_runs_nothing_but_what_it_needs() {
    let bench = Bench::new();
    let dag = sums([10, 20]);
    assert_eq!(states(&dag, &bench, "number@b"), [NodeState::Ran]);
    // A stage's name is all of its nodes.
    assert_eq!(states(&dag, &bench, "number"), [NodeState::Ran, NodeState::Cached]);
}

#[test]
fn an_unknown_target_names_the_known_ones() {
    let error = sums([1, 2]).find("sun").unwrap_err();
    let Error::UnknownTarget { ref stages, ref nodes, .. } = error else { panic!("{error}") };
    assert_eq!(stages, "number, sum");
    assert!(nodes.starts_with("number@a, number@b, sum@again"), "{nodes}");
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn a_plan_sees_past_what_is_stale_and_changes_nothing() {
    let bench = Bench::new();
    let fresh = bench.plan(&sums([10, 20]), "sum@again");
    assert!(fresh.nodes.iter().all(|node| node.reason == Some(StaleReason::NeverRun)));
    bench.run(&sums([10, 20]), "sum@again", &FakeExecutor::default());
    // The number changes, its output does not: what comes after it is known to be cached without running anything.
    let plan = bench.plan(&sums([13, 20]), "sum@again");
    let reasons: Vec<String> = plan
        .nodes
        .iter()
        .map(|node| node.reason.as_ref().map_or_else(String::new, ToString::to_string))
        .collect();
    assert_eq!(reasons, ["toy.number: 10 -> 13", "", "", ""]);
    assert_eq!(plan.stale(), 1);
    assert_eq!(bench.plan(&sums([13, 20]), "sum@again").stale(), 1);
    assert_eq!(History::load(&bench.store).unwrap().manifests().len(), 1);
}

#[test]
fn what_is_forced_runs_again() {
    let bench = Bench::new();
    let dag = sums([10, 20]);
    bench.run(&dag, "sum@again", &FakeExecutor::default());
    let forced = |run: &mut crate::engine::run::Run| run.forced.extend([2]);
    let outcome = run(&dag, &bench.store, "sum@again", &FakeExecutor::default(), forced);
    let states: Vec<NodeState> = outcome.manifest.nodes.iter().map(|node| node.state).collect();
    assert_eq!(states, [NodeState::Cached, NodeState::Cached, NodeState::Ran, NodeState::Cached]);
    assert_eq!(outcome.manifest.ending, Ending::Finished);
}

#[test]
fn every_run_leaves_a_manifest_with_keys_fields_and_outputs() {
    let bench = Bench::new();
    let outcome = bench.run(&sums([10, 20]), "sum", &FakeExecutor::default());
    let history = History::load(&bench.store).unwrap();
    let [manifest] = history.manifests() else { panic!("one run, one manifest") };
    assert_eq!(manifest.target, "sum");
    assert_eq!(manifest.ending, Ending::Finished);
    let sum = manifest.node("sum").unwrap();
    assert_eq!(sum.output, Some(outcome.outputs[&2].digest));
    assert_eq!(
        sum.inputs,
        [("of".to_owned(), "number@a".to_owned()), ("of".to_owned(), "number@b".to_owned())]
    );
    let names: Vec<&str> = sum.fields.as_ref().unwrap().iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["input of", "stage", "version"]);
}
