//! What becomes of trainings that run: each is claimed before it begins and stored the moment it ends.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use cache::{Claim, Claimed, Digest, PutOutcome, Store};
use stages::job::{Job, JobResult};
use stages::stage::JobList;
use stages::train::Finished;

use super::executor::{Events, Size};
use super::manifest::TrainingCount;
use super::progress::Progress;
use super::sources::Sources;
use super::trainings::{Stored, job_record, lock, read, remembered};
use crate::error::{Error, TrainingFailure};

/// How often a process looks whether others have finished what it waits for.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Stores results as they come in.
pub(super) struct Collector<'a> {
    store: &'a Store,
    sources: &'a Sources,
    progress: &'a dyn Progress,
    stop: &'a AtomicBool,
    /// Train even what is remembered, and put it in the place of what is stored.
    force: bool,
    jobs: &'a dyn JobList,
    sizes: Vec<Size>,
    /// The jobs that this process has begun.
    begun: Mutex<HashMap<usize, Begun>>,
    /// Jobs that other processes had claimed when their turn came.
    with_others: Mutex<Vec<usize>>,
    collected: Mutex<Collected>,
}

/// What came of the jobs.
#[derive(Default)]
pub(super) struct Collected {
    /// Trainings that ran and were stored, and those that others had stored by the time their turn came.
    pub(super) count: TrainingCount,
    /// Results, in the order in which they came in.
    pub(super) finished: Vec<Arrived>,
    pub(super) failures: Vec<TrainingFailure>,
    /// Why a result could not be stored, which ends the run.
    pub(super) not_stored: Option<Error>,
}

/// A job whose result is stored.
pub(super) struct Arrived {
    /// Its position.
    pub(super) job: usize,
    /// Whether it ran here; otherwise another process had stored it.
    pub(super) ran: bool,
    pub(super) stored: Stored,
}

/// A job that this process has begun.
struct Begun {
    _claim: Claimed,
    /// There was a record of it, which cannot be used.
    is_redone: bool,
}

/// Whose a job is.
enum Turn {
    /// This process's, to run now.
    Own,
    /// Another process's, which runs it.
    Others,
    /// Nobody's: its result is stored.
    Done(Stored),
}

impl<'a> Collector<'a> {
    pub(super) fn new(
        (store, sources): (&'a Store, &'a Sources),
        progress: &'a dyn Progress,
        stop: &'a AtomicBool,
        force: bool,
        jobs: &'a dyn JobList,
        sizes: Vec<Size>,
    ) -> Self {
        let (begun, with_others, collected) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { store, sources, progress, stop, force, jobs, sizes, begun, with_others, collected }
    }

    /// What came of the jobs. Claims that are left, of jobs that were stopped, are given up.
    pub(super) fn collected(self) -> Collected {
        self.collected.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until others have finished the jobs that they had claimed. Returns those that they did not finish and that
    /// are this process's now, as soon as there are any; none when all are done, or when the run is stopped.
    pub(super) fn wait_for_others(&self) -> Vec<usize> {
        let mut waiting = std::mem::take(&mut *lock(&self.with_others));
        waiting.sort_unstable();
        let mut own = Vec::new();
        if !waiting.is_empty() {
            self.progress.waiting(waiting.len());
        }
        while !waiting.is_empty() && own.is_empty() && !self.stop.load(Ordering::Relaxed) {
            thread::sleep(LOOK_EVERY);
            waiting.retain(|&job| match self.turn(job) {
                Turn::Others => true,
                Turn::Own => {
                    own.push(job);
                    false
                }
                Turn::Done(stored) => {
                    self.found(job, stored);
                    false
                }
            });
        }
        lock(&self.with_others).extend(waiting);
        own
    }

    fn turn(&self, job: usize) -> Turn {
        if self.force || lock(&self.begun).contains_key(&job) {
            return Turn::Own;
        }
        // A job without a key, and a store that cannot be read now, are met again, with their reasons, when the result is
        // put into it.
        let (number, job) = (job, &self.jobs.job(job));
        let Ok(key) = &job.key() else { return Turn::Own };
        if let Ok(Some(stored)) = remembered(self.store, job, key, self.sources) {
            return Turn::Done(stored);
        }
        let Claim::Granted(claim) = self.store.claim(key, || about(job)) else { return Turn::Others };
        // Whoever had the claim until now may have stored the result and given it up since.
        let record = self.store.get_latest(key).ok().flatten();
        if let Some(stored) = record.as_ref().and_then(|record| read(self.store, job, record, self.sources)) {
            return Turn::Done(stored);
        }
        lock(&self.begun).insert(number, Begun { _claim: claim, is_redone: record.is_some() });
        Turn::Own
    }

    /// Another process had stored the result.
    fn found(&self, job: usize, stored: Stored) {
        let mut collected = lock(&self.collected);
        collected.count.cached += 1;
        collected.finished.push(Arrived { job, ran: false, stored });
        drop(collected);
        self.progress.skipped(self.sizes[job].flops);
        self.progress.training_ended(None);
    }

    /// Stores a result; what later stages read of what is stored then.
    fn keep(&self, job: usize, finished: Finished<JobResult>) -> Result<Stored, Error> {
        let is_redone = self.force || lock(&self.begun).get(&job).is_none_or(|begun| begun.is_redone);
        let job = &self.jobs.job(job);
        let key = &job.key().map_err(Error::Stage)?;
        let record = job_record(key.clone(), &finished)?;
        let stored = if self.force { self.store.supersede(&record) } else { self.store.put(&record) };
        let stored = stored.map_err(|source| Error::NotStored { source })?;
        let mut first = None;
        if stored == PutOutcome::AlreadyPresent && !is_redone {
            self.progress.note(&format!("{}: another process has trained it too", job.subject()));
        }
        if stored == PutOutcome::Conflict {
            // Where another result was stored first, that is what every later run will see, and so must this one.
            first = remembered(self.store, job, key, self.sources).ok().flatten();
            if first.is_none() {
                // What is stored cannot be read, and would be trained again by every run.
                self.store.supersede(&record).map_err(|source| Error::NotStored { source })?;
            }
        }
        // One that cannot be removed now is in nobody's way: the result is found first.
        let _ = self.store.forget_checkpoint(key);
        if let Some(first) = first {
            // It ran here all the same.
            return Ok(Stored { origin: None, ..first });
        }
        self.sources.trained_on(&finished.device);
        Ok(Stored { summary: finished.result.summary(key), elapsed_ms: finished.elapsed_ms, origin: None })
    }

    /// Ends the run: what comes next could not be stored either.
    fn end_run(&self, error: Error) {
        lock(&self.collected).not_stored.get_or_insert(error);
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Events for Collector<'_> {
    fn chose(&self, choice: &str) {
        self.progress.note(choice);
    }

    fn wanted(&self, job: usize) -> bool {
        match self.turn(job) {
            Turn::Own => return true,
            Turn::Others => lock(&self.with_others).push(job),
            Turn::Done(stored) => self.found(job, stored),
        }
        false
    }

    fn images(&self, job: usize, images: u64) {
        self.progress.images(images, self.sizes[job].flops_of(images));
    }

    fn resumed(&self, job: usize, images: u64) {
        self.progress.skipped(self.sizes[job].flops_of(images));
    }

    fn checkpoint(&self, job: usize) -> Option<Vec<u8>> {
        if self.force { None } else { self.store.checkpoint(&self.jobs.job(job).key().ok()?) }
    }

    fn keep_checkpoint(&self, job: usize, bytes: &[u8]) -> Result<(), cache::Error> {
        // One that is forced begins anew whenever it is asked for.
        if self.force {
            return Ok(());
        }
        // A job without a key says so when its result is put.
        let Ok(key) = self.jobs.job(job).key() else { return Ok(()) };
        self.store.keep_checkpoint(&key, bytes)
    }

    fn weights(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.store.weights(digest)
    }

    fn keep_weights(&self, bytes: &[u8]) -> Result<Digest, cache::Error> {
        self.store.keep_weights(bytes)
    }

    fn note(&self, job: usize, note: &str) {
        self.progress.note(&format!("{}: {note}", self.jobs.job(job).subject()));
    }

    fn finished(&self, job: usize, result: Result<Finished<JobResult>, stages::Error>) {
        match result {
            Ok(finished) => match self.keep(job, finished) {
                Ok(stored) => {
                    let mut collected = lock(&self.collected);
                    collected.count.run += 1;
                    collected.finished.push(Arrived { job, ran: true, stored });
                    drop(collected);
                    self.progress.training_ended(None);
                    if self.store.is_out_of_room() {
                        self.end_run(Error::OutOfRoom { folder: self.store.path().to_path_buf() });
                    }
                }
                Err(error) => self.end_run(error),
            },
            // Whatever a training says after it was told to stop, it was stopped and did not fail.
            Err(_) if self.stop.load(Ordering::Relaxed) => {}
            Err(error) => {
                let failed = self.jobs.job(job);
                let failure = TrainingFailure {
                    subject: failed.subject(),
                    budget: failed.budget().to_string(),
                    message: error.to_string(),
                };
                self.progress.training_ended(Some(&failure.to_string()));
                lock(&self.collected).failures.push(failure);
            }
        }
        // After it was stored, so that whoever claims it next finds it.
        lock(&self.begun).remove(&job);
    }
}

/// What others of a team are told of a job.
pub(crate) fn about(job: &Job) -> String {
    format!("{} under {}", job.subject(), job.budget())
}

/// Some of a collector's jobs, as a list of their own.
pub(super) struct Part<'a> {
    pub(super) collector: &'a Collector<'a>,
    /// Their positions in the collector's list.
    pub(super) jobs: &'a [usize],
}

impl Events for Part<'_> {
    fn chose(&self, choice: &str) {
        self.collector.chose(choice);
    }

    fn wanted(&self, job: usize) -> bool {
        self.collector.wanted(self.jobs[job])
    }

    fn images(&self, job: usize, images: u64) {
        self.collector.images(self.jobs[job], images);
    }

    fn resumed(&self, job: usize, images: u64) {
        self.collector.resumed(self.jobs[job], images);
    }

    fn checkpoint(&self, job: usize) -> Option<Vec<u8>> {
        self.collector.checkpoint(self.jobs[job])
    }

    fn keep_checkpoint(&self, job: usize, bytes: &[u8]) -> Result<(), cache::Error> {
        self.collector.keep_checkpoint(self.jobs[job], bytes)
    }

    fn weights(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.collector.weights(digest)
    }

    fn keep_weights(&self, bytes: &[u8]) -> Result<Digest, cache::Error> {
        self.collector.keep_weights(bytes)
    }

    fn note(&self, job: usize, note: &str) {
        self.collector.note(self.jobs[job], note);
    }

    fn finished(&self, job: usize, result: Result<Finished<JobResult>, stages::Error>) {
        self.collector.finished(self.jobs[job], result);
    }
}
