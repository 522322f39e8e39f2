//! Convolution and linear layer: columns, then a matrix product a pixel; and their gradients.

use super::array::Array;
use crate::ops::{Columns, Convolution};

/// Gradients of one convolution.
#[derive(Clone, Debug)]
pub(crate) struct Gradients {
    pub(crate) weight: Vec<f64>,
    pub(crate) depthwise: Vec<f64>,
    pub(crate) bias: Vec<f64>,
}

impl Gradients {
    pub(crate) fn numbers(&mut self) -> impl Iterator<Item = &mut f64> {
        [&mut self.weight, &mut self.depthwise, &mut self.bias].into_iter().flatten()
    }
}

/// A tap that lies inside the image.
struct Tap {
    image: usize,
    channel: usize,
    /// Place in the kernel, row by row.
    number: usize,
    /// Pixel that is read.
    from: (usize, usize),
    /// Output pixel.
    to: (usize, usize),
}

fn each_tap(op: &Convolution, images: usize, mut visit: impl FnMut(&Tap)) {
    let (kernel, stride, dilation, begin) = match op.columns {
        Columns::Dense { kernel, stride, padding, offset } => {
            (kernel, stride, 1, offset as isize - padding as isize)
        }
        Columns::Depthwise { kernel, stride, dilation, padding } => {
            (kernel, stride, dilation, -(padding as isize))
        }
    };
    let (read, written) = (op.input.tensor.shape, op.output.shape);
    let source = |to: usize, tap: usize, size: usize| {
        let position = (to * stride + tap * dilation) as isize + begin;
        (position >= 0 && position < size as isize).then_some(position as usize)
    };
    for image in 0..images {
        for channel in 0..read.channels {
            for tap in 0..kernel * kernel {
                for row in 0..written.height {
                    let Some(y) = source(row, tap / kernel, read.height) else { continue };
                    for column in 0..written.width {
                        let Some(x) = source(column, tap % kernel, read.width) else { continue };
                        visit(&Tap { image, channel, number: tap, from: (y, x), to: (row, column) });
                    }
                }
            }
        }
    }
}

/// The columns `t` of every output pixel: taps (dense) or depthwise sums (separable).
fn columns(op: &Convolution, input: &Array, depthwise: &[f64]) -> Array {
    let mut columns = Array::filled(input.images, op.output.shape.with_channels(op.column_count()), 0.0);
    each_tap(op, input.images, |tap| {
        let value = input.at(tap.image, tap.channel, tap.from.0, tap.from.1);
        match op.columns {
            Columns::Dense { kernel, .. } => {
                let column = tap.channel * kernel * kernel + tap.number;
                *columns.at_mut(tap.image, column, tap.to.0, tap.to.1) = value;
            }
            Columns::Depthwise { kernel, .. } => {
                let weight = depthwise[tap.channel * kernel * kernel + tap.number];
                *columns.at_mut(tap.image, tap.channel, tap.to.0, tap.to.1) += weight * value;
            }
        }
    });
    columns
}

pub(crate) fn forward(
    op: &Convolution,
    input: &Array,
    depthwise: &[f64],
    weight: &[f64],
    bias: &[f64],
) -> Array {
    let columns = columns(op, input, depthwise);
    let count = op.column_count();
    let mut output = Array::filled(input.images, op.output.shape, 0.0);
    for (image, channel) in output.planes() {
        let plane = output.plane_mut(image, channel);
        plane.fill(bias.get(channel).copied().unwrap_or(0.0));
        for k in 0..count {
            let w = weight[channel * count + k];
            plane.iter_mut().zip(columns.plane(image, k)).for_each(|(y, t)| *y += w * t);
        }
    }
    output
}

/// Gradients of the weights, and of `input` (as the convolution reads it, behind normalisation and ReLU).
pub(crate) fn backward(
    op: &Convolution,
    input: &Array,
    gradient: &Array,
    depthwise: &[f64],
    weight: &[f64],
) -> (Gradients, Array) {
    let columns = columns(op, input, depthwise);
    let count = op.column_count();
    let outputs = op.output.shape.channels;
    let mut found = Gradients {
        weight: vec![0.0; weight.len()],
        depthwise: vec![0.0; depthwise.len()],
        bias: vec![0.0; if op.bias.is_some() { outputs } else { 0 }],
    };
    let mut column_gradient = Array::filled(columns.images, columns.shape, 0.0);
    for (image, channel) in gradient.planes() {
        let dy = gradient.plane(image, channel);
        if op.bias.is_some() {
            found.bias[channel] += dy.iter().sum::<f64>();
        }
        for k in 0..count {
            let place = channel * count + k;
            found.weight[place] += dy.iter().zip(columns.plane(image, k)).map(|(g, t)| g * t).sum::<f64>();
            let dt = column_gradient.plane_mut(image, k);
            dt.iter_mut().zip(dy).for_each(|(dt, g)| *dt += weight[place] * g);
        }
    }
    let mut input_gradient = Array::filled(input.images, input.shape, 0.0);
    each_tap(op, input.images, |tap| {
        let place = input.index(tap.image, tap.channel, tap.from.0, tap.from.1);
        match op.columns {
            Columns::Dense { kernel, .. } => {
                let column = tap.channel * kernel * kernel + tap.number;
                input_gradient.values[place] += column_gradient.at(tap.image, column, tap.to.0, tap.to.1);
            }
            Columns::Depthwise { kernel, .. } => {
                let dt = column_gradient.at(tap.image, tap.channel, tap.to.0, tap.to.1);
                let w = tap.channel * kernel * kernel + tap.number;
                input_gradient.values[place] += depthwise[w] * dt;
                found.depthwise[w] += input.values[place] * dt;
            }
        }
    });
    (found, input_gradient)
}
