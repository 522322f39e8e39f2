//! Dropout (Srivastava et al., 2014): in training each element is dropped with a probability, and otherwise scaled so that its
//! mean stays; in evaluation it is as it is.
//!
//! Which elements are dropped is a function of seed, epoch, image and element, and is never stored: the backward pass draws them
//! again. Backward: `dy` times the same scale.

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
use crate::graph::{Graph, ValueId};
use crate::ops::unary::{Saved, UnaryOperation};
use crate::rng::{Purpose, random_lanes, unit};

/// Elements of an image that can be told apart.
const ELEMENTS_MAX: usize = 1 << 24;
/// Layers that can be told apart.
const LAYERS_MAX: usize = 1 << 8;

#[derive(Clone, Copy, Debug)]
struct Dropout {
    /// Probability that an element is dropped, in training.
    rate: f32,
    /// Number of the layer.
    layer: u32,
}

impl Dropout {
    /// 0, or 1 / keep probability, for an element of some images.
    #[inline(always)]
    fn scales<const N: usize>(self, seed: u64, epoch: u32, images: [u32; N], element: usize) -> [f32; N] {
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

impl UnaryOperation for Dropout {
    const KINDS: [&'static str; 2] = ["dropout", "dropout: backward"];
    const SAVED: Saved = Saved::Nothing;

    fn in_evaluation(self) -> Self {
        Self { rate: 0.0, ..self }
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
        Ok(self.unary(input, Dropout { rate, layer: layer as u32 }))
    }
}
