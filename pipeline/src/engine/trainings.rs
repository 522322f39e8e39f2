//! Jobs to results: what is remembered is looked up, what is not is trained once and stored the moment it ends.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use cache::{Cost, Digest, Key, PutOutcome, Record, Store};
use stages::stage::{JobRunner, StageError, TrainingSummary};
use stages::train::{FinishedTraining, TrainingJob, TrainingResult};

use super::executor::{Events, Executor, Size};
use super::manifest::TrainingCount;
use super::progress::Progress;
use crate::error::{Error, TrainingFailure};

/// The distinct jobs of a list, each with its key, and for every place in the list which of them stands there.
pub(super) struct DistinctJobs<'a> {
    pub(super) jobs: Vec<(&'a TrainingJob, Key)>,
    pub(super) places: Vec<usize>,
}

impl<'a> DistinctJobs<'a> {
    /// Hashes every job once.
    pub(super) fn of(jobs: &'a [TrainingJob]) -> Result<Self, stages::Error> {
        let mut distinct = Self { jobs: Vec::new(), places: Vec::with_capacity(jobs.len()) };
        let mut known: HashMap<Digest, usize> = HashMap::new();
        for job in jobs {
            let key = job.key()?;
            let place = *known.entry(*key.digest()).or_insert(distinct.jobs.len());
            if place == distinct.jobs.len() {
                distinct.jobs.push((job, key));
            }
            distinct.places.push(place);
        }
        Ok(distinct)
    }
}

/// A remembered training, or `None` when there is none that can be read.
pub(super) fn remembered(store: &Store, key: &Key) -> Result<Option<TrainingSummary>, Error> {
    let Some(record) = store.get(key)? else { return Ok(None) };
    Ok(record.value::<TrainingResult>().ok().map(|result| summary(key, &result)))
}

/// What later stages read of a training.
pub(super) fn summary(key: &Key, result: &TrainingResult) -> TrainingSummary {
    TrainingSummary {
        key: *key.digest(),
        score: result.score,
        test_accuracy: result.test_accuracy,
        parameters: result.parameters,
        mult_adds: result.mult_adds,
        training_flops: result.training_flops,
    }
}

/// The record of a finished training. Device and speed are provenance: they do not change the result.
pub(crate) fn training_record(key: Key, trained: &FinishedTraining) -> Result<Record, Error> {
    let mut record = Record::of(key, &trained.result)?;
    record.provenance.insert("device".into(), trained.device.clone());
    record.provenance.insert("program".into(), env!("CARGO_PKG_VERSION").into());
    record.provenance.insert("images_per_second".into(), format!("{:.0}", trained.images_per_second));
    record.cost = Cost { flops: trained.result.training_flops, elapsed_ms: trained.elapsed_ms };
    Ok(record)
}

/// What [`training_record`] was made from.
pub(crate) fn remembered_training(record: &Record, result: TrainingResult) -> FinishedTraining {
    let said = |name: &str| record.provenance.get(name).cloned().unwrap_or_default();
    FinishedTraining {
        result,
        device: said("device"),
        elapsed_ms: record.cost.elapsed_ms,
        images_per_second: said("images_per_second").parse().unwrap_or(0.0),
    }
}

/// Trains what is missing, for one node of a run.
pub(super) struct NodeJobs<'a> {
    pub(super) node: &'a str,
    pub(super) store: &'a Store,
    pub(super) executor: &'a dyn Executor,
    pub(super) progress: &'a dyn Progress,
    pub(super) stop: &'a AtomicBool,
    /// Train even what is remembered.
    pub(super) force: bool,
    /// What came of them so far.
    pub(super) count: Mutex<TrainingCount>,
}

impl JobRunner for NodeJobs<'_> {
    fn run(&self, jobs: &[TrainingJob]) -> Result<Vec<TrainingSummary>, StageError> {
        self.try_train(jobs).map_err(|error| StageError::Untrained(Box::new(error)))
    }
}

impl NodeJobs<'_> {
    fn try_train(&self, jobs: &[TrainingJob]) -> Result<Vec<TrainingSummary>, Error> {
        let distinct = DistinctJobs::of(jobs).map_err(Error::Stage)?;
        let mut results: Vec<Option<TrainingSummary>> = Vec::with_capacity(distinct.jobs.len());
        for (_, key) in &distinct.jobs {
            results.push(if self.force { None } else { remembered(self.store, key)? });
        }
        let missing: Vec<usize> = (0..results.len()).filter(|&index| results[index].is_none()).collect();
        let cached = (results.len() - missing.len()) as u64;
        lock(&self.count).cached += cached;
        if !missing.is_empty() {
            self.run_missing(&distinct, missing, cached, &mut results)?;
        }
        Ok(distinct.places.iter().filter_map(|&place| results[place].clone()).collect())
    }

    fn run_missing(
        &self,
        distinct: &DistinctJobs,
        missing: Vec<usize>,
        cached: u64,
        results: &mut [Option<TrainingSummary>],
    ) -> Result<(), Error> {
        // The longest first: what remains at the end, when some cores have nothing left to do, is then short.
        let mut sized: Vec<(usize, Size)> =
            missing.into_iter().map(|index| (index, self.executor.size(distinct.jobs[index].0))).collect();
        sized.sort_by_key(|&(index, size)| (std::cmp::Reverse(size.flops), index));
        // A second process on this folder begins at the other end, so that two runs of one target share the work.
        if !self.store.is_writer() {
            sized.reverse();
        }
        let jobs: Vec<TrainingJob> = sized.iter().map(|&(index, _)| distinct.jobs[index].0.clone()).collect();
        let sizes: Vec<Size> = sized.iter().map(|&(_, size)| size).collect();
        self.progress.trainings_started(self.node, &sizes, cached);
        let collector = Collector {
            store: self.store,
            progress: self.progress,
            stop: self.stop,
            jobs: &jobs,
            keys: sized.iter().map(|&(index, _)| &distinct.jobs[index].1).collect(),
            sizes,
            finished: Mutex::new(Vec::new()),
            failures: Mutex::new(Vec::new()),
            force: self.force,
            stored: AtomicU64::new(0),
            found: AtomicU64::new(0),
        };
        let executed = self.executor.execute(&jobs, self.stop, &collector);
        self.progress.trainings_ended();
        *lock(&self.count) += TrainingCount {
            run: collector.stored.load(Ordering::Relaxed),
            cached: collector.found.load(Ordering::Relaxed),
        };
        executed?;
        let failures = collector.failures.into_inner().unwrap_or_else(PoisonError::into_inner);
        let finished = collector.finished.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (job, training) in finished {
            results[sized[job].0] = Some(training);
        }
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        match failures.len() {
            0 if results.iter().all(Option::is_some) => Ok(()),
            0 => Err(Error::Unreported { node: self.node.to_owned() }),
            _ => Err(Error::Trainings { node: self.node.to_owned(), of: jobs.len(), failures }),
        }
    }
}

/// Stores results as they come in.
struct Collector<'a> {
    store: &'a Store,
    progress: &'a dyn Progress,
    stop: &'a AtomicBool,
    jobs: &'a [TrainingJob],
    keys: Vec<&'a Key>,
    sizes: Vec<Size>,
    finished: Mutex<Vec<(usize, TrainingSummary)>>,
    failures: Mutex<Vec<TrainingFailure>>,
    force: bool,
    /// Trainings that ran and were stored.
    stored: AtomicU64,
    /// Trainings that another process had stored by the time their turn came.
    found: AtomicU64,
}

impl Collector<'_> {
    fn keep(&self, job: usize, trained: &FinishedTraining) -> Result<TrainingSummary, String> {
        let key = self.keys[job];
        let record = training_record(key.clone(), trained).map_err(|error| error.to_string())?;
        let outcome = self.store.put(&record).map_err(|error| error.to_string())?;
        // Where another result was stored first, that is what every later run will see, and so must this one.
        if outcome == PutOutcome::Conflict
            && let Ok(Some(first)) = remembered(self.store, key)
        {
            return Ok(first);
        }
        Ok(summary(key, &trained.result))
    }
}

impl Events for Collector<'_> {
    fn wanted(&self, job: usize) -> bool {
        if self.force {
            return true;
        }
        // A store that cannot be read now is met again, with its reason, when the result is put into it.
        let Ok(Some(training)) = remembered(self.store, self.keys[job]) else { return true };
        self.found.fetch_add(1, Ordering::Relaxed);
        lock(&self.finished).push((job, training));
        let size = self.sizes[job];
        self.progress.images(0, size.flops);
        self.progress.training_ended(None);
        false
    }

    fn images(&self, job: usize, images: u64) {
        self.progress.images(images, self.sizes[job].flops_of(images));
    }

    fn finished(&self, job: usize, result: Result<FinishedTraining, stages::Error>) {
        let kept = match result {
            Ok(trained) => self.keep(job, &trained),
            // Whatever a training says after it was told to stop, it was stopped and did not fail.
            Err(_) if self.stop.load(Ordering::Relaxed) => return,
            Err(error) => Err(error.to_string()),
        };
        match kept {
            Ok(training) => {
                self.stored.fetch_add(1, Ordering::Relaxed);
                lock(&self.finished).push((job, training));
                self.progress.training_ended(None);
            }
            Err(message) => {
                let failure = TrainingFailure {
                    genotype: self.jobs[job].genotype.to_string(),
                    budget: self.jobs[job].budget.to_string(),
                    message,
                };
                self.progress.training_ended(Some(&failure.to_string()));
                lock(&self.failures).push(failure);
            }
        }
    }
}

/// Looks the trainings of one node up and counts what is missing; trains nothing.
pub(super) struct PlannedJobs<'a> {
    pub(super) store: &'a Store,
    /// Missing trainings of all nodes so far: one that two nodes need would run once.
    pub(super) missing: &'a Mutex<HashSet<Digest>>,
    pub(super) count: Mutex<TrainingCount>,
}

impl JobRunner for PlannedJobs<'_> {
    fn run(&self, jobs: &[TrainingJob]) -> Result<Vec<TrainingSummary>, StageError> {
        self.try_look_up(jobs).map_err(|error| StageError::Untrained(Box::new(error)))
    }
}

impl PlannedJobs<'_> {
    fn try_look_up(&self, jobs: &[TrainingJob]) -> Result<Vec<TrainingSummary>, Error> {
        let distinct = DistinctJobs::of(jobs).map_err(Error::Stage)?;
        let mut results = Vec::with_capacity(distinct.jobs.len());
        for (_, key) in &distinct.jobs {
            results.push(remembered(self.store, key)?);
        }
        let (mut count, mut missing) = (lock(&self.count), lock(self.missing));
        for ((_, key), result) in distinct.jobs.iter().zip(&results) {
            match result {
                None if missing.insert(*key.digest()) => count.run += 1,
                _ => count.cached += 1,
            }
        }
        let all: Option<Vec<TrainingSummary>> =
            distinct.places.iter().map(|&place| results[place].clone()).collect();
        all.ok_or(Error::NotTrained)
    }
}

/// A lock is only poisoned by a panic, after which the data here is still whole: every change is one push or one sum.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
