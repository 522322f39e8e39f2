//! Averages over a grid of windows and their gradient.

use super::{Backward, Forward, WindowAverage};
use crate::reference::{Array, Batch, Kernel, Memory, Reference, get};

impl Kernel for Forward {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, _: Batch<'_>) {
        let Self { op } = self;
        let input = reference.read(memory, op.input);
        reference.put(memory, op.output, &forward(op, &input));
    }
}

impl Kernel for Backward {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, _: Batch<'_>) {
        let Self { op, gradient, sink } = self;
        let dy = get(memory, *gradient);
        reference.put_input_gradient(memory, op.input, backward(op, &dy), *sink);
    }
}

/// Calls `visit(output row, output column, input row, input column, 1 / pixels of the window)` for all pixels of all windows.
fn each_pixel(op: &WindowAverage, mut visit: impl FnMut(usize, usize, usize, usize, f64)) {
    for (row, rows) in op.rows.iter().enumerate() {
        for (column, columns) in op.columns.iter().enumerate() {
            let share = 1.0 / (rows.length * columns.length) as f64;
            for y in rows.start..rows.start + rows.length {
                for x in columns.start..columns.start + columns.length {
                    visit(row, column, y, x, share);
                }
            }
        }
    }
}

fn forward(op: &WindowAverage, input: &Array) -> Array {
    let mut output = Array::filled(input.images, op.output.shape, 0.0);
    for (image, channel) in output.planes() {
        each_pixel(op, |row, column, y, x, share| {
            *output.at_mut(image, channel, row, column) += share * input.at(image, channel, y, x);
        });
    }
    output
}

fn backward(op: &WindowAverage, gradient: &Array) -> Array {
    let mut input_gradient = Array::filled(gradient.images, op.input.tensor.shape, 0.0);
    for (image, channel) in gradient.planes() {
        each_pixel(op, |row, column, y, x, share| {
            *input_gradient.at_mut(image, channel, y, x) += share * gradient.at(image, channel, row, column);
        });
    }
    input_gradient
}
