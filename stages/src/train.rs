//! One training: an architecture under a budget on a data set, its key, and its result.

mod inputs;

use std::path::PathBuf;
use std::time::Instant;

use cache::{Digest, Fields, Key, Kind};
use kernels::{Device, MemoryPlan, Monitor, Purpose, Trainer};
use serde::{Deserialize, Serialize};

use crate::data::Dataset;
use crate::echo::shown;
use crate::recipe::{Recipe, Scoring};
use crate::{Budget, Error, Genotype, network};

use self::inputs::TrainerInputs;
pub(crate) use self::inputs::{TEST, TRAIN, image_sets, learnt_and_scored, settings};

/// Version of what a training with so many bits computes. It is part of every key: raise it when the same job would give
/// another result. With 16 bits the loss is scaled since version 2, and gradients are rounded once since version 3.
fn version(float_bits: u32) -> u64 {
    if float_bits == 16 { 3 } else { 1 }
}

/// Which images a training reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataId {
    /// Name of the data set.
    pub name: String,
    /// Digest of its content.
    pub digest: Digest,
}

/// All that a training's result depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingJob {
    /// The architecture; the key holds its canonical form.
    pub genotype: Genotype,
    /// The budget.
    pub budget: Budget,
    /// Seed of initial weights, order of the images, augmentation and drop path.
    pub seed: u64,
    /// The images.
    pub data: DataId,
    /// How the training is scored.
    pub scoring: Scoring,
    /// What it does beyond its budget.
    pub recipe: Recipe,
}

impl TrainingJob {
    /// The key of its result.
    ///
    /// # Errors
    /// When a number of the recipe cannot be part of a key.
    pub fn key(&self) -> Result<Key, Error> {
        let fields = Fields::new()
            .with("version", version(self.budget.float_bits))?
            .with("genotype", self.genotype.canonical().to_string())?
            .with("data", self.data.digest)?
            .with("seed", self.seed)?;
        let budget = self.recipe.applied_to(&self.budget);
        let fields = fields
            .with_all(&budget.fields()?)?
            .with_all(&self.scoring.fields()?)?
            .with_all(&self.recipe.fields()?)?;
        Ok(Key::new(Kind::Training, fields))
    }
}

/// One epoch of a training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochResult {
    /// Mean of the steps' losses, the auxiliary head's included.
    pub loss: f64,
    /// Top-1 accuracy in percent, on the images that give the score, after the epoch.
    pub score_accuracy: f64,
}

/// What a training gave: the same for the same job, whatever it ran on beside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingResult {
    /// Best `score_accuracy` over the epochs, in percent; 0 when the loss stopped being a number.
    pub score: f64,
    /// The epochs.
    pub epochs: Vec<EpochResult>,
    /// Top-1 accuracy in percent on all test images after the last epoch. No choice may depend on it.
    pub test_accuracy: f64,
    /// Step at which the loss stopped being a number, if it did.
    pub diverged_at: Option<u64>,
    /// Trained parameters of the network, without the auxiliary head.
    pub parameters: u64,
    /// Multiply-adds of one image in inference.
    pub mult_adds: u64,
    /// FLOPs of the whole training: forward and backward of one image, times images, times epochs.
    pub training_flops: u64,
}

/// Where a training's loss stopped being a number, and what it had reached by then.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Divergence {
    /// The step, counted from 0 over the whole training.
    pub step: u64,
    /// The best `score_accuracy` of the epochs before, in percent; none when no epoch had ended.
    pub best_score: Option<f64>,
}

impl TrainingResult {
    /// Where the training diverged, if it did. Its score is 0 then: what it had reached before is no accuracy of the network
    /// that it ended with.
    pub fn divergence(&self) -> Option<Divergence> {
        let best_score = self.epochs.iter().map(|epoch| epoch.score_accuracy).reduce(f64::max);
        self.diverged_at.map(|step| Divergence { step, best_score })
    }
}

/// What came of a job, with what happened to be so and is not part of its result.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished<R> {
    /// The result.
    pub result: R,
    /// What it ran on.
    pub device: String,
    /// Wall-clock time in milliseconds.
    pub elapsed_ms: u64,
    /// Images trained a second of training time.
    pub images_per_second: f64,
}

/// A finished training.
pub type FinishedTraining = Finished<TrainingResult>;

impl<R> Finished<R> {
    /// The same with another result.
    pub fn map<S>(self, map: impl FnOnce(R) -> S) -> Finished<S> {
        let Self { result, device, elapsed_ms, images_per_second } = self;
        Finished { result: map(result), device, elapsed_ms, images_per_second }
    }
}

/// Hears of a training's progress and may stop it.
pub trait Observer: Sync {
    /// The training has its memory and begins.
    fn begun(&self) {}
    /// `count` more images were trained.
    fn images(&self, count: u64);
    /// Whether to stop.
    fn cancelled(&self) -> bool;
    /// How a file was read that the training starts from, where a person should know.
    fn note(&self, _note: &str) {}
}

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
    /// Why a file that was asked for is not there. The training is as good without it.
    pub unwritten: Option<Error>,
}

/// Trains a job.
///
/// # Errors
/// When the budget does not fit the network, the device fails, or the observer stops it.
pub fn train(
    job: &TrainingJob,
    data: &Dataset,
    device: &Device,
    observer: &dyn Observer,
) -> Result<FinishedTraining, Error> {
    train_with(job, data, device, &TrainOptions::default(), observer).map(|done| done.trained)
}

/// Trains a job with options.
///
/// # Errors
/// As [`train`], and when a file cannot be read.
pub fn train_with(
    job: &TrainingJob,
    data: &Dataset,
    device: &Device,
    options: &TrainOptions,
    observer: &dyn Observer,
) -> Result<TrainedWithOptions, Error> {
    let started = Instant::now();
    let mut training = TrainingLoop::new(job, data, device)?;
    observer.begun();
    if let Some(path) = &options.init_from {
        let former = |name: &str| network::renamed(&job.genotype, job.budget.layers, name);
        for note in training.trainer.load(path, &former)? {
            observer.note(&format!("{}: {note}", shown(path.display())));
        }
    }
    let LearningCurve { epochs, losses, mut diverged_at } = training.run(options, observer)?;
    let mut test_accuracy = 0.0;
    if diverged_at.is_none() {
        match training.evaluate(TEST, &all(data.test.count), observer)? {
            Some(accuracy) => test_accuracy = accuracy,
            None => diverged_at = Some(losses.len() as u64),
        }
    }
    let gradients = options.dump_gradients.as_ref().map(|path| training.trainer.save_gradients(path));
    let weights = options.save.as_ref().map(|path| training.trainer.save(path));
    let unwritten = [gradients, weights].into_iter().flatten().find_map(Result::err).map(Error::from);
    // A training that diverges has the cost of its budget all the same.
    let images = match diverged_at {
        Some(_) => training.train.len() as u64 * u64::from(job.budget.epochs),
        None => training.images_seen,
    };
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
    let trained = FinishedTraining {
        result,
        device: device.name(),
        elapsed_ms: started.elapsed().as_millis() as u64,
        images_per_second: (training.images_seen as f64 / training.seconds.max(1e-9)).round(),
    };
    Ok(TrainedWithOptions { trained, losses, unwritten })
}

/// The memory that a job's training would take on a device, as it is planned for it.
///
/// # Errors
/// When the budget does not fit the network, or the training the device.
pub fn memory_plan(job: &TrainingJob, data: &Dataset, device: &Device) -> Result<MemoryPlan, Error> {
    let TrainerInputs { graph, settings, sets } = TrainerInputs::new(job, data)?;
    Ok(Trainer::plan_memory(device, &graph, &settings, &sets)?)
}

pub(crate) struct TrainingLoop<'a> {
    job: &'a TrainingJob,
    pub(crate) trainer: Trainer,
    pub(crate) cost: network::Cost,
    /// Images to train on.
    train: Vec<u32>,
    /// Set and images that give the score.
    scored: (usize, Vec<u32>),
    images_seen: u64,
    seconds: f64,
}

/// What the epochs of a training gave.
#[derive(Default)]
struct LearningCurve {
    epochs: Vec<EpochResult>,
    /// Loss of each step.
    losses: Vec<f32>,
    /// Step at which the loss stopped being a number.
    diverged_at: Option<u64>,
}

/// Tells an observer of trained images only.
pub(crate) struct Adapter<'a> {
    pub(crate) observer: &'a dyn Observer,
    pub(crate) counts: bool,
}

impl Monitor for Adapter<'_> {
    fn progress(&self, images: u64) {
        if self.counts {
            self.observer.images(images);
        }
    }

    fn cancelled(&self) -> bool {
        self.observer.cancelled()
    }
}

pub(crate) fn all(count: usize) -> Vec<u32> {
    (0..count as u32).collect()
}

/// Learning rate of epoch t of T: ½·lr·(1 + cos(πt/T)).
pub(crate) fn cosine_rate(rate: f64, epoch: u32, epochs: u32) -> f64 {
    0.5 * rate * (1.0 + (std::f64::consts::PI * f64::from(epoch) / f64::from(epochs)).cos())
}

/// Drop-path probability of an epoch: grows linearly from 0.
fn drop_path_probability(most: f64, epoch: u32, epochs: u32) -> f64 {
    most * f64::from(epoch) / f64::from(epochs)
}

impl<'a> TrainingLoop<'a> {
    pub(crate) fn new(job: &'a TrainingJob, data: &Dataset, device: &Device) -> Result<Self, Error> {
        let TrainerInputs { graph, settings, sets } = TrainerInputs::new(job, data)?;
        let cost = graph.cost();
        let trainer = Trainer::new(device, &graph, &settings, &sets)?;
        let (train, scored) = learnt_and_scored(job.scoring, data);
        Ok(Self { job, trainer, cost, train, scored, images_seen: 0, seconds: 0.0 })
    }

    /// All epochs.
    fn run(&mut self, options: &TrainOptions, observer: &dyn Observer) -> Result<LearningCurve, Error> {
        let Budget { epochs, learning_rate, batch_size, .. } = self.job.budget;
        let mut curve = LearningCurve::default();
        let scored = std::mem::take(&mut self.scored.1);
        for epoch in 0..epochs {
            let mut order = self.order(epoch, options.order);
            if let Some(most) = options.max_steps {
                let left =
                    most.saturating_sub(curve.losses.len() as u64).saturating_mul(u64::from(batch_size));
                order.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            }
            if order.is_empty() {
                break;
            }
            let rate = cosine_rate(learning_rate, epoch, epochs) as f32;
            let drop_path = drop_path_probability(self.job.recipe.drop_path, epoch, epochs) as f32;
            let monitor = Adapter { observer, counts: true };
            let started = Instant::now();
            let metrics = match self.trainer.train_epoch(TRAIN, &order, epoch, rate, drop_path, &monitor) {
                Err(kernels::Error::NonFinite { step, .. }) => {
                    curve.diverged_at = Some(step);
                    break;
                }
                metrics => metrics?,
            };
            self.seconds += started.elapsed().as_secs_f64();
            self.images_seen += order.len() as u64;
            let loss =
                metrics.losses.iter().map(|&l| f64::from(l)).sum::<f64>() / metrics.losses.len() as f64;
            curve.losses.extend(metrics.losses);
            let Some(score_accuracy) = self.evaluate(self.scored.0, &scored, observer)? else {
                curve.diverged_at = Some(curve.losses.len() as u64);
                break;
            };
            curve.epochs.push(EpochResult { loss, score_accuracy });
        }
        Ok(curve)
    }

    /// Accuracy in percent; none when the loss is not a number.
    fn evaluate(
        &mut self,
        set: usize,
        images: &[u32],
        observer: &dyn Observer,
    ) -> Result<Option<f64>, Error> {
        let monitor = Adapter { observer, counts: false };
        let found = self.trainer.evaluate(set, images, &monitor)?;
        Ok(found.loss.is_finite().then(|| found.accuracy()))
    }

    /// The training images in the order of an epoch.
    fn order(&self, epoch: u32, order: Order) -> Vec<u32> {
        let mut images = self.train.clone();
        if order == Order::Shuffled {
            shuffle(&mut images, self.job.seed, 0, epoch);
        }
        images
    }
}

/// Puts the images of a stream into the order of an epoch (Fisher and Yates's shuffle).
pub(crate) fn shuffle(images: &mut [u32], seed: u64, stream: u32, epoch: u32) {
    for last in (1..images.len()).rev() {
        let word = kernels::random(seed, Purpose::Shuffle, stream, epoch, last as u32)[0];
        images.swap(last, kernels::below(word, last as u32 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_those_of_the_recipe() {
        assert!((cosine_rate(0.03, 0, 10) - 0.03).abs() < 1e-12);
        assert!((cosine_rate(0.03, 5, 10) - 0.015).abs() < 1e-12);
        assert!((drop_path_probability(0.2, 5, 10) - 0.1).abs() < 1e-12);
    }
}
