//! 3×3 pooling on one block of images.

use super::context::{Context, Reading};
use super::convolution::output_gradients;
use super::matrix::Rows;
use super::norm::moments;
use super::rows::{Windows, pad_rows};
use super::simd::{Element, Vector};
use crate::ops::{POOL_PADDING, Pool, PoolKind};
use crate::program::{Gradient, Mode, Sink};
use crate::shape::BLOCK;

/// Elements of scratch memory that a pooling needs.
pub(crate) fn scratch_floats(op: &Pool) -> usize {
    let w = Windows::of_pool(op);
    let forward = w.row_floats() * w.padded_rows(w.output.height);
    let backward = (op.output.shape.elements() + op.output.shape.pixels()) * BLOCK;
    forward.max(backward)
}

/// Pixels of a window that lie inside the image, along one side.
#[inline(always)]
fn inside(w: &Windows, output: usize, size: usize) -> std::ops::Range<usize> {
    let first = (output * w.stride) as isize - w.origin;
    let begin = (-first).max(0) as usize;
    let end = (size as isize - first).clamp(0, w.kernel as isize) as usize;
    begin..end.max(begin)
}

/// Forward: the pooled values, the tap numbers of a maximum, and the moments when a normalisation follows in
/// training.
///
/// # Safety
/// The block's input must be written, `scratch` have `scratch_floats(op)` elements, and no other thread touch
/// the output.
#[inline(always)]
pub(crate) unsafe fn forward<V: Vector, E: Element>(
    cx: &Context<'_>,
    op: &Pool,
    block: usize,
    scratch: *mut f32,
) {
    let w = Windows::of_pool(op);
    let (rows, width) = (w.output.height, w.output.width);
    let from: *const E = cx.memory.tensor(op.input.tensor, block);
    let to: *mut E = cx.memory.tensor(op.output, block);
    let first = cx.memory.input_channel(op.input);
    let fill = if op.kind == PoolKind::Max { f32::NEG_INFINITY } else { 0.0 };
    // SAFETY: the caller's promise; padded rows hold every tap of every output.
    unsafe {
        for channel in 0..op.input.tensor.shape.channels {
            let reading = Reading::<V>::new(cx.norms, first, channel, false);
            let from = from.add(channel * w.input.pixels() * BLOCK);
            pad_rows::<V, E>(&w, from, reading, fill, w.first_row(0), w.padded_rows(rows), scratch);
            for y in 0..rows {
                let inside_y = inside(&w, y, w.input.height).len();
                for x in 0..width {
                    let at = ((channel * rows + y) * width + x) * BLOCK;
                    for v in 0..V::PER_BLOCK {
                        let lane = v * V::LANES;
                        let tap = |ky: usize, kx: usize| {
                            let row = (y * w.stride + ky) * w.row_floats();
                            V::load(scratch.add(row + w.tap_column(kx) + x * BLOCK + lane))
                        };
                        match op.kind {
                            PoolKind::Max => {
                                let (mut best, mut number) = (tap(0, 0), V::splat(0.0));
                                for k in 1..9 {
                                    let value = tap(k / 3, k % 3);
                                    number = value.select_greater(best, V::splat(k as f32), number);
                                    best = value.max(best);
                                }
                                E::store(best, to.add(at + lane));
                                if let (Some(storage), Mode::Train) = (op.taps, cx.mode) {
                                    let mut numbers = [0.0_f32; BLOCK];
                                    number.store(numbers.as_mut_ptr());
                                    let taps = cx.memory.taps(storage, block).add(at + lane);
                                    for (i, number) in numbers.iter().enumerate().take(V::LANES) {
                                        *taps.add(i) = *number as u8;
                                    }
                                }
                            }
                            PoolKind::Average => {
                                let mut sum = tap(0, 0);
                                for k in 1..9 {
                                    sum = sum.add(tap(k / 3, k % 3));
                                }
                                let count = inside_y * inside(&w, x, w.input.width).len();
                                E::store(sum.mul(V::splat(1.0 / count as f32)), to.add(at + lane));
                            }
                        }
                    }
                }
            }
        }
        if let (Some(norm), Mode::Train) = (op.norm, cx.mode) {
            moments::<V, E>(cx, norm, op.output, block);
        }
    }
}

/// Backward to the input: every input pixel gathers from the windows over it.
///
/// # Safety
/// As [`forward`], and the gradient must be written and no other thread touch the sink's block.
#[inline(always)]
pub(crate) unsafe fn backward<V: Vector, E: Element>(
    cx: &Context<'_>,
    op: &Pool,
    gradient: &Gradient,
    sink: Sink,
    block: usize,
    scratch: *mut f32,
) {
    let w = Windows::of_pool(op);
    let pixels = w.output.pixels();
    let to: *mut E = cx.memory.tensor(sink.tensor, block);
    // SAFETY: the caller's promise; windows are clipped to the image.
    unsafe {
        let numbers = scratch.add(pixels * w.input.channels * BLOCK);
        output_gradients::<V, E>(cx, gradient, block, 0, pixels, Rows { at: scratch, row: pixels * BLOCK });
        for channel in 0..w.input.channels {
            let gradients = scratch.add(channel * pixels * BLOCK);
            if let Some(storage) = op.taps {
                let taps = cx.memory.taps(storage, block).add(channel * pixels * BLOCK);
                for i in 0..pixels * BLOCK {
                    *numbers.add(i) = f32::from(*taps.add(i));
                }
            } else {
                divide::<V>(&w, gradients);
            }
            let to = to.add(channel * w.input.pixels() * BLOCK);
            for y in 0..w.input.height {
                let over_y = windows_over(&w, y, w.output.height);
                for x in 0..w.input.width {
                    let over_x = windows_over(&w, x, w.output.width);
                    for v in 0..V::PER_BLOCK {
                        let lane = v * V::LANES;
                        let mut value = V::splat(0.0);
                        for oy in over_y.clone() {
                            for ox in over_x.clone() {
                                let at = (oy * w.output.width + ox) * BLOCK + lane;
                                let mut term = V::load(gradients.add(at));
                                if op.taps.is_some() {
                                    let ky = y + POOL_PADDING - oy * w.stride;
                                    let kx = x + POOL_PADDING - ox * w.stride;
                                    let tap = V::splat((w.kernel * ky + kx) as f32);
                                    term = V::load(numbers.add(at)).select_equal(tap, term);
                                }
                                value = value.add(term);
                            }
                        }
                        let to = to.add((y * w.input.width + x) * BLOCK + lane);
                        if sink.accumulate {
                            value = value.add(E::load::<V>(to));
                        }
                        E::store(value, to);
                    }
                }
            }
        }
    }
}

/// Outputs along one side whose window covers an input pixel.
#[inline(always)]
fn windows_over(w: &Windows, input: usize, outputs: usize) -> std::ops::Range<usize> {
    let last = input + POOL_PADDING;
    (last + 1).saturating_sub(w.kernel).div_ceil(w.stride)..(last / w.stride + 1).min(outputs)
}

/// Divides the gradients of averages by the number of pixels that each averages.
///
/// # Safety
/// `gradients` must be a channel of the output.
#[inline(always)]
unsafe fn divide<V: Vector>(w: &Windows, gradients: *mut f32) {
    for y in 0..w.output.height {
        let count_y = inside(w, y, w.input.height).len();
        for x in 0..w.output.width {
            let share = 1.0 / (count_y * inside(w, x, w.input.width).len()) as f32;
            for v in 0..V::PER_BLOCK {
                // SAFETY: the caller's promise.
                unsafe {
                    let at = gradients.add((y * w.output.width + x) * BLOCK + v * V::LANES);
                    V::load(at).mul(V::splat(share)).store(at);
                }
            }
        }
    }
}
