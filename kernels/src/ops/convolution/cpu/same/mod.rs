//! Depthwise convolutions with "same" padding: an output for every input pixel, or for every second one of every second row.
//! They read rows without zeros around them: which taps fall outside the image is known when a tile at its border is
//! compiled, and those are left out.
//!
//! For a stride of two the pixels of an input row lie in two halves: first those at even places, then those at odd ones.
//! What one tap reads for neighbouring outputs is then contiguous.

mod slide;
mod taps;
mod weights;

use std::marker::PhantomData;
use std::ops::Range;

use self::slide::{Slide, SlideBack};
use self::taps::{
    DilatedFive, DilatedThree, Five, HalvingDilatedFive, HalvingDilatedThree, HalvingFive, HalvingThree,
    Three, has_tiles,
};
use self::weights::WeightGradients;
use super::matrix::Target;
use super::rows::SinkRows;
use crate::cpu::{Element, Prefetcher, Reading, Simd, Windows};
use crate::shape::BLOCK;

/// Rows of one channel of a block, one after the other; those that a stride of two goes over in halves.
pub(super) struct ImageRows {
    /// The first one's first pixel.
    pub(super) at: *const f32,
    /// Which rows of the image they are.
    pub(super) rows: Range<usize>,
}

/// A depthwise convolution that keeps the size of the image, or halves it.
#[derive(Clone, Copy)]
pub(super) struct Same {
    taps: CompiledKernel,
    stride: usize,
    /// Rows and pixels from the middle tap to the last.
    reach: usize,
    /// Output pixels of a row.
    width: usize,
    /// Input rows.
    height: usize,
}

/// Kernels that are compiled.
#[derive(Clone, Copy)]
enum CompiledKernel {
    Three,
    Five,
    DilatedThree,
    DilatedFive,
    HalvingThree,
    HalvingFive,
    HalvingDilatedThree,
    HalvingDilatedFive,
}

/// Chooses what is compiled for a kernel.
macro_rules! with_taps {
    ($taps:expr, $name:ident => $call:expr) => {
        with_taps!(
            [Three, Five, DilatedThree, DilatedFive, HalvingThree, HalvingFive, HalvingDilatedThree, HalvingDilatedFive]
            $taps, $name => $call
        )
    };
    ([$($kernel:ident),*] $taps:expr, $name:ident => $call:expr) => {
        match $taps {
            $(CompiledKernel::$kernel => {
                type $name = $kernel;
                $call
            })*
        }
    };
}

impl Same {
    /// The windows as such a convolution, where they are one that is compiled.
    pub(super) fn of(w: &Windows) -> Option<Self> {
        let taps = match (w.stride, w.kernel, w.dilation) {
            (1, [3, 3], 1) => CompiledKernel::Three,
            (1, [5, 5], 1) => CompiledKernel::Five,
            (1, [3, 3], 2) => CompiledKernel::DilatedThree,
            (1, [5, 5], 2) => CompiledKernel::DilatedFive,
            (2, [3, 3], 1) => CompiledKernel::HalvingThree,
            (2, [5, 5], 1) => CompiledKernel::HalvingFive,
            (2, [3, 3], 2) => CompiledKernel::HalvingDilatedThree,
            (2, [5, 5], 2) => CompiledKernel::HalvingDilatedFive,
            _ => return None,
        };
        let [down, _] = w.sides();
        let (stride, reach, width) = (w.stride, (down.extent() - 1) / 2, w.output.width);
        let is_same = w.origin == [reach as isize; 2]
            && [w.input.height, w.input.width] == [stride * w.output.height, stride * width];
        is_same.then_some(Self { taps, stride, reach, width, height: w.input.height })
    }

    /// Whether rows of so many pixels are tiles that are compiled.
    #[inline(always)]
    pub(super) fn has_tiles<V: Simd>(&self) -> bool {
        has_tiles::<V>(self.width, self.tap_reach())
    }

    /// Pixels that a tap of a half row reaches at most, to the left and to the right.
    #[inline(always)]
    fn tap_reach(&self) -> usize {
        self.reach.div_ceil(self.stride)
    }

    /// The rows that `rows` output rows from `first` on read, which lie at `at`.
    #[inline(always)]
    pub(super) fn image_rows(&self, at: *const f32, first: usize, rows: usize) -> ImageRows {
        let begin = (first * self.stride).saturating_sub(self.reach);
        let end = (first + rows - 1) * self.stride + self.reach + 1;
        ImageRows { at, rows: begin..end.min(self.height) }
    }

    /// Elements of an input row.
    #[inline(always)]
    pub(super) fn input_row(&self) -> usize {
        self.stride * self.width * BLOCK
    }

    /// Elements of an output row, and of a half of an input row.
    #[inline(always)]
    fn output_row(&self) -> usize {
        self.width * BLOCK
    }

    /// Copies `rows` input rows of a channel as they are read, for a stride of two in halves.
    ///
    /// # Safety
    /// `from` must be the first row, and `to` have room.
    #[inline(always)]
    pub(super) unsafe fn read<V: Simd, E: Element>(
        &self,
        reading: Reading<V>,
        from: *const E,
        to: *mut f32,
        rows: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            if self.stride == 1 {
                return reading.read(from, 1, to, rows * self.width);
            }
            for half_row in 0..2 * rows {
                // The half row's first pixel.
                let from = from.add((half_row / 2 * 2 * self.width + half_row % 2) * BLOCK);
                reading.read(from, 2, to.add(half_row * self.output_row()), self.width);
            }
        }
    }

    /// Output rows `rows`: row i of `to` is the i-th of them.
    ///
    /// # Safety
    /// `x` must be what they [read](Self::image_rows), `weights` be those of the channel, and `to` have room.
    #[inline(always)]
    pub(super) unsafe fn forward<V: Simd>(
        &self,
        x: &ImageRows,
        weights: *const f32,
        rows: Range<usize>,
        to: impl Target<V>,
        prefetch: &mut impl Prefetcher,
    ) {
        // SAFETY: the caller's promise.
        with_taps!(self.taps, T => unsafe {
            V::outlined(Slide::<T, _, _> { same: self, from: x, weights, rows, to, prefetch, taps: PhantomData });
        });
    }

    /// Gradients of the input rows `to` from those of output rows.
    ///
    /// # Safety
    /// `weights` must be those of the channel, and `to` hold the rows. `d` may be any output rows: others count as zeros.
    #[inline(always)]
    pub(super) unsafe fn backward<V: Simd, E: Element>(
        &self,
        d: &ImageRows,
        weights: *const f32,
        to: &Gated<E>,
        prefetch: &mut impl Prefetcher,
    ) {
        // SAFETY: the caller's promise.
        with_taps!(self.taps, T => unsafe {
            V::outlined(SlideBack::<T, _, _> { same: self, from: d, weights, to, prefetch, taps: PhantomData });
        });
    }

    /// Adds to the gradients of the channel's weights what output rows `d` give, of input rows `x`.
    ///
    /// # Safety
    /// `x` must be what the output rows [read](Self::image_rows).
    #[inline(always)]
    pub(super) unsafe fn weight_gradients<V: Simd>(&self, d: &ImageRows, x: &ImageRows, dw: &mut [f32]) {
        // SAFETY: the caller's promise.
        with_taps!(self.taps, T => unsafe {
            V::outlined(WeightGradients::<T> { same: self, d, x, dw, taps: PhantomData });
        });
    }
}

/// Rows of input gradients on their way through the ReLU's gate to a sink.
pub(super) struct Gated<E> {
    /// The rows as the operation [read](Same::read) them, where through a ReLU: it passes what is positive.
    pub(super) gate: Option<*const f32>,
    pub(super) to: SinkRows<E>,
}
