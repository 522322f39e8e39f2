//! One-shot: a supernet in which each step trains one operation of each edge, and its sub-networks evaluated with the
//! weights that they share (Zheng et al., section 5.3).
//!
//! Two kinds of jobs. [`OneShotJob`] trains the supernet, by a [`Schedule`] of what each step draws, and keeps its
//! weights after chosen epochs; [`SubNetworksJob`] evaluates sub-networks with the weights of one of these epochs.

mod draw;
mod evaluate;
mod inputs;
mod job;
mod run;
#[cfg(test)]
mod tests;

pub use draw::{Draws, Schedule, last_distinct};
pub use evaluate::{SubNetworksJob, SubNetworksResult, evaluate, sub_networks_memory_plan};
pub use inputs::sub_network;
pub use job::{OneShotEpoch, OneShotJob, OneShotResult, one_shot_memory_plan};
pub use run::train_one_shot;

use cache::Digest;

use crate::Error;

/// Where weights are kept that a job's result names by their digests.
pub trait WeightFiles: Sync {
    /// The bytes under a digest, if they are there and whole.
    fn weights(&self, digest: &Digest) -> Option<Vec<u8>>;

    /// Keeps bytes under their digest.
    ///
    /// # Errors
    /// When they cannot be written.
    fn keep_weights(&self, bytes: &[u8]) -> Result<Digest, Error>;
}
