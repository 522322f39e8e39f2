//! Stage `train`: every architecture under every budget, each a training of its own.

use cache::{Fields};
use serde::{Deserialize, Serialize};

use super::{Halt, Inputs, SearchOutcome, Stage, Training, Trainings, encode};
use crate::budget::Budget;
use crate::genotype::Genotype;
use crate::train::{DataId, Recipe, Scoring, TrainJob};

/// What all trainings of a run share.
#[derive(Clone, Debug)]
pub struct JobTemplate {
    /// The images.
    pub data: DataId,
    /// How a training is scored.
    pub scoring: Scoring,
    /// Optimiser and augmentation.
    pub recipe: Recipe,
    /// Seed of initial weights, order of images, augmentation and drop path.
    pub seed: u64,
}
