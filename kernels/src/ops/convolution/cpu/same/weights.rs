//! Gradients of the weights: sums over all rows, of each tap.

use std::marker::PhantomData;

use super::taps::{ROW_MAX, Row, RowTaps, for_tiles};
use super::{ImageRows, Same};
use crate::cpu::{Simd, Work};
use crate::ops::convolution::cpu::depthwise::add_lane_sums;
use crate::shape::BLOCK;

/// Sums for the gradients of the weights.
pub(super) struct WeightGradients<'a, T> {
    pub(super) same: &'a Same,
    pub(super) d: &'a ImageRows,
    pub(super) x: &'a ImageRows,
    pub(super) dw: &'a mut [f32],
    pub(super) taps: PhantomData<T>,
}

impl<V: Simd, T: RowTaps> Work<V> for WeightGradients<'_, T> {
    #[inline(always)]
    unsafe fn run(self) {
        let Self { same, d, x, dw, .. } = self;
        // SAFETY: the caller's promise.
        unsafe {
            // A block of two vectors has twice as many sums, and half as many registers.
            if V::PER_BLOCK > 1 && T::COUNT > 3 {
                weight_gradients::<V, T, 1>(same, d, x, dw);
            } else {
                weight_gradients::<V, T, 2>(same, d, x, dw);
            }
        }
    }
}

/// Sums of `P` of a block's vectors at a time.
#[inline(always)]
unsafe fn weight_gradients<V: Simd, T: RowTaps, const P: usize>(
    same: &Same,
    d: &ImageRows,
    x: &ImageRows,
    dw: &mut [f32],
) {
    let half_row_stride = same.output_row();
    // SAFETY: rows outside `x` are left out; so are pixels outside the image.
    unsafe {
        for (tap, dw) in dw.chunks_exact_mut(T::COUNT).enumerate() {
            // The output rows that read a row that is there.
            let shift = tap * T::DILATION;
            let first = |row: usize| (row + same.reach).saturating_sub(shift).div_ceil(T::STRIDE);
            let begin = d.rows.start.max(first(x.rows.start));
            let end = d.rows.end.min(first(x.rows.end));
            let mut totals = [[V::splat(0.0); 2]; ROW_MAX];
            for part in (0..V::PER_BLOCK).step_by(P) {
                let mut sums = [[[V::splat(0.0); P]; 2]; ROW_MAX];
                for y in begin..end {
                    let d = d.at.add((y - d.rows.start) * same.output_row());
                    let read = y * T::STRIDE + shift - same.reach;
                    let at = x.at.add((read - x.rows.start) * same.input_row());
                    let mut row =
                        ProductsRow::<V, T, P> { d, at, half_row_stride, part, sums, kinds: PhantomData };
                    for_tiles::<V>(same.width, same.tap_reach(), &mut row);
                    sums = row.sums;
                }
                for (total, [even, odd]) in totals.iter_mut().zip(sums).take(T::COUNT) {
                    for p in 0..P.min(V::PER_BLOCK) {
                        total[part + p] = even[p].add(odd[p]);
                    }
                }
            }
            add_lane_sums(&totals[..T::COUNT], dw);
        }
    }
}

/// A row of gradients and the row that a row of taps reads for it.
struct ProductsRow<V, T, const P: usize> {
    d: *const f32,
    at: *const f32,
    half_row_stride: usize,
    part: usize,
    sums: [[[V; P]; 2]; ROW_MAX],
    kinds: PhantomData<T>,
}

impl<V: Simd, T: RowTaps, const P: usize> Row for ProductsRow<V, T, P> {
    #[inline(always)]
    unsafe fn tile<const X: usize, const LEFT: bool, const RIGHT: bool>(&mut self, x: usize, skip: usize) {
        // SAFETY: both rows are there, and taps outside the image are left out.
        unsafe {
            let (d, at) = (self.d.add(x * BLOCK), self.at.add(x * BLOCK));
            let sums = &mut self.sums[..T::COUNT];
            // Even and odd are pixels of the row.
            let is_odd = !x.is_multiple_of(2);
            if is_odd {
                swap_parity(sums);
            }
            T::add_products::<V, X, P, LEFT, RIGHT>(sums, d, at, self.half_row_stride, self.part, skip);
            if is_odd {
                swap_parity(sums);
            }
        }
    }
}

/// Takes the sums of even pixels for those of odd ones.
#[inline(always)]
fn swap_parity<V, const P: usize>(sums: &mut [[[V; P]; 2]]) {
    for sums in sums {
        sums.swap(0, 1);
    }
}
