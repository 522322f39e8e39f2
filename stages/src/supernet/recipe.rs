//! How the architecture of a supernet is trained.

use serde::{Deserialize, Serialize};

use crate::Error;

/// How the numbers of the mixtures are trained, by Adam; and how low the weights' learning rate goes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArchitectureRecipe {
    /// Adam's learning rate, the same in all epochs.
    pub learning_rate: f64,
    /// Its β₁.
    pub beta1: f64,
    /// Its β₂.
    pub beta2: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Standard deviation of the initial values.
    pub initial_deviation: f64,
    /// What the weights' learning rate goes down to, by a cosine; where it begins below, that goes down to a 25th.
    pub minimum_rate: f64,
}

impl Default for ArchitectureRecipe {
    fn default() -> Self {
        Self {
            learning_rate: 3e-4,
            beta1: 0.5,
            beta2: 0.999,
            weight_decay: 1e-3,
            initial_deviation: 1e-3,
            minimum_rate: 1e-3,
        }
    }
}

/// The share of the first learning rate that the last one has, where the minimum is above the first.
const LAST_SHARE: f64 = 0.04;

impl ArchitectureRecipe {
    /// The settings as key fields.
    pub(crate) fn fields(&self) -> Result<cache::Fields, Error> {
        Ok(cache::Fields::new()
            .with("architecture.learning_rate", self.learning_rate)?
            .with("architecture.beta1", self.beta1)?
            .with("architecture.beta2", self.beta2)?
            .with("architecture.weight_decay", self.weight_decay)?
            .with("architecture.initial_deviation", self.initial_deviation)?
            .with("minimum_rate", self.minimum_rate)?)
    }

    /// The learning rate that the weights' goes down to from `first`.
    pub(super) fn last_rate(&self, first: f64) -> f64 {
        if first > self.minimum_rate { self.minimum_rate } else { LAST_SHARE * first }
    }
}
