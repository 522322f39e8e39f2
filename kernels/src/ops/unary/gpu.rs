//! Launches of operations of one value.

use super::{Backward, Forward, Saved, Unary, UnaryOperation};
use crate::gpu::{Arguments, Kernel, Lowering, Shader, X_SHAPE};

/// How one of these operations is launched.
pub(in crate::ops) trait Launches: UnaryOperation {
    /// Its kernels, forward and backward: of x to y, and of g, and y where that is saved, to the sink.
    const SHADERS: [&'static Shader; 2];

    /// What both need beside values.
    fn arguments(&self, _: &Lowering<'_>) -> Arguments {
        Arguments::default()
    }
}

/// What both kernels of an operation need.
fn arguments<F: Launches>(op: &Unary<F>, lowering: &Lowering<'_>) -> Arguments {
    let shape = op.output.shape;
    let arguments = op.function.arguments(lowering).shape(X_SHAPE, shape).field("channels", shape.channels);
    arguments.read(lowering.places.input(op.input))
}

impl<F: Launches> Kernel for Forward<F> {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let Self(op) = self;
        let shape = op.output.shape;
        let arguments = arguments(op, lowering).view("y", "y_block", lowering.places.tensor(op.output));
        lowering.push(0, lowering.launch_over(F::SHADERS[0], arguments, shape, 1, shape.channels));
    }
}

impl<F: Launches> Kernel for Backward<F> {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let Self { op, gradient, sink } = self;
        let shape = op.output.shape;
        let mut arguments = arguments(op, lowering);
        if matches!(F::SAVED, Saved::Output) {
            arguments = arguments.view("y", "y_block", lowering.places.tensor(op.output));
        }
        let arguments = arguments
            .view("g", "g_block", lowering.places.tensor(*gradient))
            .sink(lowering.places.sink(*sink));
        lowering.push(0, lowering.launch_over(F::SHADERS[1], arguments, shape, 1, shape.channels));
    }
}
