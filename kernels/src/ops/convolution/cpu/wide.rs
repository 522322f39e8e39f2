//! Dense convolutions of one group with one output pixel (linear layers, the last convolution of the auxiliary head): the
//! images of the whole batch are the run of the matrix products, and work is split by channels, so that large
//! weights are read once. Columns and output gradients of all images are gathered first, block by block.

use super::columns::{Band, LiveTaps, columns};
use super::matrix::{WeightMatrix, multiply, weight_gradient};
use super::partials::Partials;
use super::{Bands, Convolution, Scratch, sum_run};
use crate::cpu::{BlockSink, Context, Element, Rows, Simd, output_gradients};
use crate::ops::batch_norm::moments;
use crate::ops::convolution::{Columns, Workspace};
use crate::program::{Gradient, Mode, Sink};
use crate::shape::BLOCK;

/// Parts that the channels of one call are split into; fixed, so that results do not depend on the number of
/// threads.
pub(super) const PARTS: usize = 8;

/// Whether a convolution is computed over the whole batch at once.
pub(super) fn is_wide(op: &Convolution) -> bool {
    matches!(op.columns, Columns::Dense { groups: 1, .. }) && op.output.shape.pixels() == 1
}

/// Elements of the columns of the whole batch, and of the output gradients.
pub(super) fn gathered_floats(op: &Convolution, blocks: usize) -> [usize; 2] {
    let bands = Bands::whole_batch(op, blocks);
    [bands.columns * bands.run, bands.outputs * bands.run]
}

/// Elements of scratch memory that a wide convolution needs.
pub(super) fn scratch_floats(op: &Convolution, blocks: usize) -> usize {
    let bands = Bands::whole_batch(op, blocks);
    let part = |count: usize| range(count, 0).len() * bands.run;
    let inputs = part(bands.windows.input.channels) * bands.windows.taps();
    part(bands.outputs).max(inputs).max(bands.padded_floats())
}

/// The `part`-th range of `count` channels, a multiple of four long.
fn range(count: usize, part: usize) -> std::ops::Range<usize> {
    let size = count.div_ceil(PARTS).next_multiple_of(4);
    (part * size).min(count)..((part + 1) * size).min(count)
}

/// What is gathered of the whole batch: the columns, which stay for the backward pass, and there the gradients of the outputs.
struct Gathered {
    columns: *mut f32,
    gradients: *mut f32,
}

impl Gathered {
    fn of(cx: &Context<'_>, op: &Convolution) -> Self {
        let place = |workspace| cx.memory.workspace(op.workspace(workspace));
        Self { columns: place(Workspace::Columns), gradients: place(Workspace::ColumnGradients) }
    }
}

/// Gathers the columns of one block, `[column][image]`.
///
/// # Safety
/// The block of the input must be written, `scratch` have `scratch_floats(op)` elements, and no other thread gather this
/// block.
#[inline(always)]
pub(super) unsafe fn gather_columns<V: Simd, E: Element>(
    cx: &Context<'_>,
    op: &Convolution,
    block: usize,
    scratch: *mut f32,
) {
    let bands = Bands::whole_batch(op, cx.memory.blocks_max());
    let gathered = Gathered::of(cx, op);
    let taps = LiveTaps::new(cx, op, &bands.windows);
    let to =
        Scratch { columns: gathered.columns.wrapping_add(block * BLOCK), padded: scratch, ..Scratch::NONE };
    let band = Band { cx, op, bands: &bands, taps: &taps, scratch: &to, block, first: 0, rows: 1 };
    for channel in 0..op.input.tensor.shape.channels {
        // SAFETY: the caller's promise.
        unsafe { columns::<V, E>(&band, channel, true, &mut ()) }
    }
}

/// Gathers the output gradients of one block, `[output channel][image]`.
///
/// # Safety
/// The block of the gradient must be written, and no other thread gather this block.
#[inline(always)]
pub(super) unsafe fn gather_gradients<V: Simd, E: Element>(
    cx: &Context<'_>,
    op: &Convolution,
    gradient: &Gradient,
    block: usize,
) {
    let bands = Bands::whole_batch(op, cx.memory.blocks_max());
    let gathered = Gathered::of(cx, op);
    let to = Rows { at: gathered.gradients.wrapping_add(block * BLOCK), row: bands.run };
    // SAFETY: the caller's promise.
    unsafe { output_gradients::<V, E>(cx, gradient, block, 0, 1, to) }
}

/// Forward, for the output channels of one part.
///
/// # Safety
/// The columns of all blocks must be gathered, `scratch` have `scratch_floats(op)` elements, and no other thread
/// compute this part.
#[inline(always)]
pub(super) unsafe fn forward<V: Simd, E: Element>(
    cx: &Context<'_>,
    op: &Convolution,
    part: usize,
    scratch: *mut f32,
) {
    let blocks = cx.blocks();
    let bands = Bands::whole_batch(op, cx.memory.blocks_max());
    let outputs = range(bands.outputs, part);
    let Some(weight) = op.weight.filter(|_| !outputs.is_empty()) else { return };
    let gathered = Gathered::of(cx, op);
    let results = scratch;
    // SAFETY: the caller's promise; `results` has room for a part's channels of all images.
    unsafe {
        let at = cx.weights(weight).add(outputs.start * bands.columns);
        let weights = WeightMatrix { at, row: bands.columns, column: 1 };
        let bias = op.bias.map_or(std::ptr::null(), |id| cx.weights(id).add(outputs.start));
        let t = Rows { at: gathered.columns.cast_const(), row: bands.run };
        let y = Rows { at: results, row: bands.run };
        let sizes = [outputs.len(), bands.columns, blocks * V::PER_BLOCK];
        multiply::<V>(weights, bias, sizes, t, y, &mut ());
        for block in 0..blocks {
            let to: *mut E = cx.memory.tensor(op.output, block);
            for (i, output) in outputs.clone().enumerate() {
                for v in 0..V::PER_BLOCK {
                    let value = V::load(results.add(i * bands.run + block * BLOCK + v * V::LANES));
                    E::store(value, to.add(output * BLOCK + v * V::LANES));
                }
            }
            if let (Some(norm), Mode::Train) = (op.norm, cx.mode) {
                moments::<V, E>(cx, norm, op.output.slice(outputs.start, outputs.len()), block);
            }
        }
    }
}

/// Backward, for the weights of one part's output channels and the gradients of one part's input channels.
///
/// # Safety
/// As [`forward`], and the output gradients of all blocks must be gathered.
#[inline(always)]
pub(super) unsafe fn backward<V: Simd, E: Element>(
    cx: &Context<'_>,
    op: &Convolution,
    sink: Option<&Sink>,
    part: usize,
    scratch: *mut f32,
) {
    let blocks = cx.blocks();
    let bands = Bands::whole_batch(op, cx.memory.blocks_max());
    let (partials, gathered) = (Partials::of(op, cx.memory, 0), Gathered::of(cx, op));
    let outputs = range(bands.outputs, part);
    let inputs = range(bands.windows.input.channels, part);
    let w = &bands.windows;
    let taps = w.taps();
    // SAFETY: the caller's promise; parts are disjoint.
    unsafe {
        let d = Rows { at: gathered.gradients.cast_const(), row: bands.run };
        let t = Rows { at: gathered.columns.cast_const(), row: bands.run };
        if !outputs.is_empty() {
            let dw = partials.weight.add(outputs.start * bands.columns);
            std::slice::from_raw_parts_mut(dw, outputs.len() * bands.columns).fill(0.0);
            let d = Rows { at: d.at.add(outputs.start * d.row), row: d.row };
            weight_gradient::<V>(d, t, dw, outputs.len(), bands.columns, blocks, &mut ());
            if op.bias.is_some() {
                for (i, output) in outputs.enumerate() {
                    *partials.bias.add(output) = sum_run::<V>(d.at.add(i * d.row), blocks);
                }
            }
        }
        let (Some(sink), Some(weight)) = (sink, op.weight) else { return };
        if inputs.is_empty() {
            return;
        }
        let first = inputs.start * taps;
        let transposed = WeightMatrix { at: cx.weights(weight).add(first), row: 1, column: bands.columns };
        let dt = Rows { at: scratch, row: bands.run };
        let count = inputs.len() * taps;
        let sizes = [count, bands.outputs, blocks * V::PER_BLOCK];
        multiply::<V>(transposed, std::ptr::null(), sizes, d, dt, &mut ());
        let zero = V::splat(0.0);
        for block in 0..blocks {
            let to = BlockSink::<E>::new(cx.memory, sink, block);
            for channel in inputs.clone() {
                let to = to.channel(channel);
                for pixel in 0..w.input.pixels() {
                    // One output pixel: an input pixel is read by at most one tap.
                    let ky = (pixel / w.input.width) as isize + w.origin[0];
                    let kx = (pixel % w.input.width) as isize + w.origin[1];
                    let inside = |k: isize, kernel: usize| (0..kernel as isize).contains(&k);
                    let is_read = inside(ky, w.kernel[0]) && inside(kx, w.kernel[1]);
                    let column = is_read.then_some(w.tap_number(ky as usize, kx as usize));
                    for v in 0..V::PER_BLOCK {
                        let lane = block * BLOCK + v * V::LANES;
                        let mut value = zero;
                        if let Some(column) = column {
                            let column = channel * taps + column;
                            value = V::load(dt.at.add((column - first) * dt.row + lane));
                            if op.input.relu {
                                value = V::load(t.at.add(column * t.row + lane))
                                    .select_greater(zero, value, zero);
                            }
                        }
                        to.put((channel * w.input.pixels() + pixel) * BLOCK + v * V::LANES, value);
                    }
                }
            }
        }
    }
}
