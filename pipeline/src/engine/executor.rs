//! Who trains: the engine hands over jobs and gets results one by one, in whatever order they finish.

use std::sync::atomic::AtomicBool;

use cache::Digest;
use stages::job::{Job, JobResult};
use stages::stage::JobList;
use stages::train::Finished;

use crate::error::Error;

/// How large a training is, known before it runs: what progress is measured in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    /// Images that pass through the network for training, over all epochs.
    pub(crate) images: u64,
    /// Floating point operations, forward and backward.
    pub(crate) flops: u64,
}

impl Size {
    /// So many images, at so many FLOPs an image.
    pub(crate) fn of(images: u64, flops_an_image: u64) -> Self {
        Self { images, flops: images.saturating_mul(flops_an_image) }
    }

    /// The floating point operations of so many of its images.
    pub(crate) fn flops_of(self, images: u64) -> u64 {
        (u128::from(images) * u128::from(self.flops) / u128::from(self.images.max(1))) as u64
    }
}

/// Runs trainings on whatever it stands for: this machine's devices, or others.
pub(crate) trait Executor: Sync {
    /// The size of one job.
    fn size(&self, job: &Job) -> Size;

    /// What it has trained on so far, if it has trained.
    fn device(&self) -> Option<String>;

    /// Trains every job and reports each to `events` the moment it ends, until `stop` is set; jobs that were not
    /// begun by then are not reported at all.
    ///
    /// # Errors
    /// When there is nothing to train on.
    fn execute(&self, jobs: &dyn JobList, stop: &AtomicBool, events: &dyn Events) -> Result<(), Error>;
}

/// What an executor tells while it works. The jobs' positions are those in the list it was given.
pub(crate) trait Events: Sync {
    /// What the executor chose to train on where that was left to it, and why, as one sentence.
    fn chose(&self, choice: &str);

    /// Asked just before a job begins: whether it is still wanted, or somebody else has trained it meanwhile.
    fn wanted(&self, job: usize) -> bool;

    /// `images` more images of this job went through a training step.
    fn images(&self, job: usize, images: u64);

    /// This job goes on from a checkpoint, before which so many images went through a training step.
    fn resumed(&self, job: usize, images: u64);

    /// The last checkpoint of this job, if it was begun before and did not end.
    fn checkpoint(&self, job: usize) -> Option<Vec<u8>>;

    /// Keeps a checkpoint of this job, until it ends.
    ///
    /// # Errors
    /// When it cannot be kept; the job goes on without.
    fn keep_checkpoint(&self, job: usize, bytes: &[u8]) -> Result<(), cache::Error>;

    /// The weights under a digest, if they are there and whole.
    fn weights(&self, digest: &Digest) -> Option<Vec<u8>>;

    /// Keeps weights under their digest, which a job's result names.
    ///
    /// # Errors
    /// When they cannot be kept.
    fn keep_weights(&self, bytes: &[u8]) -> Result<Digest, cache::Error>;

    /// Something about this job that a person should know, as one sentence.
    fn note(&self, job: usize, note: &str);

    /// The job ended.
    fn finished(&self, job: usize, result: Result<Finished<JobResult>, stages::Error>);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_no_number_holds_are_the_largest_one() {
        let size = Size::of(1 << 40, 1 << 40);
        assert_eq!(size, Size { images: 1 << 40, flops: u64::MAX });
        assert_eq!(size.flops_of(1 << 39), u64::MAX / 2);
    }
}
