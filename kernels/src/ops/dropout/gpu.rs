//! Launches of dropout.

use super::Dropout;
use crate::gpu::{Arguments, INPUT, Lowering, RNG, SINK, Shader};
use crate::ops::unary::Launches;
use crate::rng::Purpose;

/// Draws the scale of an element.
const DROPOUT_SCALE: &str = include_str!("dropout_scale.wgsl");
const DROPOUT: Shader = Shader {
    name: "dropout",
    workgroup: 64,
    files: &[RNG, INPUT, DROPOUT_SCALE, include_str!("dropout.wgsl")],
};
const DROPOUT_BACKWARD: Shader = Shader {
    name: "dropout_backward",
    workgroup: 64,
    files: &[RNG, INPUT, SINK, DROPOUT_SCALE, include_str!("dropout_backward.wgsl")],
};

#[cfg(test)]
pub(in crate::ops) const SHADERS: &[&Shader] = &Dropout::SHADERS;

impl Launches for Dropout {
    const SHADERS: [&'static Shader; 2] = [&DROPOUT, &DROPOUT_BACKWARD];

    /// What drawing needs.
    fn arguments(&self, lowering: &Lowering<'_>) -> Arguments {
        Arguments::default()
            .constant("DROPOUT", Purpose::Dropout as usize)
            .field("order", lowering.places.state.order)
            .field("layer", self.layer as usize)
            .field("rate", self.rate.to_bits() as usize)
    }
}
