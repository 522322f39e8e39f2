//! The sum of a head's logits, times the head's weight, in the place of a loss: what scores of untrained networks are the
//! gradients of (Tanaka et al., 2020, `SynFlow`, Eq. 6). No label counts, and no answer is right.
//!
//! Backward: `dlogits = weight / batch size`.

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
struct LogitSum;

impl LogitLoss for LogitSum {
    const KIND: &'static str = "logit sum";
}

impl Graph {
    /// Declares `logits` (classes × 1 × 1) a head whose sum over the classes, in the mean over the batch, enters the loss with
    /// `weight`, in the place of the cross-entropy of [`Graph::head`].
    ///
    /// # Errors
    /// As [`Graph::head`].
    pub fn sum_head(&mut self, logits: ValueId, weight: f32) -> Result<(), Error> {
        self.add_head(logits, weight, LogitSum)
    }
}
