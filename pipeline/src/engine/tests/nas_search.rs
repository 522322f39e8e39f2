//! The whole graph of `nas-search`, with trainings that take no time.

use std::collections::HashSet;

use stages::Architecture;
use stages::config::Config;
use stages::data::{Dataset, Images};
use stages::mip::Importances;
use stages::recipe::Scoring;
use stages::sample;
use stages::stage::{
    DrawnBudgets, EvaluatedBudget, MipReport, NasSearchReport, RankedBudget, Round, SearchBudget, decode,
};
use stages::train::{Divergence, TrainingJob};

use super::fake::{Bench, FakeExecutor, run};
use crate::engine::manifest::TrainingCount;
use crate::engine::node::Dag;
use crate::engine::run::Outcome;
use crate::nas;

pub(super) fn data() -> Dataset {
    let images = || Images { pixels: vec![0; 100 * 28 * 28].into(), labels: vec![0; 100].into(), count: 100 };
    Dataset {
        name: "black".to_owned(),
        channels: 1,
        height: 28,
        width: 28,
        classes: (0..10).map(|class| class.to_string()).collect(),
        mean: vec![0.0],
        std: vec![1.0],
        train: images(),
        test: images(),
        digest: cache::Digest::of("test data", b"black"),
        streamed: None,
        drawn_test: None,
        notes: Vec::new(),
    }
}

/// Sizes that the tests count on, whatever the profile says.
pub(super) const SIZES: [(&str, &str); 4] = [
    ("architectures.count", "8"),
    ("mip.budgets_per_round", "3"),
    ("search.samples", "12"),
    ("space.epochs", "[1, 2]"),
];

/// A space of eight budgets, all of which a round draws, so that later rounds draw them again.
pub(super) const DRAWN_AGAIN: [(&str, &str); 7] = [
    ("space.epochs", "[1, 2]"),
    ("space.batch_size", "[64]"),
    ("space.learning_rate", "[0.03, 0.1]"),
    ("space.layers", "[3, 6]"),
    ("space.channels", "[4]"),
    ("space.image_size", "[16]"),
    ("mip.budgets_per_round", "8"),
];

pub(super) fn dag(set: &[(&str, &str)]) -> Dag {
    nas::dag(&Config::load("quick", None, &[&SIZES, set].concat()).unwrap(), &data(), None)
}

#[test]
fn a_second_run_gives_the_same_bytes_and_trains_nothing() {
    let bench = Bench::new();
    let executor = FakeExecutor::default();
    let first = bench.run(&dag(&[]), "nas-search", &executor);
    assert!(first.failure.is_none());
    assert_eq!(first.manifest.trainings.run, executor.count() as u64);
    let second = bench.run(&dag(&[]), "nas-search", &executor);
    let last = *first.outputs.keys().last().unwrap();
    assert_eq!(first.outputs[&last].bytes, second.outputs[&last].bytes);
    let all = first.manifest.trainings.run + first.manifest.trainings.cached;
    assert_eq!(second.manifest.trainings, TrainingCount { run: 0, cached: all, diverged: 0 });
}

/// What was found of the budget.
fn found(report: &NasSearchReport) -> (&MipReport, &RankedBudget) {
    let SearchBudget::Found { mip, confirmed, .. } = &report.budget else { panic!("the budget was given") };
    (mip, confirmed)
}

#[test]
fn a_budget_that_is_given_is_searched_with_as_one_that_was_found() {
    let bench = Bench::new();
    let found_dag = dag(&[]);
    let first = bench.run(&found_dag, "nas-search", &FakeExecutor::default());
    let report: NasSearchReport = output(&found_dag, &first, "nas-search");
    let budget = found(&report).0.found.trial.budget;
    let given_dag = dag(&[("search.budget", &budget.to_string())]);
    let executor = FakeExecutor::default();
    let second = bench.run(&given_dag, "nas-search", &executor);
    let given: NasSearchReport = output(&given_dag, &second, "nas-search");
    assert_eq!(given.budget, SearchBudget::Given(budget));
    assert_eq!((given.search, given.best), (report.search, report.best));
    assert!(executor.trained.into_inner().unwrap().is_empty());

    // Without anything in the cache it trains what the search asks for and its winner, and nothing else.
    let alone = Bench::new().run(&given_dag, "nas-search", &FakeExecutor::default());
    assert_eq!(alone.manifest.trainings.run, 12 + 1);
}

#[test]
fn the_report_is_complete() {
    let bench = Bench::new();
    let dag = dag(&[]);
    let outcome = bench.run(&dag, "nas-search", &FakeExecutor::default());
    let report: NasSearchReport = output(&dag, &outcome, "nas-search");
    let (mip, confirmed) = found(&report);
    let rounds = &mip.rounds;
    // Six hyper-parameters have a choice; the last two are fixed together.
    assert_eq!(rounds.len(), 5);
    assert_eq!(rounds.iter().map(|round| round.fixed.len()).sum::<usize>(), 6);
    let shares = |round: &Round| round.importances.iter().flatten().sum::<f64>();
    assert!(rounds.iter().all(|round| (shares(round) - 1.0).abs() < 1e-9));
    // Cutout and float bits have no choice here.
    assert!(rounds.iter().all(|round| round.importances[6..] == [None; 2]));
    assert!(mip.found.trial.agreement.is_some());
    assert!(mip.found.cost_ratio < 1.0);
    let rises = |a: &RankedBudget, b: &RankedBudget| {
        a.cost_ratio < b.cost_ratio && a.trial.agreement < b.trial.agreement
    };
    assert!(mip.pareto.is_sorted_by(rises));
    assert_eq!((report.search.asked, report.search.evaluations.len()), (12, 12));
    assert!(report.diverged.is_empty());
    // The budget that was found, by other trainings.
    assert_eq!(confirmed.trial.budget, mip.found.trial.budget);
    assert!(confirmed.trial.agreement.is_some());
}

#[test]
fn the_winner_alone_is_trained_on_all_images_and_seeds_that_choose_do_not_confirm() {
    let executor = FakeExecutor::default();
    let dag = dag(&[]);
    let outcome = Bench::new().run(&dag, "nas-search", &executor);
    let report: NasSearchReport = output(&dag, &outcome, "nas-search");
    let trained = executor.trained.into_inner().unwrap();
    let (last, chosen_by): (Vec<_>, Vec<_>) = trained.into_iter().partition(|job| job.seed == 1000);
    let (on_all, confirming): (Vec<_>, Vec<_>) =
        last.into_iter().partition(|job| job.scoring == Scoring::Published);
    let (mip, _) = found(&report);
    let [winner] = on_all.as_slice() else { panic!("{} are trained on all images", on_all.len()) };
    assert_eq!(winner.architecture, Architecture::from(&report.best.genotype));
    assert!(confirming.len() == 8 && confirming.iter().all(|job| job.budget == mip.found.trial.budget));
    assert!(chosen_by.iter().all(|job| job.seed == 1 && matches!(job.scoring, Scoring::Holdout { .. })));
}

/// Every other architecture, where the learning rate is high.
fn diverges(job: &TrainingJob) -> bool {
    job.budget.learning_rate > 0.05 && job.architecture.to_string().len().is_multiple_of(2)
}

#[test]
fn what_diverges_is_told_from_training_to_ranking_and_in_the_report() {
    let bench = Bench::new();
    let executor = FakeExecutor { diverging: Some(diverges), ..FakeExecutor::default() };
    let dag = dag(&[]);
    let outcome = bench.run(&dag, "nas-search", &executor);
    assert!(outcome.failure.is_none());
    let trained = executor.trained.into_inner().unwrap();
    let expected: HashSet<(String, String)> = trained
        .iter()
        .filter(|job| diverges(job))
        .map(|job| (job.architecture.to_string(), job.budget.to_string()))
        .collect();
    assert!(!expected.is_empty());

    let ranked: Vec<RankedBudget> = output(&dag, &outcome, "rank@1");
    for budget in &ranked {
        let diverged = budget.diverged.len();
        assert_eq!(diverged > 0, budget.trial.budget.learning_rate > 0.05, "{}", budget.trial.budget);
        assert_eq!(budget.quality.architectures, 8);
        let evaluated: Vec<EvaluatedBudget> = output(&dag, &outcome, "evaluate@1");
        let own = evaluated.iter().find(|own| own.budget == budget.trial.budget).unwrap();
        assert_eq!(own.scores.iter().filter(|&&score| score == 0.0).count(), diverged);
    }
    let report: NasSearchReport = output(&dag, &outcome, "nas-search");
    let told = report.diverged.iter().map(|one| (one.genotype.to_string(), one.budget.to_string()));
    assert_eq!(told.collect::<HashSet<_>>(), expected);
    let divergence = Divergence { step: 7, best_score: Some(55.0) };
    assert!(report.diverged.iter().all(|one| one.divergence == divergence));

    // Counted, and again when nothing is trained.
    let count = outcome.manifest.trainings.diverged;
    assert!(count as usize >= expected.len(), "{count}");
    let again = bench.run(&dag, "nas-search", &FakeExecutor::default());
    assert_eq!((again.manifest.trainings.run, again.manifest.trainings.diverged), (0, count));
}

#[test]
fn an_order_of_diverged_trainings_alone_is_no_result() {
    let all = FakeExecutor { diverging: Some(|_| true), ..FakeExecutor::default() };
    let failure = Bench::new().run(&dag(&[]), "nas-search", &all).failure.unwrap().to_string();
    assert!(failure.contains("select-budget") && failure.contains("8 of 8 diverged"), "{failure}");
    let searched = FakeExecutor {
        // The architectures of the search, but not those that budgets are judged by.
        diverging: Some(|job| {
            !sample::architectures(0, 8)
                .iter()
                .any(|one| Architecture::from(one.canonical()) == job.architecture)
        }),
        ..FakeExecutor::default()
    };
    let failure = Bench::new().run(&dag(&[]), "nas-search", &searched).failure.unwrap().to_string();
    assert!(
        failure.contains("node nas-search") && failure.contains("every training of what the strategy found"),
        "{failure}"
    );
}

#[test]
fn every_value_is_observed_when_that_is_asked_for() {
    let asked = [("mip.observe_all", "true"), ("mip.budgets_per_round", "1"), ("space.epochs", "[1, 2, 4]")];
    let bench = Bench::new();
    let dag = dag(&asked);
    let plan = bench.plan(&dag, "fit-forest@1");
    let outcome = bench.run(&dag, "fit-forest@1", &FakeExecutor::default());
    assert!(outcome.failure.is_none());
    let drawn: DrawnBudgets = output(&dag, &outcome, "sample-budgets@1");
    assert_eq!(drawn.budgets.len(), 3, "as many as the longest list has values");
    let importances: Importances = output(&dag, &outcome, "fit-forest@1");
    assert!(importances[..6].iter().all(Option::is_some), "{importances:?}");
    assert!(plan.trainings().most() >= outcome.manifest.trainings.run);
}

pub(super) fn output<T: serde::de::DeserializeOwned>(dag: &Dag, outcome: &Outcome, node: &str) -> T {
    decode(node, &outcome.outputs[&dag.find(node).unwrap()[0]].bytes).unwrap()
}

#[test]
fn another_lambda_trains_nothing_for_the_budget() {
    let bench = Bench::new();
    bench.run(&dag(&[]), "mip", &FakeExecutor::default());
    for lambda in ["0", "0.5", "0.99"] {
        let outcome = bench.run(&dag(&[("mip.lambda", lambda)]), "mip", &FakeExecutor::default());
        assert_eq!(outcome.manifest.trainings.run, 0, "lambda = {lambda}");
    }
}

#[test]
fn a_search_over_the_set_itself_never_trains_anew() {
    let overlap = |lambda| [("search.seed", "0"), ("search.samples", "8"), ("mip.lambda", lambda)];
    let bench = Bench::new();
    bench.run(&dag(&overlap("0.1")), "search", &FakeExecutor::default());
    for lambda in ["0", "0.99"] {
        let outcome = bench.run(&dag(&overlap(lambda)), "search", &FakeExecutor::default());
        assert_eq!(outcome.manifest.trainings.run, 0, "lambda = {lambda}");
    }
}

#[test]
fn one_more_architecture_never_retrains_another() {
    let bench = Bench::new();
    let before = FakeExecutor::default();
    let small = dag(&[("architectures.count", "8")]);
    let first = bench.run(&small, "mip", &before);
    let after = FakeExecutor::default();
    let large = dag(&[("architectures.count", "9")]);
    let second = bench.run(&large, "mip", &after);
    let key = |job: &TrainingJob| *job.key().unwrap().digest();
    let before: HashSet<_> = before.trained.lock().unwrap().iter().map(key).collect();
    let after = after.trained.into_inner().unwrap();
    assert!(after.iter().all(|job| !before.contains(&key(job))), "an architecture was trained again");
    // Full training and the first round, whose budgets do not depend on any accuracy, train the new one alone.
    for node in ["train@full", "train@1"] {
        let index = large.find(node).unwrap()[0];
        assert_eq!(small.find(node).unwrap(), [index]);
        let place = |run: &Outcome| run.manifest.node(node).unwrap().trainings;
        let budgets = place(&first).run / 8;
        assert_eq!(
            place(&second),
            TrainingCount { run: budgets, cached: 8 * budgets, diverged: 0 },
            "{node}"
        );
    }
}

#[test]
fn a_budget_that_is_drawn_again_trains_nothing() {
    let bench = Bench::new();
    let executor = FakeExecutor::default();
    let outcome = bench.run(&dag(&DRAWN_AGAIN), "mip", &executor);
    assert!(outcome.failure.is_none());
    // Round 1 draws all eight budgets; what is left for round 2 are four of them.
    let nodes = |name: &str| outcome.manifest.node(name).unwrap().trainings;
    assert_eq!(nodes("train@1"), TrainingCount { run: 64, cached: 0, diverged: 0 });
    assert_eq!(nodes("train@2"), TrainingCount { run: 0, cached: 32, diverged: 0 });
    let second: DrawnBudgets = {
        let index = dag(&DRAWN_AGAIN).find("sample-budgets@2").unwrap()[0];
        decode("budgets", &outcome.outputs[&index].bytes).unwrap()
    };
    assert_eq!(second.budgets.len(), 4);
}

#[test]
fn a_plan_bounds_what_the_run_then_trains() {
    let bench = Bench::new();
    let dag = dag(&[]);
    let plan = bench.plan(&dag, "nas-search");
    let outcome = bench.run(&dag, "nas-search", &FakeExecutor::default());
    assert!(plan.trainings().most() >= outcome.manifest.trainings.run);
    for node in &plan.nodes {
        let ran = outcome.manifest.node(&node.name).unwrap().trainings.run;
        match node.run {
            crate::engine::plan::Bound::Exactly(count) => assert_eq!(count, ran, "{}", node.name),
            crate::engine::plan::Bound::AtMost(count) => assert!(ran <= count, "{}", node.name),
        }
    }
    assert_eq!(bench.plan(&dag, "nas-search").stale(), 0);
}

#[test]
fn comments_and_order_in_the_configuration_change_no_key() {
    let text = "[mip]\nlambda = 0.2\ntrees = 50\n[architectures]\ncount = 5\n";
    let other = "# a comment\n[architectures]\ncount = 5 # five\n\n[mip]\ntrees = 50\nlambda = 0.2\n";
    let bench = Bench::new();
    let dag = |text| nas::dag(&Config::load("quick", Some(("test.toml", text)), &[]).unwrap(), &data(), None);
    bench.run(&dag(text), "mip", &FakeExecutor::default());
    assert_eq!(bench.plan(&dag(other), "mip").stale(), 0);
}

#[test]
fn a_run_beside_another_shares_what_it_trains() {
    let bench = Bench::new();
    let executor = FakeExecutor::default();
    bench.run(&dag(&[]), "rank@1", &executor);
    let second = bench.second();
    let outcome = run(&dag(&[]), &second, "rank@1", &FakeExecutor::default(), |_| {});
    assert_eq!(outcome.manifest.trainings.run, 0);
}
