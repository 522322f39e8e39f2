//! The logistic function: `y = 1 / (1 + e^-x)`.
//!
//! Backward: `dy·y·(1 - y)`.

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

use crate::graph::{Graph, ValueId};
use crate::ops::unary::{Saved, UnaryOperation};

#[derive(Clone, Copy, Debug)]
struct Sigmoid;

impl UnaryOperation for Sigmoid {
    const KINDS: [&'static str; 2] = ["sigmoid", "sigmoid: backward"];
    const SAVED: Saved = Saved::Output;
    const FLOPS: u64 = 4;
}

impl Graph {
    /// The logistic function of a value.
    pub fn sigmoid(&mut self, input: ValueId) -> ValueId {
        self.unary(input, Sigmoid)
    }
}
