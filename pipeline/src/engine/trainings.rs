//! Jobs to results: what is remembered is looked up, what is not is trained once.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cache::{Cost, Digest, Key, Kind, Record, Store};
use rayon::prelude::*;
use stages::Budget;
use stages::job::{Job, JobResult, JobSummary};
use stages::stage::{JobList, JobRunner, StageError, TrainingLog};
use stages::train::{Finished, FinishedTraining, TrainingResult};

use super::collector::{Arrived, Collector, Part};
use super::executor::{Executor, Size};
use super::manifest::TrainingCount;
use super::node::NodeIndex;
use super::progress::Progress;
use super::sources::{Hits, Origin, Sources};
use crate::error::Error;
use crate::person::{PERSON, person};

/// What a record says of where its training ran.
pub(crate) const DEVICE: &str = "device";

/// Jobs that are hashed and looked up at once, on all cores.
const LOOKED_UP: usize = 1 << 12;

/// A training that is stored.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) summary: JobSummary,
    /// How long it took when it ran.
    pub(super) elapsed_ms: u64,
    /// Where it was found; none where it was trained just now.
    pub(super) origin: Option<Arc<Origin>>,
}

/// A job's key, and what is remembered of it.
type LookedUp = (Digest, Option<Stored>);

/// Hashes every job and looks it up, if that is wanted; hands them to `take` in their order. Neither keys nor jobs are kept,
/// so that a list of a million takes no more memory than what `take` makes of it.
fn look_up(
    jobs: &dyn JobList,
    remembered: impl Fn(&Job, &Key) -> Result<Option<Stored>, Error> + Sync,
    mut take: impl FnMut(usize, LookedUp),
) -> Result<(), Error> {
    let one = |place: usize| {
        let job = jobs.job(place);
        let key = job.key().map_err(Error::Stage)?;
        Ok((*key.digest(), remembered(&job, &key)?))
    };
    for first in (0..jobs.count()).step_by(LOOKED_UP) {
        let places = first..jobs.count().min(first + LOOKED_UP);
        let found: Vec<LookedUp> = places.clone().into_par_iter().map(one).collect::<Result<_, Error>>()?;
        places.zip(found).for_each(|(place, found)| take(place, found));
    }
    Ok(())
}

/// The distinct jobs of a list: where each is first met and what is known of it, and for every place in the list which of
/// them stands there.
#[derive(Default)]
struct DistinctJobs {
    first: Vec<u32>,
    digests: Vec<Digest>,
    results: Vec<Option<Stored>>,
    places: Vec<u32>,
}

impl DistinctJobs {
    fn of(
        jobs: &dyn JobList,
        remembered: impl Fn(&Job, &Key) -> Result<Option<Stored>, Error> + Sync,
    ) -> Result<Self, Error> {
        let mut distinct = Self::default();
        let mut known: HashMap<Digest, u32> = HashMap::new();
        look_up(jobs, remembered, |place, (digest, found)| {
            let number = *known.entry(digest).or_insert(distinct.first.len() as u32);
            if number as usize == distinct.first.len() {
                distinct.first.push(place as u32);
                distinct.digests.push(digest);
                distinct.results.push(found);
            }
            distinct.places.push(number);
        })?;
        Ok(distinct)
    }
}

/// Some jobs of a list, in an order of their own.
struct Chosen<'a> {
    all: &'a dyn JobList,
    places: Vec<u32>,
}

impl JobList for Chosen<'_> {
    fn count(&self) -> usize {
        self.places.len()
    }

    fn job(&self, place: usize) -> Job {
        self.all.job(self.places[place] as usize)
    }

    fn budget(&self, place: usize) -> Budget {
        self.all.budget(self.places[place] as usize)
    }
}

/// A remembered result of a job, or `None` when there is none that can be read; notes where it came from.
pub(super) fn remembered(
    store: &Store,
    job: &Job,
    key: &Key,
    sources: &Sources,
) -> Result<Option<Stored>, Error> {
    Ok(store.get(key)?.and_then(|record| read(store, job, &record, sources)))
}

/// The result of a job in a record, or `None` when it cannot be read, or names weights that are missing or damaged; notes where
/// it came from.
pub(super) fn read(store: &Store, job: &Job, record: &Record, sources: &Sources) -> Option<Stored> {
    let result = job.read(record)?;
    if !result.weights().iter().all(|digest| store.has_weights(digest)) {
        return None;
    }
    let origin = Some(sources.found(record));
    Some(Stored { summary: result.summary(&record.key), elapsed_ms: record.cost.elapsed_ms, origin })
}

/// The record of a job that is done. Device and speed are provenance: they do not change the result.
pub(crate) fn job_record(key: Key, finished: &Finished<JobResult>) -> Result<Record, Error> {
    let mut record = finished.result.record(key)?;
    record.provenance.insert(DEVICE.into(), finished.device.clone());
    record.provenance.insert("program".into(), env!("CARGO_PKG_VERSION").into());
    record.provenance.insert(PERSON.into(), person().into());
    record.provenance.insert("images_per_second".into(), format!("{:.0}", finished.images_per_second));
    record.cost = Cost { flops: finished.result.training_flops(), elapsed_ms: finished.elapsed_ms };
    Ok(record)
}

/// What [`job_record`] was made from.
pub(crate) fn remembered_training(record: &Record, result: TrainingResult) -> FinishedTraining {
    let said = |name: &str| record.provenance.get(name).cloned().unwrap_or_default();
    FinishedTraining {
        result,
        device: said(DEVICE),
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
    /// Whether to keep a log of what came of each.
    pub(super) logs: bool,
    /// What came of them so far.
    pub(super) so_far: Mutex<SoFar>,
    /// Where their results come from.
    pub(super) sources: Sources,
}

/// What came of the jobs of a node.
#[derive(Default)]
pub(super) struct SoFar {
    pub(super) count: TrainingCount,
    /// Where those of them that were found came from.
    pub(super) hits: Hits,
    pub(super) elapsed_ms: u64,
    pub(super) log: Vec<TrainingLog>,
    /// All that it asked for: it may ask for the same ones again.
    pub(super) met: HashSet<Digest>,
    /// Results that have come in.
    arrived: u64,
}

impl SoFar {
    /// One more result has come in.
    fn arrive(&mut self, ran: bool, elapsed_ms: u64) -> TrainingLog {
        self.arrived += 1;
        TrainingLog { ran, arrival: self.arrived - 1, elapsed_ms }
    }
}

impl JobRunner for NodeJobs<'_> {
    fn run(&self, jobs: &dyn JobList) -> Result<Vec<JobSummary>, StageError> {
        self.try_train(jobs).map_err(|error| StageError::Untrained(Box::new(error)))
    }

    fn elapsed_ms(&self, trainings: &[Digest]) -> Result<Vec<Option<u64>>, StageError> {
        elapsed_ms(self.store, trainings)
    }
}

/// What the records of trainings say of how long these took.
fn elapsed_ms(store: &Store, trainings: &[Digest]) -> Result<Vec<Option<u64>>, StageError> {
    let one = |key| store.get_digest(Kind::Training, key).map(|found| found.map(|it| it.cost.elapsed_ms));
    let found: Result<Vec<Option<u64>>, cache::Error> = trainings.iter().map(one).collect();
    found.map_err(|error| StageError::Untrained(Box::new(Error::from(error))))
}

impl NodeJobs<'_> {
    fn try_train(&self, jobs: &dyn JobList) -> Result<Vec<JobSummary>, Error> {
        // What was forced once was trained by this node, and is as good as any from then on.
        let is_forced = |key: &Key| self.force && !lock(&self.so_far).met.contains(key.digest());
        let known = |job: &Job, key: &Key| {
            if is_forced(key) { Ok(None) } else { remembered(self.store, job, key, &self.sources) }
        };
        let mut distinct = DistinctJobs::of(jobs, known)?;
        let mut logs = vec![TrainingLog::default(); distinct.results.len()];
        let (mut missing, mut cached) = (Vec::new(), 0);
        let is_new: Vec<bool> = {
            let so_far = &mut *lock(&self.so_far);
            // What is remembered arrives first, in the order of the jobs.
            for (number, found) in distinct.results.iter().enumerate() {
                match found {
                    Some(found) => logs[number] = so_far.arrive(false, found.elapsed_ms),
                    None => missing.push(number as u32),
                }
            }
            distinct.digests.iter().map(|&digest| so_far.met.insert(digest)).collect()
        };
        for (found, &is_new) in distinct.results.iter().zip(&is_new) {
            cached += u64::from(is_new && found.is_some());
        }
        lock(&self.so_far).count.cached += cached;
        if !missing.is_empty() {
            self.run_missing(jobs, &mut distinct, missing, cached, &mut logs)?;
        }
        let DistinctJobs { results, places, .. } = distinct;
        let so_far = &mut *lock(&self.so_far);
        for (found, _) in results.iter().flatten().zip(is_new).filter(|(_, is_new)| *is_new) {
            so_far.count.diverged += u64::from(found.summary.divergence().is_some());
            so_far.elapsed_ms += found.elapsed_ms;
            if let Some(origin) = &found.origin {
                *so_far.hits.entry(Arc::clone(origin)).or_default() += 1;
            }
        }
        if self.logs {
            so_far.log.extend(places.iter().map(|&number| logs[number as usize]));
        }
        let summary = |number: u32| results[number as usize].as_ref().map(|found| found.summary.clone());
        Ok(places.into_iter().filter_map(summary).collect())
    }

    fn run_missing(
        &self,
        jobs: &dyn JobList,
        distinct: &mut DistinctJobs,
        missing: Vec<u32>,
        cached: u64,
        logs: &mut [TrainingLog],
    ) -> Result<(), Error> {
        let place = |number: u32| distinct.first[number as usize];
        let size = |number: u32| (number, self.executor.size(&jobs.job(place(number) as usize)));
        let mut sized: Vec<(u32, Size)> = missing.into_par_iter().map(size).collect();
        // The longest first: what remains at the end, when some cores have nothing left to do, is then short.
        sized.sort_unstable_by_key(|&(number, size)| (std::cmp::Reverse(size.flops), number));
        let chosen = Chosen { all: jobs, places: sized.iter().map(|&(number, _)| place(number)).collect() };
        let (numbers, sizes): (Vec<u32>, Vec<Size>) = sized.into_iter().unzip();
        self.progress.trainings_started(self.node, &sizes, cached);
        let collector =
            Collector::new((self.store, &self.sources), self.progress, self.stop, self.force, &chosen, sizes);
        let executed = self.execute(&chosen, &collector);
        self.progress.trainings_ended();
        let collected = collector.collected();
        {
            let so_far = &mut *lock(&self.so_far);
            so_far.count += collected.count;
            for Arrived { job, ran, stored } in collected.finished {
                let number = numbers[job] as usize;
                logs[number] = so_far.arrive(ran, stored.elapsed_ms);
                distinct.results[number] = Some(stored);
            }
        }
        executed?;
        if let Some(failure) = collected.not_stored {
            return Err(failure);
        }
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        match collected.failures.len() {
            0 if distinct.results.iter().all(Option::is_some) => Ok(()),
            0 => Err(Error::Unreported { node: self.node.to_owned() }),
            _ => Err(Error::Trainings {
                node: self.node.to_owned(),
                of: numbers.len(),
                failures: collected.failures,
            }),
        }
    }

    /// Trains all jobs, and then those that other processes had claimed and did not finish.
    fn execute(&self, jobs: &Chosen, collector: &Collector) -> Result<(), Error> {
        self.executor.execute(jobs, self.stop, collector)?;
        loop {
            let waiting = collector.wait_for_others();
            if waiting.is_empty() || self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let part = Chosen { all: jobs, places: waiting.iter().map(|&job| job as u32).collect() };
            self.executor.execute(&part, self.stop, &Part { collector, jobs: &waiting })?;
        }
    }
}

/// Trainings that are missing, by the number of the node that asked last: one that two nodes need would run once.
#[derive(Default)]
pub(super) struct Missing {
    asked_by: HashMap<Digest, usize>,
}

/// Looks the trainings of one node up and counts what is missing; trains nothing.
pub(super) struct PlannedJobs<'a> {
    pub(super) store: &'a Store,
    pub(super) node: NodeIndex,
    pub(super) missing: &'a Mutex<Missing>,
    pub(super) count: Mutex<TrainingCount>,
}

impl JobRunner for PlannedJobs<'_> {
    fn run(&self, jobs: &dyn JobList) -> Result<Vec<JobSummary>, StageError> {
        self.try_look_up(jobs).map_err(|error| StageError::Untrained(Box::new(error)))
    }

    fn elapsed_ms(&self, trainings: &[Digest]) -> Result<Vec<Option<u64>>, StageError> {
        elapsed_ms(self.store, trainings)
    }
}

impl PlannedJobs<'_> {
    fn try_look_up(&self, jobs: &dyn JobList) -> Result<Vec<JobSummary>, Error> {
        let (mut count, mut missing) = (lock(&self.count), lock(self.missing));
        // Kept while all are there: with one missing, the stage goes no further.
        let mut results = Some(Vec::new());
        let mut found: HashSet<Digest> = HashSet::new();
        look_up(
            jobs,
            |job, key| remembered(self.store, job, key, &Sources::default()),
            |_, (digest, result)| {
                if let Some(result) = result {
                    if found.insert(digest) {
                        count.cached += 1;
                        count.diverged += u64::from(result.summary.divergence().is_some());
                    }
                    if let Some(results) = &mut results {
                        results.push(result.summary);
                    }
                    return;
                }
                results = None;
                match missing.asked_by.insert(digest, self.node) {
                    None => count.run += 1,
                    Some(other) => count.cached += u64::from(other != self.node),
                }
            },
        )?;
        results.ok_or(Error::NotTrained)
    }
}

/// A lock is only poisoned by a panic, after which the data here is still whole: every change is one push or one sum.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
