//! Launches of scales of channels.

use super::{ChannelScale, Forward, InputBackward, ScaleBackward};
use crate::gpu::{Arguments, INPUT, Kernel, Lowering, SINK, Shader, X_SHAPE};

const SCALE: &str = include_str!("scale.wgsl");
const CHANNEL_SCALE: Shader = Shader {
    name: "channel_scale",
    workgroup: 64,
    files: &[INPUT, SCALE, include_str!("channel_scale.wgsl")],
};
const CHANNEL_SCALE_INPUT_GRADIENT: Shader = Shader {
    name: "channel_scale_input_gradient",
    workgroup: 64,
    files: &[INPUT, SCALE, SINK, include_str!("channel_scale_input_gradient.wgsl")],
};
const CHANNEL_SCALE_GRADIENT: Shader = Shader {
    name: "channel_scale_gradient",
    workgroup: 64,
    files: &[INPUT, SCALE, SINK, include_str!("channel_scale_gradient.wgsl")],
};

#[cfg(test)]
pub(in crate::ops) const SHADERS: &[&Shader] =
    &[&CHANNEL_SCALE, &CHANNEL_SCALE_INPUT_GRADIENT, &CHANNEL_SCALE_GRADIENT];

/// What all kernels read.
fn arguments(op: &ChannelScale, lowering: &Lowering<'_>) -> Arguments {
    let scale = lowering.places.input(op.scale);
    Arguments::default()
        .shape(X_SHAPE, op.input.tensor.shape)
        .field("channels", op.output.shape.channels)
        .read(lowering.places.input(op.input))
        .view("s", "s_block", scale.view)
        .field("s_record", scale.record.unwrap_or(0) as usize)
        .choice("SCALE_NORM", scale.record.is_some())
        .choice("SCALE_RELU", scale.relu)
}

impl Kernel for Forward {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let (op, shape) = (&self.0, self.0.output.shape);
        let arguments = arguments(op, lowering).view("y", "y_block", lowering.places.tensor(op.output));
        lowering.push(0, lowering.launch_over(&CHANNEL_SCALE, arguments, shape, 1, shape.channels));
    }
}

impl Kernel for InputBackward {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let Self { op, gradient, sink } = self;
        let shape = op.output.shape;
        let arguments = arguments(op, lowering)
            .view("g", "g_block", lowering.places.tensor(*gradient))
            .sink(lowering.places.sink(*sink));
        let launch = lowering.launch_over(&CHANNEL_SCALE_INPUT_GRADIENT, arguments, shape, 1, shape.channels);
        lowering.push(0, launch);
    }
}

impl Kernel for ScaleBackward {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let Self { op, gradient, sink } = self;
        let shape = op.scale.tensor.shape;
        let arguments = arguments(op, lowering)
            .view("g", "g_block", lowering.places.tensor(*gradient))
            .sink(lowering.places.sink(*sink));
        let launch = lowering.launch_over(&CHANNEL_SCALE_GRADIENT, arguments, shape, 1, shape.channels);
        lowering.push(0, launch);
    }
}
