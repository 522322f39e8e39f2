//! Sliding windows, and rows of one channel with padding around them, as windows read them.
//!
//! For windows of stride s the pixels of a padded row are stored by phase: first those at positions 0, s, 2s,
//! …, then those at 1, s + 1, …. What one tap reads for consecutive outputs is then contiguous.

use super::context::Reading;
use super::simd::{Element, Simd};
use crate::shape::{BLOCK, Shape};

/// Windows of an operation: output pixel (y, x) reads pixels `(y·stride - origin[0] + ky·dilation, …)`.
#[derive(Clone, Copy)]
pub(crate) struct Windows {
    pub(crate) input: Shape,
    pub(crate) output: Shape,
    /// Height and width.
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: usize,
    pub(crate) dilation: usize,
    /// Pixels from the corner of the first window down and across to that of the image.
    pub(crate) origin: [isize; 2],
    /// Whether what a tap reads is multiplied by a weight before the matrix is.
    pub(crate) depthwise: bool,
}

/// Windows along one side of the image.
#[derive(Clone, Copy)]
pub(crate) struct Side {
    pub(crate) input: usize,
    pub(crate) output: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) dilation: usize,
    pub(crate) origin: isize,
}

impl Side {
    /// Pixels from the first to the last tap.
    #[inline(always)]
    pub(crate) fn extent(&self) -> usize {
        self.dilation * (self.kernel - 1) + 1
    }

    /// Whether a tap ever meets the image.
    #[inline(always)]
    pub(crate) fn is_live(&self, tap: usize) -> bool {
        let first = (tap * self.dilation) as isize - self.origin;
        let last = first + ((self.output - 1) * self.stride) as isize;
        first < self.input as isize && last >= 0
    }
}

impl Windows {
    /// Down and across.
    #[inline(always)]
    pub(crate) fn sides(&self) -> [Side; 2] {
        let Self { input, output, kernel, stride, dilation, origin, .. } = *self;
        let side = |side: usize, input, output| Side {
            input,
            output,
            kernel: kernel[side],
            stride,
            dilation,
            origin: origin[side],
        };
        [side(0, input.height, output.height), side(1, input.width, output.width)]
    }

    /// Pixels of a window.
    #[inline(always)]
    pub(crate) fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// A tap's place among those of a window, row by row.
    #[inline(always)]
    pub(crate) fn tap_number(&self, ky: usize, kx: usize) -> usize {
        ky * self.kernel[1] + kx
    }

    /// Whether columns are pixels of the image as they are, so that no padded rows are needed.
    pub(crate) fn is_single_pixels(&self) -> bool {
        self.kernel == [1, 1] && self.origin.iter().all(|&origin| origin <= 0) && !self.depthwise
    }

    /// Whether columns are the pixels of the image one by one.
    pub(crate) fn is_pixel_by_pixel(&self) -> bool {
        self.is_single_pixels() && self.stride == 1 && self.origin == [0, 0]
    }

    /// Input pixel that the first output of a row reads, when windows are single pixels.
    #[inline(always)]
    pub(crate) fn pixel_of(&self, output_row: usize) -> usize {
        let [down, across] = self.origin.map(isize::unsigned_abs);
        (output_row * self.stride + down) * self.input.width + across
    }

    /// Places of a row of `width` pixels that is stored by residue: first the pixels 0, s, 2s, …, then 1, s + 1, …, each
    /// residue with the same number of places.
    #[inline(always)]
    pub(crate) fn by_residue(&self, width: usize) -> usize {
        width.next_multiple_of(self.stride)
    }

    /// First element of a residue's pixels in such a row of the input.
    #[inline(always)]
    pub(crate) fn residue_offset(&self, residue: usize) -> usize {
        residue * self.input.width.div_ceil(self.stride) * BLOCK
    }

    /// Positions of a padded row, a multiple of the stride.
    fn padded_width(&self) -> usize {
        let [_, across] = self.sides();
        ((across.output - 1) * self.stride + across.extent()).next_multiple_of(self.stride)
    }

    /// Elements of a padded row.
    pub(crate) fn row_floats(&self) -> usize {
        self.padded_width() * BLOCK
    }

    /// Padded rows that `outputs` output rows read.
    pub(crate) fn padded_rows(&self, outputs: usize) -> usize {
        let [down, _] = self.sides();
        (outputs - 1) * self.stride + down.extent()
    }

    /// Element of a padded row at which a tap reads for the first output; consecutive outputs follow.
    #[inline(always)]
    pub(crate) fn tap_column(&self, kx: usize) -> usize {
        self.position_offset(kx * self.dilation)
    }

    /// Element of the padded row that holds position `position` (input column `position - origin[1]`).
    #[inline(always)]
    pub(crate) fn position_offset(&self, position: usize) -> usize {
        let phase_width = self.padded_width() / self.stride;
        (position % self.stride * phase_width + position / self.stride) * BLOCK
    }

    /// Input row of the first padded row for outputs from `first` on.
    #[inline(always)]
    pub(crate) fn first_row(&self, first: usize) -> isize {
        (first * self.stride) as isize - self.origin[0]
    }
}

/// Fills padded rows: input rows `first_row ..` of one channel, as the operation reads them, and `outside` around the
/// image; none where another channel's rows were there before, whose surroundings stay.
///
/// # Safety
/// `from` must be a channel of `windows.input`, `to` have room for `rows` padded rows.
#[inline(always)]
pub(crate) unsafe fn pad_rows<V: Simd, E: Element>(
    windows: &Windows,
    from: *const E,
    reading: Reading<V>,
    outside: Option<f32>,
    first_row: isize,
    rows: usize,
    to: *mut f32,
) {
    let (width, stride) = (windows.input.width as isize, windows.stride);
    let phase_width = windows.padded_width() / stride;
    // SAFETY: the caller's promise; columns are clipped to the image.
    unsafe {
        let blank = V::splat(outside.unwrap_or(0.0));
        for r in 0..rows {
            let y = first_row + r as isize;
            let row = to.add(r * windows.row_floats());
            let inside = y >= 0 && y < windows.input.height as isize;
            let source = from.wrapping_offset(y * width * BLOCK as isize);
            for phase in 0..stride {
                let to = row.add(phase * phase_width * BLOCK);
                let first_x = phase as isize - windows.origin[1];
                let step = stride as isize;
                // The columns j whose pixel first_x + j·stride lies inside the image.
                let begin = if first_x >= 0 { 0 } else { (-first_x + step - 1) / step };
                let end = if width <= first_x { 0 } else { (width - first_x + step - 1) / step };
                let begin = (begin as usize).min(phase_width);
                let end = if inside { (end as usize).clamp(begin, phase_width) } else { begin };
                if begin < end {
                    let x = first_x + (begin * stride) as isize;
                    let from = source.offset(x * BLOCK as isize);
                    reading.read(from, stride, to.add(begin * BLOCK), end - begin);
                }
                if outside.is_some() {
                    let (begin, end, all) =
                        (begin * V::PER_BLOCK, end * V::PER_BLOCK, phase_width * V::PER_BLOCK);
                    for v in (0..begin).chain(end..all) {
                        blank.store(to.add(v * V::LANES));
                    }
                }
            }
        }
    }
}
