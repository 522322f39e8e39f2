//! Where the images of a training's steps come from: sets that are in memory as a whole, or windows of a streamed set that are
//! read ahead.
//!
//! A window is a whole number of batches, so that an epoch has the batches that it would have in one piece. What is drawn for
//! images on the device (drop path, cutout) is drawn by epoch and place; so each window counts as an epoch of its own there.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use kernels::{EpochMetrics, Evaluation, ImageSet, Monitor, Shape, Trainer};

use super::accumulate::{Batches, Rates};
use super::{TrainingJob, all, shuffle};
use crate::data::{Dataset, Loader, Seen, Wanted};
use crate::recipe::Scoring;
use crate::train::{Order, TRAIN, TrainOptions};
use crate::{Budget, Error};

/// Bytes of pixels that a window may have, at one batch or more. It decides what is drawn for which image, so that another size
/// is another version of the augmentation. Tests have few images, and windows of 16.
const WINDOW_BYTES: usize = if cfg!(test) { 16 * 3 * 8 * 8 } else { 8 << 20 };

/// Size and images of a job's windows.
#[derive(Clone, Copy)]
pub(crate) struct Windows {
    /// Pixels of a side.
    size: usize,
    /// Images of a window.
    images: usize,
}

impl Windows {
    pub(super) fn new(budget: &Budget, data: &Dataset) -> Self {
        let (size, batch) = (budget.image_size as usize, budget.batch_size as usize);
        let batches = (WINDOW_BYTES / (data.channels * size * size * batch).max(1)).max(1);
        let all = data.train.count.max(data.test.count).div_ceil(batch.max(1));
        Self { size, images: batches.min(all.max(1)) * batch }
    }

    /// The set whose images windows replace.
    pub(super) fn set(self, data: &Dataset) -> Result<ImageSet, Error> {
        let shape = Shape::new(data.channels, self.size, self.size);
        let pixels: Arc<[u8]> = std::iter::repeat_n(0, self.images * shape.elements()).collect();
        Ok(ImageSet::new(shape, pixels, vec![0; self.images].into(), data.classes.len())?)
    }

    fn of(self, images: usize) -> usize {
        images.div_ceil(self.images)
    }
}

/// The order of the training images, epoch by epoch.
#[derive(Clone)]
pub(super) struct Orders {
    pub(super) train: Vec<u32>,
    pub(super) seed: u64,
    pub(super) batch_size: usize,
    pub(super) order: Order,
    pub(super) max_steps: Option<u64>,
}

impl Orders {
    pub(super) fn new(job: &TrainingJob, train: Vec<u32>, options: &TrainOptions) -> Self {
        let batch_size = job.budget.batch_size as usize;
        Self { train, seed: job.seed, batch_size, order: options.order, max_steps: options.max_steps }
    }

    /// The images of an epoch; none behind the last step.
    pub(super) fn of(&self, epoch: u32) -> Vec<u32> {
        let mut images = self.train.clone();
        if self.order == Order::Shuffled {
            shuffle(&mut images, self.seed, 0, epoch);
        }
        if let Some(most) = self.max_steps {
            let before = u64::from(epoch) * images.len().div_ceil(self.batch_size) as u64;
            let left = most.saturating_sub(before).saturating_mul(self.batch_size as u64);
            images.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        }
        images
    }
}

/// What steps and evaluations read.
pub(crate) enum Feed {
    /// Sets of the trainer.
    Resident,
    /// Windows, one after the other, in the place of its one set.
    Streamed {
        loader: Loader,
        windows: Windows,
        /// Of a whole epoch.
        an_epoch: u32,
        classes: usize,
    },
}

impl Feed {
    /// The feed of a training from an epoch on, of which `done` images are trained; `scored` gives the score after each epoch.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn new(
        job: &TrainingJob,
        data: &Dataset,
        orders: &Orders,
        scored: &[u32],
        (first, done): (u32, usize),
    ) -> Result<Self, Error> {
        if data.streamed.is_none() {
            return Ok(Self::Resident);
        }
        let windows = Windows::new(&job.budget, data);
        let an_epoch = windows.of(orders.train.len()) as u32;
        let (orders, scored, test) = (orders.clone(), scored.to_vec(), all(data.test.count));
        let (epochs, augment, seed) = (job.budget.epochs, job.recipe.augment, job.seed);
        let scored_as = match job.scoring {
            Scoring::Holdout { .. } => Seen::Train,
            Scoring::Published => Seen::Test,
        };
        // As `TrainingLoop::run` goes through them.
        let epoch = move |epoch: u32| {
            let mut images = orders.of(epoch);
            if images.is_empty() {
                return None;
            }
            if epoch == first {
                images.drain(..done.min(images.len()));
            }
            let seen = if augment { Seen::Augmented { seed, epoch } } else { Seen::Train };
            let scored = Wanted { images: scored.clone(), seen: scored_as };
            Some([Wanted { images, seen }, scored])
        };
        let wanted = (first..epochs).map_while(epoch).flatten();
        let wanted = wanted.chain(std::iter::once(Wanted { images: test, seen: Seen::Test }));
        Self::streamed(data, (windows, an_epoch), wanted)
    }

    /// The feed of evaluations of these images, one after the other, each by the set that it is of.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn of_evaluations(
        job: &TrainingJob,
        data: &Dataset,
        images: Vec<(usize, Vec<u32>)>,
    ) -> Result<Self, Error> {
        if data.streamed.is_none() {
            return Ok(Self::Resident);
        }
        let seen = |set| if set == TRAIN { Seen::Train } else { Seen::Test };
        let wanted = images.into_iter().map(move |(set, images)| Wanted { images, seen: seen(set) });
        Self::streamed(data, (Windows::new(&job.budget, data), 0), wanted)
    }

    fn streamed(
        data: &Dataset,
        (windows, an_epoch): (Windows, u32),
        wanted: impl Iterator<Item = Wanted> + Send + 'static,
    ) -> Result<Self, Error> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let loader = Loader::new(data, (windows.size, windows.images), threads, wanted)?;
        Ok(Self::Streamed { loader, windows, an_epoch, classes: data.classes.len() })
    }

    /// Trains a part of an epoch: the images `part` of all its images, in their order. It begins and ends between windows.
    ///
    /// # Errors
    /// As [`Trainer::train_epoch`], and when an image cannot be read.
    pub(super) fn train_epoch(
        &mut self,
        trainer: &mut Trainer,
        (order, part): (&[u32], Range<usize>),
        epoch: u32,
        (batches, rates): (Batches, Rates),
        monitor: &dyn Monitor,
    ) -> Result<EpochMetrics, Error> {
        let Self::Streamed { loader, windows, an_epoch, classes } = self else {
            return batches.train(trainer, &order[part], epoch, rates, monitor);
        };
        let mut metrics = EpochMetrics { losses: Vec::new(), correct: 0 };
        for window in (part.start / windows.images) as u32..windows.of(part.end) as u32 {
            let images = next(loader, trainer, *windows, *classes)?;
            let number = epoch.saturating_mul(*an_epoch) + window;
            let part = batches.train(trainer, &images, number, rates, monitor)?;
            metrics.losses.extend(part.losses);
            metrics.correct += part.correct;
        }
        Ok(metrics)
    }

    /// The fewest images that a part of an epoch may have: it is a multiple of them, but for the last one.
    pub(super) fn least(&self, batches: Batches) -> usize {
        match self {
            Self::Resident => batches.size(),
            Self::Streamed { windows, .. } => windows.images,
        }
    }

    /// Evaluates the images `order` of a set.
    ///
    /// # Errors
    /// As [`Trainer::evaluate`], and when an image cannot be read.
    pub(crate) fn evaluate(
        &mut self,
        trainer: &mut Trainer,
        (set, order): (usize, &[u32]),
        monitor: &dyn Monitor,
    ) -> Result<Evaluation, Error> {
        let Self::Streamed { loader, windows, classes, .. } = self else {
            return Ok(trainer.evaluate(set, order, monitor)?);
        };
        let mut total = Evaluation { correct: 0, images: 0, loss: 0.0 };
        for _ in 0..windows.of(order.len()) {
            let images = next(loader, trainer, *windows, *classes)?;
            let part = trainer.evaluate(TRAIN, &images, monitor)?;
            total.correct += part.correct;
            total.images += part.images;
            total.loss += part.loss * part.images as f64;
        }
        total.loss /= (total.images as f64).max(1.0);
        Ok(total)
    }

    /// How long steps waited for images; none where all are in memory.
    pub(super) fn waited(&self) -> Option<Duration> {
        match self {
            Self::Resident => None,
            Self::Streamed { loader, .. } => Some(loader.waited()),
        }
    }
}

/// Puts the next window into the trainer; its images, in their order.
fn next(
    loader: &mut Loader,
    trainer: &mut Trainer,
    windows: Windows,
    classes: usize,
) -> Result<Vec<u32>, Error> {
    let window = loader.next()?;
    let shape = Shape::new(3, windows.size, windows.size);
    let images = ImageSet::new(shape, window.pixels, window.labels, classes)?;
    let former = trainer.replace_images(TRAIN, images)?;
    loader.give_back(former.into_pixels());
    Ok(all(window.count))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
