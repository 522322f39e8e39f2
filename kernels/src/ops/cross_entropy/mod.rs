//! The loss: cross-entropy of a head's softmax, with label smoothing (Szegedy et al., 2016), times the head's weight. The main
//! head's largest logit is the network's answer.
//!
//! Backward: `dlogits = weight / batch size · (softmax - target)`, found with the loss.

mod cpu;
mod gpu;
mod onnx;
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

use crate::error::Error;
use crate::graph::{Graph, Operation, Tape, ValueId};
use crate::program::{Access, Accesses, Declare, Head, Input, Resource, Sink, Tensor};

#[derive(Clone, Copy, Debug)]
struct Loss {
    head: Head,
    /// Number of the head.
    number: usize,
}

/// Loss and hits of a head; in training also the gradient of its logits.
#[derive(Debug)]
struct CrossEntropy {
    head: Head,
    number: usize,
    sink: Option<Sink>,
}

impl Loss {
    fn input(&self) -> Input {
        Input { tensor: self.head.logits, norm: None, relu: false }
    }
}

impl Operation for Loss {
    fn inputs(&self) -> Vec<Input> {
        vec![self.input()]
    }

    fn output(&self) -> Option<Tensor> {
        None
    }

    fn forward(&self, tape: &mut Tape) {
        let Self { head, number } = *self;
        let sink = if tape.is_training() { tape.sink(self.input()) } else { None };
        tape.push(CrossEntropy { head, number, sink });
    }

    /// The forward call leaves it.
    fn backward(&self, _: &mut Tape) {}
}

impl Declare for CrossEntropy {
    fn kind(&self) -> &'static str {
        "cross-entropy"
    }

    fn accesses(&self) -> Vec<Access> {
        let list = Accesses::default().reads_tensor(self.head.logits).accumulates(Resource::Metrics);
        match self.sink {
            Some(sink) => list.reads(Resource::LossScale).gives(sink).list(),
            None => list.list(),
        }
    }
}

impl Graph {
    /// Declares `logits` (classes × 1 × 1) a head whose cross-entropy enters the loss with `weight`.
    ///
    /// # Errors
    /// When the shape is not one number a class, the logits are normalised or have a head already, or outside
    /// [`Graph::in_training_only`] the network has one: its answers count; or inside [`Graph::serving`].
    pub fn head(&mut self, logits: ValueId, weight: f32) -> Result<(), Error> {
        let (head, number) = self.new_head(logits, weight)?;
        self.push(Loss { head, number });
        Ok(())
    }
}
