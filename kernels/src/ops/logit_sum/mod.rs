//! The sum of a head's logits, times the head's weight, in the place of a loss: what scores of untrained networks are the
//! gradients of (Tanaka et al., 2020, `SynFlow`, Eq. 6). No label counts, and no answer is right.
//!
//! Backward: `dlogits = weight / batch size`.

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
struct SumHead {
    head: Head,
    /// Number of the head.
    number: usize,
}

/// Sums of a head's logits; in training also their gradient.
#[derive(Debug)]
struct LogitSum {
    head: Head,
    number: usize,
    sink: Option<Sink>,
}

impl SumHead {
    fn input(&self) -> Input {
        Input { tensor: self.head.logits, norm: None, relu: false }
    }
}

impl Operation for SumHead {
    fn inputs(&self) -> Vec<Input> {
        vec![self.input()]
    }

    fn output(&self) -> Option<Tensor> {
        None
    }

    fn forward(&self, tape: &mut Tape) {
        let Self { head, number } = *self;
        let sink = if tape.is_training() { tape.sink(self.input()) } else { None };
        tape.push(LogitSum { head, number, sink });
    }

    /// The forward call leaves it.
    fn backward(&self, _: &mut Tape) {}
}

impl Declare for LogitSum {
    fn kind(&self) -> &'static str {
        "logit sum"
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
    /// Declares `logits` (classes × 1 × 1) a head whose sum over the classes, in the mean over the batch, enters the loss with
    /// `weight`, in the place of the cross-entropy of [`Graph::head`].
    ///
    /// # Errors
    /// As [`Graph::head`].
    pub fn sum_head(&mut self, logits: ValueId, weight: f32) -> Result<(), Error> {
        let (head, number) = self.new_head(logits, weight)?;
        self.push(SumHead { head, number });
        Ok(())
    }
}
