//! Searches that go by several numbers at once, with jobs that take no time.

use stages::baselines::{BaselineScores, NAMES};
use stages::search::Ingredient;
use stages::stage::{EvaluatedBudget, Evaluation, NasSearchReport, SearchOutcome};
use stages::train::TrainingJob;

use super::fake::{Bench, FakeExecutor};
use super::nas_search::{dag, output};
use crate::engine::node::Dag;
use crate::engine::plan::Bound;

const STRATEGIES: [&str; 3] = ["random", "evolution", "reinforcement"];

fn combining<'a>(more: &[(&'a str, &'a str)]) -> Dag {
    let set = [("search.budget", "BPE-1"), ("search.combine", "['nwot', 'BPE-2', 'skips']")];
    dag(&[&set, more].concat())
}

/// Percent of some numbers that are below one, with those that equal it counted half.
fn place(numbers: &[Option<f64>], value: Option<f64>) -> f64 {
    let share = |other: &Option<f64>| match other.partial_cmp(&value) {
        Some(std::cmp::Ordering::Less) => 1.0,
        Some(std::cmp::Ordering::Equal) => 0.5,
        _ => 0.0,
    };
    100.0 * numbers.iter().map(share).sum::<f64>() / numbers.len() as f64
}

/// What each of them has besides its architecture.
fn standings(outcome: &SearchOutcome) -> Vec<(f64, f64)> {
    let of = |one: &Evaluation| (one.combined.as_ref().unwrap().standing.mean_place, one.training.score);
    outcome.evaluations.iter().map(of).collect()
}

#[test]
fn the_winner_is_the_one_with_the_best_mean_place() {
    for strategy in STRATEGIES {
        let bench = Bench::new();
        let dag = combining(&[("search.strategy", strategy)]);
        let plan = bench.plan(&dag, "nas-search");
        let outcome = bench.run(&dag, "nas-search", &FakeExecutor::default());
        assert!(outcome.failure.is_none(), "{strategy}: {:?}", outcome.failure);
        assert!(plan.trainings().most() >= outcome.manifest.trainings.run, "{strategy}");
        let report: NasSearchReport = output(&dag, &outcome, "nas-search");
        let search = &report.search;
        let combination = search.combination.as_ref().unwrap();
        let names: Vec<String> = combination.ingredients.iter().map(Ingredient::to_string).collect();
        let budgets = ["BPE-1", "BPE-2"].map(|name| name.parse::<stages::Budget>().unwrap().to_string());
        assert_eq!(
            (names, combination.reference),
            ([&budgets[..], &["skips".into(), "nwot".into()]].concat(), 8)
        );

        // The places once more, from what the sampled architectures were found to score.
        let under: Vec<EvaluatedBudget> = output(&dag, &outcome, "evaluate@reference");
        let baselines: Vec<BaselineScores> = output(&dag, &outcome, "score-baselines");
        let of_budget = |one: &EvaluatedBudget| one.scores.iter().copied().map(Some).collect::<Vec<_>>();
        let of_baseline = |name: &str| {
            let at = NAMES.iter().position(|known| *known == name).unwrap();
            baselines.iter().map(|scores| scores.values()[at]).collect::<Vec<_>>()
        };
        let columns = [of_budget(&under[0]), of_budget(&under[1]), of_baseline("skips"), of_baseline("nwot")];
        for evaluation in &search.evaluations {
            let combined = evaluation.combined.as_ref().unwrap();
            let places = &combined.standing.places;
            assert_eq!((places.len(), combined.further.len()), (4, 1));
            assert_eq!(places[0].value, Some(evaluation.training.score));
            assert_eq!(places[1].value, Some(combined.further[0].score));
            for (column, found) in columns.iter().zip(places) {
                assert!((place(column, found.value) - found.percent).abs() < 1e-9, "{found:?}");
            }
            let mean = places.iter().map(|place| place.percent).sum::<f64>() / 4.0;
            assert!((combined.standing.mean_place - mean).abs() < 1e-9);
        }
        // What was asked for is found by random search; the others find prunings, which stand behind that.
        let from = if strategy == "random" { 0 } else { search.asked as usize };
        let best = *standings(search)[from..].iter().max_by(|a, b| a.partial_cmp(b).unwrap()).unwrap();
        let found = search.best.as_ref().unwrap();
        assert_eq!(
            (found.combined.as_ref().unwrap().standing.mean_place, found.training.score),
            best,
            "{strategy}"
        );
        assert_eq!((&report.best.genotype, report.best.score), (&found.genotype, found.training.score));
        // Each network that was trained counts, and each architecture whose baselines were found.
        assert!(
            search.training_flops()
                > search.evaluations.iter().map(|one| one.training.training_flops).sum::<u64>()
        );

        let executor = FakeExecutor::default();
        let again = bench.run(&dag, "nas-search", &executor);
        assert_eq!((again.manifest.trainings.run, executor.count()), (0, 0));
        let own = dag.find("search").unwrap()[0];
        assert_eq!(again.outputs[&own].bytes, outcome.outputs[&own].bytes);
    }
}

#[test]
fn a_search_is_not_changed_by_what_is_combined_in_another() {
    let bench = Bench::new();
    let plain = dag(&[("search.budget", "BPE-1")]);
    assert!(plain.find("train@reference").is_err());
    let node = &plain.nodes()[plain.find("search").unwrap()[0]];
    assert_eq!(node.inputs.len(), 1);
    assert!(node.stage.parameters().unwrap().iter().all(|(name, _)| !name.contains("combine")));
    let run = bench.run(&plain, "nas-search", &FakeExecutor::default());
    let alone: SearchOutcome = output(&plain, &run, "search");
    assert!(alone.combination.is_none() && alone.evaluations.iter().all(|one| one.combined.is_none()));

    // With two baselines the same trainings serve, and those of the sampled architectures are new.
    let baselines = dag(&[("search.budget", "BPE-1"), ("search.combine", "['nwot', 'zico']")]);
    let run = bench.run(&baselines, "search", &FakeExecutor::default());
    let trainings = |node: &str| {
        let count = run.manifest.node(node).unwrap().trainings;
        (count.run, count.cached)
    };
    assert_eq!((trainings("train@reference"), trainings("score-baselines")), ((8, 0), (8, 0)));
    assert_eq!(trainings("search"), (12, 12));
    // Other baselines are found already.
    let others = dag(&[("search.budget", "BPE-1"), ("search.combine", "['swap']")]);
    assert_eq!(bench.plan(&others, "search").trainings(), Bound::Exactly(0));
    // And a further budget asks for a training of each, all at once.
    let further = dag(&[("search.budget", "BPE-1"), ("search.combine", "['BPE-2']")]);
    let plan = bench.plan(&further, "search");
    let of = |name: &str| plan.nodes.iter().find(|node| node.name == name).unwrap().run;
    assert_eq!((of("train@reference"), of("search")), (Bound::Exactly(8), Bound::AtMost(24)));
    bench.run(&further, "evaluate@reference", &FakeExecutor::default());
    assert_eq!(bench.plan(&further, "search").trainings(), Bound::Exactly(12));

    // Searches that are compared go by their budget alone.
    let compared = dag(&[("search.combine", "['nwot']"), ("compare.strategies", "['random', 'darts']")]);
    let searches = compared.nodes().iter().filter(|node| node.name.starts_with("search@"));
    assert!(searches.clone().count() > 1 && searches.clone().all(|node| node.inputs.len() == 1));
}

/// Architectures with an even number of skip connections, under the search's budget.
fn diverges(job: &TrainingJob) -> bool {
    let skips = job.architecture.to_string().matches("skip_connect").count();
    job.budget.epochs == 10 && skips.is_multiple_of(2)
}

#[test]
fn what_diverges_under_the_budget_of_the_search_does_not_win() {
    for strategy in STRATEGIES {
        let dag = combining(&[("search.strategy", strategy)]);
        let executor = FakeExecutor { diverging: Some(diverges), ..FakeExecutor::default() };
        let outcome = Bench::new().run(&dag, "search", &executor);
        assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
        let search: SearchOutcome = output(&dag, &outcome, "search");
        let (lost, kept): (Vec<&Evaluation>, Vec<_>) =
            search.evaluations.iter().partition(|one| one.training.divergence.is_some());
        assert!(!lost.is_empty() && !kept.is_empty(), "{strategy}");
        assert_eq!(search.diverged.len(), lost.len());
        let of_reference = &search.combination.as_ref().unwrap().diverged;
        assert!(of_reference.len() < 8 && of_reference.iter().all(|one| one.budget.epochs == 10));
        for one in lost {
            let standing = &one.combined.as_ref().unwrap().standing;
            assert_eq!((standing.told, standing.places[0].value), (0.0, Some(0.0)));
        }
        // What it found may have diverged as a whole; else something of it wins.
        let from = if strategy == "random" { 0 } else { search.asked as usize };
        let some_are_left = search.evaluations[from..].iter().any(|one| one.training.divergence.is_none());
        assert_eq!(search.best.is_some(), some_are_left, "{strategy}");
        assert!(search.best.is_none_or(|best| best.training.divergence.is_none()), "{strategy}");
        assert!(some_are_left || strategy != "random");
    }
}

#[test]
fn what_is_told_of_an_architecture_does_not_depend_on_what_else_is_met() {
    let bench = Bench::new();
    let met = |samples: &str| {
        let dag = combining(&[("search.samples", samples)]);
        let outcome = bench.run(&dag, "search", &FakeExecutor::default());
        output::<SearchOutcome>(&dag, &outcome, "search").evaluations
    };
    let (few, many) = (met("5"), met("30"));
    assert_eq!(few[..], many[..5]);
}

#[test]
fn a_budget_that_pruning_finds_counts_once_where_it_is_named_too() {
    let bench = Bench::new();
    let found = dag(&[]);
    let outcome = bench.run(&found, "select-budget", &FakeExecutor::default());
    let budget: stages::Budget = output(&found, &outcome, "select-budget");
    let named = format!("['{budget}', 'BPE-2']");
    let dag = dag(&[("search.combine", &named)]);
    let outcome = bench.run(&dag, "search", &FakeExecutor::default());
    assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
    let search: SearchOutcome = output(&dag, &outcome, "search");
    let two = [budget, "BPE-2".parse().unwrap()].map(Ingredient::Budget);
    assert_eq!(search.combination.unwrap().ingredients, two);
    // Under the budget found the sampled architectures were trained when it was chosen.
    let reference = outcome.manifest.node("train@reference").unwrap().trainings;
    assert_eq!((reference.run, reference.cached), (8, 8));
}

#[test]
fn a_combined_search_that_dies_goes_on_with_the_same_history() {
    let dag = combining(&[("search.strategy", "evolution")]);
    let search = |bench: &Bench| {
        let outcome = bench.run(&dag, "search", &FakeExecutor::default());
        output::<SearchOutcome>(&dag, &outcome, "search")
    };
    let unbroken = search(&Bench::new());
    for die_after in [1, 5, 20] {
        let bench = Bench::new();
        bench.run(&dag, "evaluate@reference", &FakeExecutor::default());
        let dying = FakeExecutor { die_after: Some(die_after), ..FakeExecutor::default() };
        let died =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| bench.run(&dag, "search", &dying)));
        assert!(died.is_err());
        assert_eq!(search(&bench), unbroken, "after {die_after}");
    }
}
