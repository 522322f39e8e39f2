//! Bands of output rows of such a convolution, and what is held of each: sizes, places, and the taps.

use std::ops::Range;

use super::products::TapOffsets;
use crate::cpu::{Memory, Piece, Windows};
use crate::ops::convolution::Convolution;
use crate::ops::convolution::cpu::{BAND_FLOATS, RUN_PADDING, windows};
use crate::program::{Gradient, Sink};
use crate::shape::BLOCK;

/// Channels of an image at most. Their convolutions have the bands that they had when all taps were columns, for the
/// sums of a training that is stored are those of its bands.
const IMAGE_CHANNELS: usize = 4;

/// Pixels of a band: enough that rows that are read again for the next one, and weights, which are read for each, cost
/// little.
const PIXELS: usize = 112;

/// Elements of a band's sums at most: small enough for a second-level cache, where they wait while the next channels
/// are gathered.
const SUM_FLOATS: usize = 128 * 1024;

/// Sizes of bands and of what is held of them.
pub(in crate::ops::convolution::cpu) struct Implicit {
    pub(super) windows: Windows,
    /// Output rows of a band.
    pub(super) rows: usize,
    /// Elements of a channel's padded input rows, and of a channel's padded gradients of outputs.
    pub(super) plane: usize,
    pub(super) gradient_plane: usize,
    /// Pixels left and right of a row of gradients that taps reach.
    pub(super) margins: [usize; 2],
    /// Input rows that a band gives gradients to, at most.
    pub(super) input_rows: usize,
    /// Input channels, and output channels, that are gathered at once.
    pub(super) inputs_held: usize,
    pub(super) outputs_held: usize,
}

/// Places in the scratch memory of one thread.
pub(super) struct Areas {
    pub(super) taps: *mut TapOffsets,
    pub(super) inputs: *mut f32,
    pub(super) gradients: *mut f32,
    pub(super) sums: *mut f32,
}

/// Elements between channels: an odd number of cache lines, for a power of two would let all fall into a few sets of a
/// cache.
fn apart(floats: usize) -> usize {
    floats / BLOCK * BLOCK + if (floats / BLOCK).is_multiple_of(2) { RUN_PADDING } else { 0 }
}

impl Implicit {
    pub(in crate::ops::convolution::cpu) fn new(op: &Convolution) -> Self {
        let w = windows(op);
        let (channels, outputs) = (w.input.channels, op.output.shape.channels);
        let [down, across] = w.sides();
        let pixels = |floats: usize, held: usize| floats / (BLOCK * held.max(outputs));
        let pixels = if channels <= IMAGE_CHANNELS {
            pixels(BAND_FLOATS, op.column_count())
        } else {
            pixels(SUM_FLOATS, channels).min(pixels(BAND_FLOATS, channels).max(PIXELS))
        };
        let rows = (pixels / across.output).clamp(1, down.output);
        let before = (across.kernel as isize - 1 - w.origin[1]).max(0) as usize / w.stride;
        let behind = (across.input as isize - 1 + w.origin[1]).max(0) as usize / w.stride + 1;
        let plane = apart(w.row_floats() * w.padded_rows(rows));
        let mut new = Self {
            windows: w,
            rows,
            plane,
            gradient_plane: 0,
            margins: [before, behind.saturating_sub(across.output)],
            input_rows: 0,
            inputs_held: (BAND_FLOATS / plane).max(1),
            outputs_held: 1,
        };
        let mut gradient_rows = 0;
        for (first, rows) in new.bands() {
            let inputs = new.inputs_of(first, rows);
            gradient_rows = gradient_rows.max(new.gradients_of(first, rows, &inputs).len());
            new.input_rows = new.input_rows.max(inputs.len());
        }
        new.gradient_plane = apart(gradient_rows * new.gradient_row());
        new.outputs_held = (BAND_FLOATS / new.gradient_plane).max(1);
        new
    }

    /// First output row and output rows of each band.
    pub(super) fn bands(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (all, rows) = (self.windows.output.height, self.rows);
        (0..all).step_by(rows).map(move |first| (first, rows.min(all - first)))
    }

    /// Input rows that a band gives gradients to.
    pub(super) fn inputs_of(&self, first: usize, rows: usize) -> Range<usize> {
        let (w, height) = (&self.windows, self.windows.input.height);
        let end = if first + rows == w.output.height { height } else { (first + rows) * w.stride };
        (first * w.stride).min(height)..end.min(height)
    }

    /// Output rows that read these, those outside of the image too, and those of the band.
    pub(super) fn gradients_of(&self, first: usize, rows: usize, inputs: &Range<usize>) -> Range<isize> {
        let [down, _] = self.windows.sides();
        let stride = down.stride as isize;
        let (mut begin, mut end) = (first as isize, (first + rows) as isize);
        if !inputs.is_empty() {
            let reach = inputs.start as isize + down.origin - (down.kernel as isize - 1);
            begin = begin.min(-(-reach).div_euclid(stride));
            end = end.max((inputs.end as isize - 1 + down.origin).div_euclid(stride) + 1);
        }
        begin..end
    }

    /// Elements of a row of gradients with what is left and right of it.
    pub(super) fn gradient_row(&self) -> usize {
        (self.margins[0] + self.windows.output.width + self.margins[1]) * BLOCK
    }

    /// Elements from one output's sums to the next.
    pub(super) fn run(&self) -> usize {
        apart(self.rows * self.windows.output.width * BLOCK)
    }

    pub(super) fn gradient_run(&self) -> usize {
        apart(self.input_rows * self.windows.input.width * BLOCK)
    }

    pub(super) fn areas(&self, scratch: *mut f32, [inputs, gradients, _]: [usize; 3]) -> Areas {
        let taps = (2 * self.windows.taps()).next_multiple_of(BLOCK);
        let at = scratch.wrapping_add(taps);
        Areas {
            taps: scratch.cast(),
            inputs: at,
            gradients: at.wrapping_add(inputs),
            sums: at.wrapping_add(inputs + gradients),
        }
    }

    /// Elements of padded input rows, gradients and sums in a forward pass.
    pub(super) fn forward_floats(&self, op: &Convolution) -> [usize; 3] {
        let group = self.windows.input.channels / op.groups();
        let sums =
            if group > self.inputs_held { op.output.shape.channels / op.groups() * self.run() } else { 0 };
        [group.min(self.inputs_held) * self.plane, 0, sums]
    }

    /// The same in a backward pass.
    pub(super) fn backward_floats(&self, op: &Convolution) -> [usize; 3] {
        let (inputs, group) = (self.windows.input.channels, op.output.shape.channels / op.groups());
        let sums = inputs / op.groups() * self.gradient_run();
        [inputs * self.plane, group.min(self.outputs_held) * self.gradient_plane, sums]
    }

    /// Elements of scratch memory.
    pub(in crate::ops::convolution::cpu) fn scratch_floats(&self, op: &Convolution) -> usize {
        let taps = (2 * self.windows.taps()).next_multiple_of(BLOCK);
        let sum = |sizes: [usize; 3]| sizes.into_iter().sum::<usize>();
        taps + sum(self.forward_floats(op)).max(sum(self.backward_floats(op)))
    }

    /// What a band reads of the input, and of where its gradients go.
    pub(in crate::ops::convolution::cpu) fn inputs(
        &self,
        memory: &Memory,
        op: &Convolution,
        sink: Option<&Sink>,
        first: usize,
    ) -> Piece {
        let both = [Some(op.input.tensor), sink.map(Sink::first_touched)];
        Piece::new(memory, both, first * self.windows.stride, self.rows * self.windows.stride)
    }

    /// What a band reads of the gradient.
    pub(in crate::ops::convolution::cpu) fn gradients(
        &self,
        memory: &Memory,
        gradient: &Gradient,
        first: usize,
    ) -> Piece {
        Piece::of_gradient(memory, gradient, first, self.rows)
    }

    /// The taps as output pixels read them in padded input rows.
    ///
    /// # Safety
    /// There must be room for all of them.
    #[inline(always)]
    pub(super) unsafe fn taps<'a>(&self, to: *mut TapOffsets) -> &'a [TapOffsets] {
        let w = &self.windows;
        let mut count = 0;
        for ky in 0..w.kernel[0] {
            for kx in 0..w.kernel[1] {
                let read = ky * w.row_floats() + w.tap_column(kx);
                // SAFETY: the caller's promise.
                unsafe { to.add(count).write(TapOffsets { read: read as u32, weight: count as u32 }) };
                count += 1;
            }
        }
        // SAFETY: they have just been written.
        unsafe { std::slice::from_raw_parts(to, count) }
    }

    /// The taps that read the input pixels (y, x), (y + stride, x) … as these find them in padded rows of gradients, of
    /// which the first is output row `first`.
    ///
    /// # Safety
    /// There must be room for all of them.
    #[inline(always)]
    pub(super) unsafe fn taps_back<'a>(
        &self,
        to: *mut TapOffsets,
        [y, x]: [usize; 2],
        first: isize,
    ) -> &'a [TapOffsets] {
        let w = &self.windows;
        let stride = w.stride as isize;
        let mut count = 0;
        for ky in 0..w.kernel[0] {
            for kx in 0..w.kernel[1] {
                let [row, column] =
                    [(y, ky, 0), (x, kx, 1)].map(|(at, k, side)| at as isize + w.origin[side] - k as isize);
                if row.rem_euclid(stride) == 0 && column.rem_euclid(stride) == 0 {
                    let row = (row.div_euclid(stride) - first) as usize;
                    let column = (column.div_euclid(stride) + self.margins[0] as isize) as usize;
                    let read = row * self.gradient_row() + column * BLOCK;
                    // SAFETY: the caller's promise.
                    unsafe {
                        to.add(count)
                            .write(TapOffsets { read: read as u32, weight: w.tap_number(ky, kx) as u32 });
                    }
                    count += 1;
                }
            }
        }
        // SAFETY: they have just been written.
        unsafe { std::slice::from_raw_parts(to, count) }
    }

    /// Pixels of input rows by where they lie between strides.
    pub(super) fn residues(&self, rows: &Range<usize>) -> impl Iterator<Item = Residue> + use<> {
        let (rows, all, stride) = (rows.clone(), self.windows.input.width, self.windows.stride);
        let mut place = 0;
        (0..stride * stride).filter_map(move |residue| {
            let [y, x] = [rows.start + residue / stride, residue % stride];
            let count = rows.end.saturating_sub(y).div_ceil(stride);
            let width = all.saturating_sub(x).div_ceil(stride);
            let residue = Residue { corner: [y, x], count, width, place };
            place += count * width * BLOCK;
            (count * width > 0).then_some(residue)
        })
    }
}

/// Every stride-th pixel of some rows.
pub(super) struct Residue {
    /// Row and column of the first.
    pub(super) corner: [usize; 2],
    /// Rows, and pixels of each.
    pub(super) count: usize,
    pub(super) width: usize,
    /// Where their sums begin.
    pub(super) place: usize,
}
