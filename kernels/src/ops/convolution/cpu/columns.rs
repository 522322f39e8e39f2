//! The columns of a convolution for a band of output rows, and the way back from their gradients to the input and to the
//! depthwise weights.

use std::ops::Range;

use super::depthwise::{Plane, TAPS_MAX, Taps, slide, tap_gradients};
use super::rows::{BandSink, SinkRows};
use super::same::Gated;
use super::{Bands, Convolution, Scratch};
use crate::cpu::{ChannelSink, Context, Element, Prefetcher, Rows, Simd, Windows, pad_rows, zero_margins};
use crate::shape::BLOCK;

/// Taps of a depthwise kernel that ever meet the image.
pub(super) struct LiveTaps {
    /// (row of the kernel, column of the kernel)
    list: [(u8, u8); TAPS_MAX],
    count: usize,
    weights: *const f32,
}

impl LiveTaps {
    /// Those of a convolution; none for a dense one.
    pub(super) fn new(cx: &Context<'_>, op: &Convolution, w: &Windows) -> Self {
        let mut taps = Self { list: [(0, 0); TAPS_MAX], count: 0, weights: std::ptr::null() };
        let Some(id) = op.depthwise else { return taps };
        taps.weights = cx.weights(id);
        let [down, across] = w.sides();
        for ky in (0..down.kernel).filter(|&ky| down.is_live(ky)) {
            for kx in (0..across.kernel).filter(|&kx| across.is_live(kx)) {
                taps.list[taps.count] = (ky as u8, kx as u8);
                taps.count += 1;
            }
        }
        taps
    }

    #[inline(always)]
    fn iter(&self) -> impl Iterator<Item = (usize, usize)> {
        self.list[..self.count].iter().map(|&(ky, kx)| (ky as usize, kx as usize))
    }
}

/// Some output rows of one block of images, and what their columns are made with.
pub(super) struct Band<'a> {
    pub(super) cx: &'a Context<'a>,
    pub(super) op: &'a Convolution,
    pub(super) bands: &'a Bands,
    pub(super) taps: &'a LiveTaps,
    pub(super) scratch: &'a Scratch,
    pub(super) block: usize,
    /// First output row.
    pub(super) first: usize,
    /// Output rows.
    pub(super) rows: usize,
}

/// Columns of one input channel for a band, and (unless windows are single pixels) its padded rows. A depthwise convolution's
/// columns are sums, which a backward pass that multiplies them by nothing goes without: `sums`.
///
/// # Safety
/// The block's input must be written and the scratch areas have the sizes that `Bands` says. Channels of a band come in their
/// order, from the first.
#[inline(always)]
pub(super) unsafe fn columns<V: Simd, E: Element>(
    band: &Band<'_>,
    channel: usize,
    sums: bool,
    prefetch: &mut impl Prefetcher,
) {
    let &Band { cx, op, bands, taps, scratch, block, first, rows } = band;
    let w = &bands.windows;
    let (width, run) = (w.output.width, bands.run);
    let from: *const E = cx.memory.tensor(op.input.tensor, block);
    // SAFETY: the caller's promise.
    unsafe {
        let reading = cx.reading::<V>(op.input, channel);
        let from = from.add(channel * w.input.pixels() * BLOCK);
        if w.is_single_pixels() {
            let to = scratch.columns.add(channel * run);
            for r in 0..rows {
                let from = from.add(w.pixel_of(first + r) * BLOCK);
                reading.read(from, w.stride, to.add(r * width * BLOCK), width);
            }
            return;
        }
        if let (Some(same), Some(id)) = (bands.same::<V>(), op.depthwise) {
            let x = same.image_rows(scratch.padded, first, rows);
            let from = from.add(x.rows.start * same.input_row());
            same.read(reading, from, scratch.padded, x.rows.len());
            if !sums {
                return;
            }
            let to = Rows { at: scratch.columns.add(channel * run), row: width * BLOCK };
            let weights = cx.weights(id).add(channel * w.taps());
            return same.forward::<V>(&x, weights, first..first + rows, to, prefetch);
        }
        let outside = (channel == 0).then_some(0.0);
        pad_rows::<V, E>(w, from, reading, outside, w.first_row(first), w.padded_rows(rows), scratch.padded);
        let row = w.row_floats();
        if op.depthwise.is_some() {
            if !sums {
                return;
            }
            let mut weighted = Taps::new();
            for (ky, kx) in taps.iter() {
                let weight = *taps.weights.add(channel * w.taps() + w.tap_number(ky, kx));
                weighted.push(ky * w.dilation * row + w.tap_column(kx), weight);
            }
            let from = Plane { at: scratch.padded.cast_const(), row: w.stride * row };
            let to = Plane { at: scratch.columns.add(channel * run), row: width * BLOCK };
            slide::<V>(&weighted, from, to, rows, width * V::PER_BLOCK, prefetch);
            return;
        }
        for ky in 0..w.kernel[0] {
            for kx in 0..w.kernel[1] {
                let to = scratch.columns.add((channel * w.taps() + w.tap_number(ky, kx)) * run);
                for r in 0..rows {
                    let from = scratch.padded.add((r * w.stride + ky) * row + w.tap_column(kx));
                    std::ptr::copy_nonoverlapping(from, to.add(r * width * BLOCK), width * BLOCK);
                }
            }
        }
    }
}

/// Gradients of the depthwise weights of one channel.
///
/// # Safety
/// Columns' gradients and padded rows of this channel must be in the scratch areas.
#[inline(always)]
pub(super) unsafe fn depthwise_gradients<V: Simd>(band: &Band<'_>, channel: usize, dw: &mut [f32]) {
    let &Band { bands, scratch, first, rows, .. } = band;
    let w = &bands.windows;
    let width = w.output.width;
    // SAFETY: the caller's promise.
    unsafe {
        if let Some(same) = bands.same::<V>() {
            let x = same.image_rows(scratch.padded, first, rows);
            let d = bands.gradient_rows(scratch, channel, first, rows);
            return same.weight_gradients::<V>(&d, &x, dw);
        }
        let d = scratch.column_gradients.add(channel * bands.run).cast_const();
        let d = Plane { at: d, row: width * BLOCK };
        let x = Plane { at: scratch.padded.cast_const(), row: w.stride * w.row_floats() };
        let [down, across] = w.sides();
        for ky in (0..down.kernel).filter(|&ky| down.is_live(ky)) {
            let mut offsets = [0; TAPS_MAX];
            for (kx, offset) in offsets.iter_mut().enumerate().take(across.kernel) {
                *offset = ky * w.dilation * w.row_floats() + w.tap_column(kx);
            }
            let dw = &mut dw[w.tap_number(ky, 0)..][..across.kernel];
            tap_gradients::<V>(&offsets[..across.kernel], d, x, rows, width, dw);
        }
    }
}

/// Sends the gradients of one channel's columns back through the taps and the ReLU's gate to the sink.
///
/// # Safety
/// Columns, their gradients and padded rows of this channel must be in the scratch areas.
#[inline(always)]
pub(super) unsafe fn input_gradients<V: Simd, E: Element>(
    band: &Band<'_>,
    channel: usize,
    to: &BandSink<E>,
    prefetch: &mut impl Prefetcher,
) {
    let &Band { cx, op, bands, scratch, .. } = band;
    let w = &bands.windows;
    let to = to.rows(bands, channel);
    // SAFETY: the caller's promise.
    unsafe {
        let Some(id) = op.depthwise else {
            return pixel_gradients::<V, E>(band, channel, to.plane());
        };
        let weights = cx.weights(id).add(channel * w.taps());
        if let Some(same) = bands.same::<V>() {
            let x = same.image_rows(scratch.padded, band.first, band.rows);
            let d = bands.gradient_rows(scratch, channel, band.first, band.rows);
            let begin = (to.range.start - x.rows.start) * same.input_row();
            let gate = op.input.relu.then(|| x.at.add(begin));
            return same.backward::<V, E>(&d, weights, &Gated { gate, to }, prefetch);
        }
        slide_back::<V>(band, weights, channel, &to.range, prefetch);
        write_rows::<V, E>(band, &to);
    }
}

/// The way back when each output pixel reads one input pixel.
#[inline(always)]
unsafe fn pixel_gradients<V: Simd, E: Element>(band: &Band<'_>, channel: usize, to: ChannelSink<E>) {
    let &Band { op, bands, scratch, .. } = band;
    let w = &bands.windows;
    let width = w.output.width;
    // SAFETY: every output pixel has a pixel of the plane.
    unsafe {
        let zero = V::splat(0.0);
        // Pixels that nothing reads: not where what others gave lies there already.
        let stays = to.accumulate && !(E::ROUNDS && to.is_whole);
        if band.first == 0 && !stays && w.output.pixels() < w.input.pixels() {
            for v in 0..w.input.pixels() * V::PER_BLOCK {
                to.put(v * V::LANES, zero);
            }
        }
        for r in 0..band.rows {
            let place = channel * bands.run + r * width * BLOCK;
            let (gradient, gate) = (scratch.column_gradients.add(place), scratch.columns.add(place));
            let to = to.on(w.pixel_of(band.first + r) * BLOCK);
            for x in 0..width {
                for v in 0..V::PER_BLOCK {
                    let at = x * BLOCK + v * V::LANES;
                    let mut value = V::load(gradient.add(at));
                    if op.input.relu {
                        value = V::load(gate.add(at)).select_greater(zero, value, zero);
                    }
                    to.put(x * w.stride * BLOCK + v * V::LANES, value);
                }
            }
        }
    }
}

/// Input gradients of a depthwise convolution: its taps slide backwards over the columns' gradients. Rows of the result
/// hold their pixels by residue (see [`Windows::by_residue`]).
#[inline(always)]
unsafe fn slide_back<V: Simd>(
    band: &Band<'_>,
    weights: *const f32,
    channel: usize,
    range: &Range<usize>,
    prefetch: &mut impl Prefetcher,
) {
    let &Band { bands, taps: live, scratch, .. } = band;
    let w = &bands.windows;
    let stride = w.stride as isize;
    let (margins, pitch) = (bands.gradient_margins(), bands.gradient_row());
    let row = w.by_residue(w.input.width) * BLOCK;
    // SAFETY: the scratch areas have the sizes that `Bands` says; margins are wider than any tap reaches.
    unsafe {
        let gradients = scratch.column_gradients.add(channel * bands.run);
        let floats = w.output.width * BLOCK;
        // Margins are those of the first channel.
        if channel == 0 {
            zero_margins(scratch.padded_gradients, floats, band.rows, margins, pitch);
        }
        let to = scratch.padded_gradients.add(margins[0] * pitch + margins[1] * BLOCK);
        for r in 0..band.rows {
            std::ptr::copy_nonoverlapping(gradients.add(r * floats), to.add(r * pitch), floats);
        }
        let from = Plane { at: scratch.padded_gradients.cast_const(), row: pitch };
        for residue_y in 0..w.stride.min(range.len()) {
            let y0 = range.start + residue_y;
            for residue_x in 0..w.stride.min(w.input.width) {
                let mut taps = Taps::new();
                for (ky, kx) in live.iter() {
                    let y = y0 as isize + w.origin[0] - (ky * w.dilation) as isize;
                    let x = residue_x as isize + w.origin[1] - (kx * w.dilation) as isize;
                    if y.rem_euclid(stride) == 0 && x.rem_euclid(stride) == 0 {
                        let y = y.div_euclid(stride) - band.first as isize + margins[0] as isize;
                        let x = x.div_euclid(stride) + margins[1] as isize;
                        let offset = y * pitch as isize + x * BLOCK as isize;
                        taps.push(offset as usize, *weights.add(w.tap_number(ky, kx)));
                    }
                }
                let rows = (range.len() - residue_y).div_ceil(w.stride);
                let columns = (w.input.width - residue_x).div_ceil(w.stride);
                let at = scratch.input_gradients.add(y0 * row + w.residue_offset(residue_x));
                slide::<V>(
                    &taps,
                    from,
                    Plane { at, row: w.stride * row },
                    rows,
                    columns * V::PER_BLOCK,
                    prefetch,
                );
            }
        }
    }
}

/// Sends the input gradients of a band through the ReLU's gate to the sink.
#[inline(always)]
unsafe fn write_rows<V: Simd, E: Element>(band: &Band<'_>, to: &SinkRows<E>) {
    let &Band { op, bands, scratch, .. } = band;
    let w = &bands.windows;
    let stride = w.stride;
    let row = w.by_residue(w.input.width) * BLOCK;
    let positions = w.row_floats() / BLOCK;
    let first_row = w.first_row(band.first);
    // SAFETY: rows and columns are clipped to the padded rows that the forward part of this band made.
    unsafe {
        let zero = V::splat(0.0);
        for y in to.range.clone() {
            let to = to.row(y);
            let padded_row = y as isize - first_row;
            let covered = padded_row >= 0 && (padded_row as usize) < w.padded_rows(band.rows);
            for residue in 0..stride.min(w.input.width) {
                let count = (w.input.width - residue).div_ceil(stride);
                // Pixel j of this residue is at position residue + origin + j·stride of a padded row.
                let position = residue as isize + w.origin[1];
                let begin = if position < 0 { (-position) as usize } else { 0 }.div_ceil(stride).min(count);
                let end = (positions as isize - position).max(0) as usize;
                let end = if covered { end.div_ceil(stride).clamp(begin, count) } else { begin };
                let gradient = scratch.input_gradients.add(y * row + w.residue_offset(residue));
                let put = |j: usize, lane: usize, value: V| {
                    to.put((residue + j * stride) * BLOCK + lane, value);
                };
                for j in (0..begin).chain(end..count) {
                    for v in 0..V::PER_BLOCK {
                        put(j, v * V::LANES, zero);
                    }
                }
                if begin == end {
                    continue;
                }
                let first = (position + (begin * stride) as isize) as usize;
                let gate =
                    scratch.padded.add(padded_row as usize * w.row_floats() + w.position_offset(first));
                for j in begin..end {
                    for v in 0..V::PER_BLOCK {
                        let lane = v * V::LANES;
                        let mut value = V::load(gradient.add(j * BLOCK + lane));
                        if op.input.relu {
                            let gate = V::load(gate.add((j - begin) * BLOCK + lane));
                            value = gate.select_greater(zero, value, zero);
                        }
                        put(j, lane, value);
                    }
                }
            }
        }
    }
}
