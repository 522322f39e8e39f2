//! The loss: cross-entropy of a head's softmax, with label smoothing (Szegedy et al., 2016), times the head's weight. The main
//! head's largest logit is the network's answer.
//!
//! Backward: `dlogits = weight / batch size · (softmax - target)`, found with the loss.

mod cpu;
mod gpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
mod typical;

#[cfg(test)]
pub(super) use gpu::SHADERS;
#[cfg(test)]
pub(super) use tests::examples;
pub(super) use typical::typical;

use super::heads::{HeadCall, LogitLoss};
use crate::error::Error;
use crate::graph::{Graph, ValueId};

/// The loss of a head.
#[derive(Clone, Copy, Debug)]
struct CrossEntropy;

impl LogitLoss for CrossEntropy {
    const KIND: &'static str = "cross-entropy";
}

impl Graph {
    /// Declares `logits` (classes × 1 × 1) a head whose cross-entropy enters the loss with `weight`.
    ///
    /// # Errors
    /// When the shape is not one number a class, the logits are normalised or have a head already, or outside
    /// [`Graph::in_training_only`] the network has one: its answers count; or inside [`Graph::serving`].
    pub fn head(&mut self, logits: ValueId, weight: f32) -> Result<(), Error> {
        self.add_head(logits, weight, CrossEntropy)
    }
}
