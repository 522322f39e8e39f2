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
use crate::shape::Shape;

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
        let refused = |problem: &str| {
            Err(Error::BadSize { op: "head", name: "logits".into(), problem: problem.to_owned() })
        };
        let Input { tensor, norm, relu } = self.read(logits, false);
        if norm.is_some() || relu {
            return refused(
                "logits that are normalised, or behind a ReLU, have no head; give it their Graph::sum",
            );
        }
        if self.guard.is_some() {
            return refused("a head is there in every step; build it outside of Graph::serving");
        }
        let right = Shape::new(self.tables.classes, 1, 1);
        if tensor.shape != right {
            let left = tensor.shape;
            return Err(Error::ShapeMismatch { op: "head", name: "logits".into(), left, right });
        }
        if self.tables.heads.iter().any(|head| head.logits.overlaps(tensor)) {
            return refused("these logits, or some of them, have a head already");
        }
        if !self.training_only && self.tables.heads.iter().any(|head| !head.training_only) {
            return refused(
                "the network has a head already, whose answers count; build this one inside in_training_only",
            );
        }
        let head = Head { logits: tensor, weight, training_only: self.training_only };
        self.push(Loss { head, number: self.tables.heads.len() });
        self.tables.heads.push(head);
        Ok(())
    }
}
