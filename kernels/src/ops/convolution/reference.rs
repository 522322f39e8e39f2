//! Convolution and linear layer: columns, then a matrix product a pixel; and their gradients.

use super::calls::{Backward, Forward, ReorderWeights, WeightGradient};
use super::{Columns, Convolution, Workspace};
use crate::ops::batch_norm::add_up;
use crate::reference::{Array, Batch, Kernel, Memory, Reference};

impl Kernel for ReorderWeights {
    /// Weights are read as they are.
    fn run(&self, _: &mut Reference, _: &mut Memory, _: Batch<'_>) {}
}

impl Kernel for Forward {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, batch: Batch<'_>) {
        let Self { op } = self;
        let input = reference.read(memory, op.input);
        let bias = op.bias.map_or(&[][..], |bias| reference.param(bias));
        let depthwise = op.depthwise.map_or(&[][..], |depthwise| reference.param(depthwise));
        let output = forward(op, &input, depthwise, op.weight.map(|weight| reference.param(weight)), bias);
        reference.put(memory, op.output, &output);
        add_up(reference, memory, op.norm, op.output, batch);
    }
}

impl Kernel for Backward {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, _: Batch<'_>) {
        let Self { op, gradient, sink } = self;
        let dy = reference.read_gradient(memory, *gradient);
        let input = reference.read(memory, op.input);
        let depthwise = op.depthwise.map_or(&[][..], |depthwise| reference.param(depthwise));
        let weight = op.weight.map(|weight| reference.param(weight));
        let (found, dx) = backward(op, &input, &dy, depthwise, weight);
        let Gradients { weight, depthwise, bias } = found;
        memory.workspaces.insert(op.workspace(Workspace::Partials), [weight, depthwise, bias].concat());
        if let Some(sink) = sink {
            reference.put_input_gradient(memory, op.input, dx, *sink);
        }
    }
}

impl Kernel for WeightGradient {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, _: Batch<'_>) {
        let mut found = memory.workspaces[&self.op.workspace(Workspace::Partials)].as_slice();
        for param in [self.op.weight, self.op.depthwise, self.op.bias].into_iter().flatten() {
            let (own, rest) = found.split_at(reference.tables.elements(param));
            reference.put_gradient(param, own);
            found = rest;
        }
    }
}

/// Gradients of one convolution.
struct Gradients {
    weight: Vec<f64>,
    depthwise: Vec<f64>,
    bias: Vec<f64>,
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

/// Taps of a window.
fn taps(op: &Convolution) -> usize {
    match op.columns {
        Columns::Dense { kernel: [height, width], .. } => height * width,
        Columns::Depthwise { kernel, .. } => kernel * kernel,
    }
}

fn each_tap(op: &Convolution, images: usize, mut visit: impl FnMut(&Tap)) {
    let ([_, across], stride, dilation, [above, left]) = match op.columns {
        Columns::Dense { kernel, stride, padding, offset, .. } => {
            (kernel, stride, 1, padding.map(|padding| offset as isize - padding as isize))
        }
        Columns::Depthwise { kernel, stride, dilation, padding } => {
            ([kernel; 2], stride, dilation, [-(padding as isize); 2])
        }
    };
    let (read, written) = (op.input.tensor.shape, op.output.shape);
    let source = |to: usize, tap: usize, begin: isize, size: usize| {
        let position = (to * stride + tap * dilation) as isize + begin;
        (position >= 0 && position < size as isize).then_some(position as usize)
    };
    for image in 0..images {
        for channel in 0..read.channels {
            for tap in 0..taps(op) {
                for row in 0..written.height {
                    let Some(y) = source(row, tap / across, above, read.height) else { continue };
                    for column in 0..written.width {
                        let Some(x) = source(column, tap % across, left, read.width) else { continue };
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
            Columns::Dense { .. } => {
                let column = tap.channel * taps(op) + tap.number;
                *columns.at_mut(tap.image, column, tap.to.0, tap.to.1) = value;
            }
            Columns::Depthwise { .. } => {
                let weight = depthwise[tap.channel * taps(op) + tap.number];
                *columns.at_mut(tap.image, tap.channel, tap.to.0, tap.to.1) += weight * value;
            }
        }
    });
    columns
}

/// The first column of an output channel's group.
fn first_column(op: &Convolution, channel: usize) -> usize {
    channel / (op.output.shape.channels / op.groups()) * op.columns_of_group()
}

fn forward(
    op: &Convolution,
    input: &Array,
    depthwise: &[f64],
    weight: Option<&[f64]>,
    bias: &[f64],
) -> Array {
    let columns = columns(op, input, depthwise);
    let Some(weight) = weight else { return columns };
    let count = op.columns_of_group();
    let mut output = Array::filled(input.images, op.output.shape, 0.0);
    for (image, channel) in output.planes() {
        let plane = output.plane_mut(image, channel);
        plane.fill(bias.get(channel).copied().unwrap_or(0.0));
        let first = first_column(op, channel);
        for k in 0..count {
            let w = weight[channel * count + k];
            plane.iter_mut().zip(columns.plane(image, first + k)).for_each(|(y, t)| *y += w * t);
        }
    }
    output
}

/// Gradients of the weights, and of `input` (as the convolution reads it, behind normalisation and ReLU).
fn backward(
    op: &Convolution,
    input: &Array,
    gradient: &Array,
    depthwise: &[f64],
    weight: Option<&[f64]>,
) -> (Gradients, Array) {
    let columns = columns(op, input, depthwise);
    let count = op.columns_of_group();
    let outputs = op.output.shape.channels;
    let mut found = Gradients {
        weight: vec![0.0; weight.map_or(0, <[f64]>::len)],
        depthwise: vec![0.0; depthwise.len()],
        bias: vec![0.0; if op.bias.is_some() { outputs } else { 0 }],
    };
    let mut column_gradient = Array::filled(columns.images, columns.shape, 0.0);
    for (image, channel) in gradient.planes() {
        let dy = gradient.plane(image, channel);
        if op.bias.is_some() {
            found.bias[channel] += dy.iter().sum::<f64>();
        }
        let Some(weight) = weight else {
            column_gradient.plane_mut(image, channel).copy_from_slice(dy);
            continue;
        };
        let first = first_column(op, channel);
        for k in 0..count {
            let place = channel * count + k;
            found.weight[place] +=
                dy.iter().zip(columns.plane(image, first + k)).map(|(g, t)| g * t).sum::<f64>();
            let dt = column_gradient.plane_mut(image, first + k);
            dt.iter_mut().zip(dy).for_each(|(dt, g)| *dt += weight[place] * g);
        }
    }
    let mut input_gradient = Array::filled(input.images, input.shape, 0.0);
    each_tap(op, input.images, |tap| {
        let place = input.index(tap.image, tap.channel, tap.from.0, tap.from.1);
        match op.columns {
            Columns::Dense { .. } => {
                let column = tap.channel * taps(op) + tap.number;
                input_gradient.values[place] += column_gradient.at(tap.image, column, tap.to.0, tap.to.1);
            }
            Columns::Depthwise { .. } => {
                let dt = column_gradient.at(tap.image, tap.channel, tap.to.0, tap.to.1);
                let w = tap.channel * taps(op) + tap.number;
                input_gradient.values[place] += depthwise[w] * dt;
                found.depthwise[w] += input.values[place] * dt;
            }
        }
    });
    (found, input_gradient)
}
