//! Trains a network: from its start, from a checkpoint, or from weights in a file.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use kernels::{Device, MemoryPlan, Trainer};
use serde::{Deserialize, Serialize};

use super::accumulate::{Batches, Rates};
use super::feed::{Feed, Orders};
use super::inputs::{TEST, TrainerInputs, learnt_and_scored};
use super::{Adapter, EpochResult, FinishedTraining, Observer, TrainingJob, TrainingResult, all};
use crate::checkpoint::{Checkpoints, Epochs};
use crate::data::Dataset;
use crate::echo::shown;
use crate::{Budget, Error, network};

/// Order of the training images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// A permutation an epoch, by the seed.
    #[default]
    Shuffled,
    /// As they stand in the set.
    Sequential,
}

/// What a single training can be asked for beside its job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrainOptions {
    /// Weights and running statistics to start from.
    pub init_from: Option<PathBuf>,
    /// Where to write weights and running statistics.
    pub save: Option<PathBuf>,
    /// Where to write the gradients of the last step.
    pub dump_gradients: Option<PathBuf>,
    /// Most steps to take.
    pub max_steps: Option<u64>,
    /// Order of the training images.
    pub order: Order,
}

/// A training with options that was done.
#[derive(Debug)]
pub struct TrainedWithOptions {
    /// What it gave.
    pub trained: FinishedTraining,
    /// Loss of each step.
    pub losses: Vec<f32>,
    /// How long steps and evaluations waited for images, where these were streamed.
    pub waited: Option<Duration>,
    /// Why a file that was asked for is not there. The training is as good without it.
    pub unwritten: Option<Error>,
}

/// Trains a job, or goes on from the last checkpoint, which gives the same result. A checkpoint that cannot be used is left
/// alone, and the observer told.
///
/// # Errors
/// When the budget does not fit the network, the device fails, or the observer stops it.
pub fn train(
    job: &TrainingJob,
    data: &Dataset,
    device: &Device,
    observer: &dyn Observer,
    checkpoints: &dyn Checkpoints,
) -> Result<FinishedTraining, Error> {
    let options = TrainOptions::default();
    train_with(job, data, device, &options, observer, checkpoints).map(|done| done.trained)
}

/// Trains a job with options, of which checkpoints know nothing: there should be none where options make it another training.
///
/// # Errors
/// As [`train`], and when a file cannot be read.
pub fn train_with(
    job: &TrainingJob,
    data: &Dataset,
    device: &Device,
    options: &TrainOptions,
    observer: &dyn Observer,
    checkpoints: &dyn Checkpoints,
) -> Result<TrainedWithOptions, Error> {
    let epochs = Epochs::new(&job.key()?, job.budget.epochs as usize, device, observer, checkpoints);
    let mut training = TrainingLoop::new(job, data, device, options, epochs)?;
    training.resume()?;
    observer.begun();
    if let Some(path) = &options.init_from {
        let former = |name: &str| job.tensor_name(name);
        for note in training.trainer.load(path, &former)? {
            observer.note(&format!("{}: {note}", shown(path.display())));
        }
    }
    training.begin_feed(data)?;
    let LearningCurve { losses, mut diverged_at } = training.run()?;
    let mut test_accuracy = 0.0;
    if diverged_at.is_none() {
        match training.evaluate(TEST, &all(data.test.count))? {
            Some(accuracy) => test_accuracy = accuracy,
            None => diverged_at = Some(losses.len() as u64),
        }
    }
    let gradients = options.dump_gradients.as_ref().map(|path| training.trainer.save_gradients(path));
    let weights = options.save.as_ref().map(|path| training.trainer.save(path));
    let unwritten = [gradients, weights].into_iter().flatten().find_map(Result::err).map(Error::from);
    // A training that diverges has the cost of its budget all the same.
    let images = match diverged_at {
        Some(_) => training.orders.train.len() as u64 * u64::from(job.budget.epochs),
        None => training.epochs.images(),
    };
    let epochs: Vec<EpochResult> = training.epochs.done.iter().map(|epoch| epoch.result).collect();
    let score = match diverged_at {
        Some(_) => 0.0,
        None => epochs.iter().map(|epoch| epoch.score_accuracy).fold(0.0, f64::max),
    };
    let result = TrainingResult {
        score,
        epochs,
        test_accuracy,
        diverged_at,
        parameters: training.cost.parameters,
        mult_adds: training.cost.mult_adds,
        training_flops: training.cost.training_flops.saturating_mul(images),
    };
    let waited = training.feed.waited();
    Ok(TrainedWithOptions { trained: training.epochs.finished(result), losses, waited, unwritten })
}

/// The memory that a job's training would take on a device, as it is planned for it.
///
/// # Errors
/// When the budget does not fit the network, or the training the device.
pub fn memory_plan(job: &TrainingJob, data: &Dataset, device: &Device) -> Result<MemoryPlan, Error> {
    let TrainerInputs { graph, settings, sets } = TrainerInputs::new(job, data)?;
    Ok(Trainer::plan_memory(device, &graph, &settings, &sets)?)
}

struct TrainingLoop<'a> {
    job: &'a TrainingJob,
    trainer: Trainer,
    cost: network::Cost,
    /// Images to train on.
    orders: Orders,
    feed: Feed,
    /// Set and images that give the score.
    scored: (usize, Vec<u32>),
    epochs: Epochs<'a, TrainedEpoch>,
}

/// An epoch that is done.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct TrainedEpoch {
    result: EpochResult,
    /// Loss of each step.
    losses: Vec<f32>,
}

/// What the steps of a training gave.
struct LearningCurve {
    /// Loss of each.
    losses: Vec<f32>,
    /// The one at which the loss stopped being a number.
    diverged_at: Option<u64>,
}

/// Drop-path probability of an epoch: grows linearly from 0.
fn drop_path_probability(most: f64, epoch: u32, epochs: u32) -> f64 {
    most * f64::from(epoch) / f64::from(epochs)
}

impl<'a> TrainingLoop<'a> {
    fn new(
        job: &'a TrainingJob,
        data: &Dataset,
        device: &Device,
        options: &TrainOptions,
        epochs: Epochs<'a, TrainedEpoch>,
    ) -> Result<Self, Error> {
        let TrainerInputs { graph, settings, sets } = TrainerInputs::new(job, data)?;
        let cost = graph.cost();
        let trainer = Trainer::new(device, &graph, &settings, &sets)?;
        let (train, scored) = learnt_and_scored(job.scoring, data);
        let (orders, feed) = (Orders::new(job, train, options), Feed::Resident);
        Ok(Self { job, trainer, cost, orders, feed, scored, epochs })
    }

    /// Begins to read the images of the epochs that are left.
    fn begin_feed(&mut self, data: &Dataset) -> Result<(), Error> {
        let first = self.epochs.done.len() as u32;
        let done = self.epochs.steps.len() * self.job.budget.batch_size as usize;
        self.feed = Feed::new(self.job, data, &self.orders, &self.scored.1, (first, done))?;
        Ok(())
    }

    /// Goes where the last checkpoint is, if there is one that can be used.
    fn resume(&mut self) -> Result<(), Error> {
        if let Some(last) = self.epochs.last(|_| Ok(())) {
            self.epochs.restore(last, &mut self.trainer)?;
        }
        Ok(())
    }

    /// All epochs that are left.
    fn run(&mut self) -> Result<LearningCurve, Error> {
        let Budget { epochs, learning_rate, .. } = self.job.budget;
        let losses = self.epochs.done.iter().flat_map(|epoch| &epoch.losses).copied().collect();
        let mut curve = LearningCurve { losses, diverged_at: None };
        let scored = std::mem::take(&mut self.scored.1);
        let batches = Batches::new(&self.job.budget, &self.job.recipe)?;
        for epoch in self.epochs.done.len() as u32..epochs {
            let order = self.orders.of(epoch);
            if order.is_empty() {
                break;
            }
            let rates = Rates {
                learning_rate: self.job.recipe.rate.at(learning_rate, epoch, epochs) as f32,
                drop_path: drop_path_probability(self.job.recipe.drop_path, epoch, epochs) as f32,
            };
            match self.train_epoch(&order, epoch, (batches, rates)) {
                Err(Error::Network(kernels::Error::NonFinite { step, .. })) => {
                    curve.losses.append(&mut self.epochs.steps);
                    curve.diverged_at = Some(step);
                    break;
                }
                trained => trained?,
            }
            let losses = std::mem::take(&mut self.epochs.steps);
            curve.losses.extend(&losses);
            let Some(score_accuracy) = self.evaluate(self.scored.0, &scored)? else {
                curve.diverged_at = Some(curve.losses.len() as u64);
                break;
            };
            let loss = losses.iter().map(|&loss| f64::from(loss)).sum::<f64>() / losses.len() as f64;
            let result = EpochResult { loss, score_accuracy };
            self.epochs.push(TrainedEpoch { result, losses }, &mut self.trainer)?;
        }
        Ok(curve)
    }

    /// Trains what is left of an epoch, in parts between which a checkpoint may be kept.
    fn train_epoch(&mut self, order: &[u32], epoch: u32, how: (Batches, Rates)) -> Result<(), Error> {
        let least = self.feed.least(how.0);
        let flops = self.cost.training_flops.saturating_mul(least as u64).max(1);
        let fit = usize::try_from(self.epochs.flops_between() / flops).unwrap_or(usize::MAX);
        let length = least.saturating_mul(fit.max(1));
        let mut from = self.epochs.steps.len() * how.0.size();
        while from < order.len() {
            let part = from..order.len().min(from.saturating_add(length));
            from = part.end;
            let monitor = Adapter { observer: self.epochs.observer, counts: true };
            let (started, images) = (Instant::now(), part.len() as u64);
            let metrics = self.feed.train_epoch(&mut self.trainer, (order, part), epoch, how, &monitor)?;
            self.epochs.trained(images, started);
            if from < order.len() {
                self.epochs.within(&metrics.losses, &mut self.trainer)?;
            } else {
                self.epochs.steps.extend(metrics.losses);
            }
        }
        Ok(())
    }

    /// Accuracy in percent; none when the loss is not a number.
    fn evaluate(&mut self, set: usize, images: &[u32]) -> Result<Option<f64>, Error> {
        let monitor = Adapter { observer: self.epochs.observer, counts: false };
        let found = self.feed.evaluate(&mut self.trainer, (set, images), &monitor)?;
        Ok(found.loss.is_finite().then(|| found.accuracy()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drop_path_grows_from_epoch_to_epoch() {
        assert!((drop_path_probability(0.2, 5, 10) - 0.1).abs() < 1e-12);
    }
}
