//! Trainings whose loss stopped being a number: which architectures under which budgets.
//!
//! Their score is 0, so that the diverged ones of a budget share the last place of its ranking. Of two lists that have
//! diverged ones in common, `r_s` then says in part which diverge, not which are better; so every ranking says how many.

use serde::{Deserialize, Serialize};

use super::jobs::JobGrid;
use super::{JobList, TrainingSummary};
use crate::train::Divergence;
use crate::{Budget, Genotype};

/// A training that diverged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DivergedTraining {
    /// The architecture.
    pub genotype: Genotype,
    /// The budget.
    pub budget: Budget,
    /// Where it diverged.
    pub divergence: Divergence,
}

/// Those that diverged of the trainings of `jobs` from place `first` on.
pub(super) fn diverged(
    jobs: &JobGrid<'_>,
    first: usize,
    trainings: &[TrainingSummary],
) -> Vec<DivergedTraining> {
    let diverged = |(place, training): (usize, &TrainingSummary)| {
        let divergence = training.divergence?;
        let (genotype, budget) = (jobs.architecture(first + place), jobs.budget(first + place));
        Some(DivergedTraining { genotype, budget, divergence })
    };
    trainings.iter().enumerate().filter_map(diverged).collect()
}
