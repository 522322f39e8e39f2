//! What a failure stops, and what it does not.

use stages::sample::architectures;

use super::fake::{Bench, Best, FakeExecutor, Map, Number, budget, run};
use crate::engine::manifest::{Ending, NodeState, TrainingCount};
use crate::engine::node::Dag;

fn graph() -> Dag {
    let mut dag = Dag::default();
    let broken = dag.add("map@broken", Map { architectures: 0..4, budget: budget(3) });
    let whole = dag.add("map@whole", Map { architectures: 4..6, budget: budget(3) });
    dag.add("best@broken", Best(broken));
    dag.add("best@whole", Best(whole));
    dag.add("number", Number(1));
    dag
}

fn executor() -> FakeExecutor {
    FakeExecutor { failing: vec![architectures(0, 2)[1].canonical().to_string()], ..FakeExecutor::default() }
}

#[test]
fn a_failed_training_fails_its_node_but_not_its_siblings() {
    let bench = Bench::new();
    let executor = executor();
    let outcome = bench.run(&graph(), "best", &executor);
    let message = outcome.failure.unwrap().to_string();
    assert!(message.contains("map@broken"), "{message}");
    assert!(message.contains(&architectures(0, 2)[1].canonical().to_string()), "{message}");
    assert!(message.contains("epochs=3,"), "{message}");
    assert!(message.contains("the loss is not finite"), "{message}");
    assert_eq!(executor.count(), 3, "the siblings of the failed training are trained and kept");
    assert_eq!(outcome.manifest.ending, Ending::Failed);
    assert_eq!(outcome.manifest.trainings, TrainingCount { run: 3, cached: 0, diverged: 0 });
    let states: Vec<NodeState> = outcome.manifest.nodes.iter().map(|node| node.state).collect();
    assert_eq!(states[0], NodeState::Failed);
    assert!(states[1..].iter().all(|state| *state == NodeState::Skipped));
}

#[test]
fn keep_going_does_everything_that_does_not_need_what_failed() {
    use NodeState::{Failed, Ran, Skipped};
    let bench = Bench::new();
    let outcome = run(&graph(), &bench.store, "best", &executor(), |run| run.keep_going = true);
    let states: Vec<NodeState> = outcome.manifest.nodes.iter().map(|node| node.state).collect();
    assert_eq!(states, [Failed, Ran, Skipped, Ran]);
    assert!(outcome.failure.unwrap().to_string().contains("map@broken"));
    // Repaired, the next run trains what had failed and nothing else.
    let repaired = FakeExecutor::default();
    let outcome = bench.run(&graph(), "best", &repaired);
    assert!(outcome.failure.is_none());
    assert_eq!(outcome.manifest.trainings, TrainingCount { run: 1, cached: 5, diverged: 0 });
}
