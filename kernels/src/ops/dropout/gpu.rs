//! Launches of dropout.

use super::{Backward, Dropout, Forward};
use crate::gpu::{Arguments, INPUT, Kernel, Lowering, RNG, SINK, Shader, X_SHAPE};
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
pub(in crate::ops) const SHADERS: &[&Shader] = &[&DROPOUT, &DROPOUT_BACKWARD];

/// What drawing needs.
fn drawn(op: &Dropout, lowering: &Lowering<'_>) -> Arguments {
    Arguments::default()
        .constant("DROPOUT", Purpose::Dropout as usize)
        .field("order", lowering.places.state.order)
        .field("layer", op.layer as usize)
        .field("rate", op.rate.to_bits() as usize)
}

impl Kernel for Forward {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let shape = self.0.output.shape;
        let arguments = drawn(&self.0, lowering)
            .shape(X_SHAPE, shape)
            .field("channels", shape.channels)
            .read(lowering.places.input(self.0.input))
            .view("y", "y_block", lowering.places.tensor(self.0.output));
        lowering.push(0, lowering.launch_over(&DROPOUT, arguments, shape, 1, shape.channels));
    }
}

impl Kernel for Backward {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let Self { op, gradient, sink } = self;
        let shape = op.output.shape;
        let arguments = drawn(op, lowering)
            .shape(X_SHAPE, shape)
            .field("channels", shape.channels)
            .read(lowering.places.input(op.input))
            .view("g", "g_block", lowering.places.tensor(*gradient))
            .sink(lowering.places.sink(*sink));
        lowering.push(0, lowering.launch_over(&DROPOUT_BACKWARD, arguments, shape, 1, shape.channels));
    }
}
