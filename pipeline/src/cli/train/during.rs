//! What a training that goes on is in touch with: its checkpoints, and who hears of its progress.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cache::{Key, Store};
use stages::checkpoint::Checkpoints;
use stages::train::Observer;

use crate::engine::executor::Size;
use crate::engine::progress::Progress;
use crate::output;
use crate::output::progress::Reporter;

/// Checkpoints of the training of a key, in the cache.
pub(super) struct Kept<'a> {
    pub(super) store: &'a Store,
    pub(super) key: &'a Key,
    pub(super) interval: Duration,
}

impl Kept<'_> {
    /// Keeps the last checkpoint of a training that diverged for people to look at, who may find there what went wrong;
    /// its file. The result is as good without it.
    pub(super) fn keep_last(&self) -> Option<PathBuf> {
        self.store.keep_last_checkpoint(self.key).unwrap_or_else(|error| {
            output::message(&format!("warning: the last checkpoint before it diverged is not kept: {error}"));
            None
        })
    }
}

impl Checkpoints for Kept<'_> {
    fn last(&self) -> Option<Vec<u8>> {
        self.store.checkpoint(self.key)
    }

    fn keep(&self, bytes: &[u8]) -> Result<(), stages::Error> {
        Ok(self.store.keep_checkpoint(self.key, bytes)?)
    }

    fn interval(&self) -> Duration {
        self.interval
    }
}

/// Passes a training's progress on.
pub(super) struct TrainingObserver<'a> {
    pub(super) stop: &'a AtomicBool,
    pub(super) progress: &'a Reporter,
    pub(super) size: Size,
    pub(super) begun: Instant,
    /// How long after that the first images were done.
    pub(super) first_step: OnceLock<Duration>,
    /// Images that were trained before.
    pub(super) resumed: AtomicU64,
}

impl Observer for TrainingObserver<'_> {
    fn images(&self, images: u64) {
        // Not before the first images: until then a file may turn out not to fit.
        self.first_step.get_or_init(|| {
            let first_step = self.begun.elapsed();
            self.progress.trainings_started("training", &[self.size], 0);
            self.progress.skipped(self.size.flops_of(self.resumed.load(Ordering::Relaxed)));
            first_step
        });
        self.progress.images(images, self.size.flops_of(images));
    }

    fn resumed(&self, images: u64) {
        self.resumed.store(images, Ordering::Relaxed);
    }

    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn note(&self, note: &str) {
        output::message(note);
    }
}
