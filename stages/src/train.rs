//! One training: an architecture under a budget on a data set, its key, and its result.

mod accumulate;
mod feed;
mod inputs;
mod run;

use cache::{Digest, Fields, Key, Kind};
use kernels::{Monitor, Purpose};
use serde::{Deserialize, Serialize};

use crate::data::{Augmentation, Dataset};
use crate::recipe::{Recipe, Scoring};
use crate::{Architecture, Budget, Error, network};

pub(crate) use self::feed::Feed;
pub(crate) use self::inputs::{TEST, TRAIN, TrainerInputs, image_sets, learnt_and_scored, settings};
pub(crate) use self::run::TrainedEpoch;
pub use self::run::{Order, TrainOptions, TrainedWithOptions, memory_plan, train, train_with};

/// Version of what a training with so many bits computes. It is part of every key: raise it when the same job would give
/// another result. With 16 bits the loss is scaled since version 2, and gradients are rounded once since version 3.
fn version(float_bits: u32) -> u64 {
    if float_bits == 16 { 3 } else { 1 }
}

/// The fewest cells that a budget may have.
const LEAST_LAYERS: u32 = 3;

/// Which images a training reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataId {
    /// Name of the data set.
    pub name: String,
    /// Digest of its content.
    pub digest: Digest,
    /// How training images are augmented, where the set is streamed.
    pub augmentation: Option<Augmentation>,
}

impl DataId {
    /// The id of a set.
    pub fn of(data: &Dataset) -> Self {
        let augmentation = data.streamed.as_ref().map(|streamed| streamed.augmentation());
        Self { name: data.name.clone(), digest: data.digest, augmentation }
    }

    /// What keys hold of it beside its digest: nothing for a set that is in memory.
    ///
    /// # Errors
    /// When a name is given twice.
    pub(crate) fn fields(&self) -> Result<Fields, Error> {
        let fields = Fields::new();
        Ok(match self.augmentation {
            Some(Augmentation { name, version }) => {
                fields.with("augmentation", name)?.with("augmentation_version", version)?
            }
            None => fields,
        })
    }

    /// Adds all of it to a stage's parameters.
    pub(crate) fn add_to(&self, fields: &mut Fields) -> Result<(), Error> {
        fields.insert("data.name", self.name.as_str())?;
        fields.insert("data.digest", self.digest)?;
        for (name, value) in self.fields()?.iter() {
            fields.insert(&format!("data.{name}"), value.clone())?;
        }
        Ok(())
    }
}

/// All that a training's result depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingJob {
    /// The architecture; the key holds its canonical form.
    pub architecture: Architecture,
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
    /// What a tensor of its network is called that an earlier version wrote as `name`.
    pub(crate) fn tensor_name(&self, name: &str) -> String {
        match self.architecture.genotype() {
            Some(genotype) => network::renamed(genotype, self.budget.layers, name),
            None => name.to_owned(),
        }
    }

    /// The key of its result.
    ///
    /// # Errors
    /// When a number of the recipe cannot be part of a key.
    pub fn key(&self) -> Result<Key, Error> {
        let fields = Fields::new()
            .with("version", version(self.budget.float_bits))?
            .with("data", self.data.digest)?
            .with("seed", self.seed)?;
        let (budget, recipe) = self.as_far_as_it_matters();
        let fields = fields
            .with_all(&self.architecture.fields()?)?
            .with_all(&budget.fields()?)?
            .with_all(&self.scoring.fields()?)?
            .with_all(&recipe.fields()?)?
            .with_all(&self.data.fields()?)?;
        Ok(Key::new(Kind::Training, fields))
    }

    /// Budget and recipe without what the training does not depend on: cutout without augmentation, and, of a network that is
    /// not made of cells, their number and width, drop path and the auxiliary head.
    fn as_far_as_it_matters(&self) -> (Budget, Recipe) {
        let (budget, recipe) = (self.recipe.applied_to(&self.budget), self.recipe.clone());
        match self.architecture {
            Architecture::Darts(_) | Architecture::Cells(_) => (budget, recipe),
            Architecture::Network(_) => (
                Budget { layers: LEAST_LAYERS, channels: 1, ..budget },
                Recipe { aux_weight: 0.0, drop_path: 0.0, ..recipe },
            ),
        }
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
    /// It goes on from a checkpoint, before which `count` images were trained.
    fn resumed(&self, _count: u64) {}
    /// Whether to stop.
    fn cancelled(&self) -> bool;
    /// What a person should know: how a file was read that the training starts from, or what became of checkpoints.
    fn note(&self, _note: &str) {}
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

/// Puts the images of a stream into the order of an epoch (Fisher and Yates's shuffle).
pub(crate) fn shuffle(images: &mut [u32], seed: u64, stream: u32, epoch: u32) {
    for last in (1..images.len()).rev() {
        let word = kernels::random(seed, Purpose::Shuffle, stream, epoch, last as u32)[0];
        images.swap(last, kernels::below(word, last as u32 + 1) as usize);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
