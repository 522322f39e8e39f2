//! Rounds whose budgets race, with trainings that take no time.

use std::collections::{BTreeMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use cache::FieldValue;
use stages::config::Config;
use stages::mip::MipState;
use stages::stage::{EvaluatedBudget, MipReport, RankedBudget, TrainedBudget};
use stages::train::TrainingJob;
use stages::{Budget, Genotype, sample};

use super::fake::{Bench, FakeExecutor, run};
use super::nas_search::{DRAWN_AGAIN, SIZES, dag, data, output};
use crate::engine::manifest::TrainingCount;
use crate::engine::node::Dag;
use crate::engine::plan::Bound;
use crate::engine::run::Outcome;
use crate::nas;

const ARCHITECTURES: usize = 40;
const COUNTS: [(&str, &str); 2] = [("architectures.count", "40"), ("mip.budgets_per_round", "6")];
const RACE: (&str, &str) = ("mip.race", "0.9");

fn raced(set: &[(&str, &str)]) -> Dag {
    dag(&[&COUNTS[..], &[RACE], set].concat())
}

/// Each budget that was tried with how it ranked, once.
fn ranked(dag: &Dag, outcome: &Outcome, rounds: usize) -> Vec<RankedBudget> {
    let mut all: Vec<RankedBudget> = Vec::new();
    for round in 1..=rounds {
        for ranked in output::<Vec<RankedBudget>>(dag, outcome, &format!("rank@{round}")) {
            if all.iter().all(|known| known.trial.budget != ranked.trial.budget) {
                all.push(ranked);
            }
        }
    }
    all
}

#[test]
fn a_race_trains_fewer_and_what_it_finds_was_trained_under_all() {
    let (plain, racing) = (dag(&COUNTS), raced(&[]));
    let whole = Bench::new().run(&plain, "mip", &FakeExecutor::default());
    let executor = FakeExecutor::default();
    let bench = Bench::new();
    let plan = bench.plan(&racing, "mip");
    let outcome = bench.run(&racing, "mip", &executor);
    assert!(outcome.failure.is_none());
    let report: MipReport = output(&racing, &outcome, "mip");
    let race = report.race.unwrap();
    let full = ARCHITECTURES as u64;
    assert_eq!(outcome.manifest.trainings.run, race.trainings + full);
    assert_eq!((race.confidence, race.trainings_of_all), (0.9, report.tried * full));
    assert!(race.trainings < race.trainings_of_all * 3 / 4, "{race:?}");

    // The best by all trainings is none of those that were dropped, and is found.
    let tried = ranked(&racing, &outcome, report.rounds.len());
    assert_eq!(tried.len() as u64, report.tried);
    let dropped: Vec<&RankedBudget> =
        tried.iter().filter(|ranked| ranked.trial.dropped_after.is_some()).collect();
    assert_eq!(dropped.len() as u64, race.dropped);
    let expected: MipReport = output(&plain, &whole, "mip");
    assert_eq!((report.found, expected.race), (expected.found, None));
    assert!(report.pareto.iter().all(|ranked| ranked.trial.dropped_after.is_none()));

    // Each has as many scores as it says, and they are those of the first architectures.
    let trained = executor.trained.into_inner().unwrap();
    let under = |budget: Budget| trained.iter().filter(|job| job.budget == budget).count();
    for ranked in &tried {
        let count = ranked.trial.dropped_after.map_or(ARCHITECTURES, |count| count as usize);
        assert!(count == ARCHITECTURES || count.is_multiple_of(5) && count >= 10, "{count}");
        assert_eq!((ranked.quality.architectures, under(ranked.trial.budget)), (count, count));
    }
    let scores = |dag, outcome| output::<Vec<EvaluatedBudget>>(dag, outcome, "evaluate@1");
    for (short, long) in scores(&racing, &outcome).iter().zip(scores(&plain, &whole)) {
        assert!(short.budget == long.budget && long.scores.starts_with(&short.scores));
    }
    let rank = |dag, outcome| output::<Vec<RankedBudget>>(dag, outcome, "rank@1");
    for (short, long) in rank(&racing, &outcome).iter().zip(rank(&plain, &whole)) {
        assert_eq!(short.trial.dropped_after.is_none(), *short == long);
    }

    // How many it will be is not known before.
    let node = plan.nodes.iter().find(|node| node.name == "train@1").unwrap();
    assert_eq!(node.run, Bound::AtMost(6 * full));
    assert!(plan.trainings().most() >= outcome.manifest.trainings.run);
    assert_eq!(bench.plan(&racing, "mip").stale(), 0);
}

#[test]
fn no_race_depends_on_what_the_cost_weighs_or_is_counted_in() {
    let bench = Bench::new();
    bench.run(&raced(&[]), "mip", &FakeExecutor::default());
    for set in [("mip.lambda", "0"), ("mip.lambda", "0.5"), ("mip.lambda", "0.99"), ("mip.cost", "seconds")] {
        let dag = raced(&[set]);
        let outcome = bench.run(&dag, "mip", &FakeExecutor::default());
        assert_eq!((outcome.failure.is_none(), outcome.manifest.trainings.run), (true, 0), "{set:?}");
        let report: MipReport = output(&dag, &outcome, "mip");
        assert!(report.found.trial.dropped_after.is_none() && report.race.unwrap().dropped > 0, "{set:?}");
    }
}

#[test]
fn a_race_that_is_killed_goes_on_to_the_same_end() {
    let dag = raced(&[]);
    let unbroken = FakeExecutor::default();
    let expected = Bench::new().run(&dag, "mip", &unbroken);
    let bench = Bench::new();
    // In the midst of the second group of the first round.
    let dying = FakeExecutor { die_after: Some(ARCHITECTURES + 60 + 7), ..FakeExecutor::default() };
    assert!(catch_unwind(AssertUnwindSafe(|| bench.run(&dag, "mip", &dying))).is_err());
    let (second, rest) = (bench.second(), FakeExecutor::default());
    let outcome = run(&dag, &second, "mip", &rest, |_| {});
    assert!(outcome.failure.is_none());
    assert_eq!(ARCHITECTURES + 60 + 7 + rest.count(), unbroken.count());
    let last = dag.find("mip").unwrap()[0];
    assert_eq!(outcome.outputs[&last].bytes, expected.outputs[&last].bytes);
}

#[test]
fn keys_know_of_races_only_where_budgets_race() {
    let bench = Bench::new();
    let fields = |dag: &Dag, node: &str| -> BTreeMap<String, FieldValue> {
        let outcome = bench.run(dag, node, &FakeExecutor::default());
        let fields = outcome.manifest.node(node).unwrap().fields.clone().unwrap();
        fields.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()
    };
    let more = |plain: &Dag, racing: &Dag, node: &str| -> Vec<String> {
        let (mut plain, racing) = (fields(plain, node), fields(racing, node));
        let more = racing.into_iter().filter(|(name, value)| plain.remove(name).as_ref() != Some(value));
        let more = more.map(|(name, _)| name).collect();
        assert!(plain.is_empty(), "{plain:?}");
        more
    };
    let (plain, off, racing) = (dag(&[]), dag(&[("mip.race", "0")]), dag(&[RACE]));
    for node in ["sample", "train@full", "train@1", "rank@1", "train@2", "mip", "train@confirm"] {
        assert!(more(&plain, &off, node).is_empty(), "{node}");
    }
    // Eight architectures are too few for a look, so that every budget is trained under all.
    assert_eq!(more(&plain, &racing, "train@1"), ["input full", "mip.race", "mip.seed"]);
    assert_eq!(more(&plain, &racing, "train@2"), ["input earlier", "input full", "mip.race", "mip.seed"]);
    assert_eq!(more(&plain, &racing, "mip"), ["mip.race"]);
    for node in ["sample", "train@full", "evaluate@1", "rank@1", "prune@5", "train@confirm"] {
        assert!(more(&plain, &racing, node).is_empty(), "{node}");
    }
    let by_tau = dag(&[RACE, ("mip.objective", "kendall")]);
    assert_eq!(more(&racing, &by_tau, "train@1"), ["mip.objective"]);
}

#[test]
fn architectures_of_a_file_race_in_a_random_order() {
    let given: Vec<Genotype> = sample::architectures(3, 12).iter().map(Genotype::canonical).collect();
    let of = |set: &[(&str, &str)]| -> Vec<Genotype> {
        let config = Config::load("quick", None, &[&SIZES[..], set].concat()).unwrap();
        let dag = nas::dag(&config, &data(), Some(given.clone()));
        let outcome = Bench::new().run(&dag, "given-architectures", &FakeExecutor::default());
        output(&dag, &outcome, "given-architectures")
    };
    assert_eq!(of(&[]), given);
    let (first, other) = (of(&[RACE]), of(&[RACE, ("mip.seed", "5")]));
    assert!(first != given && other != first);
    let set = |list: &[Genotype]| list.iter().map(ToString::to_string).collect::<HashSet<_>>();
    assert_eq!((set(&first), first.len()), (set(&given), 12));
}

#[test]
fn a_budget_that_is_drawn_again_does_not_race_again() {
    let dag = raced(&DRAWN_AGAIN);
    let outcome = Bench::new().run(&dag, "mip", &FakeExecutor::default());
    assert!(outcome.failure.is_none());
    // Round 1 draws all eight budgets; what is left for round 2 are four of them.
    let [first, second] =
        ["train@1", "train@2"].map(|node| output::<Vec<TrainedBudget>>(&dag, &outcome, node));
    assert_eq!((first.len(), second.len()), (8, 4));
    assert!(first.iter().any(|budget| budget.trainings.len() < ARCHITECTURES));
    assert!(second.iter().all(|budget| first.contains(budget)));
    let count: usize = second.iter().map(|budget| budget.trainings.len()).sum();
    let trainings = outcome.manifest.node("train@2").unwrap().trainings;
    assert_eq!(trainings, TrainingCount { run: 0, cached: count as u64, diverged: 0 });
    let state: MipState = output(&dag, &outcome, "prune@2");
    assert_eq!(state.trials.len(), 8);
}

#[test]
fn what_diverges_is_behind() {
    let diverging: fn(&TrainingJob) -> bool =
        |job| job.budget.learning_rate > 0.05 && job.architecture.to_string().len().is_multiple_of(2);
    let executor = FakeExecutor { diverging: Some(diverging), ..FakeExecutor::default() };
    let dag = raced(&[]);
    let outcome = Bench::new().run(&dag, "mip", &executor);
    let report: MipReport = output(&dag, &outcome, "mip");
    assert!(report.found.trial.budget.learning_rate < 0.05 && report.race.unwrap().dropped > 0);
    let trained = executor.trained.into_inner().unwrap();
    assert_eq!(report.diverged.len(), trained.iter().filter(|job| diverging(job)).count());
    // Who diverged is told with the architecture that did.
    let told = |one: &stages::stage::DivergedTraining| (one.genotype.to_string(), one.budget.to_string());
    let expected: HashSet<(String, String)> = trained
        .iter()
        .filter(|job| diverging(job))
        .map(|job| (job.architecture.to_string(), job.budget.to_string()))
        .collect();
    assert_eq!(report.diverged.iter().map(told).collect::<HashSet<_>>(), expected);
}
