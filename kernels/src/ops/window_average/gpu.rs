//! Launches of averages over windows.

use super::{Backward, Forward, WindowAverage};
use crate::gpu::{Arguments, INPUT, Kernel, Lowering, SINK, Shader, X_SHAPE, Y_SHAPE};

const WINDOW_AVERAGE: Shader =
    Shader { name: "window_average", workgroup: 64, files: &[INPUT, include_str!("window_average.wgsl")] };
const WINDOW_AVERAGE_BACKWARD: Shader = Shader {
    name: "window_average_backward",
    workgroup: 64,
    files: &[INPUT, SINK, include_str!("window_average_backward.wgsl")],
};

#[cfg(test)]
pub(in crate::ops) const SHADERS: &[&Shader] = &[&WINDOW_AVERAGE, &WINDOW_AVERAGE_BACKWARD];

impl Kernel for Forward {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let Self { op } = self;
        let shape = op.output.shape;
        let arguments = windows(op, lowering).view("y", "y_block", lowering.places.tensor(op.output));
        lowering.push(0, lowering.launch_over(&WINDOW_AVERAGE, arguments, shape, 1, shape.channels));
    }
}

impl Kernel for Backward {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let Self { op, gradient, sink } = self;
        let shape = op.input.tensor.shape;
        let arguments = windows(op, lowering)
            .view("g", "g_block", lowering.places.tensor(*gradient))
            .sink(lowering.places.sink(*sink));
        lowering.push(0, lowering.launch_over(&WINDOW_AVERAGE_BACKWARD, arguments, shape, 1, shape.channels));
    }
}

fn windows(op: &WindowAverage, lowering: &Lowering<'_>) -> Arguments {
    Arguments::default()
        .list("ROW_STARTS", op.rows.iter().map(|window| window.start).collect())
        .list("ROW_LENGTHS", op.rows.iter().map(|window| window.length).collect())
        .list("COLUMN_STARTS", op.columns.iter().map(|window| window.start).collect())
        .list("COLUMN_LENGTHS", op.columns.iter().map(|window| window.length).collect())
        .read(lowering.places.input(op.input))
        .field("channels", op.output.shape.channels)
        .shape(X_SHAPE, op.input.tensor.shape)
        .shape(Y_SHAPE, op.output.shape)
}
