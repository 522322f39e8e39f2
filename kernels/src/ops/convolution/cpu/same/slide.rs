//! Sums over all taps, row by row: outputs, and gradients of inputs.

use std::marker::PhantomData;
use std::ops::Range;

use super::taps::{ROW_MAX, Row, RowTaps, for_tiles};
use super::{Gated, ImageRows, Same};
use crate::cpu::{ChannelSink, Element, Prefetcher, Simd, Work};
use crate::ops::convolution::cpu::matrix::Target;
use crate::shape::BLOCK;

/// Output rows.
pub(super) struct Slide<'a, T, O, A> {
    pub(super) same: &'a Same,
    pub(super) from: &'a ImageRows,
    pub(super) weights: *const f32,
    pub(super) rows: Range<usize>,
    pub(super) to: O,
    pub(super) prefetch: &'a mut A,
    pub(super) taps: PhantomData<T>,
}

impl<V: Simd, T: RowTaps, O: Target<V>, A: Prefetcher> Work<V> for Slide<'_, T, O, A> {
    #[inline(always)]
    unsafe fn run(self) {
        let Self { same, from, weights, rows, to, prefetch, .. } = self;
        // SAFETY: rows outside `from` are left out; so are pixels outside the image.
        unsafe {
            for (r, y) in rows.enumerate() {
                let mut list = TapRows::new();
                for tap in 0..T::COUNT {
                    // A row before the first one wraps beyond the last.
                    let row = (y * T::STRIDE + tap * T::DILATION).wrapping_sub(same.reach);
                    list.push(from, row, same.input_row(), weights.add(tap * T::COUNT));
                }
                let half_row_stride = same.output_row();
                let list = &list.list[..list.count];
                let mut row =
                    SlidRow::<V, T, _, _> { list, half_row_stride, r, to, prefetch, kinds: PhantomData };
                for_tiles::<V>(same.width, same.tap_reach(), &mut row);
            }
        }
    }
}

/// Gradients of input rows.
pub(super) struct SlideBack<'a, T, E, A> {
    pub(super) same: &'a Same,
    pub(super) from: &'a ImageRows,
    pub(super) weights: *const f32,
    pub(super) to: &'a Gated<E>,
    pub(super) prefetch: &'a mut A,
    pub(super) taps: PhantomData<T>,
}

impl<V: Simd, T: RowTaps, E: Element, A: Prefetcher> Work<V> for SlideBack<'_, T, E, A> {
    #[inline(always)]
    unsafe fn run(self) {
        let Self { same, from, weights, to: Gated { gate, to }, prefetch, .. } = self;
        // SAFETY: as in `Slide`.
        unsafe {
            for (r, y) in to.range.clone().enumerate() {
                let mut list = TapRows::new();
                for tap in 0..T::COUNT {
                    let row = (y + same.reach).wrapping_sub(tap * T::DILATION);
                    if row.is_multiple_of(T::STRIDE) {
                        list.push(from, row / T::STRIDE, same.output_row(), weights.add(tap * T::COUNT));
                    }
                }
                let list = &list.list[..list.count];
                let gate = gate.map(|gate| gate.add(r * same.input_row()));
                let (to, kinds) = (to.row(y), PhantomData);
                let mut even = SlidBackRow::<V, T, E, _, 0> { list, gate, to, prefetch, kinds };
                for_tiles::<V>(same.width, same.tap_reach(), &mut even);
                if T::STRIDE == 2 {
                    let gate = gate.map(|gate| gate.add(same.output_row()));
                    let mut odd = SlidBackRow::<V, T, E, _, 1> { list, gate, to, prefetch, kinds };
                    for_tiles::<V>(same.width, same.tap_reach(), &mut odd);
                }
            }
        }
    }
}

/// A row that a row of taps reads, and the taps' weights.
type TapRow = (*const f32, *const f32);

/// Rows of taps that read rows which are there.
struct TapRows {
    list: [TapRow; ROW_MAX],
    count: usize,
}

impl TapRows {
    #[inline(always)]
    fn new() -> Self {
        Self { list: [(std::ptr::null(), std::ptr::null()); ROW_MAX], count: 0 }
    }

    /// Adds row `row` of the image, if it is there; rows have `elements`.
    #[inline(always)]
    fn push(&mut self, from: &ImageRows, row: usize, elements: usize, weights: *const f32) {
        if from.rows.contains(&row) {
            self.list[self.count] = (from.at.wrapping_add((row - from.rows.start) * elements), weights);
            self.count += 1;
        }
    }
}

/// An output row.
struct SlidRow<'a, V, T, O, A> {
    list: &'a [TapRow],
    half_row_stride: usize,
    r: usize,
    to: O,
    prefetch: &'a mut A,
    kinds: PhantomData<(V, T)>,
}

impl<V: Simd, T: RowTaps, O: Target<V>, A: Prefetcher> Row for SlidRow<'_, V, T, O, A> {
    #[inline(always)]
    unsafe fn tile<const X: usize, const LEFT: bool, const RIGHT: bool>(&mut self, x: usize, _: usize) {
        // SAFETY: the rows are there, and taps outside the image are left out.
        unsafe {
            self.prefetch.ready();
            let mut sums = [[V::splat(0.0); 2]; X];
            for &(at, weights) in self.list {
                self.prefetch.step(T::COUNT * X * BLOCK);
                T::add::<V, X, LEFT, RIGHT>(&mut sums, at.add(x * BLOCK), self.half_row_stride, weights);
            }
            for (j, sums) in sums.iter().enumerate() {
                self.to.put(self.r, (x + j) * V::PER_BLOCK, &sums[..V::PER_BLOCK]);
            }
        }
    }
}

/// A row of the input's gradients, or a half of it.
struct SlidBackRow<'a, V, T, E, A, const HALF: usize> {
    list: &'a [TapRow],
    /// What the half row is gated by.
    gate: Option<*const f32>,
    /// The row.
    to: ChannelSink<E>,
    prefetch: &'a mut A,
    kinds: PhantomData<(V, T)>,
}

impl<V: Simd, T: RowTaps, E: Element, A: Prefetcher, const HALF: usize> Row
    for SlidBackRow<'_, V, T, E, A, HALF>
{
    #[inline(always)]
    unsafe fn tile<const X: usize, const LEFT: bool, const RIGHT: bool>(&mut self, x: usize, skip: usize) {
        // SAFETY: as above.
        unsafe {
            self.prefetch.ready();
            let zero = V::splat(0.0);
            let mut sums = [[zero; 2]; X];
            for &(at, weights) in self.list {
                self.prefetch.step(T::COUNT * X * BLOCK / T::STRIDE);
                T::add_back::<V, X, HALF, LEFT, RIGHT>(&mut sums, at.add(x * BLOCK), weights);
            }
            for (j, sums) in sums.iter().enumerate() {
                // A branch for each, not a loop from `skip` on, in which sums would have to lie in memory.
                if j < skip {
                    continue;
                }
                for (part, &sum) in sums.iter().enumerate().take(V::PER_BLOCK) {
                    let lane = part * V::LANES;
                    let mut value = sum;
                    if let Some(gate) = self.gate {
                        let gate = V::load(gate.add((x + j) * BLOCK + lane));
                        value = gate.select_greater(zero, value, zero);
                    }
                    self.to.put(((x + j) * T::STRIDE + HALF) * BLOCK + lane, value);
                }
            }
        }
    }
}
