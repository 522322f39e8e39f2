//! The network's input: the batch's images, resized, normalised and, in training, augmented, from 8-bit pixels that stay on the
//! device.

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

use crate::graph::{Graph, Operation, Tape, ValueId};
use crate::program::{Access, Accesses, Declare, Input, Tensor};
use crate::shape::Shape;

#[derive(Debug)]
struct Images {
    output: Tensor,
}

/// Fills the input.
#[derive(Debug)]
struct LoadImages {
    output: Tensor,
}

impl Operation for Images {
    fn inputs(&self) -> Vec<Input> {
        Vec::new()
    }

    fn output(&self) -> Option<Tensor> {
        Some(self.output)
    }

    fn forward(&self, tape: &mut Tape) {
        tape.push(LoadImages { output: self.output });
    }

    /// Nobody wants the gradient of an image.
    fn backward(&self, _: &mut Tape) {}
}

impl Declare for LoadImages {
    fn kind(&self) -> &'static str {
        "images: load and augment"
    }

    fn accesses(&self) -> Vec<Access> {
        Accesses::default().writes_tensor(self.output).list()
    }
}

impl Graph {
    /// A network that reads images of `input` and tells `classes` classes apart; also the value of its input.
    pub fn new(input: Shape, classes: usize) -> (Self, ValueId) {
        let (mut graph, output) = Self::empty(input, classes);
        let value = graph.push_value(Images { output }, output);
        (graph, value)
    }
}
