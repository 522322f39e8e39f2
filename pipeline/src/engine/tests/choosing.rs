//! What a budget is chosen for, and what its choice is worth, with trainings that take no time.

use cache::{Digest, Kind, codec};
use stages::job::JobSummary;
use stages::mip::{CostUnit, Objective};
use stages::recipe::Scoring;
use stages::stage::{
    EvaluatedBudget, Handle, Inputs, JobList, JobRunner, MipReport, NasSearchReport, RankedBudget, Sample,
    SearchBudget, Stage, StageError, TrainedBudget,
};
use stages::statistics::spearman_of;
use stages::train::TrainingJob;
use stages::{Architecture, Budget, Genotype};

use super::fake::{Bench, FakeExecutor};
use super::nas_search::{dag, output};
use crate::engine::plan::Bound;
use crate::engine::run::Outcome;

#[test]
fn the_budget_found_is_the_best_by_what_it_is_chosen_for() {
    let bench = Bench::new();
    bench.run(&dag(&[]), "mip", &FakeExecutor::default());
    // The paper's objective, when it is asked for, is the one that there was.
    assert_eq!(bench.plan(&dag(&[("mip.objective", "spearman")]), "mip").stale(), 0);
    let mut found = Vec::new();
    for objective in Objective::ALL {
        let dag = dag(&[("mip.objective", objective.name()), ("mip.lambda", "0.2")]);
        let outcome = bench.run(&dag, "mip", &FakeExecutor::default());
        let first = outcome.manifest.node("train@1").unwrap().trainings;
        assert_eq!(first.run, 0, "the first round knows no accuracy");
        let report: MipReport = output(&dag, &outcome, "mip");
        assert_eq!(report.objective, objective);
        let truth: Vec<EvaluatedBudget> = output(&dag, &outcome, "evaluate@full");
        let mut best: Option<(f64, Budget)> = None;
        for round in 1..=report.rounds.len() {
            let ranked: Vec<RankedBudget> = output(&dag, &outcome, &format!("rank@{round}"));
            for RankedBudget { trial, quality, .. } in ranked {
                let agreement = match objective {
                    Objective::Spearman => quality.spearman.unwrap(),
                    Objective::Kendall => quality.kendall.unwrap(),
                    Objective::Precision => quality.top.unwrap().precision,
                    Objective::Regret => -quality.top.unwrap().regret,
                };
                assert_eq!(trial.agreement, Some(agreement));
                let worth = agreement - 0.2 * trial.cost / truth[0].mean_cost;
                if best.is_none_or(|(most, _)| worth > most) {
                    best = Some((worth, trial.budget));
                }
            }
        }
        assert_eq!(report.found.trial.budget, best.unwrap().1, "{objective:?}");
        found.push(report.found.trial.budget);
    }
    assert!(found[1..].iter().any(|budget| *budget != found[0]), "all choose alike: nothing was asked");
}

#[test]
fn a_choice_is_confirmed_by_architectures_and_a_seed_that_no_choice_has_seen() {
    let bench = Bench::new();
    bench.run(&dag(&[]), "nas-search", &FakeExecutor::default());
    let executor = FakeExecutor::default();
    let asked = dag(&[("mip.confirm", "5")]);
    let plan = bench.plan(&asked, "nas-search");
    let most = |name: &str| plan.nodes.iter().find(|node| node.name == name).unwrap().run;
    assert_eq!([most("train@fresh-full"), most("train@fresh")], [Bound::Exactly(5); 2]);
    let outcome = bench.run(&asked, "nas-search", &executor);
    let report: NasSearchReport = output(&asked, &outcome, "nas-search");
    let SearchBudget::Found { mip, fresh: Some(fresh), .. } = report.budget else { panic!("not confirmed") };
    assert_eq!((fresh.trial.budget, fresh.quality.architectures), (mip.found.trial.budget, 5));
    assert_ne!(fresh.quality.spearman, mip.found.quality.spearman);
    // Five of them, each fully and under the budget found, and nothing else: the choice itself is what it was.
    let trained = executor.trained.into_inner().unwrap();
    assert_eq!(trained.len(), 10);
    assert!(trained.iter().all(|job| job.seed == 1000 && matches!(job.scoring, Scoring::Holdout { .. })));
    let drawn: Vec<Genotype> = output(&asked, &outcome, "sample");
    let chose: Vec<Architecture> = drawn.iter().map(Architecture::from).collect();
    assert!(trained.iter().all(|job| !chose.contains(&job.architecture)));
    let under = |budget: Budget| trained.iter().filter(|job| job.budget == budget).count();
    assert_eq!(under(mip.found.trial.budget), 5);
    // More of them train only themselves.
    let more = bench.run(&dag(&[("mip.confirm", "7")]), "nas-search", &FakeExecutor::default());
    assert_eq!(more.manifest.trainings.run, 4);
}

#[test]
fn fresh_architectures_are_none_of_those_that_are_known() {
    let drawn = |known: Option<Vec<Genotype>>| {
        let (mut inputs, handle) = (Inputs::default(), Handle::new(0));
        let stage = Sample { count: 3, seed: 5, known: known.as_ref().map(|_| handle) };
        inputs.push(0, "sample", codec::encode(&known.unwrap_or_default()).unwrap().into());
        stage.run(&inputs, &NoJobs).unwrap()
    };
    let plain = drawn(None);
    assert_eq!(drawn(Some(Vec::new())), plain);
    let fresh = drawn(Some(vec![plain[0].clone(), plain[2].clone()]));
    assert_eq!(fresh[0], plain[1]);
    assert!(fresh.len() == 3 && !fresh.contains(&plain[0]) && !fresh.contains(&plain[2]));
}

/// Of stages that ask for no job.
struct NoJobs;

impl JobRunner for NoJobs {
    fn run(&self, _: &dyn JobList) -> Result<Vec<JobSummary>, StageError> {
        Err(StageError::OtherKind)
    }

    fn elapsed_ms(&self, trainings: &[Digest]) -> Result<Vec<Option<u64>>, StageError> {
        Ok(vec![None; trainings.len()])
    }
}

#[test]
fn a_second_full_training_is_the_ceiling_of_every_budget() {
    let bench = Bench::new();
    let plain = dag(&[]);
    let before: MipReport = output(&plain, &bench.run(&plain, "mip", &FakeExecutor::default()), "mip");
    assert_eq!(before.ceiling, None);
    // Every other architecture diverges with the second seed: their ranks are shared, and that is told.
    let diverging: fn(&TrainingJob) -> bool =
        |job| job.seed == 1000 && job.architecture.to_string().len().is_multiple_of(2);
    let executor = FakeExecutor { diverging: Some(diverging), ..FakeExecutor::default() };
    let twice = dag(&[("architectures.repeat_full", "2")]);
    let outcome = bench.run(&twice, "mip", &executor);
    let report: MipReport = output(&twice, &outcome, "mip");
    let trained = executor.trained.into_inner().unwrap();
    assert!(trained.len() == 8 && trained.iter().all(|job| job.seed == 1000));
    let ceiling = report.ceiling.unwrap();
    assert_eq!((ceiling.trial.budget, ceiling.cost_ratio), (trained[0].budget, 1.0));
    assert_eq!(ceiling.diverged.len(), trained.iter().filter(|job| diverging(job)).count());
    assert_eq!(report.diverged, ceiling.diverged);
    let scores = |node: &str| output::<Vec<EvaluatedBudget>>(&twice, &outcome, node)[0].scores.clone();
    let expected = spearman_of(&scores("evaluate@repeat"), &scores("evaluate@full")).unwrap();
    assert!(ceiling.quality.spearman == expected && expected < Some(1.0));
    assert_eq!((report.found, report.rounds), (before.found, before.rounds));
}

#[test]
fn seconds_are_those_of_the_records_and_in_the_keys_of_what_reads_them() {
    let bench = Bench::new();
    let plain = dag(&[]);
    bench.run(&plain, "mip", &FakeExecutor::default());
    // Made-up trainings take a millisecond each, whatever their budget: none is cheaper than another.
    let timed = dag(&[("mip.cost", "seconds")]);
    let outcome = bench.run(&timed, "mip", &FakeExecutor::default());
    assert_eq!(outcome.manifest.node("train@1").unwrap().trainings.run, 0);
    let truth: Vec<EvaluatedBudget> = output(&timed, &outcome, "evaluate@full");
    assert_eq!(truth[0].mean_cost, 0.001);
    let report: MipReport = output(&timed, &outcome, "mip");
    assert_eq!((report.unit, report.found.cost_ratio, report.pareto.len()), (CostUnit::Seconds, 1.0, 1));
    // The most of all trials, for λ weighs the same of each.
    let ranked = (1..=report.rounds.len())
        .flat_map(|round| output::<Vec<RankedBudget>>(&timed, &outcome, &format!("rank@{round}")));
    let most = ranked.filter_map(|ranked| ranked.quality.spearman).fold(f64::MIN, f64::max);
    assert_eq!(report.found.quality.spearman, Some(most));
    let fields = |run: &Outcome| run.manifest.node("evaluate@1").unwrap().fields.clone().unwrap();
    assert!(fields(&outcome).get("input seconds").is_some());
    // What is gone has no time that anybody knows.
    let other = Bench::new();
    other.run(&timed, "train@full", &FakeExecutor::default());
    let trained: Vec<TrainedBudget> = output(&timed, &outcome, "train@full");
    let gone = trained[0].trainings[0].key;
    assert!(other.store.remove(Kind::Training, &gone).unwrap());
    let failure = other.run(&timed, "time@full", &FakeExecutor::default()).failure.unwrap().to_string();
    assert!(failure.contains("1 of 8 trainings") && failure.contains("--force"), "{failure}");
}
