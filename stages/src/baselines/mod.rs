//! Baselines that cost no training: scores of an architecture whose network has its initial weights. A budget that does not
//! rank better than they do is not worth its trainings.
//!
//! | baseline | what it is |
//! | --- | --- |
//! | `parameters` | trained parameters of the network at the size of full training |
//! | `mult_adds` | multiply-adds of one image at that size |
//! | `skips` | skip connections in both cells |
//! | `nwot` | log-determinant of the kernel of binary activation codes of a batch (Mellor et al., 2021, NAS without training, Eq. 2) |
//! | `synflow` | logarithm of the sum of all weights' \|θ · ∂R/∂θ\| (Tanaka et al., 2020), as Abdelfattah et al. (2021) score with it |
//! | `zico` | Σ over layers of ln Σ over weights of E\|g\| / std g, over two batches (Li et al., 2023, `ZiCo`, Eq. 15) |
//! | `swap` | distinct patterns of units over samples (Peng et al., 2024, SWAP-NAS, Definition 3.2) |
//!
//! More is ranked higher in all of them, `skips` included. Initial weights are those that trainings start from (uniform in
//! ±1/√fan-in), and images are not augmented. The auxiliary head takes no part.

mod activations;
mod gradients;
mod job;

use serde::{Deserialize, Serialize};

pub use job::{BaselinesJob, baselines_memory_plan, score, score_of};

/// The scores of one architecture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaselineScores {
    /// Trained parameters, at the size of full training.
    pub parameters: u64,
    /// Multiply-adds of one image in inference, at that size.
    pub mult_adds: u64,
    /// Skip connections in both cells.
    pub skips: u64,
    /// NWOT; none where two images of the batch have the same code, for which it is -∞.
    pub nwot: Option<f64>,
    /// Natural logarithm of `SynFlow`; none where it is out of reach of 32-bit numbers.
    pub synflow: Option<f64>,
    /// `ZiCo`.
    pub zico: f64,
    /// Patterns that SWAP counts.
    pub swap: u64,
    /// FLOPs of finding them.
    pub flops: u64,
}

/// How many baselines there are.
pub const BASELINES: usize = 7;

/// Their names, as columns of tables have them.
pub const NAMES: [&str; BASELINES] = ["parameters", "mult_adds", "skips", "nwot", "synflow", "zico", "swap"];

impl BaselineScores {
    /// The scores, in the order of [`NAMES`].
    pub fn values(&self) -> [Option<f64>; BASELINES] {
        let Self { parameters, mult_adds, skips, nwot, synflow, zico, swap, flops: _ } = *self;
        let count = |number: u64| Some(number as f64);
        [count(parameters), count(mult_adds), count(skips), nwot, synflow, Some(zico), count(swap)]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
