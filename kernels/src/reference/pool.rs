//! 3×3 pooling and its gradient.

use super::array::Array;
use crate::ops::{Pool, PoolKind};

const KERNEL: usize = 3;
const PADDING: usize = 1;

/// Taps of one output pixel that lie inside the image: their number and pixel, row by row.
fn taps(op: &Pool, row: usize, column: usize) -> Vec<(usize, usize, usize)> {
    let shape = op.input.tensor.shape;
    let mut list = Vec::new();
    for tap in 0..KERNEL * KERNEL {
        let y = (row * op.stride + tap / KERNEL).checked_sub(PADDING).filter(|&y| y < shape.height);
        let x = (column * op.stride + tap % KERNEL).checked_sub(PADDING).filter(|&x| x < shape.width);
        if let (Some(y), Some(x)) = (y, x) {
            list.push((tap, y, x));
        }
    }
    list
}

/// Output, numbers of the taps that held the maximum, and the least distance of a maximum to another value of its window.
pub(crate) fn forward(op: &Pool, input: &Array) -> (Array, Array, f64) {
    let mut output = Array::filled(input.images, op.output.shape, 0.0);
    let mut held = Array::filled(input.images, op.output.shape, 0.0);
    let mut margin = f64::INFINITY;
    for (image, channel) in output.planes() {
        for row in 0..output.shape.height {
            for column in 0..output.shape.width {
                let taps = taps(op, row, column);
                let value = |&(_, y, x): &(usize, usize, usize)| input.at(image, channel, y, x);
                let result = match op.kind {
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

pub(crate) fn backward(op: &Pool, gradient: &Array, held: Option<&Array>) -> Array {
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
