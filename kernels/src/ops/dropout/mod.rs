//! Dropout (Srivastava et al., 2014): in training each element is dropped with a probability, and otherwise scaled so that its
//! mean stays; in evaluation it is as it is.
//!
//! Which elements are dropped is a function of seed, epoch, image and element, and is never stored: the backward pass draws them
//! again. Backward: `dy` times the same scale.

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

use crate::error::Error;
use crate::graph::{Graph, Operation, Tape, ValueId};
use crate::program::{Access, Accesses, Declare, Input, Placement, Sink, Tensor};
use crate::rng::{Purpose, random_lanes, unit};

/// Elements of an image that can be told apart.
const ELEMENTS_MAX: usize = 1 << 24;
/// Layers that can be told apart.
const LAYERS_MAX: usize = 1 << 8;

#[derive(Clone, Copy, Debug)]
struct Dropout {
    input: Input,
    output: Tensor,
    /// Probability that an element is dropped, in training.
    rate: f32,
    /// Number of the layer.
    layer: u32,
}

/// Forward.
#[derive(Debug)]
struct Forward(Dropout);

/// Gradient of the input.
#[derive(Debug)]
struct Backward {
    op: Dropout,
    gradient: Tensor,
    sink: Sink,
}

impl Dropout {
    /// 0, or 1 / keep probability, for an element of some images.
    #[inline(always)]
    fn scales<const N: usize>(&self, seed: u64, epoch: u32, images: [u32; N], element: usize) -> [f32; N] {
        let sub = self.layer << 24 | element as u32;
        let [words, ..] = random_lanes(seed, Purpose::Dropout, sub, epoch, images);
        let kept = 1.0 / (1.0 - self.rate);
        let mut scales = [0.0; N];
        for (scale, word) in scales.iter_mut().zip(words) {
            *scale = if unit(word) < self.rate { 0.0 } else { kept };
        }
        scales
    }
}

impl Operation for Dropout {
    fn inputs(&self) -> Vec<Input> {
        vec![self.input]
    }

    fn output(&self) -> Option<Tensor> {
        Some(self.output)
    }

    fn forward(&self, tape: &mut Tape) {
        let rate = if tape.is_training() { self.rate } else { 0.0 };
        tape.push(Forward(Self { rate, ..*self }));
    }

    fn backward(&self, tape: &mut Tape) {
        let Some(gradient) = tape.gradient(self.output, None) else { return };
        if let Some(sink) = tape.sink(self.input) {
            tape.push(Backward { op: *self, gradient: gradient.tensor, sink });
        }
    }
}

impl Declare for Forward {
    fn kind(&self) -> &'static str {
        "dropout"
    }

    fn accesses(&self) -> Vec<Access> {
        Accesses::default().reads_input(self.0.input).writes_tensor(self.0.output).list()
    }
}

impl Declare for Backward {
    fn kind(&self) -> &'static str {
        "dropout: backward"
    }

    fn accesses(&self) -> Vec<Access> {
        Accesses::default().reads_tensor(self.gradient).reads_gate(self.op.input).gives(self.sink).list()
    }

    fn placement(&self) -> Placement {
        Placement::Late
    }
}

impl Graph {
    /// Dropout of a value, with probability `rate`.
    ///
    /// # Errors
    /// When the rate is not in [0, 1), or the value or the network is larger than dropped elements can be told apart.
    pub fn dropout(&mut self, name: &str, input: ValueId, rate: f32) -> Result<ValueId, Error> {
        let refused = |problem| Err(Error::BadSize { op: "dropout", name: name.to_owned(), problem });
        if !(0.0..1.0).contains(&rate) {
            return refused(format!("its rate is {rate}, which can be from 0 to less than 1"));
        }
        let shape = self.shape(input);
        let layer = self.tables.dropouts;
        if shape.elements() > ELEMENTS_MAX || layer >= LAYERS_MAX {
            let problem = format!(
                "{shape} in layer {layer}: there can be {ELEMENTS_MAX} elements an image and {LAYERS_MAX} layers"
            );
            return refused(problem);
        }
        self.tables.dropouts += 1;
        let output = self.tensor(shape);
        let op = Dropout { input: self.read(input, false), output, rate, layer: layer as u32 };
        Ok(self.push_value(op, output))
    }
}
