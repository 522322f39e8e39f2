//! Launches of shuffles of channels.

use super::{Backward, Forward};
use crate::gpu::{Arguments, INPUT, Kernel, Lowering, SINK, Shader, X_SHAPE};

const CHANNEL_SHUFFLE: Shader =
    Shader { name: "channel_shuffle", workgroup: 64, files: &[INPUT, include_str!("channel_shuffle.wgsl")] };
const CHANNEL_SHUFFLE_BACKWARD: Shader = Shader {
    name: "channel_shuffle_backward",
    workgroup: 64,
    files: &[INPUT, SINK, include_str!("channel_shuffle_backward.wgsl")],
};

#[cfg(test)]
pub(in crate::ops) const SHADERS: &[&Shader] = &[&CHANNEL_SHUFFLE, &CHANNEL_SHUFFLE_BACKWARD];

impl Kernel for Forward {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let shape = self.0.output.shape;
        let arguments = Arguments::default()
            .shape(X_SHAPE, shape)
            .field("channels", shape.channels)
            .field("groups", self.0.groups)
            .read(lowering.places.input(self.0.input))
            .view("y", "y_block", lowering.places.tensor(self.0.output));
        lowering.push(0, lowering.launch_over(&CHANNEL_SHUFFLE, arguments, shape, 1, shape.channels));
    }
}

impl Kernel for Backward {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let Self { op, gradient, sink } = self;
        let shape = op.output.shape;
        let arguments = Arguments::default()
            .shape(X_SHAPE, shape)
            .field("channels", shape.channels)
            .field("groups", op.groups)
            .read(lowering.places.input(op.input))
            .view("g", "g_block", lowering.places.tensor(*gradient))
            .sink(lowering.places.sink(*sink));
        lowering
            .push(0, lowering.launch_over(&CHANNEL_SHUFFLE_BACKWARD, arguments, shape, 1, shape.channels));
    }
}
