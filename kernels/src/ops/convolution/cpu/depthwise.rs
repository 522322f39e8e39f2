//! The sliding sums of a depthwise convolution over rows of vectors: forward, to the input, and to the
//! weights.

use crate::cpu::{Prefetcher, Simd};
use crate::ops::convolution::DEPTHWISE_KERNEL_MAX;
use crate::shape::BLOCK;

/// Most taps of a kernel.
pub(crate) const TAPS_MAX: usize = DEPTHWISE_KERNEL_MAX * DEPTHWISE_KERNEL_MAX;

/// Taps of a sliding sum: where each reads, in elements from the output's place in the source, and its
/// weight.
pub(crate) struct Taps {
    offsets: [usize; TAPS_MAX],
    weights: [f32; TAPS_MAX],
    count: usize,
}

impl Taps {
    pub(crate) fn new() -> Self {
        Self { offsets: [0; TAPS_MAX], weights: [0.0; TAPS_MAX], count: 0 }
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, offset: usize, weight: f32) {
        self.offsets[self.count] = offset;
        self.weights[self.count] = weight;
        self.count += 1;
    }
}

/// Rows of one channel.
#[derive(Clone, Copy)]
pub(crate) struct Plane<T> {
    pub(crate) at: T,
    /// Elements from one row to the next.
    pub(crate) row: usize,
}

/// `to[r][j] = Σ_taps weight · from[r][j + offset]` for `rows` rows of `vectors` vectors.
///
/// # Safety
/// Every tap of every output must lie inside `from`, every output inside `to`.
#[inline(always)]
pub(crate) unsafe fn slide<V: Simd>(
    taps: &Taps,
    from: Plane<*const f32>,
    to: Plane<*mut f32>,
    rows: usize,
    vectors: usize,
    prefetch: &mut impl Prefetcher,
) {
    let mut j = 0;
    // SAFETY: tiles stay inside the bounds that the caller promises.
    unsafe {
        while j + 8 <= vectors {
            slide_strip::<V, 1, 8>(taps, from, to, rows, j, prefetch);
            j += 8;
        }
        // What is left, in as many rows as keep eight sums busy.
        match vectors - j {
            0 => {}
            1 => slide_strip::<V, 8, 1>(taps, from, to, rows, j, prefetch),
            2 => slide_strip::<V, 4, 2>(taps, from, to, rows, j, prefetch),
            3 => slide_strip::<V, 2, 3>(taps, from, to, rows, j, prefetch),
            4 => slide_strip::<V, 2, 4>(taps, from, to, rows, j, prefetch),
            5 => slide_strip::<V, 1, 5>(taps, from, to, rows, j, prefetch),
            6 => slide_strip::<V, 1, 6>(taps, from, to, rows, j, prefetch),
            _ => slide_strip::<V, 1, 7>(taps, from, to, rows, j, prefetch),
        }
    }
}

/// All rows of `J` vectors from vector `j` on, in tiles of `R` rows.
#[inline(always)]
unsafe fn slide_strip<V: Simd, const R: usize, const J: usize>(
    taps: &Taps,
    from: Plane<*const f32>,
    to: Plane<*mut f32>,
    rows: usize,
    j: usize,
    prefetch: &mut impl Prefetcher,
) {
    let whole = rows / R * R;
    // SAFETY: as above.
    unsafe {
        for r in (0..whole).step_by(R) {
            slide_tile::<V, R, J>(taps, from, to, r, j, prefetch);
        }
        for r in whole..rows {
            slide_tile::<V, 1, J>(taps, from, to, r, j, prefetch);
        }
    }
}

#[inline(always)]
unsafe fn slide_tile<V: Simd, const R: usize, const J: usize>(
    taps: &Taps,
    from: Plane<*const f32>,
    to: Plane<*mut f32>,
    r: usize,
    j: usize,
    prefetch: &mut impl Prefetcher,
) {
    // SAFETY: as above.
    unsafe {
        prefetch.ready();
        let mut sums = [[V::splat(0.0); J]; R];
        let base = from.at.add(r * from.row + j * V::LANES);
        for tap in 0..taps.count {
            prefetch.step(R * J * V::LANES);
            let weight = V::splat(*taps.weights.get_unchecked(tap));
            let at = base.add(*taps.offsets.get_unchecked(tap));
            for (a, row) in sums.iter_mut().enumerate() {
                for (b, sum) in row.iter_mut().enumerate() {
                    *sum = weight.mul_add(V::load(at.add(a * from.row + b * V::LANES)), *sum);
                }
            }
        }
        for (a, row) in sums.iter().enumerate() {
            for (b, sum) in row.iter().enumerate() {
                sum.store(to.at.add((r + a) * to.row + (j + b) * V::LANES));
            }
        }
    }
}

/// `dw[n] += Σ_lanes Σ_rows Σ_pixels d[r][j] · x[r][j + offset_n]`, for a group of N offsets that share a
/// kernel row.
///
/// # Safety
/// Every tap must lie inside `x`, and `rows` × `pixels` blocks inside `d`; `dw` must have an element for each
/// offset.
#[inline(always)]
pub(crate) unsafe fn tap_gradients<V: Simd>(
    offsets: &[usize],
    d: Plane<*const f32>,
    x: Plane<*const f32>,
    rows: usize,
    pixels: usize,
    dw: &mut [f32],
) {
    let mut n = 0;
    // SAFETY: the caller's promise.
    unsafe {
        while n + 5 <= offsets.len() {
            tap_group::<V, 5, 1>(&offsets[n..], d, x, rows, pixels, &mut dw[n..]);
            n += 5;
        }
        while n + 3 <= offsets.len() {
            tap_group::<V, 3, 2>(&offsets[n..], d, x, rows, pixels, &mut dw[n..]);
            n += 3;
        }
        while n < offsets.len() {
            tap_group::<V, 1, 2>(&offsets[n..], d, x, rows, pixels, &mut dw[n..]);
            n += 1;
        }
    }
}

/// Sums of `P` of a block's vectors at a time: as many as the registers hold.
#[inline(always)]
unsafe fn tap_group<V: Simd, const N: usize, const P: usize>(
    offsets: &[usize],
    d: Plane<*const f32>,
    x: Plane<*const f32>,
    rows: usize,
    pixels: usize,
    dw: &mut [f32],
) {
    // SAFETY: as above; a block has at most two vectors.
    unsafe {
        let mut at = [0; N];
        at.copy_from_slice(&offsets[..N]);
        let mut totals = [[V::splat(0.0); 2]; N];
        for first in (0..V::PER_BLOCK).step_by(P) {
            // Two pixels at a time keep enough independent sums in flight to hide the latency of a multiply-add.
            let mut sums = [[[V::splat(0.0); P]; N]; 2];
            for r in 0..rows {
                let (left, right) = (d.at.add(r * d.row), x.at.add(r * x.row));
                let mut j = 0;
                while j + 2 <= pixels {
                    add_pixel(&mut sums[0], &at, first, j * BLOCK, left, right);
                    add_pixel(&mut sums[1], &at, first, (j + 1) * BLOCK, left, right);
                    j += 2;
                }
                if j < pixels {
                    add_pixel(&mut sums[0], &at, first, j * BLOCK, left, right);
                }
            }
            let [even, odd] = sums;
            for ((total, even), odd) in totals.iter_mut().zip(even).zip(odd) {
                for part in 0..P.min(V::PER_BLOCK) {
                    total[first + part] = even[part].add(odd[part]);
                }
            }
        }
        add_lane_sums(&totals, dw);
    }
}

/// Adds to each element of `dw` the sum of the lanes of a block's sums.
///
/// # Safety
/// As [`Simd`].
#[inline(always)]
pub(crate) unsafe fn add_lane_sums<V: Simd>(totals: &[[V; 2]], dw: &mut [f32]) {
    // SAFETY: the caller's promise.
    unsafe {
        for (totals, dw) in totals.chunks(4).zip(dw.chunks_mut(4)) {
            if totals.len() > 2 {
                // The last one again where there are three.
                let sums =
                    V::sum_blocks(std::array::from_fn(|n| &totals[n.min(totals.len() - 1)][..V::PER_BLOCK]));
                dw.iter_mut().zip(sums).take(totals.len()).for_each(|(dw, sum)| *dw += sum);
            } else {
                dw.iter_mut().zip(totals).for_each(|(dw, total)| *dw += V::sum_block(&total[..V::PER_BLOCK]));
            }
        }
    }
}

/// Adds one pixel to some vectors of a block, from `first` on, of the sums of some taps.
///
/// # Safety
/// As [`tap_gradients`].
#[inline(always)]
unsafe fn add_pixel<V: Simd, const N: usize, const P: usize>(
    sums: &mut [[V; P]; N],
    offsets: &[usize; N],
    first: usize,
    place: usize,
    left: *const f32,
    right: *const f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        for part in 0..P.min(V::PER_BLOCK) {
            let place = place + (first + part) * V::LANES;
            let g = V::load(left.add(place));
            for (sum, offset) in sums.iter_mut().zip(offsets) {
                sum[part] = g.mul_add(V::load(right.add(place + offset)), sum[part]);
            }
        }
    }
}
