//! The training of a one-shot supernet: what its result depends on, its key, its size and its result.

use cache::{Digest, Fields, Key, Kind};
use kernels::{Device, MemoryPlan, Trainer};
use serde::{Deserialize, Serialize};

use super::draw::Schedule;
use super::inputs::{OneShotInputs, supernet};
use crate::data::Dataset;
use crate::recipe::{Recipe, Scoring};
use crate::supernet::SearchSize;
use crate::train::{DataId, Divergence};
use crate::{Budget, Error};

/// Version of what a training computes. It is part of every key: raise it when the same job would give another result.
const VERSION: u64 = 2;

/// All that the result of a training depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct OneShotJob {
    /// What each step draws.
    pub schedule: Schedule,
    /// Size of the supernet, images and epochs.
    pub budget: Budget,
    /// The epochs after which the weights are kept: ascending, from 1, and at most the budget's.
    pub kept: Vec<u32>,
    /// Seed of initial numbers, of what is drawn, of the order of the images and of augmentation.
    pub seed: u64,
    /// The images.
    pub data: DataId,
    /// Which images are held out for scores, and so not trained on.
    pub scoring: Scoring,
    /// Optimiser, label smoothing and augmentation. A supernet has no auxiliary head, no drop path, and no weights of
    /// normalisations.
    pub recipe: Recipe,
}

/// One epoch of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OneShotEpoch {
    /// Mean loss of the steps, each of the sub-network that it trained.
    pub loss: f64,
    /// Steps made by its end, from the start of the training.
    pub steps: u64,
    /// The weights after it, where they are kept.
    pub weights: Option<Digest>,
}

/// What a training gave: the same for the same job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OneShotResult {
    /// The epochs.
    pub epochs: Vec<OneShotEpoch>,
    /// Step at which the loss stopped being a number, if it did.
    pub diverged_at: Option<u64>,
    /// FLOPs of the whole training: forward and backward of one image through one operation of each edge, of average cost,
    /// times images, times epochs.
    pub training_flops: u64,
}

impl OneShotResult {
    /// Where it diverged, if it did. A supernet has no score of its own.
    pub fn divergence(&self) -> Option<Divergence> {
        self.diverged_at.map(|step| Divergence { step, best_score: None })
    }

    /// The weights that it names.
    pub fn weights(&self) -> impl Iterator<Item = &Digest> {
        self.epochs.iter().filter_map(|epoch| epoch.weights.as_ref())
    }
}

impl OneShotJob {
    /// The key of its result.
    ///
    /// # Errors
    /// When a number of the recipe cannot be part of a key.
    pub fn key(&self) -> Result<Key, Error> {
        let recipe = &self.recipe;
        let kept: Vec<String> = self.kept.iter().map(u32::to_string).collect();
        let fields = Fields::new()
            .with("job", "one-shot")?
            .with("version", VERSION)?
            .with("kept", kept.join(" ").as_str())?
            .with("data", self.data.digest)?
            .with("seed", self.seed)?
            .with("momentum", recipe.momentum)?
            .with("weight_decay", recipe.weight_decay)?
            .with("grad_clip", recipe.grad_clip)?
            .with("label_smoothing", recipe.label_smoothing)?
            .with("augment", recipe.augment)?;
        let budget = recipe.applied_to(&self.budget);
        let fields = fields
            .with_all(&budget.fields()?)?
            .with_all(&self.scoring.fields()?)?
            .with_all(&self.schedule.fields()?)?;
        Ok(Key::new(Kind::Training, fields))
    }

    /// How much it computes on a set of so many training images, colour channels and classes.
    ///
    /// # Errors
    /// When the budget does not fit the supernet.
    pub fn size(&self, images: usize, channels: usize, classes: usize) -> Result<SearchSize, Error> {
        let images = self.scoring.learnt(images) as u64 * u64::from(self.budget.epochs);
        let cost = supernet(&self.budget, channels, classes)?.graph.cost();
        Ok(SearchSize { images, flops: cost.training_flops.saturating_mul(images) })
    }
}

/// The memory that a training would take on a device, as it is planned for it.
///
/// # Errors
/// When the budget does not fit the supernet, or the training the device.
pub fn one_shot_memory_plan(job: &OneShotJob, data: &Dataset, device: &Device) -> Result<MemoryPlan, Error> {
    let OneShotInputs { supernet, settings, sets } =
        OneShotInputs::new(&job.budget, &job.recipe, data, job.seed)?;
    Ok(Trainer::plan_memory(device, &supernet.graph, &settings, &sets)?)
}
