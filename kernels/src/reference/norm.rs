//! Batch normalisation: statistics, affine map, and their gradients.

use super::array::Array;
use super::memory::NormMemory;

pub(crate) const EPSILON: f64 = 1e-5;
pub(crate) const MOMENTUM: f64 = 0.1;

/// Takes the sums over `raw`, whose first channel is channel `first` of the normalisation.
pub(crate) fn add_up(norm: &mut NormMemory, first: usize, raw: &Array) {
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
pub(crate) fn statistics(
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
        running_mean[channel] += MOMENTUM * (mean - running_mean[channel]);
        running_var[channel] += MOMENTUM * (unbiased - running_var[channel]);
    }
    norm.scale.copy_from_slice(scale);
    norm.shift.copy_from_slice(shift);
}

/// The map of an evaluation.
pub(crate) fn from_running(
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

/// `γ·(y - mean)/√(var + eps) + β` of `raw`, whose first channel is channel `first` of the normalisation.
pub(crate) fn apply(norm: &NormMemory, first: usize, raw: &mut Array) {
    for (image, channel) in raw.planes() {
        let c = first + channel;
        for y in raw.plane_mut(image, channel) {
            *y = norm.scale[c] * (*y - norm.mean[c]) * norm.inverse_deviation[c] + norm.shift[c];
        }
    }
}

pub(crate) fn add_up_gradient(norm: &mut NormMemory, gradient: &Array, raw: &Array) {
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
pub(crate) fn gradient(norm: &mut NormMemory, count: f64) -> (Vec<f64>, Vec<f64>) {
    let channels = norm.mean.len();
    for c in 0..channels {
        let inverse = norm.inverse_deviation[c];
        let a = norm.scale[c] * inverse;
        let b = -a * inverse * inverse * norm.gradient_sums[1][c] / count;
        norm.gradient_map[0][c] = a;
        norm.gradient_map[1][c] = b;
        norm.gradient_map[2][c] = -a * norm.gradient_sums[0][c] / count - b * norm.mean[c];
    }
    let scale = (0..channels).map(|c| norm.gradient_sums[1][c] * norm.inverse_deviation[c]).collect();
    (scale, norm.gradient_sums[0].clone())
}

/// `A·g + B·y + C`.
pub(crate) fn send_back(norm: &NormMemory, first: usize, gradient: &mut Array, raw: &Array) {
    for (image, channel) in raw.planes() {
        let [a, b, c] = &norm.gradient_map;
        let at = first + channel;
        for (g, y) in gradient.plane_mut(image, channel).iter_mut().zip(raw.plane(image, channel)) {
            *g = a[at] * *g + b[at] * y + c[at];
        }
    }
}
