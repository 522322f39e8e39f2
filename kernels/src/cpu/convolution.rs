//! Convolutions on one block of images, in bands of output rows: the columns of a band stay in the cache
//! while the matrix products read them.

use super::ahead::{Ahead, Piece};
use super::columns::{BandRows, LiveTaps, columns, depthwise_gradients, input_gradients};
use super::context::{Context, Reading};
use super::matrix::{Rows, Weights, multiply, weight_gradient};
use super::memory::Memory;
use super::norm::moments;
use super::pixels::{PixelGradients, Pixels};
use super::rows::Windows;
use super::same::{ImageRows, Same};
use super::simd::{Element, Vector};
use crate::graph::Tensor;
use crate::ops::Convolution;
use crate::program::{Gradient, Sink};
use crate::shape::BLOCK;

/// Elements of the columns of one band: small enough for a second-level cache beside what else a band
/// touches.
const BAND_FLOATS: usize = 32 * 1024;

/// Elements between columns: a cache line, or columns of a power of two of pixels would all fall into the same few sets
/// of a cache.
const RUN_PADDING: usize = BLOCK;

/// Places in the scratch memory of one thread.
pub(super) struct Scratch {
    /// Columns, `[column][pixel]`.
    pub(super) columns: *mut f32,
    /// Gradients of the columns.
    pub(super) column_gradients: *mut f32,
    /// Gradients of the outputs, `[output channel][pixel]`.
    pub(super) output_gradients: *mut f32,
    /// Padded input rows of one channel.
    pub(super) padded: *mut f32,
    /// Padded rows of the gradients of one channel's columns.
    pub(super) padded_gradients: *mut f32,
    /// Input gradients of one channel.
    pub(super) input_gradients: *mut f32,
}

impl Scratch {
    /// None of them.
    pub(super) const NONE: Self = Self {
        columns: std::ptr::null_mut(),
        column_gradients: std::ptr::null_mut(),
        output_gradients: std::ptr::null_mut(),
        padded: std::ptr::null_mut(),
        padded_gradients: std::ptr::null_mut(),
        input_gradients: std::ptr::null_mut(),
    };
}

/// Rows of one band and sizes that follow.
pub(super) struct Bands {
    pub(super) windows: Windows,
    /// Of a separable convolution that registers need no padded rows for.
    same: Option<Same>,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) outputs: usize,
    /// Elements from one column to the next.
    pub(super) run: usize,
}

impl Bands {
    pub(super) fn new(op: &Convolution) -> Self {
        let windows = Windows::of_convolution(op);
        let columns = op.column_count();
        let outputs = op.output.shape.channels;
        let row = windows.output.width * BLOCK * columns.max(outputs);
        let rows = (BAND_FLOATS / row).clamp(1, windows.output.height);
        let same = op.depthwise.and_then(|_| Same::of(&windows));
        Self { windows, same, rows, columns, outputs, run: rows * windows.output.width * BLOCK + RUN_PADDING }
    }

    /// The convolution as one that needs no padded rows, where it is one.
    #[inline(always)]
    pub(super) fn same<V: Vector>(&self) -> Option<Same> {
        if V::IS_REGISTER { self.same } else { None }
    }

    /// Gradients of output rows `first ..` of a channel's columns.
    #[inline(always)]
    pub(super) fn gradient_rows(
        &self,
        scratch: &Scratch,
        channel: usize,
        first: usize,
        rows: usize,
    ) -> ImageRows {
        let at = scratch.column_gradients.wrapping_add(channel * self.run);
        ImageRows { at, rows: first..first + rows }
    }

    /// One output pixel, for a batch of `blocks` blocks.
    pub(super) fn whole_batch(op: &Convolution, blocks: usize) -> Self {
        Self { run: blocks * BLOCK + RUN_PADDING, ..Self::new(op) }
    }

    /// What a backward pass reads of the input, and of where its gradients go, for the band from output row `first` on.
    pub(super) fn inputs(
        &self,
        memory: &Memory,
        op: &Convolution,
        sink: Option<&Sink>,
        first: usize,
    ) -> Piece {
        let both = [Some(op.input.tensor), sink.map(|sink| sink.tensor)];
        Piece::new(memory, both, first * self.windows.stride, self.rows * self.windows.stride)
    }

    /// Elements of the padded input rows of one channel.
    pub(super) fn padded_floats(&self) -> usize {
        self.windows.row_floats() * self.windows.padded_rows(self.rows)
    }

    fn scratch_floats(&self) -> usize {
        self.sizes().iter().map(|size| size.next_multiple_of(BLOCK)).sum()
    }

    /// Zero rows above and below the padded gradients, and zero positions between one row and the next: as far as a tap
    /// reaches from any input pixel that a band writes.
    pub(super) fn gradient_margins(&self) -> [usize; 2] {
        let w = &self.windows;
        let reach = w.extent() - 1;
        let side = |input: usize, output: usize| {
            let before = (reach as isize - w.origin).max(0) as usize / w.stride;
            let last = (input as isize - 1 + w.origin).max(0) as usize / w.stride;
            before.max((last + 1).saturating_sub(output))
        };
        let whole = self.rows == w.output.height;
        let rows = if whole { side(w.input.height, w.output.height) } else { reach.div_ceil(w.stride) };
        [rows, side(w.input.width, w.output.width)]
    }

    /// Elements from one row of the padded gradients to the next.
    pub(super) fn gradient_row(&self) -> usize {
        (self.windows.output.width + self.gradient_margins()[1]) * BLOCK
    }

    fn padded_gradient_floats(&self) -> usize {
        let [rows, columns] = self.gradient_margins();
        (self.rows + 2 * rows) * self.gradient_row() + columns * BLOCK
    }

    fn sizes(&self) -> [usize; 6] {
        let w = &self.windows;
        [
            self.columns * self.run,
            self.columns * self.run,
            self.outputs * self.run,
            self.padded_floats(),
            self.padded_gradient_floats(),
            w.by_residue(w.input.width) * w.input.height * BLOCK,
        ]
    }

    pub(super) fn scratch(&self, at: *mut f32) -> Scratch {
        let mut next = at;
        let mut take = |floats: usize| {
            let place = next;
            next = next.wrapping_add(floats.next_multiple_of(BLOCK));
            place
        };
        let [a, b, c, d, e, f] = self.sizes();
        Scratch {
            columns: take(a),
            column_gradients: take(b),
            output_gradients: take(c),
            padded: take(d),
            padded_gradients: take(e),
            input_gradients: take(f),
        }
    }
}

/// Elements of scratch memory that a convolution needs.
pub(crate) fn scratch_floats(op: &Convolution) -> usize {
    Bands::new(op).scratch_floats()
}

/// Forward, with the moments of the output when a normalisation follows in training.
///
/// # Safety
/// The block's input must be written, `scratch` have `scratch_floats(op)` elements, and no other thread touch
/// the output.
#[inline(always)]
pub(crate) unsafe fn forward<V: Vector, E: Element>(
    cx: &Context<'_>,
    op: &Convolution,
    block: usize,
    scratch: *mut f32,
) {
    let bands = Bands::new(op);
    let scratch = bands.scratch(scratch);
    let w = &bands.windows;
    let bias = op.bias.map_or(std::ptr::null(), |id| cx.weights(id));
    let weights = Weights { at: cx.weights(op.weight), row: bands.columns, column: 1 };
    let plane = w.output.pixels() * BLOCK;
    // SAFETY: bands tile the output; the scratch areas have the sizes that `Bands::sizes` says.
    unsafe {
        let output: *mut E = cx.memory.tensor(op.output, block);
        if w.is_pixel_by_pixel() {
            let sizes = [bands.outputs, bands.columns, w.output.pixels() * V::PER_BLOCK];
            let y = Rows { at: output, row: plane };
            multiply::<V>(weights, bias, sizes, Pixels::<E>::new(cx, op, block, 0), y, &mut ());
        } else {
            let taps = LiveTaps::new(cx, op, w);
            for first in (0..w.output.height).step_by(bands.rows) {
                let rows = bands.rows.min(w.output.height - first);
                for channel in 0..op.input.tensor.shape.channels {
                    let reading = reading::<V>(cx, op, channel);
                    columns::<V, E>(
                        cx,
                        op,
                        &bands,
                        &taps,
                        &scratch,
                        reading,
                        channel,
                        block,
                        first,
                        rows,
                        &mut (),
                    );
                }
                let t = Rows { at: scratch.columns.cast_const(), row: bands.run };
                let to = output.add(first * w.output.width * BLOCK);
                let sizes = [bands.outputs, bands.columns, rows * w.output.width * V::PER_BLOCK];
                multiply::<V>(weights, bias, sizes, t, Rows { at: to, row: plane }, &mut ());
            }
        }
        if let (Some(norm), true) = (op.norm, cx.mode == crate::program::Mode::Train) {
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
pub(crate) unsafe fn backward<V: Vector, E: Element>(
    cx: &Context<'_>,
    op: &Convolution,
    gradient: &Gradient,
    sink: Option<&Sink>,
    block: usize,
    (chunk, first_of_chunk): (usize, bool),
    mut ahead: Ahead,
    scratch: *mut f32,
) {
    let bands = Bands::new(op);
    let scratch = bands.scratch(scratch);
    let Some(partials) = cx.memory.partials(op, chunk) else { return };
    let windows = &bands.windows;
    let width = windows.output.width;
    let taps = LiveTaps::new(cx, op, windows);
    let transposed = Weights { at: cx.weights(op.weight), row: 1, column: bands.columns };
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
            output_gradients::<V, E>(
                cx,
                gradient,
                block,
                first * width,
                pixels,
                Rows { at: scratch.output_gradients, row: bands.run },
            );
            let d = Rows { at: scratch.output_gradients.cast_const(), row: bands.run };
            if op.bias.is_some() {
                for output in 0..bands.outputs {
                    *partials.bias.add(output) += sum_run::<V>(d.at.add(output * d.row), pixels);
                }
            }
            let t = Rows { at: scratch.columns, row: bands.run };
            if let (true, Some(sink)) = (windows.is_pixel_by_pixel(), sink) {
                let input = Pixels::<E>::new(cx, op, block, first * width);
                let to = cx.memory.tensor::<E>(sink.tensor, block).add(first * width * BLOCK);
                let y = PixelGradients { input, t, to, accumulate: sink.accumulate };
                let sizes = [bands.columns, bands.outputs, vectors];
                multiply::<V>(transposed, std::ptr::null(), sizes, d, y, &mut ahead);
                let t = Rows { at: t.at.cast_const(), row: t.row };
                ahead.soon([gradients(first + rows), inputs(first + rows)]);
                weight_gradient::<V>(d, t, partials.weight, bands.outputs, bands.columns, pixels, &mut ahead);
                continue;
            }
            ahead.soon([inputs(first), gradients(first + rows)]);
            if needs_column_gradients {
                let dt = Rows { at: scratch.column_gradients, row: bands.run };
                let sizes = [bands.columns, bands.outputs, vectors];
                multiply::<V>(transposed, std::ptr::null(), sizes, d, dt, &mut ahead);
            }
            let last = first + rows == windows.output.height;
            let end = if last {
                windows.input.height
            } else {
                let end = windows.first_row(first) + windows.padded_rows(rows) as isize;
                (end.max(0) as usize).min(windows.input.height)
            };
            let begin = (windows.first_row(first).max(0) as usize).min(done);
            for channel in 0..op.input.tensor.shape.channels {
                let reading = reading::<V>(cx, op, channel);
                columns::<V, E>(
                    cx, op, &bands, &taps, &scratch, reading, channel, block, first, rows, &mut ahead,
                );
                if let Some(id) = op.depthwise {
                    let kernel = windows.kernel;
                    let dw = partials.depthwise.add(channel * kernel * kernel);
                    let dw =
                        std::slice::from_raw_parts_mut(dw, cx.memory.param(id).1 / windows.input.channels);
                    depthwise_gradients::<V>(&bands, &scratch, channel, (first, rows), dw);
                }
                if let Some(sink) = sink {
                    let to: *mut E = cx.memory.tensor(sink.tensor, block);
                    let to = to.add(channel * windows.input.pixels() * BLOCK);
                    let rows = BandRows { first, rows, range: begin..end, done };
                    input_gradients::<V, E>(
                        cx, op, &bands, &taps, &scratch, channel, &rows, *sink, to, &mut ahead,
                    );
                }
            }
            done = end;
            let t = Rows { at: t.at.cast_const(), row: t.row };
            weight_gradient::<V>(d, t, partials.weight, bands.outputs, bands.columns, pixels, &mut ahead);
        }
    }
}

/// `dy` of a run of pixels, `[channel][pixel]`, zero in idle lanes.
///
/// # Safety
/// The gradient (and the coefficients of its normalisation) must be there.
#[inline(always)]
pub(crate) unsafe fn output_gradients<V: Vector, E: Element>(
    cx: &Context<'_>,
    gradient: &Gradient,
    block: usize,
    first_pixel: usize,
    pixels: usize,
    to: Rows<*mut f32>,
) {
    let Tensor { shape, .. } = gradient.raw;
    let from: *const E = cx.memory.tensor(gradient.tensor, block);
    let raw: *const E = cx.memory.tensor(gradient.raw, block);
    // SAFETY: the caller's promise.
    unsafe {
        let scale = cx.scale(gradient.scale, block);
        let lanes = cx.lanes::<V>(block);
        for channel in 0..shape.channels {
            let place = (channel * shape.pixels() + first_pixel) * BLOCK;
            let (from, raw) = (from.add(place), raw.add(place));
            let to = to.at.add(channel * to.row);
            let map = cx.gradient_map(gradient, channel);
            for part in 0..V::PER_BLOCK {
                let lane = part * V::LANES;
                let scale = V::load(scale.as_ptr().add(lane));
                if let Some([a, b, c]) = map {
                    let scale = V::splat(a).mul(scale);
                    let (slope, constant) = (V::splat(b), V::splat(c));
                    for pixel in 0..pixels {
                        let at = pixel * BLOCK + lane;
                        let value = slope.mul_add(E::load::<V>(raw.add(at)), constant);
                        scale.mul_add(E::load::<V>(from.add(at)), value).store(to.add(at));
                    }
                } else {
                    for pixel in 0..pixels {
                        let at = pixel * BLOCK + lane;
                        scale.mul(E::load::<V>(from.add(at))).store(to.add(at));
                    }
                }
                if cx.valid(block) < BLOCK {
                    for pixel in 0..pixels {
                        let at = to.add(pixel * BLOCK + lane);
                        lanes.keep(part, V::load(at)).store(at);
                    }
                }
            }
        }
    }
}

#[inline(always)]
pub(super) unsafe fn reading<V: Vector>(cx: &Context<'_>, op: &Convolution, channel: usize) -> Reading<V> {
    let first = cx.memory.input_channel(op.input);
    // SAFETY: the input's normalisation is done before this operation runs.
    unsafe { Reading::new(cx.norms, first, channel, op.input.relu) }
}

#[inline(always)]
pub(super) unsafe fn sum_run<V: Vector>(run: *const f32, pixels: usize) -> f32 {
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
