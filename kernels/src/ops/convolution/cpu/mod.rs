//! Convolutions on one block of images, in bands of output rows: the columns of a band stay in the cache
//! while the matrix products read them.

mod columns;
mod depthwise;
mod groups;
mod implicit;
mod kernels;
mod matrix;
mod partials;
mod pixels;
mod rows;
mod same;
mod wide;

use columns::{Band, LiveTaps, columns, depthwise_gradients, input_gradients};
use groups::{groups, weight_gradients};
use matrix::{Product, multiply};
use partials::Partials;
use pixels::{PixelGradients, Pixels};
use rows::BandSink;
use same::{ImageRows, Same};

use super::{Columns, Convolution};
use crate::cpu::{
    Block, BlockSink, Context, Element, Memory, Piece, Prefetch, Rows, Side, Simd, Windows, output_gradients,
};
use crate::ops::batch_norm::moments;
use crate::program::{Gradient, Mode, Sink};
use crate::shape::BLOCK;

/// Elements of the columns of one band: small enough for a second-level cache beside what else a band
/// touches.
const BAND_FLOATS: usize = 32 * 1024;

/// Elements between columns: a cache line, or columns of a power of two of pixels would all fall into the same few sets
/// of a cache.
const RUN_PADDING: usize = BLOCK;

/// Channels that products read where they lie: more fall into too few sets of a cache, a power of two of pixels apart.
const IN_PLACE_CHANNELS: usize = 32;

/// Places in the scratch memory of one thread.
struct Scratch {
    /// Columns, `[column][pixel]`.
    columns: *mut f32,
    /// Gradients of the columns.
    column_gradients: *mut f32,
    /// Gradients of the outputs, `[output channel][pixel]`.
    output_gradients: *mut f32,
    /// Padded input rows of one channel.
    padded: *mut f32,
    /// Padded rows of the gradients of one channel's columns.
    padded_gradients: *mut f32,
    /// Input gradients of one channel.
    input_gradients: *mut f32,
    /// Sums of rows of input gradients that later bands add to, `[channel][row]`.
    carried: *mut f32,
}

impl Scratch {
    /// None of them.
    const NONE: Self = Self {
        columns: std::ptr::null_mut(),
        column_gradients: std::ptr::null_mut(),
        output_gradients: std::ptr::null_mut(),
        padded: std::ptr::null_mut(),
        padded_gradients: std::ptr::null_mut(),
        input_gradients: std::ptr::null_mut(),
        carried: std::ptr::null_mut(),
    };
}

/// Rows of one band and sizes that follow.
struct Bands {
    windows: Windows,
    /// Of a depthwise or separable convolution that registers need no padded rows for.
    same: Option<Same>,
    rows: usize,
    columns: usize,
    outputs: usize,
    /// Elements from one column to the next.
    run: usize,
    /// Rows of input gradients that later bands add to, where activations would round them.
    carried: usize,
}

impl Bands {
    /// Where activations have 16 bits (`half_precision`) or 32.
    fn new(op: &Convolution, half_precision: bool) -> Self {
        let windows = windows(op);
        let columns = op.column_count();
        let outputs = op.output.shape.channels;
        let row = windows.output.width * BLOCK * columns.max(outputs);
        let rows = (BAND_FLOATS / row).clamp(1, windows.output.height);
        let same = op.depthwise.and_then(|_| Same::of(&windows));
        let [down, _] = windows.sides();
        let overlap = if rows < down.output { down.extent().saturating_sub(down.stride) } else { 0 };
        let carried = if half_precision { overlap } else { 0 };
        let run = rows * windows.output.width * BLOCK + RUN_PADDING;
        Self { windows, same, rows, columns, outputs, run, carried }
    }

    /// The convolution as one that needs no padded rows, where it is one.
    #[inline(always)]
    fn same<V: Simd>(&self) -> Option<Same> {
        self.same.filter(|same| V::IS_REGISTER && same.has_tiles::<V>())
    }

    /// Gradients of output rows `first ..` of a channel's columns.
    #[inline(always)]
    fn gradient_rows(&self, scratch: &Scratch, channel: usize, first: usize, rows: usize) -> ImageRows {
        let at = scratch.column_gradients.wrapping_add(channel * self.run);
        ImageRows { at, rows: first..first + rows }
    }

    /// One output pixel, for a batch of `blocks` blocks.
    fn whole_batch(op: &Convolution, blocks: usize) -> Self {
        Self { run: blocks * BLOCK + RUN_PADDING, ..Self::new(op, false) }
    }

    /// What a backward pass reads of the input, and of where its gradients go, for the band from output row `first` on.
    fn inputs(&self, memory: &Memory, op: &Convolution, sink: Option<&Sink>, first: usize) -> Piece {
        let both = [Some(op.input.tensor), sink.map(Sink::first_touched)];
        Piece::new(memory, both, first * self.windows.stride, self.rows * self.windows.stride)
    }

    /// Elements of the padded input rows of one channel.
    fn padded_floats(&self) -> usize {
        self.windows.row_floats() * self.windows.padded_rows(self.rows)
    }

    /// Elements of scratch memory of one unit.
    fn scratch_floats(&self) -> usize {
        self.sizes().iter().map(|size| size.next_multiple_of(BLOCK)).sum()
    }

    /// Zero rows above and below the padded gradients, and zero positions between one row and the next: as far as a tap
    /// reaches from any input pixel that a band writes.
    fn gradient_margins(&self) -> [usize; 2] {
        let [down, across] = self.windows.sides();
        let margin = |side: &Side| {
            let before = (side.extent() as isize - 1 - side.origin).max(0) as usize / side.stride;
            let last = (side.input as isize - 1 + side.origin).max(0) as usize / side.stride;
            before.max((last + 1).saturating_sub(side.output))
        };
        let whole = self.rows == down.output;
        let rows = if whole { margin(&down) } else { (down.extent() - 1).div_ceil(down.stride) };
        [rows, margin(&across)]
    }

    /// Elements from one row of the padded gradients to the next.
    fn gradient_row(&self) -> usize {
        (self.windows.output.width + self.gradient_margins()[1]) * BLOCK
    }

    fn padded_gradient_floats(&self) -> usize {
        let [rows, columns] = self.gradient_margins();
        (self.rows + 2 * rows) * self.gradient_row() + columns * BLOCK
    }

    fn sizes(&self) -> [usize; 7] {
        let w = &self.windows;
        [
            self.columns * self.run,
            self.columns * self.run,
            self.outputs * self.run,
            self.padded_floats(),
            self.padded_gradient_floats(),
            w.by_residue(w.input.width) * w.input.height * BLOCK,
            w.input.channels * self.carried * w.input.width * BLOCK,
        ]
    }

    fn scratch(&self, at: *mut f32) -> Scratch {
        let mut next = at;
        let mut take = |floats: usize| {
            let place = next;
            next = next.wrapping_add(floats.next_multiple_of(BLOCK));
            place
        };
        let [a, b, c, d, e, f, g] = self.sizes();
        Scratch {
            columns: take(a),
            column_gradients: take(b),
            output_gradients: take(c),
            padded: take(d),
            padded_gradients: take(e),
            input_gradients: take(f),
            carried: take(g),
        }
    }
}

/// Its windows, as padded rows are read.
fn windows(op: &Convolution) -> Windows {
    let (kernel, stride, dilation, origin) = match op.columns {
        Columns::Dense { kernel, stride, padding, offset, .. } => {
            (kernel, stride, 1, padding.map(|padding| padding as isize - offset as isize))
        }
        Columns::Depthwise { kernel, stride, dilation, padding } => {
            ([kernel; 2], stride, dilation, [padding as isize; 2])
        }
    };
    let (input, output) = (op.input.tensor.shape, op.output.shape);
    Windows { input, output, kernel, stride, dilation, origin, depthwise: op.depthwise.is_some() }
}

/// Forward, with the moments of the output when a normalisation follows in training.
///
/// # Safety
/// The block's input must be written, `scratch` have `scratch_floats(op)` elements, and no other thread touch
/// the output.
#[inline(always)]
unsafe fn forward<V: Simd, E: Element>(cx: &Context<'_>, op: &Convolution, block: usize, scratch: *mut f32) {
    let bands = Bands::new(op, cx.memory.half_precision);
    let scratch = bands.scratch(scratch);
    let w = &bands.windows;
    let weights = op.weight.map(|id| cx.weights(id));
    let bias_of = |output: usize| op.bias.map_or(std::ptr::null(), |id| cx.weights(id).wrapping_add(output));
    let plane = w.output.pixels() * BLOCK;
    // SAFETY: bands tile the output; the scratch areas have the sizes that `Bands::sizes` says.
    unsafe {
        let output: *mut E = cx.memory.tensor(op.output, block);
        let in_place = w.is_pixel_by_pixel() && bands.columns <= IN_PLACE_CHANNELS;
        let taps = LiveTaps::new(cx, op, w);
        for first in (0..w.output.height).step_by(bands.rows) {
            let rows = bands.rows.min(w.output.height - first);
            let vectors = rows * w.output.width * V::PER_BLOCK;
            let y = Rows { at: output.add(first * w.output.width * BLOCK), row: plane };
            if let (true, Some(weights)) = (in_place, weights) {
                for group in groups(op) {
                    let (columns, outputs) = (&group.columns, &group.outputs);
                    let sizes = [outputs.len(), columns.len(), vectors];
                    let x = Pixels::<E>::new(cx, op, block, columns.start, first * w.output.width);
                    let y = y.skip(outputs.start);
                    let (w, bias) = (group.weights(weights), bias_of(outputs.start));
                    V::outlined(Product { w, bias, sizes, t: x, y });
                }
                continue;
            }
            let (bands, taps, scratch) = (&bands, &taps, &scratch);
            let band = Band { cx, op, bands, taps, scratch, block, first, rows };
            for channel in 0..op.input.tensor.shape.channels {
                columns::<V, E>(&band, channel, true, &mut ());
            }
            let t = Rows { at: scratch.columns.cast_const(), row: bands.run };
            if let Some(weights) = weights {
                for group in groups(op) {
                    let (columns, outputs) = (&group.columns, &group.outputs);
                    let (t, y) = (t.skip(columns.start), y.skip(outputs.start));
                    let sizes = [outputs.len(), columns.len(), vectors];
                    let (w, bias) = (group.weights(weights), bias_of(outputs.start));
                    V::outlined(Product { w, bias, sizes, t, y });
                }
            } else {
                copy::<V, E>(t, y, bands.outputs, vectors);
            }
        }
        if let (Some(norm), true) = (op.norm, cx.mode == Mode::Train) {
            moments::<V, E>(cx, norm, op.output, block);
        }
    }
}

/// Backward: the gradient of the input, and of the weights into the partial sums of `chunk` (`first_of_chunk`
/// clears them).
///
/// # Safety
/// As [`forward`], and no other thread may touch the sink's block or the chunk's sums.
#[inline(always)]
unsafe fn backward<V: Simd, E: Element>(
    cx: &Context<'_>,
    op: &Convolution,
    gradient: &Gradient,
    sink: Option<&Sink>,
    Block { number: block, chunk, first_of_chunk, next }: Block<'_>,
    scratch: *mut f32,
) {
    let bands = Bands::new(op, cx.memory.half_precision);
    let scratch = bands.scratch(scratch);
    let partials = Partials::of(op, cx.memory, chunk);
    let mut prefetch = Prefetch::new(cx.memory, block, cx.blocks(), next);
    let windows = &bands.windows;
    let width = windows.output.width;
    let taps = LiveTaps::new(cx, op, windows);
    let weights = op.weight.map(|id| cx.weights(id));
    let needs_column_gradients = sink.is_some() || op.depthwise.is_some();
    // SAFETY: as in `forward`; the partial sums have as many elements as the weights.
    unsafe {
        if first_of_chunk {
            std::slice::from_raw_parts_mut(partials.weight, partials.floats).fill(0.0);
        }
        let gradients = |first: usize| Piece::of_gradient(cx.memory, gradient, first, bands.rows);
        let inputs = |first: usize| bands.inputs(cx.memory, op, sink, first);
        let mut done = 0;
        for first in (0..windows.output.height).step_by(bands.rows) {
            let rows = bands.rows.min(windows.output.height - first);
            let pixels = rows * width;
            let vectors = pixels * V::PER_BLOCK;
            // Without a matrix the output is the columns.
            let at = if weights.is_some() { scratch.output_gradients } else { scratch.column_gradients };
            let to = Rows { at, row: bands.run };
            output_gradients::<V, E>(cx, gradient, block, first * width, pixels, to);
            let d = Rows { at: scratch.output_gradients.cast_const(), row: bands.run };
            if op.bias.is_some() {
                for output in 0..bands.outputs {
                    *partials.bias.add(output) += sum_run::<V>(d.at.add(output * d.row), pixels);
                }
            }
            let t = Rows { at: scratch.columns, row: bands.run };
            if let (true, Some(sink), Some(weights)) = (windows.is_pixel_by_pixel(), sink, weights) {
                let to = &BlockSink::new(cx.memory, sink, block);
                for group in groups(op) {
                    let (columns, outputs) = (&group.columns, &group.outputs);
                    let input = Pixels::<E>::new(cx, op, block, columns.start, first * width);
                    let y = PixelGradients { input, t, to, first: first * width };
                    let sizes = [columns.len(), outputs.len(), vectors];
                    let (w, d) = (group.transposed(weights), d.skip(outputs.start));
                    multiply::<V>(w, std::ptr::null(), sizes, d, y, &mut prefetch);
                }
                let t = Rows { at: t.at.cast_const(), row: t.row };
                prefetch.soon([gradients(first + rows), inputs(first + rows)]);
                weight_gradients::<V>(op, d, t, partials.weight, pixels, &mut prefetch);
                continue;
            }
            prefetch.soon([inputs(first), gradients(first + rows)]);
            if let (true, Some(weights)) = (needs_column_gradients, weights) {
                let dt = Rows { at: scratch.column_gradients, row: bands.run };
                for group in groups(op) {
                    let (columns, outputs) = (&group.columns, &group.outputs);
                    let (w, d, dt) =
                        (group.transposed(weights), d.skip(outputs.start), dt.skip(columns.start));
                    let sizes = [columns.len(), outputs.len(), vectors];
                    multiply::<V>(w, std::ptr::null(), sizes, d, dt, &mut prefetch);
                }
            }
            let last = first + rows == windows.output.height;
            let end = if last {
                windows.input.height
            } else {
                let end = windows.first_row(first) + windows.padded_rows(rows) as isize;
                (end.max(0) as usize).min(windows.input.height)
            };
            let begin = (windows.first_row(first).max(0) as usize).min(done);
            let band = Band { cx, op, bands: &bands, taps: &taps, scratch: &scratch, block, first, rows };
            // Where the next band begins.
            let next_row = windows.first_row(first + rows).max(0) as usize;
            let target = sink.map(|sink| BandSink {
                sink: BlockSink::<E>::new(cx.memory, sink, block),
                range: begin..end,
                done,
                open: if last { end } else { next_row.min(end) },
                carried: (bands.carried > 0 && !sink.has_sum()).then_some(scratch.carried),
            });
            for channel in 0..op.input.tensor.shape.channels {
                columns::<V, E>(&band, channel, op.weight.is_some(), &mut prefetch);
                if let Some(id) = op.depthwise {
                    let dw = partials.depthwise.add(channel * windows.taps());
                    let dw =
                        std::slice::from_raw_parts_mut(dw, cx.memory.param(id).1 / windows.input.channels);
                    depthwise_gradients::<V>(&band, channel, dw);
                }
                if let Some(target) = &target {
                    input_gradients::<V, E>(&band, channel, target, &mut prefetch);
                }
            }
            done = end;
            if op.weight.is_some() {
                let t = Rows { at: t.at.cast_const(), row: t.row };
                weight_gradients::<V>(op, d, t, partials.weight, pixels, &mut prefetch);
            }
        }
    }
}

/// Writes columns as they are: `vectors` of each of `count`.
///
/// # Safety
/// They must be there, and room for them.
#[inline(always)]
unsafe fn copy<V: Simd, E: Element>(from: Rows<*const f32>, to: Rows<*mut E>, count: usize, vectors: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        for column in 0..count {
            for at in (0..vectors * V::LANES).step_by(V::LANES) {
                E::store(V::load(from.at.add(column * from.row + at)), to.at.add(column * to.row + at));
            }
        }
    }
}

#[inline(always)]
unsafe fn sum_run<V: Simd>(run: *const f32, pixels: usize) -> f32 {
    // SAFETY: the caller's run of pixels.
    unsafe {
        let mut sums = [V::splat(0.0); 2];
        for pixel in 0..pixels {
            for (part, sum) in sums.iter_mut().take(V::PER_BLOCK).enumerate() {
                *sum = sum.add(V::load(run.add(pixel * BLOCK + part * V::LANES)));
            }
        }
        V::sum_block(&sums[..V::PER_BLOCK])
    }
}
