//! What the seats of a pack ask for, in forms that other threads can run, and how they are answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::lowering::Kernel;
use crate::backend::{EpochMetrics, Evaluation, Monitor, Setup, Stream};
use crate::error::Error;
use crate::optimiser::Progress;
use crate::step::Step;

/// What a seat asks for.
pub(super) enum Request {
    Build(Box<Setup<dyn Kernel>>),
    Train(Box<OwnedDataPass>),
    Evaluate(OwnedStream, Arc<Relay>),
}

/// What it is told.
pub(super) enum Answer {
    Built(Result<(), Error>),
    Trained(Result<Vec<EpochMetrics>, Error>),
    Evaluated(Result<Evaluation, Error>),
}

/// Images that other threads can read.
pub(super) struct OwnedStream {
    set: usize,
    order: Vec<u32>,
}

/// A [`DataPass`](crate::backend::DataPass) that other threads can run.
pub(super) struct OwnedDataPass {
    pub(super) step: Step,
    pub(super) streams: Vec<OwnedStream>,
    pub(super) epoch: u32,
    pub(super) first_step: u64,
    pub(super) progress: Vec<Progress>,
    pub(super) drop_path: f32,
    pub(super) temperature: f32,
    pub(super) relay: Arc<Relay>,
}

impl OwnedStream {
    pub(super) fn new(Stream { set, order }: Stream<'_>) -> Self {
        Self { set, order: order.to_vec() }
    }

    pub(super) fn stream(&self) -> Stream<'_> {
        Stream { set: self.set, order: &self.order }
    }
}

/// Stands for the monitor of a training whose thread waits.
#[derive(Default)]
pub(super) struct Relay {
    images: AtomicU64,
    cancelled: AtomicBool,
}

impl Monitor for Relay {
    fn progress(&self, images: u64) {
        self.images.fetch_add(images, Ordering::Relaxed);
    }

    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

impl Relay {
    /// Passes on what came in, to the monitor and from it.
    pub(super) fn exchange(&self, monitor: &dyn Monitor) {
        let images = self.images.swap(0, Ordering::Relaxed);
        if images > 0 {
            monitor.progress(images);
        }
        if monitor.cancelled() {
            self.cancelled.store(true, Ordering::Relaxed);
        }
    }
}

impl Request {
    /// The answer where a pass fails.
    pub(super) fn failed(&self, error: Error) -> Option<Answer> {
        match self {
            Self::Build(_) => None,
            Self::Train(_) => Some(Answer::Trained(Err(error))),
            Self::Evaluate(..) => Some(Answer::Evaluated(Err(error))),
        }
    }
}
