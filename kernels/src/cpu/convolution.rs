//! Convolutions on one block of images, in bands of output rows: the columns of a band stay in the cache
//! while the matrix products read them.

use super::context::{Context, Reading};
use super::depthwise::{Plane, TAPS_MAX, Taps, slide, tap_gradients};
use super::matrix::{Rows, Weights, multiply, weight_gradient};
use super::norm::moments;
use super::rows::{Windows, pad_rows};
use super::simd::{Element, Vector};
use crate::graph::Tensor;
use crate::ops::Convolution;
use crate::program::{Gradient, Sink};
use crate::shape::BLOCK;

/// Elements of the columns of one band: small enough for a second-level cache beside what else a band
/// touches.
const BAND_FLOATS: usize = 32 * 1024;

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

/// Rows of one band and sizes that follow.
pub(super) struct Bands {
    pub(super) windows: Windows,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) outputs: usize,
    /// Elements from one column to the next.
    pub(super) run: usize,
}

impl Bands {
    fn new(op: &Convolution) -> Self {
        let windows = Windows::of_convolution(op);
        let columns = op.column_count();
        let outputs = op.output.shape.channels;
        let row = windows.output.width * BLOCK * columns.max(outputs);
        let rows = (BAND_FLOATS / row).clamp(1, windows.output.height);
        Self { windows, rows, columns, outputs, run: rows * windows.output.width * BLOCK }
    }

    /// One output pixel, for a batch of `blocks` blocks.
    pub(super) fn whole_batch(op: &Convolution, blocks: usize) -> Self {
        Self { run: blocks * BLOCK, ..Self::new(op) }
    }

    pub(super) fn scratch_floats(&self) -> usize {
        self.sizes().iter().map(|size| size.next_multiple_of(BLOCK)).sum()
    }

    /// Zero positions on every side of the padded gradients: more than any tap reaches.
    fn gradient_margin(&self) -> usize {
        self.windows.extent() / self.windows.stride + 2
    }

    fn gradient_row(&self) -> usize {
        (self.windows.output.width + 2 * self.gradient_margin()) * BLOCK
    }

    fn sizes(&self) -> [usize; 6] {
        let w = &self.windows;
        [
            self.columns * self.run,
            self.columns * self.run,
            self.outputs * self.run,
            w.row_floats() * w.padded_rows(self.rows),
            self.gradient_row() * (self.rows + 2 * self.gradient_margin()) + w.input.width * BLOCK,
            w.input.pixels() * BLOCK,
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
    let width = bands.windows.output.width;
    let bias = op.bias.map_or(std::ptr::null(), |id| cx.weights(id));
    let weights = Weights { at: cx.weights(op.weight), row: bands.columns, column: 1 };
    let output: *mut E = cx.memory.tensor(op.output, block);
    let taps = depthwise_taps(cx, op, &bands.windows);
    // SAFETY: bands tile the output; the scratch areas have the sizes that `Bands::sizes` says.
    unsafe {
        for first in (0..bands.windows.output.height).step_by(bands.rows) {
            let rows = bands.rows.min(bands.windows.output.height - first);
            for channel in 0..op.input.tensor.shape.channels {
                let reading = reading::<V>(cx, op, channel);
                columns::<V, E>(cx, op, &bands, &taps, &scratch, reading, channel, block, first, rows);
            }
            let t = Rows { at: scratch.columns.cast_const(), row: bands.run };
            let at = output.add(first * width * BLOCK);
            let y = Rows { at, row: bands.windows.output.pixels() * BLOCK };
            let vectors = rows * width * V::PER_BLOCK;
            multiply::<V, E>(weights, bias, t, y, bands.outputs, bands.columns, vectors);
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
    chunk: usize,
    first_of_chunk: bool,
    scratch: *mut f32,
) {
    let bands = Bands::new(op);
    let scratch = bands.scratch(scratch);
    let Some(partials) = cx.memory.partials(op, chunk) else { return };
    let windows = &bands.windows;
    let width = windows.output.width;
    let taps = depthwise_taps(cx, op, windows);
    let transposed = Weights { at: cx.weights(op.weight), row: 1, column: bands.columns };
    let needs_column_gradients = sink.is_some() || op.depthwise.is_some();
    // SAFETY: as in `forward`; the partial sums have as many elements as the weights.
    unsafe {
        if first_of_chunk {
            std::slice::from_raw_parts_mut(partials.weight, partials.floats).fill(0.0);
        }
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
            if needs_column_gradients {
                let dt = Rows { at: scratch.column_gradients, row: bands.run };
                multiply::<V, f32>(
                    transposed,
                    std::ptr::null(),
                    d,
                    dt,
                    bands.columns,
                    bands.outputs,
                    vectors,
                );
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
                columns::<V, E>(cx, op, &bands, &taps, &scratch, reading, channel, block, first, rows);
                if let Some(id) = op.depthwise {
                    let kernel = windows.kernel;
                    let dw = partials.depthwise.add(channel * kernel * kernel);
                    let dw =
                        std::slice::from_raw_parts_mut(dw, cx.memory.param(id).1 / windows.input.channels);
                    depthwise_gradients::<V>(&bands, &scratch, channel, rows, dw);
                }
                if let Some(sink) = sink {
                    input_gradients::<V>(cx, op, &bands, &scratch, channel, first, rows, begin..end);
                    let to: *mut E = cx.memory.tensor(sink.tensor, block);
                    let to = to.add(channel * windows.input.pixels() * BLOCK);
                    write_input_gradients::<V, E>(
                        op,
                        &bands,
                        &scratch,
                        channel,
                        first,
                        begin..end,
                        done,
                        *sink,
                        to,
                    );
                }
            }
            done = end;
            let t = Rows { at: scratch.columns.cast_const(), row: bands.run };
            weight_gradient::<V>(d, t, partials.weight, bands.outputs, bands.columns, pixels);
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
    let first_channel = gradient.norm.map(|norm| cx.memory.norm_channel(norm, gradient.raw));
    let [a, b, c] = &cx.norms.gradient_map;
    // SAFETY: the caller's promise.
    unsafe {
        let scale = cx.scale(gradient.scale, block);
        let mask = cx.mask(block);
        for channel in 0..shape.channels {
            let place = (channel * shape.pixels() + first_pixel) * BLOCK;
            let (from, raw) = (from.add(place), raw.add(place));
            let to = to.at.add(channel * to.row);
            for part in 0..V::PER_BLOCK {
                let lane = part * V::LANES;
                let scale = V::load(scale.as_ptr().add(lane));
                if let Some(first) = first_channel {
                    let mask = V::load(mask.as_ptr().add(lane));
                    let at = first + channel;
                    let scale = V::splat(*a.pointer::<f32>().add(at)).mul(scale);
                    let slope = V::splat(*b.pointer::<f32>().add(at)).mul(mask);
                    let constant = V::splat(*c.pointer::<f32>().add(at)).mul(mask);
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

/// Live taps of the depthwise kernel: their places, for all channels.
pub(super) struct LiveTaps {
    /// (row of the kernel, column of the kernel)
    list: [(u8, u8); TAPS_MAX],
    count: usize,
    weights: *const f32,
}

pub(super) fn depthwise_taps(cx: &Context<'_>, op: &Convolution, w: &Windows) -> LiveTaps {
    let mut taps = LiveTaps { list: [(0, 0); TAPS_MAX], count: 0, weights: std::ptr::null() };
    if let Some(id) = op.depthwise {
        taps.weights = cx.weights(id);
        for ky in 0..w.kernel {
            for kx in 0..w.kernel {
                if Windows::tap_is_live(ky, w.output.height, w.input.height, w)
                    && Windows::tap_is_live(kx, w.output.width, w.input.width, w)
                {
                    taps.list[taps.count] = (ky as u8, kx as u8);
                    taps.count += 1;
                }
            }
        }
    }
    taps
}

/// Columns of one input channel for a band, and (unless windows are pixelwise) its padded rows.
#[inline(always)]
pub(super) unsafe fn columns<V: Vector, E: Element>(
    cx: &Context<'_>,
    op: &Convolution,
    bands: &Bands,
    taps: &LiveTaps,
    scratch: &Scratch,
    reading: Reading<V>,
    channel: usize,
    block: usize,
    first: usize,
    rows: usize,
) {
    let w = &bands.windows;
    let (width, run) = (w.output.width, bands.run);
    let from: *const E = cx.memory.tensor(op.input.tensor, block);
    // SAFETY: the scratch areas have the sizes that `Bands::sizes` says.
    unsafe {
        let from = from.add(channel * w.input.pixels() * BLOCK);
        if w.is_pixelwise() {
            let to = scratch.columns.add(channel * run);
            let from = from.add(first * width * BLOCK);
            for v in 0..rows * width * V::PER_BLOCK {
                let at = v * V::LANES;
                reading.apply(E::load::<V>(from.add(at))).store(to.add(at));
            }
            return;
        }
        pad_rows::<V, E>(w, from, reading, 0.0, w.first_row(first), w.padded_rows(rows), scratch.padded);
        let row = w.row_floats();
        if op.depthwise.is_some() {
            let mut sums = Taps::new();
            for &(ky, kx) in &taps.list[..taps.count] {
                let (ky, kx) = (ky as usize, kx as usize);
                let weight = *taps.weights.add((channel * w.kernel + ky) * w.kernel + kx);
                sums.push(ky * w.dilation * row + w.tap_column(kx), weight);
            }
            let from = Plane { at: scratch.padded.cast_const(), row: w.stride * row };
            let to = Plane { at: scratch.columns.add(channel * run), row: width * BLOCK };
            slide::<V>(&sums, from, to, rows, width * V::PER_BLOCK);
            return;
        }
        for ky in 0..w.kernel {
            for kx in 0..w.kernel {
                let to = scratch.columns.add(((channel * w.kernel + ky) * w.kernel + kx) * run);
                for r in 0..rows {
                    let from = scratch.padded.add((r * w.stride + ky) * row + w.tap_column(kx));
                    std::ptr::copy_nonoverlapping(from, to.add(r * width * BLOCK), width * BLOCK);
                }
            }
        }
    }
}

/// Gradients of the depthwise weights of one channel.
#[inline(always)]
unsafe fn depthwise_gradients<V: Vector>(
    bands: &Bands,
    scratch: &Scratch,
    channel: usize,
    rows: usize,
    dw: &mut [f32],
) {
    let w = &bands.windows;
    let width = w.output.width;
    // SAFETY: the scratch areas have the sizes that `Bands::sizes` says.
    unsafe {
        let d =
            Plane { at: scratch.column_gradients.add(channel * bands.run).cast_const(), row: width * BLOCK };
        let x = Plane { at: scratch.padded.cast_const(), row: w.stride * w.row_floats() };
        for ky in 0..w.kernel {
            if !Windows::tap_is_live(ky, w.output.height, w.input.height, w) {
                continue;
            }
            let mut offsets = [0; TAPS_MAX];
            for (kx, offset) in offsets.iter_mut().enumerate().take(w.kernel) {
                *offset = ky * w.dilation * w.row_floats() + w.tap_column(kx);
            }
            tap_gradients::<V>(&offsets[..w.kernel], d, x, rows, width, &mut dw[ky * w.kernel..][..w.kernel]);
        }
    }
}

/// Gradients of input rows `range` of one channel, before the ReLU's gate, from one band.
#[inline(always)]
unsafe fn input_gradients<V: Vector>(
    cx: &Context<'_>,
    op: &Convolution,
    bands: &Bands,
    scratch: &Scratch,
    channel: usize,
    first: usize,
    rows: usize,
    range: std::ops::Range<usize>,
) {
    let w = &bands.windows;
    if w.is_pixelwise() {
        return;
    }
    let (width, run) = (w.output.width, bands.run);
    let row_floats = w.input.width * BLOCK;
    let stride = w.stride as isize;
    // SAFETY: the scratch areas have the sizes that `Bands::sizes` says; margins are wider than any tap
    // reaches.
    unsafe {
        let Some(id) = op.depthwise else {
            let to = scratch.input_gradients;
            std::slice::from_raw_parts_mut(to.add(range.start * row_floats), range.len() * row_floats)
                .fill(0.0);
            for ky in 0..w.kernel {
                for kx in 0..w.kernel {
                    let from =
                        scratch.column_gradients.add(((channel * w.kernel + ky) * w.kernel + kx) * run);
                    for r in 0..rows {
                        let y = w.first_row(first + r) + ky as isize;
                        if y < 0 || y >= w.input.height as isize {
                            continue;
                        }
                        for o in 0..width {
                            let x = (o * w.stride + kx) as isize - w.origin;
                            if x < 0 || x >= w.input.width as isize {
                                continue;
                            }
                            let to = to.add((y as usize * w.input.width + x as usize) * BLOCK);
                            for v in 0..V::PER_BLOCK {
                                let to = to.add(v * V::LANES);
                                V::load(to)
                                    .add(V::load(from.add((r * width + o) * BLOCK + v * V::LANES)))
                                    .store(to);
                            }
                        }
                    }
                }
            }
            return;
        };
        let weights = cx.weights(id).add(channel * w.kernel * w.kernel);
        let margin = bands.gradient_margin();
        let pitch = bands.gradient_row();
        copy_with_margin(
            scratch.column_gradients.add(channel * run),
            scratch.padded_gradients,
            width * BLOCK,
            rows,
            margin,
            pitch,
        );
        // Input pixels of one residue in each direction read the same taps.
        for residue_y in 0..w.stride.min(range.len()) {
            let y0 = range.start + residue_y;
            for residue_x in 0..w.stride.min(w.input.width) {
                let mut taps = Taps::new();
                for ky in 0..w.kernel {
                    let y = y0 as isize + w.origin - (ky * w.dilation) as isize;
                    if y.rem_euclid(stride) != 0
                        || !Windows::tap_is_live(ky, w.output.height, w.input.height, w)
                    {
                        continue;
                    }
                    let y = y.div_euclid(stride) - first as isize + margin as isize;
                    for kx in 0..w.kernel {
                        let x = residue_x as isize + w.origin - (kx * w.dilation) as isize;
                        if x.rem_euclid(stride) != 0
                            || !Windows::tap_is_live(kx, w.output.width, w.input.width, w)
                        {
                            continue;
                        }
                        let x = x.div_euclid(stride) + margin as isize;
                        // Offsets count from row 0: rows above the margin are never read, so y is not
                        // negative.
                        let offset = y * pitch as isize + x * BLOCK as isize;
                        taps.push(offset as usize, *weights.add(ky * w.kernel + kx));
                    }
                }
                let count_y = (range.len() - residue_y).div_ceil(w.stride);
                let count_x = (w.input.width - residue_x).div_ceil(w.stride);
                let from = Plane { at: scratch.padded_gradients.cast_const(), row: pitch };
                if w.stride == 1 {
                    let to = Plane { at: scratch.input_gradients.add(y0 * row_floats), row: row_floats };
                    slide::<V>(&taps, from, to, count_y, count_x * V::PER_BLOCK);
                    continue;
                }
                // With a stride the results of one residue are gathered and spread over the row. The padded
                // input rows of the forward pass are still needed for the gate, the padded gradients by other
                // residues.
                let gathered = scratch.padded_gradients.add(pitch * (bands.rows + 2 * margin));
                for i in 0..count_y {
                    let from = Plane { at: from.at.add(i * pitch), row: pitch };
                    let to = Plane { at: gathered, row: 0 };
                    slide::<V>(&taps, from, to, 1, count_x * V::PER_BLOCK);
                    let row = scratch.input_gradients.add((y0 + i * w.stride) * row_floats);
                    for j in 0..count_x {
                        let at = row.add((residue_x + j * w.stride) * BLOCK);
                        std::ptr::copy_nonoverlapping(gathered.add(j * BLOCK), at, BLOCK);
                    }
                }
            }
        }
    }
}

/// Copies `rows` rows of `floats` elements into zeros, `margin` positions from the border.
#[inline(always)]
unsafe fn copy_with_margin(
    from: *const f32,
    to: *mut f32,
    floats: usize,
    rows: usize,
    margin: usize,
    pitch: usize,
) {
    // SAFETY: `to` has rows + 2·margin rows of `pitch` elements.
    unsafe {
        std::slice::from_raw_parts_mut(to, margin * pitch).fill(0.0);
        for r in 0..rows {
            let row = to.add((margin + r) * pitch);
            std::slice::from_raw_parts_mut(row, margin * BLOCK).fill(0.0);
            std::ptr::copy_nonoverlapping(from.add(r * floats), row.add(margin * BLOCK), floats);
            std::slice::from_raw_parts_mut(row.add(margin * BLOCK + floats), margin * BLOCK).fill(0.0);
        }
        std::slice::from_raw_parts_mut(to.add((margin + rows) * pitch), margin * pitch).fill(0.0);
    }
}

/// Sends the gradients of input rows `range` through the ReLU's gate to the sink; rows before `done` were
/// begun by an earlier band.
#[inline(always)]
unsafe fn write_input_gradients<V: Vector, E: Element>(
    op: &Convolution,
    bands: &Bands,
    scratch: &Scratch,
    channel: usize,
    first: usize,
    range: std::ops::Range<usize>,
    done: usize,
    sink: Sink,
    to: *mut E,
) {
    let w = &bands.windows;
    let pixelwise = w.is_pixelwise();
    let padded_width = w.row_floats() / BLOCK;
    let first_row = w.first_row(first);
    // SAFETY: rows and columns are clipped to the padded rows that the forward part of this band made.
    unsafe {
        let zero = V::splat(0.0);
        for y in range {
            let accumulate = sink.accumulate || y < done;
            let padded_row = (y as isize - first_row) as usize;
            let covered = y as isize >= first_row && padded_row < w.padded_rows(bands.rows);
            for x in 0..w.input.width {
                let at = (y * w.input.width + x) * BLOCK;
                let position = x as isize + w.origin;
                let inside = covered && position >= 0 && (position as usize) < padded_width;
                let (gradient, gate) = if pixelwise {
                    let place = channel * bands.run + ((y - first_row as usize) * w.input.width + x) * BLOCK;
                    (scratch.column_gradients.add(place), scratch.columns.add(place))
                } else if inside {
                    let gate = padded_row * w.row_floats() + w.position_offset(position as usize);
                    (scratch.input_gradients.add(at), scratch.padded.add(gate))
                } else {
                    (std::ptr::null_mut(), std::ptr::null_mut())
                };
                for v in 0..V::PER_BLOCK {
                    let lane = v * V::LANES;
                    let mut value = zero;
                    if !gradient.is_null() {
                        value = V::load(gradient.add(lane));
                        if op.input.relu {
                            value = V::load(gate.add(lane)).select_greater(zero, value, zero);
                        }
                    }
                    let to = to.add(at + lane);
                    if accumulate {
                        value = value.add(E::load::<V>(to));
                    }
                    E::store(value, to);
                }
            }
        }
    }
}
