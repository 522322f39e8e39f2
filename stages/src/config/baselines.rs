//! Section `[baselines]`: what scores without a training are found on.

use super::section::Section;
use crate::{Budget, Error};

/// The target `baselines`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BaselinesConfig {
    /// Size of the networks and of the images, and images of a batch; nothing else of it is read.
    pub budget: Budget,
    /// Seed of the initial weights and of which images are in the batches.
    pub seed: u64,
}

impl BaselinesConfig {
    pub(super) fn typed(section: &Section<'_>) -> Result<Self, Error> {
        Ok(Self { budget: section.budget("budget")?, seed: section.seed("seed")? })
    }
}
