//! Pooling and its gradient.

use super::{Backward, Forward, Pool, PoolKind, PoolSpec};
use crate::ops::batch_norm::add_up;
use crate::reference::{Array, Batch, Kernel, Memory, Reference};

impl Kernel for Forward {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, batch: Batch<'_>) {
        let Self { op } = self;
        let input = reference.read(memory, op.input);
        let (output, held, margin) = forward(op, &input);
        reference.put(memory, op.output, &output);
        if let Some(storage) = op.taps {
            held.values.iter().for_each(|&tap| memory.kinks.see(tap as u64, margin));
            memory.storages[storage.0] = held;
        }
        add_up(reference, memory, op.norm, op.output, batch);
    }
}

impl Kernel for Backward {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, _: Batch<'_>) {
        let Self { op, gradient, sink } = self;
        let dy = reference.read_gradient(memory, *gradient);
        let held = op.taps.map(|storage| &memory.storages[storage.0]);
        let dx = backward(op, &dy, held);
        reference.put_input_gradient(memory, op.input, dx, *sink);
    }
}

/// Taps of one output pixel that lie inside the image: their number and pixel, row by row.
fn taps(op: &Pool, row: usize, column: usize) -> Vec<(usize, usize, usize)> {
    let (shape, PoolSpec { kernel, stride, padding, .. }) = (op.input.tensor.shape, op.spec);
    let mut list = Vec::new();
    for tap in 0..kernel * kernel {
        let y = (row * stride + tap / kernel).checked_sub(padding).filter(|&y| y < shape.height);
        let x = (column * stride + tap % kernel).checked_sub(padding).filter(|&x| x < shape.width);
        if let (Some(y), Some(x)) = (y, x) {
            list.push((tap, y, x));
        }
    }
    list
}

/// Output, numbers of the taps that held the maximum, and the least distance of a maximum to another value of its window.
fn forward(op: &Pool, input: &Array) -> (Array, Array, f64) {
    let mut output = Array::filled(input.images, op.output.shape, 0.0);
    let mut held = Array::filled(input.images, op.output.shape, 0.0);
    let mut margin = f64::INFINITY;
    for (image, channel) in output.planes() {
        for row in 0..output.shape.height {
            for column in 0..output.shape.width {
                let taps = taps(op, row, column);
                let value = |&(_, y, x): &(usize, usize, usize)| input.at(image, channel, y, x);
                let result = match op.spec.kind {
                    PoolKind::Average => taps.iter().map(value).sum::<f64>() / taps.len() as f64,
                    PoolKind::Max => {
                        let mut best = taps[0];
                        for &tap in &taps {
                            if value(&tap) > value(&best) {
                                best = tap;
                            }
                        }
                        *held.at_mut(image, channel, row, column) = best.0 as f64;
                        let highest = value(&best);
                        let gaps = taps.iter().map(|tap| highest - value(tap)).filter(|&gap| gap > 0.0);
                        margin = gaps.fold(margin, f64::min);
                        highest
                    }
                };
                *output.at_mut(image, channel, row, column) = result;
            }
        }
    }
    (output, held, margin)
}

fn backward(op: &Pool, gradient: &Array, held: Option<&Array>) -> Array {
    let mut input_gradient = Array::filled(gradient.images, op.input.tensor.shape, 0.0);
    for (image, channel) in gradient.planes() {
        for row in 0..gradient.shape.height {
            for column in 0..gradient.shape.width {
                let dy = gradient.at(image, channel, row, column);
                let taps = taps(op, row, column);
                for &(tap, y, x) in &taps {
                    let share = match held {
                        Some(held) => f64::from(held.at(image, channel, row, column) == tap as f64),
                        None => 1.0 / taps.len() as f64,
                    };
                    *input_gradient.at_mut(image, channel, y, x) += share * dy;
                }
            }
        }
    }
    input_gradient
}
