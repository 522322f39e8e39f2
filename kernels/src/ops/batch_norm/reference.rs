//! Batch normalisation: statistics, affine map, and their gradients.

use super::{BatchNorm, EPSILON, GradientMap, GradientSums, MOMENTUM, RunningMap, Statistics, Sums};
use crate::program::{NormId, Tensor};
use crate::reference::{Array, Batch, Kernel, Memory, NormMemory, Reference, get, scaled};
use crate::step::RunningStatistics;

impl BatchNorm {
    /// Its channels among those of all normalisations.
    fn channels(&self, reference: &Reference) -> std::ops::Range<usize> {
        let first = reference.tables.norms[self.norm.0].offset;
        first..first + self.raw.shape.channels
    }

    /// Values of a channel in a batch.
    fn count(&self, batch: Batch<'_>) -> f64 {
        (batch.images.len() * self.raw.shape.pixels()) as f64
    }
}

impl Kernel for Sums {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, batch: Batch<'_>) {
        add_up(reference, memory, Some(self.0.norm), self.0.raw, batch);
    }
}

impl Kernel for Statistics {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, batch: Batch<'_>) {
        let Self(op) = self;
        let (scale, shift) = (reference.param(op.scale).to_vec(), reference.param(op.shift).to_vec());
        let channels = op.channels(reference);
        let mut mean = reference.running_mean[channels.clone()].to_vec();
        let mut var = reference.running_var[channels.clone()].to_vec();
        statistics(&mut memory.norms[op.norm.0], op.count(batch), &scale, &shift, &mut mean, &mut var);
        if batch.running == RunningStatistics::Updated {
            reference.running_mean[channels.clone()].copy_from_slice(&mean);
            reference.running_var[channels].copy_from_slice(&var);
        }
    }
}

impl Kernel for RunningMap {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, _: Batch<'_>) {
        let Self(op) = self;
        let channels = op.channels(reference);
        let (mean, var) = (&reference.running_mean[channels.clone()], &reference.running_var[channels]);
        let (scale, shift) = (reference.param(op.scale), reference.param(op.shift));
        from_running(&mut memory.norms[op.norm.0], scale, shift, mean, var);
    }
}

impl Kernel for GradientSums {
    fn run(&self, _: &mut Reference, memory: &mut Memory, _: Batch<'_>) {
        let Self { op, gradient } = self;
        let found = get(memory, gradient.tensor);
        let found = scaled(memory, found, gradient.scale);
        let raw = get(memory, gradient.raw);
        add_up_gradient(&mut memory.norms[op.norm.0], &found, &raw);
    }
}

impl Kernel for GradientMap {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, batch: Batch<'_>) {
        let Self { op, mixed } = self;
        let weight = mixed.map_or(1.0, |mixed| memory.workspaces[&mixed.weights][mixed.choice]);
        if let Some(mixed) = mixed {
            let NormMemory { scale, shift, inverse_deviation, gradient_sums: [sums, products], .. } =
                &memory.norms[op.norm.0];
            let gradient = |c: usize| scale[c] * inverse_deviation[c] * products[c] + shift[c] * sums[c];
            let gradient = (0..scale.len()).map(gradient).sum();
            Reference::put_weight_gradient(memory, *mixed, gradient);
        }
        let (scale, shift) = gradient(&mut memory.norms[op.norm.0], op.count(batch), weight);
        reference.put_gradient(op.scale, &scale);
        reference.put_gradient(op.shift, &shift);
    }
}

/// Takes the sums for the statistics of what was just produced.
pub(in crate::ops) fn add_up(
    reference: &Reference,
    memory: &mut Memory,
    norm: Option<NormId>,
    output: Tensor,
    batch: Batch<'_>,
) {
    if let (Some(norm), true) = (norm, batch.training) {
        let raw = get(memory, output);
        let first = output.channel - reference.tables.norms[norm.0].raw.channel;
        sums(&mut memory.norms[norm.0], first, &raw);
    }
}

/// Takes the sums over `raw`, whose first channel is channel `first` of the normalisation.
fn sums(norm: &mut NormMemory, first: usize, raw: &Array) {
    let count = (raw.images * raw.shape.pixels()) as f64;
    for channel in 0..raw.shape.channels {
        let values = || (0..raw.images).flat_map(move |image| raw.plane(image, channel));
        let sum: f64 = values().sum();
        norm.sums[0][first + channel] = sum;
        norm.sums[1][first + channel] = values().map(|y| (y - sum / count).powi(2)).sum();
    }
}

/// From the sums over `count` values a channel to the map and the running statistics. The variance is biased in the map and
/// unbiased in the running statistics; of a single value it is 0 in both.
fn statistics(
    norm: &mut NormMemory,
    count: f64,
    scale: &[f64],
    shift: &[f64],
    running_mean: &mut [f64],
    running_var: &mut [f64],
) {
    for channel in 0..scale.len() {
        let mean = norm.sums[0][channel] / count;
        let unbiased = norm.sums[1][channel] / (count - 1.0).max(1.0);
        norm.mean[channel] = mean;
        norm.inverse_deviation[channel] = 1.0 / (norm.sums[1][channel] / count + EPSILON).sqrt();
        running_mean[channel] += f64::from(MOMENTUM) * (mean - running_mean[channel]);
        running_var[channel] += f64::from(MOMENTUM) * (unbiased - running_var[channel]);
    }
    norm.scale.copy_from_slice(scale);
    norm.shift.copy_from_slice(shift);
}

/// The map of an evaluation.
fn from_running(
    norm: &mut NormMemory,
    scale: &[f64],
    shift: &[f64],
    running_mean: &[f64],
    running_var: &[f64],
) {
    norm.mean.copy_from_slice(running_mean);
    for (inverse, var) in norm.inverse_deviation.iter_mut().zip(running_var) {
        *inverse = 1.0 / (var + EPSILON).sqrt();
    }
    norm.scale.copy_from_slice(scale);
    norm.shift.copy_from_slice(shift);
}

fn add_up_gradient(norm: &mut NormMemory, gradient: &Array, raw: &Array) {
    for channel in 0..raw.shape.channels {
        let mut sums = [0.0; 2];
        for image in 0..raw.images {
            for (g, y) in gradient.plane(image, channel).iter().zip(raw.plane(image, channel)) {
                sums[0] += g;
                sums[1] += g * (y - norm.mean[channel]);
            }
        }
        norm.gradient_sums[0][channel] = sums[0];
        norm.gradient_sums[1][channel] = sums[1];
    }
}

/// Gradients of γ and β; and A, B, C from
/// `dy = γ/σ · (g - Σg/M - x̂·Σ(g·x̂)/M)` with `x̂ = (y - mean)/σ`, `σ = √(var + eps)` and `M` values a channel.
fn gradient(norm: &mut NormMemory, count: f64, weight: f64) -> (Vec<f64>, Vec<f64>) {
    let channels = norm.mean.len();
    for c in 0..channels {
        let inverse = norm.inverse_deviation[c];
        let a = weight * norm.scale[c] * inverse;
        let b = -a * inverse * inverse * norm.gradient_sums[1][c] / count;
        norm.gradient_map[0][c] = a;
        norm.gradient_map[1][c] = b;
        norm.gradient_map[2][c] = -a * norm.gradient_sums[0][c] / count - b * norm.mean[c];
    }
    let scale =
        (0..channels).map(|c| weight * norm.gradient_sums[1][c] * norm.inverse_deviation[c]).collect();
    (scale, norm.gradient_sums[0].iter().map(|sum| weight * sum).collect())
}
