//! Which trainings run.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use cache::Kind;
use stages::job::Job;
use stages::stage::JobList;

use super::fake::{Bench, Best, FakeExecutor, Map, budget, job, run};
use crate::engine::executor::{Events, Executor, Size};
use crate::engine::manifest::{NodeState, TrainingCount};
use crate::engine::node::Dag;
use crate::engine::plan::Bound;
use crate::error::Error;

fn maps(first: std::ops::Range<usize>, second: std::ops::Range<usize>) -> Dag {
    let mut dag = Dag::default();
    let first = dag.add("map@1", Map { architectures: first, budget: budget(3) });
    dag.add("map@2", Map { architectures: second, budget: budget(3) });
    dag.add("best", Best(first));
    dag
}

#[test]
fn a_job_is_trained_once_in_a_node_and_once_in_a_graph() {
    let bench = Bench::new();
    let executor = FakeExecutor::default();
    let outcome = bench.run(&maps(0..3, 2..5), "map", &executor);
    let counts: Vec<TrainingCount> = outcome.manifest.nodes.iter().map(|node| node.trainings).collect();
    assert_eq!(
        counts,
        [TrainingCount { run: 3, cached: 0, diverged: 0 }, TrainingCount { run: 2, cached: 1, diverged: 0 }]
    );
    assert_eq!(executor.count(), 5);
    // When the nodes' own outputs are there, their jobs are counted and not looked at.
    let again = bench.run(&maps(0..3, 2..5), "map", &executor);
    assert_eq!(again.manifest.trainings, TrainingCount { run: 0, cached: 6, diverged: 0 });
    assert_eq!(executor.count(), 5);
}

#[test]
fn one_more_job_trains_only_that_one() {
    let bench = Bench::new();
    let executor = FakeExecutor::default();
    bench.run(&maps(0..3, 0..3), "map@1", &executor);
    let outcome = bench.run(&maps(0..4, 0..3), "map@1", &executor);
    assert_eq!(outcome.manifest.trainings, TrainingCount { run: 1, cached: 3, diverged: 0 });
    assert_eq!(executor.trained.lock().unwrap().last(), Some(&job(3, budget(3))));
}

#[test]
fn a_plan_counts_missing_trainings_once() {
    let bench = Bench::new();
    let dag = maps(0..3, 2..5);
    let plan = bench.plan(&dag, "map");
    let counts: Vec<(Bound, u64)> = plan.nodes.iter().map(|node| (node.run, node.cached)).collect();
    assert_eq!(counts, [(Bound::Exactly(3), 0), (Bound::Exactly(2), 1)]);
    let executor = FakeExecutor::default();
    let outcome = bench.run(&dag, "map", &executor);
    assert_eq!(plan.trainings(), Bound::Exactly(outcome.manifest.trainings.run));
}

#[test]
fn an_interrupted_run_keeps_what_had_finished_and_the_next_goes_on() {
    let bench = Bench::new();
    let dag = maps(0..6, 0..1);
    let executor = FakeExecutor { stop_after: Some(2), ..FakeExecutor::default() };
    let outcome = bench.run(&dag, "best", &executor);
    assert!(matches!(outcome.failure, Some(Error::Interrupted)));
    let states: Vec<NodeState> = outcome.manifest.nodes.iter().map(|node| node.state).collect();
    assert_eq!(states, [NodeState::Failed, NodeState::Skipped]);
    let rest = FakeExecutor::default();
    let outcome = bench.run(&dag, "best", &rest);
    assert!(outcome.failure.is_none());
    assert_eq!(outcome.manifest.trainings, TrainingCount { run: 4, cached: 2, diverged: 0 });
    let mut trained = [executor.trained.into_inner().unwrap(), rest.trained.into_inner().unwrap()].concat();
    trained.sort_by_key(|job| job.architecture.to_string());
    trained.dedup();
    assert_eq!(trained.len(), 6);
}

#[test]
fn a_killed_run_loses_nothing_that_was_stored() {
    let bench = Bench::new();
    let executor = FakeExecutor { die_after: Some(4), ..FakeExecutor::default() };
    let killed = catch_unwind(AssertUnwindSafe(|| bench.run(&maps(0..6, 0..1), "best", &executor)));
    assert!(killed.is_err());
    // It left no manifest and no output of a node, only the trainings' records. Another process finds them.
    let second = bench.second();
    let records = |kind| second.iter(kind).unwrap().count();
    assert_eq!([Kind::Manifest, Kind::NodeOutput, Kind::Training].map(records), [0, 0, 4]);
    let rest = FakeExecutor::default();
    let outcome = run(&maps(0..6, 0..1), &second, "best", &rest, |_| {});
    assert!(outcome.failure.is_none());
    assert_eq!(rest.count(), 2);
}

#[test]
fn two_runs_at_once_on_one_folder_both_finish() {
    let bench = Bench::new();
    let second = bench.second();
    let dag = maps(0..20, 0..1);
    let (first, other) = (FakeExecutor::default(), FakeExecutor::default());
    let outcomes = std::thread::scope(|scope| {
        let beside = scope.spawn(|| run(&dag, &second, "best", &other, |_| {}));
        let here = bench.run(&dag, "best", &first);
        [here, beside.join().unwrap()]
    });
    assert!(outcomes.iter().all(|outcome| outcome.failure.is_none()));
    assert_eq!(outcomes[0].outputs[&2].digest, outcomes[1].outputs[&2].digest);
    drop(second);
    assert_eq!(bench.run(&dag, "best", &FakeExecutor::default()).manifest.trainings.run, 0);
}

/// Trains its first job; before the turn of the others, another process trains them all.
struct Overtaken<'a> {
    other: &'a cache::Store,
    inner: FakeExecutor,
}

impl Executor for Overtaken<'_> {
    fn device(&self) -> Option<String> {
        self.inner.device()
    }

    fn size(&self, job: &Job) -> Size {
        self.inner.size(job)
    }

    fn execute(&self, jobs: &dyn JobList, stop: &AtomicBool, events: &dyn Events) -> Result<(), Error> {
        self.inner.execute(&vec![jobs.job(0)], stop, events)?;
        let beside = run(&maps(0..4, 0..1), self.other, "map@1", &FakeExecutor::default(), |_| {});
        assert!(beside.failure.is_none());
        for index in 1..jobs.count() {
            // A reader sees what the writer stores a moment later.
            let patience = Instant::now() + Duration::from_secs(30);
            while events.wanted(index) {
                assert!(Instant::now() < patience, "job {index} is in the cache, and still wanted");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }
}

#[test]
fn a_job_that_another_process_finished_meanwhile_is_not_trained_again() {
    let bench = Bench::new();
    let other = bench.second();
    // The reader's run meets what the writer stores while it runs.
    let executor = Overtaken { other: &bench.store, inner: FakeExecutor::default() };
    let outcome = run(&maps(0..4, 0..1), &other, "map@1", &executor, |_| {});
    assert!(outcome.failure.is_none());
    assert_eq!(executor.inner.count(), 1);
    assert_eq!(outcome.manifest.trainings, TrainingCount { run: 1, cached: 3, diverged: 0 });
}

#[test]
fn forcing_a_map_node_trains_again() {
    let bench = Bench::new();
    let dag = maps(0..3, 0..1);
    let executor = FakeExecutor::default();
    bench.run(&dag, "map@1", &executor);
    run(&dag, &bench.store, "map@1", &executor, |run| run.forced = BTreeSet::from([0]));
    assert_eq!(executor.count(), 6);
    assert_eq!(bench.store.counters().conflicts, 0);
}
