//! 3×3 pooling on one block of images.

use super::context::{Context, Reading};
use super::convolution::output_gradients;
use super::matrix::Rows;
use super::norm::moments;
use super::rows::{Windows, pad_rows};
use super::simd::{Element, Vector};
use crate::ops::{Pool, PoolKind};
use crate::program::{Gradient, Mode, Sink};
use crate::shape::BLOCK;

/// Elements of scratch memory that a pooling needs.
pub(crate) fn scratch_floats(op: &Pool) -> usize {
    let w = Windows::of_pool(op);
    let forward = w.row_floats() * w.padded_rows(w.output.height);
    let backward = op.output.shape.elements() * BLOCK + w.input.pixels() * BLOCK;
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

/// Backward to the input.
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
    // SAFETY: the caller's promise; taps are clipped to the image.
    unsafe {
        let gradients = scratch.add(w.input.pixels() * BLOCK);
        output_gradients::<V, E>(cx, gradient, block, 0, pixels, Rows { at: gradients, row: pixels * BLOCK });
        for channel in 0..w.input.channels {
            std::slice::from_raw_parts_mut(scratch, w.input.pixels() * BLOCK).fill(0.0);
            let taps = op.taps.map(|storage| cx.memory.taps(storage, block).add(channel * pixels * BLOCK));
            for y in 0..w.output.height {
                let inside_y = inside(&w, y, w.input.height);
                for x in 0..w.output.width {
                    let inside_x = inside(&w, x, w.input.width);
                    let share = V::splat(1.0 / (inside_y.len() * inside_x.len()) as f32);
                    let output = (y * w.output.width + x) * BLOCK;
                    for v in 0..V::PER_BLOCK {
                        let lane = v * V::LANES;
                        let mut g = V::load(gradients.add(channel * pixels * BLOCK + output + lane));
                        let mut numbers = V::splat(0.0);
                        if let Some(taps) = taps {
                            let mut lanes = [0.0_f32; BLOCK];
                            for (i, number) in lanes.iter_mut().enumerate().take(V::LANES) {
                                *number = f32::from(*taps.add(output + lane + i));
                            }
                            numbers = V::load(lanes.as_ptr());
                        } else {
                            g = g.mul(share);
                        }
                        for ky in inside_y.clone() {
                            for kx in inside_x.clone() {
                                let iy = (y * w.stride + ky) as isize - w.origin;
                                let ix = (x * w.stride + kx) as isize - w.origin;
                                let at =
                                    scratch.add((iy as usize * w.input.width + ix as usize) * BLOCK + lane);
                                let mut value = g;
                                if taps.is_some() {
                                    value = numbers.select_equal(V::splat((3 * ky + kx) as f32), g);
                                }
                                V::load(at).add(value).store(at);
                            }
                        }
                    }
                }
            }
            for v in 0..w.input.pixels() * V::PER_BLOCK {
                let to = to.add(channel * w.input.pixels() * BLOCK + v * V::LANES);
                let mut value = V::load(scratch.add(v * V::LANES));
                if sink.accumulate {
                    value = value.add(E::load::<V>(to));
                }
                E::store(value, to);
            }
        }
    }
}
