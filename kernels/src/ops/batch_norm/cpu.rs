//! Statistics of normalisations: moments of each block where a value is produced, their combination, and the
//! backward sums.

use super::{BatchNorm, EPSILON, GradientMap, GradientSums, MOMENTUM, RunningMap, Statistics, Sums};
use crate::cpu::{Context, Element, Kernel, Memory, Piece, Simd, Sizes, Split, Unit};
use crate::program::{Gradient, Mixed, NormId, Tensor};
use crate::shape::BLOCK;
use crate::step::RunningStatistics;

impl Kernel for Sums {
    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        if let Unit::Block(block) = unit {
            // SAFETY: the caller's promise.
            unsafe { moments::<V, E>(cx, self.0.norm, self.0.raw, block.number) }
        }
    }
}

impl Kernel for Statistics {
    fn split(&self, _: &Sizes<'_>) -> Split {
        Split::Parts(1)
    }

    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, _: Unit<'_>, _: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { statistics(cx, &self.0) }
    }
}

impl Kernel for RunningMap {
    fn split(&self, _: &Sizes<'_>) -> Split {
        Split::Parts(1)
    }

    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, _: Unit<'_>, _: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { running_map(cx, &self.0) }
    }
}

impl Kernel for GradientSums {
    fn first_reads(&self, memory: &Memory) -> Vec<Piece> {
        let both = [Some(self.gradient.tensor), Some(self.gradient.raw)];
        vec![Piece::new(memory, both, 0, usize::MAX)]
    }

    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        if let Unit::Block(block) = unit {
            // SAFETY: the caller's promise.
            unsafe { gradient_sums::<V, E>(cx, self.op.norm, &self.gradient, block.number) }
        }
    }
}

impl Kernel for GradientMap {
    fn split(&self, _: &Sizes<'_>) -> Split {
        Split::Parts(1)
    }

    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, _: Unit<'_>, _: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { gradient_map(cx, &self.op, self.mixed) }
    }
}

/// Mean and sum of squared deviations of each channel of a block, over its images and pixels.
///
/// # Safety
/// The block's tensor must be written and no other thread touch the block's sums.
#[inline(always)]
pub(in crate::ops) unsafe fn moments<V: Simd, E: Element>(
    cx: &Context<'_>,
    norm: NormId,
    tensor: Tensor,
    block: usize,
) {
    let pixels = tensor.shape.pixels();
    let first = cx.memory.norm_channel(norm, tensor);
    let count = (cx.valid(block) * pixels) as f32;
    let from: *const E = cx.memory.tensor(tensor, block);
    let sums = cx.norms.sums.pointer::<f32>();
    // SAFETY: the caller's promise.
    unsafe {
        let lanes = cx.lanes::<V>(block);
        for channel in 0..tensor.shape.channels {
            let from = from.add(channel * pixels * BLOCK);
            let mut totals = [V::splat(0.0); 2];
            for (part, total) in totals.iter_mut().enumerate().take(V::PER_BLOCK) {
                let from = from.add(part * V::LANES);
                let mut four = [V::splat(0.0); 4];
                let mut pixel = 0;
                while pixel + 4 <= pixels {
                    for (u, sum) in four.iter_mut().enumerate() {
                        *sum = sum.add(E::load::<V>(from.add((pixel + u) * BLOCK)));
                    }
                    pixel += 4;
                }
                while pixel < pixels {
                    four[0] = four[0].add(E::load::<V>(from.add(pixel * BLOCK)));
                    pixel += 1;
                }
                let sum = four[0].add(four[1]).add(four[2].add(four[3]));
                *total = lanes.keep(part, sum);
            }
            let mean = V::sum_block(&totals[..V::PER_BLOCK]) / count;
            let center = V::splat(mean);
            for (part, total) in totals.iter_mut().enumerate().take(V::PER_BLOCK) {
                let from = from.add(part * V::LANES);
                let mut four = [V::splat(0.0); 4];
                let mut pixel = 0;
                while pixel + 4 <= pixels {
                    for (u, sum) in four.iter_mut().enumerate() {
                        let deviation = E::load::<V>(from.add((pixel + u) * BLOCK)).sub(center);
                        *sum = deviation.mul_add(deviation, *sum);
                    }
                    pixel += 4;
                }
                while pixel < pixels {
                    let deviation = E::load::<V>(from.add(pixel * BLOCK)).sub(center);
                    four[0] = deviation.mul_add(deviation, four[0]);
                    pixel += 1;
                }
                let sum = four[0].add(four[1]).add(four[2].add(four[3]));
                *total = lanes.keep(part, sum);
            }
            let to = sums.add(((first + channel) * cx.memory.blocks_max() + block) * 2);
            *to = mean;
            *to.add(1) = V::sum_block(&totals[..V::PER_BLOCK]);
        }
    }
}

/// From the moments of the blocks to those of the batch (Chan, Golub and LeVeque's update), the forward map
/// and the running statistics (variance unbiased there, biased in the map).
///
/// # Safety
/// All blocks' moments must be there and no kernel that reads the map be running.
unsafe fn statistics(cx: &Context<'_>, op: &BatchNorm) {
    let offset = cx.memory.norm_channel(op.norm, op.raw);
    let pixels = op.raw.shape.pixels();
    let blocks_max = cx.memory.blocks_max();
    let n = &cx.norms;
    for channel in 0..op.raw.shape.channels {
        let at = offset + channel;
        // SAFETY: the caller's promise; `at` is a channel of this normalisation.
        unsafe {
            let sums = n.sums.pointer::<f32>().add(at * blocks_max * 2);
            let (mut count, mut mean, mut squares) = (0.0_f64, 0.0_f64, 0.0_f64);
            for block in 0..cx.blocks() {
                let (block_mean, block_squares) =
                    (f64::from(*sums.add(2 * block)), f64::from(*sums.add(2 * block + 1)));
                let block_count = (cx.valid(block) * pixels) as f64;
                let total = count + block_count;
                let delta = block_mean - mean;
                mean += delta * block_count / total;
                squares += block_squares + delta * delta * count * block_count / total;
                count = total;
            }
            let inverse_std = 1.0 / (squares / count + EPSILON).sqrt();
            *n.mean.pointer::<f32>().add(at) = mean as f32;
            *n.inverse_std.pointer::<f32>().add(at) = inverse_std as f32;
            write_map(cx, op, channel, mean, inverse_std);
            if cx.running == RunningStatistics::Kept {
                continue;
            }
            let update = |running: *mut f32, value: f64| *running += MOMENTUM * (value as f32 - *running);
            update(n.running_mean.pointer::<f32>().add(at), mean);
            update(n.running_var.pointer::<f32>().add(at), squares / (count - 1.0).max(1.0));
        }
    }
}

/// The forward map from running statistics, for evaluation.
///
/// # Safety
/// No kernel that reads the map may be running.
unsafe fn running_map(cx: &Context<'_>, op: &BatchNorm) {
    let offset = cx.memory.norm_channel(op.norm, op.raw);
    for channel in 0..op.raw.shape.channels {
        let at = offset + channel;
        // SAFETY: `at` is a channel of this normalisation.
        unsafe {
            let mean = f64::from(*cx.norms.running_mean.pointer::<f32>().add(at));
            let var = f64::from(*cx.norms.running_var.pointer::<f32>().add(at));
            write_map(cx, op, channel, mean, 1.0 / (var + EPSILON).sqrt());
        }
    }
}

unsafe fn write_map(cx: &Context<'_>, op: &BatchNorm, channel: usize, mean: f64, inverse_std: f64) {
    let offset = cx.memory.norm_channel(op.norm, op.raw);
    let at = offset + channel;
    // SAFETY: the caller's promise; parameters have an element for each channel.
    unsafe {
        let scale = f64::from(*cx.master(op.scale).add(channel)) * inverse_std;
        let shift = f64::from(*cx.master(op.shift).add(channel)) - scale * mean;
        *cx.norms.scale.pointer::<f32>().add(at) = scale as f32;
        *cx.norms.shift.pointer::<f32>().add(at) = shift as f32;
    }
}

/// `Σ scale·g` and `Σ scale·g·(y - mean)` of a block.
///
/// # Safety
/// The gradient must be written and no other thread touch the block's sums.
#[inline(always)]
unsafe fn gradient_sums<V: Simd, E: Element>(
    cx: &Context<'_>,
    norm: NormId,
    gradient: &Gradient,
    block: usize,
) {
    let shape = gradient.raw.shape;
    let pixels = shape.pixels();
    let first = cx.memory.norm_channel(norm, gradient.raw);
    let from: *const E = cx.memory.tensor(gradient.tensor, block);
    let raw: *const E = cx.memory.tensor(gradient.raw, block);
    let means = cx.norms.mean.pointer::<f32>();
    let sums = cx.norms.gradient_sums.pointer::<f32>();
    // SAFETY: the caller's promise.
    unsafe {
        let scale = cx.scale(gradient.scale, block);
        let lanes = cx.lanes::<V>(block);
        for channel in 0..shape.channels {
            let place = channel * pixels * BLOCK;
            let mean = V::splat(*means.add(first + channel));
            let (mut sum, mut product) = ([V::splat(0.0); 2], [V::splat(0.0); 2]);
            for part in 0..V::PER_BLOCK {
                let (from, raw) = (from.add(place + part * V::LANES), raw.add(place + part * V::LANES));
                let (mut s, mut p) = ([V::splat(0.0); 4], [V::splat(0.0); 4]);
                let mut pixel = 0;
                while pixel + 4 <= pixels {
                    for u in 0..4 {
                        let g = E::load::<V>(from.add((pixel + u) * BLOCK));
                        let y = E::load::<V>(raw.add((pixel + u) * BLOCK)).sub(mean);
                        s[u] = s[u].add(g);
                        p[u] = g.mul_add(y, p[u]);
                    }
                    pixel += 4;
                }
                while pixel < pixels {
                    let g = E::load::<V>(from.add(pixel * BLOCK));
                    let y = E::load::<V>(raw.add(pixel * BLOCK)).sub(mean);
                    s[0] = s[0].add(g);
                    p[0] = g.mul_add(y, p[0]);
                    pixel += 1;
                }
                let scale = V::load(scale.as_ptr().add(part * V::LANES));
                let (s, p) = (s[0].add(s[1]).add(s[2].add(s[3])), p[0].add(p[1]).add(p[2].add(p[3])));
                sum[part] = lanes.keep(part, s.mul(scale));
                product[part] = lanes.keep(part, p.mul(scale));
            }
            let to = sums.add(((first + channel) * cx.memory.blocks_max() + block) * 2);
            *to = V::sum_block(&sum[..V::PER_BLOCK]);
            *to.add(1) = V::sum_block(&product[..V::PER_BLOCK]);
        }
    }
}

/// Gradients of scale and shift, and the coefficients of the backward map: with m = Σg/N and q =
/// Σg·(y-mean)/(N·(var+eps)), `dy = γ/σ·g - γ/σ·q·(y - mean) - γ/σ·m`.
///
/// # Safety
/// All blocks' sums must be there and no kernel that reads the coefficients be running.
unsafe fn gradient_map(cx: &Context<'_>, op: &BatchNorm, mixed: Option<Mixed>) {
    let offset = cx.memory.norm_channel(op.norm, op.raw);
    let count = (cx.batch.len() * op.raw.shape.pixels()) as f64;
    let n = &cx.norms;
    let [a, b, c] = &n.gradient_map;
    // SAFETY: the caller's promise.
    let weight = f64::from(unsafe { cx.mixture_weight(mixed) });
    let mut weight_gradient = 0.0;
    for channel in 0..op.raw.shape.channels {
        let at = offset + channel;
        // SAFETY: the caller's promise; `at` is a channel of this normalisation.
        unsafe {
            let sums = n.gradient_sums.pointer::<f32>().add(at * cx.memory.blocks_max() * 2);
            let (mut sum, mut product) = (0.0_f64, 0.0_f64);
            for block in 0..cx.blocks() {
                sum += f64::from(*sums.add(2 * block));
                product += f64::from(*sums.add(2 * block + 1));
            }
            let mean = f64::from(*n.mean.pointer::<f32>().add(at));
            let inverse_std = f64::from(*n.inverse_std.pointer::<f32>().add(at));
            let unweighted = f64::from(*cx.master(op.scale).add(channel)) * inverse_std;
            weight_gradient += unweighted * product + f64::from(*cx.master(op.shift).add(channel)) * sum;
            let scale = unweighted * weight;
            let slope = -scale * inverse_std * inverse_std * product / count;
            *a.pointer::<f32>().add(at) = scale as f32;
            *b.pointer::<f32>().add(at) = slope as f32;
            *c.pointer::<f32>().add(at) = (-slope * mean - scale * sum / count) as f32;
            let gradients = cx.parameters.gradients.pointer::<f32>();
            *gradients.add(cx.memory.param(op.scale).0 + channel) = (weight * product * inverse_std) as f32;
            *gradients.add(cx.memory.param(op.shift).0 + channel) = (weight * sum) as f32;
        }
    }
    if let Some(mixed) = mixed {
        // SAFETY: the caller's promise; the term is this call's.
        unsafe { cx.put_weight_gradient(mixed, weight_gradient as f32) }
    }
}
