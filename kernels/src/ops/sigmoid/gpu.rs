//! Launches of the logistic function.

use super::{Backward, Forward};
use crate::gpu::{Arguments, INPUT, Kernel, Lowering, SINK, Shader, X_SHAPE};

const SIGMOID: Shader =
    Shader { name: "sigmoid", workgroup: 64, files: &[INPUT, include_str!("sigmoid.wgsl")] };
const SIGMOID_BACKWARD: Shader = Shader {
    name: "sigmoid_backward",
    workgroup: 64,
    files: &[INPUT, SINK, include_str!("sigmoid_backward.wgsl")],
};

#[cfg(test)]
pub(in crate::ops) const SHADERS: &[&Shader] = &[&SIGMOID, &SIGMOID_BACKWARD];

impl Kernel for Forward {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let shape = self.0.output.shape;
        let arguments = Arguments::default()
            .shape(X_SHAPE, shape)
            .field("channels", shape.channels)
            .read(lowering.places.input(self.0.input))
            .view("y", "y_block", lowering.places.tensor(self.0.output));
        lowering.push(0, lowering.launch_over(&SIGMOID, arguments, shape, 1, shape.channels));
    }
}

impl Kernel for Backward {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let Self { op, gradient, sink } = self;
        let shape = op.output.shape;
        let arguments = Arguments::default()
            .shape(X_SHAPE, shape)
            .field("channels", shape.channels)
            .read(lowering.places.input(op.input))
            .view("y", "y_block", lowering.places.tensor(op.output))
            .view("g", "g_block", lowering.places.tensor(*gradient))
            .sink(lowering.places.sink(*sink));
        lowering.push(0, lowering.launch_over(&SIGMOID_BACKWARD, arguments, shape, 1, shape.channels));
    }
}
