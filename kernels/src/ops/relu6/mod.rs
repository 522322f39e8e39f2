//! ReLU6 (Sandler et al., 2018, MobileNetV2): `min(max(x, 0), 6)`; what is no number stays so.
//!
//! Backward: `dy` where `0 < x < 6`.

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

/// The largest value.
const SIX: f32 = 6.0;

#[derive(Clone, Copy, Debug)]
struct Relu6;

impl UnaryOperation for Relu6 {
    const KINDS: [&'static str; 2] = ["relu6", "relu6: backward"];
    const SAVED: Saved = Saved::Input;
    const FLOPS: u64 = 2;
}

impl Graph {
    /// ReLU6 of a value.
    pub fn relu6(&mut self, input: ValueId) -> ValueId {
        self.unary(input, Relu6)
    }
}
