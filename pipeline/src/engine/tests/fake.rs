//! An executor that makes results up, stages of a line each, and a bench to run them on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use cache::{Fields, Store};
use stages::baselines::{BaselineScores, BaselinesJob};
use stages::job::{Job, JobResult, JobSummary};
use stages::recipe::{Recipe, Scoring};
use stages::search::DenseCells;
use stages::stage::{Handle, Input, Inputs, JobList, JobRunner, Stage, StageError, TrainingSummary, decode};
use stages::supernet::one_shot::{
    OneShotEpoch, OneShotJob, OneShotResult, SubNetworksJob, SubNetworksResult,
};
use stages::supernet::{SupernetJob, SupernetResult};
use stages::train::{DataId, EpochResult, Finished, FinishedTraining, TrainingJob, TrainingResult};
use stages::{Budget, sample};

use crate::engine::executor::{Events, Executor, Size};
use crate::engine::manifest::NodeEntry;
use crate::engine::node::{Dag, Known, Show, Shown};
use crate::engine::plan::Plan;
use crate::engine::progress::Progress;
use crate::engine::run::{Outcome, Run};
use crate::error::Error;

/// A training's score is a function of its job; what was trained, and in which order, is noted.
#[derive(Default)]
pub(super) struct FakeExecutor {
    pub(super) trained: Mutex<Vec<TrainingJob>>,
    /// Genotypes whose trainings fail.
    pub(super) failing: Vec<String>,
    /// Which trainings diverge, if any do.
    pub(super) diverging: Option<fn(&TrainingJob) -> bool>,
    /// Which supernets diverge, if any do.
    pub(super) diverging_supernets: Option<fn(&SupernetJob) -> bool>,
    /// Set the stop flag once so many trainings have finished.
    pub(super) stop_after: Option<usize>,
    /// Panic once so many trainings have finished: what comes after in the run is not done, as when it is killed.
    pub(super) die_after: Option<usize>,
}

impl Executor for FakeExecutor {
    fn device(&self) -> Option<String> {
        (self.count() > 0).then(|| "made up".to_owned())
    }

    fn size(&self, job: &Job) -> Size {
        Size { images: 10, flops: u64::from(job.budget().epochs) * 1000 }
    }

    fn execute(&self, jobs: &dyn JobList, stop: &AtomicBool, events: &dyn Events) -> Result<(), Error> {
        for index in 0..jobs.count() {
            let job = match jobs.job(index) {
                Job::Network(job) => job,
                Job::Supernet(job) => {
                    if events.wanted(index) {
                        let diverges = self.diverging_supernets.is_some_and(|diverges| diverges(&job));
                        let finished = made_up_supernet(&job, diverges.then_some(3));
                        let result = finished.map(|result| JobResult::Supernet(Box::new(result)));
                        events.finished(index, Ok(result));
                    }
                    continue;
                }
                Job::OneShot(job) => {
                    if events.wanted(index) {
                        let result = made_up_one_shot(&job, events).unwrap();
                        events.finished(index, Ok(made(JobResult::OneShot(result))));
                    }
                    continue;
                }
                Job::SubNetworks(job) => {
                    if events.wanted(index) {
                        assert!(events.weights(&job.weights).is_some());
                        events.finished(index, Ok(made(JobResult::SubNetworks(made_up_accuracies(&job)))));
                    }
                    continue;
                }
                Job::Baselines(job) => {
                    if events.wanted(index) {
                        events.finished(index, Ok(made(JobResult::Baselines(made_up_baselines(&job)))));
                    }
                    continue;
                }
            };
            if stop.load(Ordering::Relaxed) {
                break;
            }
            if !events.wanted(index) {
                continue;
            }
            events.images(index, 10);
            if self.failing.contains(&job.architecture.to_string()) {
                let problem = "the loss is not finite".to_owned();
                events.finished(index, Err(stages::Error::Numbers { what: "training", problem }));
                continue;
            }
            let finished = {
                let mut trained = self.trained.lock().unwrap();
                trained.push(job.clone());
                trained.len()
            };
            let diverges = self.diverging.is_some_and(|diverges| diverges(&job));
            let finished_job = if diverges { diverged(&job) } else { made_up(&job) };
            events.finished(index, Ok(finished_job.map(JobResult::Network)));
            if self.stop_after == Some(finished) {
                stop.store(true, Ordering::Relaxed);
            }
            assert_ne!(self.die_after, Some(finished), "killed");
        }
        Ok(())
    }
}

impl FakeExecutor {
    pub(super) fn count(&self) -> usize {
        self.trained.lock().unwrap().len()
    }
}

fn hash(text: &str, values: u64) -> f64 {
    let digest = cache::Digest::of("fake training", text.as_bytes());
    let number = u64::from_le_bytes(*digest.0.first_chunk().unwrap());
    (number % values) as f64
}

/// Architectures differ in quality, and the cheaper a budget, the more noise hides it.
fn made_up(job: &TrainingJob) -> FinishedTraining {
    let budget = &job.budget;
    let cost = u64::from(budget.epochs) * u64::from(budget.layers) * u64::from(budget.channels).pow(2);
    let quality = hash(&job.architecture.to_string(), 1000) / 50.0;
    let noise = hash(&format!("{} {budget}", job.architecture), 1000) / 5.0 / (cost as f64).sqrt();
    let score = 60.0 + quality + noise;
    FinishedTraining {
        result: TrainingResult {
            score,
            epochs: Vec::new(),
            test_accuracy: score - 1.0,
            diverged_at: None,
            parameters: 1000 * u64::from(budget.channels),
            mult_adds: cost * 10,
            training_flops: cost * u64::from(budget.image_size).pow(2) * 60_000,
        },
        device: "made up".to_owned(),
        elapsed_ms: 1,
        images_per_second: 1.0,
    }
}

/// A supernet that finds what depends on its seed.
fn made_up_supernet(job: &SupernetJob, diverged_at: Option<u64>) -> Finished<SupernetResult> {
    let found = sample::architectures(job.seed, 2);
    let result = SupernetResult {
        epochs: Vec::new(),
        best: found[0].clone(),
        last: found[1].clone(),
        diverged_at,
        parameters: 1000,
        mult_adds: 1000,
        training_flops: 1_000_000,
    };
    Finished { result, device: "made up".to_owned(), elapsed_ms: 1, images_per_second: 1.0 }
}

/// A result that took no time.
fn made(result: JobResult) -> Finished<JobResult> {
    Finished { result, device: "made up".to_owned(), elapsed_ms: 1, images_per_second: 1.0 }
}

/// A supernet of ten steps an epoch.
fn made_up_one_shot(job: &OneShotJob, events: &dyn Events) -> Result<OneShotResult, cache::Error> {
    let epoch = |epoch: u32| {
        let weights = format!("{} {} {epoch}", job.schedule.label(), job.seed);
        let weights =
            job.kept.contains(&epoch).then(|| events.keep_weights(weights.as_bytes())).transpose()?;
        Ok(OneShotEpoch { loss: 2.0, steps: u64::from(epoch) * 10, weights })
    };
    let epochs = (1..=job.budget.epochs).map(epoch).collect::<Result<_, cache::Error>>()?;
    Ok(OneShotResult { epochs, diverged_at: None, training_flops: 1_000_000 })
}

/// Accuracies that go by the architecture, and a little by the weights.
fn made_up_accuracies(job: &SubNetworksJob) -> SubNetworksResult {
    let accuracy = |cells: &DenseCells| {
        let genotype = cells.genotype().to_string();
        Some(hash(&genotype, 1000) / 50.0 + hash(&format!("{} {genotype}", job.weights), 1000) / 100.0)
    };
    SubNetworksResult { accuracies: job.sub_networks.iter().map(accuracy).collect(), flops: 1000 }
}

/// Scores that go by the architecture.
fn made_up_baselines(job: &BaselinesJob) -> BaselineScores {
    let number = |name: &str| hash(&format!("{name} {}", job.genotype), 1000);
    let count = |name: &str| number(name) as u64;
    let [nwot, synflow] = ["nwot", "synflow"].map(|name| Some(number(name)));
    let [parameters, mult_adds, skips, swap] = ["parameters", "mult_adds", "skips", "swap"].map(count);
    BaselineScores { parameters, mult_adds, skips, nwot, synflow, zico: number("zico"), swap, flops: 1000 }
}

/// A training that had reached something before its loss stopped being a number.
fn diverged(job: &TrainingJob) -> FinishedTraining {
    let training = made_up(job);
    let epochs = vec![EpochResult { loss: 2.0, score_accuracy: 55.0 }];
    let result =
        TrainingResult { score: 0.0, epochs, test_accuracy: 0.0, diverged_at: Some(7), ..training.result };
    FinishedTraining { result, ..training }
}

/// Listens to nothing.
pub(super) struct Silent;

impl Progress for Silent {
    fn node_started(&self, _: usize, _: usize, _: &str, _: &str) {}
    fn node_ended(&self, _: usize, _: usize, _: &NodeEntry) {}
    fn trainings_started(&self, _: &str, _: &[Size], _: u64) {}
    fn note(&self, _: &str) {}
    fn images(&self, _: u64, _: u64) {}

    fn skipped(&self, _: u64) {}
    fn training_ended(&self, _: Option<&str>) {}
    fn waiting(&self, _: usize) {}
    fn trainings_ended(&self) {}
}

/// A cache folder of its own.
pub(super) struct Bench {
    folder: tempfile::TempDir,
    pub(super) store: Store,
}

impl Bench {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        Self { folder, store }
    }

    /// The same folder as another process would open it.
    pub(super) fn second(&self) -> Store {
        Store::open(self.folder.path()).unwrap()
    }

    pub(super) fn run(&self, dag: &Dag, target: &str, executor: &FakeExecutor) -> Outcome {
        run(dag, &self.store, target, executor, |_| {})
    }

    pub(super) fn plan(&self, dag: &Dag, target: &str) -> Plan {
        Plan::make(dag, &self.store, &dag.find(target).unwrap(), &BTreeSet::new()).unwrap()
    }
}

pub(super) fn run(
    dag: &Dag,
    store: &Store,
    target: &str,
    executor: &dyn Executor,
    change: impl FnOnce(&mut Run),
) -> Outcome {
    let stop = AtomicBool::new(false);
    let mut run = Run {
        dag,
        store,
        executor,
        progress: &Silent,
        stop: &stop,
        keep_going: false,
        forced: BTreeSet::new(),
        said: BTreeMap::new(),
    };
    change(&mut run);
    run.run(target, &dag.find(target).unwrap()).unwrap()
}

/// Every stage here shows its output as it is.
macro_rules! show {
    ($($stage:ty),*) => {
        $(impl Show for $stage {
            fn show(&self, output: &Self::Output, _: &Known<'_>) -> Result<Shown, serde_json::Error> {
                Ok(Shown { json: serde_json::to_value(output)?, text: format!("{output:?}"), titled: false })
            }
        })*
    };
}

show!(Number, Sum, Map, Best);

/// Stage `number`: a parameter, in whole tens, so that small changes of it lead to the same output.
pub(super) struct Number(pub(super) u64);

impl Stage for Number {
    type Output = u64;

    const NAME: &'static str = "number";

    fn parameters(&self) -> Result<Fields, stages::Error> {
        Ok(Fields::new().with("toy.number", self.0)?)
    }

    fn inputs(&self) -> Vec<Input> {
        Vec::new()
    }

    fn run(&self, _: &Inputs, _: &dyn JobRunner) -> Result<u64, StageError> {
        Ok(self.0 / 10)
    }
}

/// Stage `sum`: adds its inputs up.
pub(super) struct Sum(pub(super) Vec<Handle<u64>>);

impl Stage for Sum {
    type Output = u64;

    const NAME: &'static str = "sum";

    fn parameters(&self) -> Result<Fields, stages::Error> {
        Ok(Fields::new())
    }

    fn inputs(&self) -> Vec<Input> {
        self.0.iter().map(|number| number.role("of")).collect()
    }

    fn run(&self, inputs: &Inputs, _: &dyn JobRunner) -> Result<u64, StageError> {
        Ok(inputs.read_all(&self.0)?.iter().sum())
    }
}

/// Stage `map`: trains architectures under one budget, each twice over, to be trained once.
pub(super) struct Map {
    pub(super) architectures: std::ops::Range<usize>,
    pub(super) budget: Budget,
}

pub(super) fn job(architecture: usize, budget: Budget) -> TrainingJob {
    TrainingJob {
        architecture: sample::architectures(0, architecture + 1)[architecture].canonical().into(),
        budget,
        seed: 0,
        data: DataId {
            name: "none".to_owned(),
            digest: cache::Digest::of("fake data", b"none"),
            augmentation: None,
        },
        scoring: Scoring::default(),
        recipe: Recipe::default(),
    }
}

impl Stage for Map {
    type Output = Vec<TrainingSummary>;

    const NAME: &'static str = "map";

    fn parameters(&self) -> Result<Fields, stages::Error> {
        let fields = self.budget.fields()?;
        Ok(fields.with("from", self.architectures.start)?.with("to", self.architectures.end)?)
    }

    fn inputs(&self) -> Vec<Input> {
        Vec::new()
    }

    fn run(&self, _: &Inputs, runner: &dyn JobRunner) -> Result<Vec<TrainingSummary>, StageError> {
        let twice = self.architectures.clone().chain(self.architectures.clone());
        let jobs: Vec<Job> = twice.map(|architecture| Job::Network(job(architecture, self.budget))).collect();
        let trained = runner.run(&jobs)?;
        assert_eq!(trained.len(), jobs.len());
        let training = |summary| match summary {
            JobSummary::Network(training) => training,
            _ => panic!("no supernet was asked for"),
        };
        Ok(trained.into_iter().map(training).collect())
    }

    fn trainings_at_most(&self) -> u64 {
        self.architectures.len() as u64
    }
}

/// Stage `best`: the highest score of its input.
pub(super) struct Best(pub(super) Handle<Vec<TrainingSummary>>);

impl Stage for Best {
    type Output = f64;

    const NAME: &'static str = "best";

    fn parameters(&self) -> Result<Fields, stages::Error> {
        Ok(Fields::new())
    }

    fn inputs(&self) -> Vec<Input> {
        vec![self.0.role("trained")]
    }

    fn run(&self, inputs: &Inputs, _: &dyn JobRunner) -> Result<f64, StageError> {
        Ok(inputs.read(self.0)?.iter().map(|training| training.score).fold(0.0, f64::max))
    }
}

pub(super) fn number_of(outcome: &Outcome, node: usize) -> u64 {
    decode("node", &outcome.outputs[&node].bytes).unwrap()
}

pub(super) fn budget(epochs: u32) -> Budget {
    Budget { epochs, ..Budget::NAMED[0].1 }
}
