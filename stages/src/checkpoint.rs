//! What a training keeps of its epochs, so that a killed one goes on and ends with the same bits.

use std::time::{Duration, Instant};

use cache::{Digest, Key, codec};
use kernels::{Device, Trainer};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::train::{Finished, Observer};

/// Where a training keeps its last checkpoint.
pub trait Checkpoints: Sync {
    /// What was kept last, if anything was.
    fn last(&self) -> Option<Vec<u8>>;

    /// Keeps these bytes instead.
    ///
    /// # Errors
    /// When they cannot be written.
    fn keep(&self, bytes: &[u8]) -> Result<(), Error>;

    /// How long after one the next is due.
    fn interval(&self) -> Duration;

    /// About how many FLOPs are trained until the next moment at which one may be kept: the end of an epoch is one in any case.
    fn flops_between(&self) -> u64 {
        FLOPS_BETWEEN
    }
}

/// On a GPU seconds, on a processor minutes.
const FLOPS_BETWEEN: u64 = 20_000_000_000_000;

/// Keeps nothing.
#[derive(Clone, Copy, Debug)]
pub struct NoCheckpoints;

impl Checkpoints for NoCheckpoints {
    fn last(&self) -> Option<Vec<u8>> {
        None
    }

    fn keep(&self, _: &[u8]) -> Result<(), Error> {
        Ok(())
    }

    fn interval(&self) -> Duration {
        Duration::MAX
    }

    fn flops_between(&self) -> u64 {
        u64::MAX
    }
}

/// Between the names of devices that a training ran on, one after the other.
pub const THEN: &str = " then ";

/// The hash domain of checkpoints, with the version of their format, and that of the version before, which had none within epochs.
const DOMAIN: &str = "nas-pipeline training checkpoint 3";
const FORMER_DOMAIN: &str = "nas-pipeline training checkpoint 2";

/// What epochs took.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Spent {
    /// Images that were trained.
    images: u64,
    /// Seconds of training them.
    seconds: f64,
    /// Wall-clock time of everything, in milliseconds.
    elapsed_ms: u64,
}

/// Where a training stands, after an epoch or within one.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Standing<E> {
    /// Of which job: the digest of its key.
    pub(crate) job: Digest,
    /// The epochs that are done.
    pub(crate) epochs: Vec<E>,
    spent: Spent,
    /// What it ran on, one after the other.
    devices: Vec<String>,
    /// The trainer's own checkpoint.
    pub(crate) trainer: Vec<u8>,
    /// Loss of each step of an epoch that is not done.
    pub(crate) steps: Vec<f32>,
}

/// As the version before wrote it.
#[derive(Deserialize)]
struct FormerStanding<E> {
    job: Digest,
    epochs: Vec<E>,
    spent: Spent,
    devices: Vec<String>,
    trainer: Vec<u8>,
}

impl<E> From<FormerStanding<E>> for Standing<E> {
    fn from(FormerStanding { job, epochs, spent, devices, trainer }: FormerStanding<E>) -> Self {
        Self { job, epochs, spent, devices, trainer, steps: Vec::new() }
    }
}

impl<E: Serialize + DeserializeOwned> Standing<E> {
    /// Bytes that are checked as a whole before they are read.
    fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let payload = codec::encode(self)?;
        let mut bytes = Digest::of(DOMAIN, &payload).0.to_vec();
        bytes.extend(payload);
        Ok(bytes)
    }

    /// What [`Standing::to_bytes`] wrote for a job.
    ///
    /// # Errors
    /// Why the bytes are no checkpoint of it.
    fn from_bytes(bytes: &[u8], job: &Digest) -> Result<Self, String> {
        let standing = Self::of_any(bytes)?;
        if standing.job == *job { Ok(standing) } else { Err("it is of another job".to_owned()) }
    }

    /// The same, whatever job it is of.
    pub(crate) fn of_any(bytes: &[u8]) -> Result<Self, String> {
        let (digest, payload) = bytes.split_at_checked(32).ok_or("it is cut")?;
        if digest == Digest::of(DOMAIN, payload).0 {
            codec::decode(payload).map_err(|error| error.to_string())
        } else if digest == Digest::of(FORMER_DOMAIN, payload).0 {
            codec::decode::<FormerStanding<E>>(payload).map(Into::into).map_err(|error| error.to_string())
        } else {
            Err("it is damaged, or of another version".to_owned())
        }
    }
}

/// The epochs of a training that are done, by this process and by those before that it goes on for.
pub(crate) struct Epochs<'a, E> {
    job: Digest,
    pub(crate) observer: &'a dyn Observer,
    checkpoints: &'a dyn Checkpoints,
    /// In their order.
    pub(crate) done: Vec<E>,
    /// Loss of each step of the one that was begun.
    pub(crate) steps: Vec<f32>,
    /// How many the whole training has.
    count: usize,
    spent: Spent,
    /// What it runs on, behind what it ran on before.
    devices: Vec<String>,
    started: Instant,
    /// When a checkpoint was kept, or the training began.
    kept: Instant,
    /// One could not be kept, and no other is tried: a disk that is full has room for what is small.
    has_failed: bool,
}

impl<'a, E: Serialize + DeserializeOwned + Clone> Epochs<'a, E> {
    /// None yet, of the so many of the training whose result has this key.
    pub(crate) fn new(
        key: &Key,
        count: usize,
        device: &Device,
        observer: &'a dyn Observer,
        checkpoints: &'a dyn Checkpoints,
    ) -> Self {
        let (job, now) = (*key.digest(), Instant::now());
        Self {
            job,
            observer,
            checkpoints,
            done: Vec::new(),
            steps: Vec::new(),
            count,
            spent: Spent::default(),
            devices: vec![device.name()],
            started: now,
            kept: now,
            has_failed: false,
        }
    }

    /// The last checkpoint, if there is one of this training with which `usable` finds nothing wrong. The observer hears of one
    /// that is not used.
    pub(crate) fn last(&self, usable: impl FnOnce(&[E]) -> Result<(), String>) -> Option<Standing<E>> {
        let bytes = self.checkpoints.last()?;
        let standing =
            Standing::from_bytes(&bytes, &self.job).and_then(|standing| match standing.epochs.len() {
                0 if standing.steps.is_empty() => Err("nothing is before it".to_owned()),
                count if count < self.count => usable(&standing.epochs).map(|()| standing),
                count => Err(format!("it is behind {count} epochs")),
            });
        standing.map_err(|problem| self.is_not_used(&problem)).ok()
    }

    /// Puts a trainer, and the epochs that are done, to where a checkpoint was made. False, and nothing has changed, where it
    /// is one of another network, of which the observer hears.
    ///
    /// # Errors
    /// When the device fails.
    pub(crate) fn restore(&mut self, standing: Standing<E>, trainer: &mut Trainer) -> Result<bool, Error> {
        let checkpoint = kernels::Checkpoint::from_bytes(&standing.trainer);
        match checkpoint.and_then(|checkpoint| trainer.restore(&checkpoint)) {
            Ok(()) => {
                (self.done, self.steps, self.spent) = (standing.epochs, standing.steps, standing.spent);
                self.observer.resumed(self.spent.images);
                self.goes_on_from(standing.devices);
                Ok(true)
            }
            Err(kernels::Error::Checkpoint { problem }) => {
                self.is_not_used(&problem);
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// It ran on these devices so far. Another kind of device has other bits, of which the observer hears.
    fn goes_on_from(&mut self, mut devices: Vec<String>) {
        let [now] = self.devices.as_slice() else { return };
        match devices.last() {
            Some(last) if kernels::hardware(last) == kernels::hardware(now) => {}
            last => {
                let last = last.map_or("?", String::as_str);
                self.observer.note(&format!("it was begun on {last}, and goes on on {now}"));
                devices.push(now.clone());
            }
        }
        self.devices = devices;
    }

    fn is_not_used(&self, problem: &str) {
        self.observer.note(&format!("its checkpoint is not used, and it begins anew: {problem}"));
    }

    /// So many images were trained in the time since then.
    pub(crate) fn trained(&mut self, images: u64, since: Instant) {
        self.spent.images += images;
        self.spent.seconds += since.elapsed().as_secs_f64();
    }

    /// Images that were trained so far.
    pub(crate) fn images(&self) -> u64 {
        self.spent.images
    }

    /// About how many FLOPs may be trained within an epoch before [`Epochs::within`] is called.
    pub(crate) fn flops_between(&self) -> u64 {
        self.checkpoints.flops_between()
    }

    /// An epoch is done. Keeps a checkpoint if one is due and others follow; where it cannot be kept, the observer hears of
    /// it, and the training goes on without any.
    ///
    /// # Errors
    /// When the device fails.
    pub(crate) fn push(&mut self, epoch: E, trainer: &mut Trainer) -> Result<(), Error> {
        self.done.push(epoch);
        self.steps.clear();
        if self.done.len() < self.count { self.keep_if_due(trainer) } else { Ok(()) }
    }

    /// Some steps of an epoch are done, and others follow: as [`Epochs::push`].
    ///
    /// # Errors
    /// When the device fails.
    pub(crate) fn within(&mut self, losses: &[f32], trainer: &mut Trainer) -> Result<(), Error> {
        self.steps.extend(losses);
        self.keep_if_due(trainer)
    }

    fn keep_if_due(&mut self, trainer: &mut Trainer) -> Result<(), Error> {
        if self.kept.elapsed() < self.checkpoints.interval() || self.has_failed {
            return Ok(());
        }
        let (job, epochs, devices) = (self.job, self.done.clone(), self.devices.clone());
        let steps = self.steps.clone();
        let spent = Spent { elapsed_ms: self.elapsed_ms(), ..self.spent };
        let trainer = match trainer.checkpoint() {
            // There is memory for the training, and none for a copy of its state.
            Err(error @ (kernels::Error::OutOfMemory { .. } | kernels::Error::MemoryInUse { .. })) => {
                Err(error.into())
            }
            checkpoint => Ok(checkpoint?.to_bytes()),
        };
        let kept = trainer.and_then(|trainer| {
            let standing = Standing { job, epochs, spent, devices, trainer, steps };
            self.checkpoints.keep(&standing.to_bytes()?)
        });
        if let Err(error) = kept {
            self.has_failed = true;
            self.observer.note(&format!("no checkpoint of it can be kept: {error}"));
        }
        self.kept = Instant::now();
        Ok(())
    }

    fn elapsed_ms(&self) -> u64 {
        self.spent.elapsed_ms + self.started.elapsed().as_millis() as u64
    }

    /// The training has ended with this result.
    pub(crate) fn finished<R>(&self, result: R) -> Finished<R> {
        Finished {
            result,
            device: self.devices.join(THEN),
            elapsed_ms: self.elapsed_ms(),
            images_per_second: (self.spent.images as f64 / self.spent.seconds.max(1e-9)).round(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
