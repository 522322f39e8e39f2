//! Searches of every strategy, their comparisons and the one-shot analysis, with jobs that take no time.

use stages::baselines::NAMES;
use stages::recipe::Scoring;
use stages::stage::{
    BaselinesReport, BudgetQualityReport, NasSearchReport, OneShotReport, SearchComparison, SearchOutcome,
};

use super::fake::{Bench, FakeExecutor};
use super::nas_search::{dag, output};

const STRATEGIES: [&str; 4] = ["random", "evolution", "reinforcement", "darts"];
const COMPARED: &str = "[\"random\", \"evolution\", \"reinforcement\", \"darts\"]";

#[test]
fn every_strategy_runs_to_its_end_and_its_searches_share_one_cache() {
    let bench = Bench::new();
    for strategy in STRATEGIES {
        let executor = FakeExecutor::default();
        let dag = dag(&[("search.strategy", strategy)]);
        let plan = bench.plan(&dag, "nas-search");
        let outcome = bench.run(&dag, "nas-search", &executor);
        assert!(outcome.failure.is_none(), "{strategy}: {:?}", outcome.failure);
        assert!(plan.trainings().most() >= outcome.manifest.trainings.run);
        let report: NasSearchReport = output(&dag, &outcome, "nas-search");
        let SearchOutcome { evaluations, asked, .. } = &report.search;
        let best = &report.best.genotype;
        let expected = if strategy == "darts" { 0 } else { 12 };
        assert_eq!((report.search.strategy.name(), *asked), (strategy, expected));
        assert!(best.normal.nodes.iter().chain(&best.reduce.nodes).all(|edges| edges.len() == 2), "{best}");
        // What was found in the end has the best score of what was found, not of all: that was denser.
        assert!(evaluations.iter().any(|evaluation| evaluation.genotype == *best));
        let basis = &outcome.outputs[&dag.find("search").unwrap()[0]].basis;
        assert_eq!(basis.log.len(), evaluations.len() + usize::from(report.search.supernet.is_some()));
        assert_eq!(
            basis.log.iter().filter(|log| log.ran).count() as u64,
            outcome.manifest.node("search").unwrap().trainings.run
        );
        let again = bench.run(&dag, "nas-search", &FakeExecutor::default());
        assert_eq!(again.manifest.trainings.run, 0);
        let own = dag.find("search").unwrap()[0];
        assert_eq!(again.outputs[&own].bytes, outcome.outputs[&own].bytes);
        assert_eq!(again.outputs[&own].basis, outcome.outputs[&own].basis, "the log is remembered");
    }
}

#[test]
fn a_search_that_dies_goes_on_and_its_history_is_that_of_an_unbroken_one() {
    for strategy in STRATEGIES {
        let dag = dag(&[("search.strategy", strategy)]);
        let search = |bench: &Bench| {
            let outcome = bench.run(&dag, "search", &FakeExecutor::default());
            output::<SearchOutcome>(&dag, &outcome, "search")
        };
        let unbroken = search(&Bench::new());
        for die_after in 1..12 {
            let bench = Bench::new();
            bench.run(&dag, "select-budget", &FakeExecutor::default());
            let dying = FakeExecutor { die_after: Some(die_after), ..FakeExecutor::default() };
            let died =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| bench.run(&dag, "search", &dying)));
            // Of what it asks for first, some may be remembered from the rounds before.
            if died.is_err() {
                assert_eq!(search(&bench), unbroken, "{strategy}, after {die_after}");
            }
        }
    }
}

#[test]
fn strategies_are_compared_with_each_other_and_with_no_search() {
    let bench = Bench::new();
    let executor = FakeExecutor::default();
    let dag = dag(&[("compare.seeds", "2"), ("compare.strategies", COMPARED)]);
    // A stage's name means the nodes that the search is made from, not those of the comparison.
    let trains = dag.find("train").unwrap();
    assert!(trains.iter().all(|&node| !dag.nodes()[node].name.contains("evolution")), "{trains:?}");
    let outcome = bench.run(&dag, "compare-searches", &executor);
    assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
    let comparison: SearchComparison = output(&dag, &outcome, "compare-searches");
    let names: Vec<Option<&str>> = comparison.rows.iter().map(|row| row.strategy.as_deref()).collect();
    assert_eq!(names, STRATEGIES.into_iter().map(Some).chain([None]).collect::<Vec<_>>());
    assert!(comparison.rows.iter().all(|row| row.found().count() == 2));
    let trained = executor.trained.into_inner().unwrap();
    let fully = trained.iter().filter(|job| job.scoring == Scoring::Published);
    assert!(fully.clone().count() <= 10 && fully.clone().all(|job| [1000, 1001].contains(&job.seed)));
    // The search of `nas-search` is one of them.
    let alone = bench.run(&dag, "nas-search", &FakeExecutor::default());
    let nodes = ["search", "train@best"].map(|name| alone.manifest.node(name).unwrap().trainings.run);
    assert_eq!(nodes, [0, 0]);
    assert_eq!(bench.run(&dag, "compare-searches", &FakeExecutor::default()).manifest.trainings.run, 0);
}

#[test]
fn a_supernet_that_diverges_ends_its_own_search_and_no_comparison() {
    let bench = Bench::new();
    let set = [("search.strategy", "darts"), ("compare.seeds", "2"), ("compare.strategies", COMPARED)];
    let dag = dag(&set);
    // That of the first seed.
    let executor =
        || FakeExecutor { diverging_supernets: Some(|job| job.seed == 1), ..FakeExecutor::default() };
    let outcome = bench.run(&dag, "compare-searches", &executor());
    assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
    let comparison: SearchComparison = output(&dag, &outcome, "compare-searches");
    for row in &comparison.rows {
        let lost = row.strategy.as_deref() == Some("darts");
        assert_eq!(row.found().count(), if lost { 1 } else { 2 }, "{row:?}");
        assert_eq!(row.test_errors().is_none(), lost);
        assert!(row.strategy.is_none() || row.searches.iter().all(|search| search.search_flops > 0));
    }
    assert_eq!(outcome.manifest.trainings.diverged, 1);
    let outcome = bench.run(&dag, "nas-search", &executor());
    let failure = outcome.failure.unwrap().to_string();
    assert!(failure.contains("the supernet of darts diverged") && failure.contains("step 3"), "{failure}");
    assert_eq!(outcome.manifest.node("train@best").unwrap().trainings.run, 0);
}

#[test]
fn budgets_are_judged_by_what_is_found_with_them() {
    let bench = Bench::new();
    let dag = dag(&[("quality.budgets", "4")]);
    let outcome = bench.run(&dag, "budget-quality", &FakeExecutor::default());
    assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
    let report: BudgetQualityReport = output(&dag, &outcome, "budget-quality");
    assert_eq!(report.searched.len(), 4);
    assert!(report.searched.is_sorted_by(|a, b| a.quality.spearman <= b.quality.spearman));
    // With one seed the made-up supernets all find the same, so that there is nothing to correlate.
    assert!(report.searched.iter().all(|one| one.found.as_ref().is_some_and(|(_, found)| found.is_some())));
    let ranking = report.correlation.unwrap();
    assert_eq!((ranking.spearman, ranking.kendall, ranking.architectures), (None, None, 4));
    assert_eq!(ranking.top.map(|top| (top.k, top.regret)), Some((1, 0.0)));
    // Four supernets, and one architecture that all of them found.
    assert_eq!(outcome.manifest.node("budget-quality").unwrap().trainings.run, 5);
    assert_eq!(bench.run(&dag, "budget-quality", &FakeExecutor::default()).manifest.trainings.run, 0);
}

#[test]
fn one_shot_supernets_are_ranked_and_weights_that_are_gone_are_not_trusted() {
    let bench = Bench::new();
    let set = [
        ("one_shot.supernet_budget", "BPE-1,epochs=3"),
        ("one_shot.epochs", "[1, 3]"),
        ("one_shot.sub_networks", "4"),
    ];
    let run = |set: &[(&str, &str)]| {
        let dag = dag(set);
        let outcome = bench.run(&dag, "one-shot-analysis", &FakeExecutor::default());
        assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
        let report: OneShotReport = output(&dag, &outcome, "one-shot-analysis");
        (report, outcome.manifest.node("one-shot-analysis").unwrap().trainings)
    };
    let (report, trainings) = run(&set);
    assert_eq!(report.rows.iter().map(|row| row.schedule.label()).collect::<Vec<_>>(), LABELS);
    for row in &report.rows {
        assert_eq!(row.epochs.iter().map(|epoch| epoch.epoch).collect::<Vec<_>>(), [1, 3]);
        // Made-up accuracies go by the architecture, and so do made-up trainings.
        assert!(row.epochs.iter().all(|epoch| epoch.global.spearman > Some(0.3)), "{row:?}");
        assert!(
            row.epochs.iter().all(|epoch| epoch.local.architectures == 4 && epoch.local.interval.is_some())
        );
    }
    // Three supernets, two lists after each of two epochs, and four sub-networks of each alone.
    assert_eq!((trainings.run, trainings.cached), (3 + 12 + 24, 0));
    assert_eq!(run(&set).0, report);

    // More sub-networks: nothing is trained again but they, and the local lists evaluated.
    let more = [&set[..2], &[("one_shot.sub_networks", "5")]].concat();
    let (_, trainings) = run(&more);
    assert_eq!((trainings.run, trainings.cached), (6 + 6, 3 + 6 + 24));

    let folder = bench.store.path().join("weights");
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 6);
    std::fs::write(&files[0], b"damaged").unwrap();
    let less = [&set[..2], &[("one_shot.sub_networks", "3")]].concat();
    // The supernet whose weights are damaged is trained again, and all lists of three are new.
    let (_, trainings) = run(&less);
    assert_eq!((trainings.run, trainings.cached), (1 + 6, 2 + 6 + 18));
    assert!(files.iter().all(|path| std::fs::read(path).unwrap() != b"damaged"));
}

#[test]
fn baselines_stand_beside_the_budget_and_are_found_again() {
    let bench = Bench::new();
    let run = |set: &[(&str, &str)]| {
        let dag = dag(set);
        let outcome = bench.run(&dag, "baselines", &FakeExecutor::default());
        assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
        let report: BaselinesReport = output(&dag, &outcome, "baselines");
        (report, outcome.manifest.node("score-baselines").unwrap().trainings, outcome.manifest.trainings)
    };
    let given = [("search.budget", "BPE-2")];
    let (report, scored, _) = run(&given);
    assert_eq!(report.baselines.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), NAMES);
    assert_eq!((report.budget.0, report.size), ("BPE-2".parse().unwrap(), "BPE-1".parse().unwrap()));
    let count = report.budget.1.architectures;
    assert!(count > 3 && report.baselines.iter().all(|(_, quality)| quality.architectures == count));
    assert_eq!((scored.run, scored.cached), (count as u64, 0));
    // A made-up training goes by the architecture and the budget; made-up scores go by the architecture alone.
    assert!(report.halves.is_some_and(|halves| halves.alone.unseen.abs() <= 1.0));
    assert_eq!(run(&given).2.run, 0);
    // Of another size only the scores are new.
    let (other, scored, all) = run(&[given[0], ("baselines.budget", "BPE-1,channels=4")]);
    assert_eq!((scored.run, all.run), (count as u64, count as u64));
    assert_eq!(other.budget, report.budget);
}

/// The schedules of a one-shot analysis.
const LABELS: [&str; 3] = ["fair", "random", "random_10%"];
