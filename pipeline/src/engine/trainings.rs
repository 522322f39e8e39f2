//! Jobs to results: what is remembered is looked up, what is not is trained once.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use cache::{Cost, Digest, Key, Record, Store};
use stages::stage::{JobRunner, StageError, TrainingSummary};
use stages::train::{FinishedTraining, TrainingJob, TrainingResult};

use super::collector::{Collector, Part};
use super::executor::{Executor, Size};
use super::manifest::TrainingCount;
use super::progress::Progress;
use crate::error::Error;

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
        let jobs: Vec<TrainingJob> = sized.iter().map(|&(index, _)| distinct.jobs[index].0.clone()).collect();
        let sizes: Vec<Size> = sized.iter().map(|&(_, size)| size).collect();
        self.progress.trainings_started(self.node, &sizes, cached);
        let keys = sized.iter().map(|&(index, _)| &distinct.jobs[index].1).collect();
        let collector = Collector::new(self.store, self.progress, self.stop, self.force, &jobs, keys, sizes);
        let executed = self.execute(&jobs, &collector);
        self.progress.trainings_ended();
        let collected = collector.collected();
        *lock(&self.count) += collected.count;
        executed?;
        for (job, training) in collected.finished {
            results[sized[job].0] = Some(training);
        }
        if let Some(failure) = collected.not_stored {
            return Err(failure);
        }
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        match collected.failures.len() {
            0 if results.iter().all(Option::is_some) => Ok(()),
            0 => Err(Error::Unreported { node: self.node.to_owned() }),
            _ => Err(Error::Trainings {
                node: self.node.to_owned(),
                of: jobs.len(),
                failures: collected.failures,
            }),
        }
    }

    /// Trains all jobs, and then those that other processes had claimed and did not finish.
    fn execute(&self, jobs: &[TrainingJob], collector: &Collector) -> Result<(), Error> {
        self.executor.execute(jobs, self.stop, collector)?;
        loop {
            let waiting = collector.wait_for_others();
            if waiting.is_empty() || self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let part: Vec<TrainingJob> = waiting.iter().map(|&job| jobs[job].clone()).collect();
            self.executor.execute(&part, self.stop, &Part { collector, jobs: &waiting })?;
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
