//! Products of a dense convolution that read their columns where these lie: a column is a tap of a channel, and what it
//! holds for the pixels of a row is a place in that channel's padded rows ("implicit GEMM").

use crate::cpu::{Prefetcher, Rows, Simd, Work};
use crate::ops::convolution::cpu::matrix::Target;
use crate::shape::BLOCK;

/// A tap: elements from a pixel's place to what the tap reads for it, and from a channel's first weight to its own.
#[derive(Clone, Copy)]
pub(super) struct TapOffsets {
    pub(super) read: u32,
    pub(super) weight: u32,
}

/// Padded rows of channels.
#[derive(Clone, Copy)]
pub(super) struct Planes<T> {
    pub(super) at: T,
    /// Elements from channel to channel.
    pub(super) plane: usize,
    /// Elements between what a tap reads for one row of pixels and for the next.
    pub(super) row: usize,
}

/// Weights: that of output i, channel c and a tap at `at + i·output + c·channel + tap.weight`.
#[derive(Clone, Copy)]
pub(super) struct TapWeights {
    pub(super) at: *const f32,
    pub(super) output: usize,
    pub(super) channel: usize,
}

/// Outputs, channels and pixels of a product; pixels are those of rows of `width`.
#[derive(Clone, Copy)]
pub(super) struct ProductSizes {
    pub(super) outputs: usize,
    pub(super) channels: usize,
    pub(super) rows: usize,
    pub(super) width: usize,
}

/// `y[i] = sums[i] + Σ_channels Σ_taps w[i][channel][tap] · x[channel][tap]`, summed in this order; without `sums`
/// (null) from zero. `x` has what the taps read, `w` their weights, `sums` and `y` have a row of all pixels for each
/// output.
pub(super) struct TapProduct<'a, T, A> {
    pub(super) w: TapWeights,
    pub(super) taps: &'a [TapOffsets],
    pub(super) sizes: ProductSizes,
    pub(super) x: Planes<*const f32>,
    pub(super) sums: Rows<*const f32>,
    pub(super) y: T,
    pub(super) prefetch: &'a mut A,
}

impl<V: Simd, T: Target<V>, A: Prefetcher> Work<V> for TapProduct<'_, T, A> {
    #[inline(always)]
    unsafe fn run(self) {
        let Self { w, taps, sizes, x, sums, y, prefetch } = self;
        let ProductSizes { outputs, rows, width, .. } = sizes;
        let vectors = rows * width * V::PER_BLOCK;
        let mut i = 0;
        // SAFETY: tiles stay inside the bounds that the fields promise.
        unsafe {
            if V::LANES == 16 {
                while i + 8 <= outputs {
                    multiply_rows::<V, 8, 3>(w, taps, sizes, i, vectors, x, sums, y, prefetch);
                    i += 8;
                }
            }
            while i + 4 <= outputs {
                if V::LANES == 16 {
                    multiply_rows::<V, 4, 4>(w, taps, sizes, i, vectors, x, sums, y, prefetch);
                } else {
                    multiply_rows::<V, 4, 2>(w, taps, sizes, i, vectors, x, sums, y, prefetch);
                }
                i += 4;
            }
            while i < outputs {
                multiply_rows::<V, 1, 4>(w, taps, sizes, i, vectors, x, sums, y, prefetch);
                i += 1;
            }
        }
    }
}

/// `I` outputs in tiles of `J` vectors.
#[inline(always)]
unsafe fn multiply_rows<V: Simd, const I: usize, const J: usize>(
    w: TapWeights,
    taps: &[TapOffsets],
    sizes: ProductSizes,
    i: usize,
    vectors: usize,
    x: Planes<*const f32>,
    sums: Rows<*const f32>,
    y: impl Target<V>,
    prefetch: &mut impl Prefetcher,
) {
    let mut j = 0;
    // SAFETY: as above.
    unsafe {
        while j + J <= vectors {
            multiply_tile::<V, I, J>(w, taps, sizes, i, j, x, sums, y, prefetch);
            j += J;
        }
        while j < vectors {
            multiply_tile::<V, I, 1>(w, taps, sizes, i, j, x, sums, y, prefetch);
            j += 1;
        }
    }
}

#[inline(always)]
unsafe fn multiply_tile<V: Simd, const I: usize, const J: usize>(
    w: TapWeights,
    taps: &[TapOffsets],
    sizes: ProductSizes,
    i: usize,
    j: usize,
    x: Planes<*const f32>,
    from: Rows<*const f32>,
    y: impl Target<V>,
    prefetch: &mut impl Prefetcher,
) {
    // SAFETY: as above.
    unsafe {
        prefetch.ready();
        let mut sums = [[V::splat(0.0); J]; I];
        if !from.at.is_null() {
            for (a, row) in sums.iter_mut().enumerate() {
                for (b, sum) in row.iter_mut().enumerate() {
                    *sum = V::load(from.at.add((i + a) * from.row + (j + b) * V::LANES));
                }
            }
        }
        let mut at = [x.at; J];
        for (b, at) in at.iter_mut().enumerate() {
            let (pixel, part) = ((j + b) / V::PER_BLOCK, (j + b) % V::PER_BLOCK);
            let (row, column) = (pixel as u32 / sizes.width as u32, pixel as u32 % sizes.width as u32);
            *at = at.add(row as usize * x.row + column as usize * BLOCK + part * V::LANES);
        }
        let mut weight = w.at.add(i * w.output);
        for _ in 0..sizes.channels {
            for tap in taps {
                prefetch.step(I * J * V::LANES);
                let mut x = [V::splat(0.0); J];
                for (x, at) in x.iter_mut().zip(at) {
                    *x = V::load(at.add(tap.read as usize));
                }
                let weight = weight.add(tap.weight as usize);
                for (a, row) in sums.iter_mut().enumerate() {
                    let weight = V::splat(*weight.add(a * w.output));
                    for (sum, x) in row.iter_mut().zip(x) {
                        *sum = weight.mul_add(x, *sum);
                    }
                }
            }
            for at in &mut at {
                *at = at.add(x.plane);
            }
            weight = weight.add(w.channel);
        }
        for (a, row) in sums.iter().enumerate() {
            y.put(i + a, j, row);
        }
    }
}

/// `dw[i][c·taps + t] += Σ_lanes Σ_pixels d[i] · x[c][tap t]`, over the pixels row by row. `d` and `x` have the rows,
/// `dw` the elements.
pub(super) struct TapGradient<'a, A> {
    pub(super) d: Planes<*const f32>,
    pub(super) x: Planes<*const f32>,
    pub(super) taps: &'a [TapOffsets],
    pub(super) sizes: ProductSizes,
    pub(super) dw: Rows<*mut f32>,
    pub(super) prefetch: &'a mut A,
}

impl<V: Simd, A: Prefetcher> Work<V> for TapGradient<'_, A> {
    #[inline(always)]
    unsafe fn run(self) {
        let Self { d, x, taps, sizes, dw, prefetch } = self;
        // SAFETY: tiles stay inside the bounds that the fields promise.
        unsafe {
            if V::LANES == 16 {
                weight_tiles::<V, 4, 4, 1>(d, x, taps, sizes, dw, prefetch);
            } else {
                weight_tiles::<V, 2, 2, 2>(d, x, taps, sizes, dw, prefetch);
            }
        }
    }
}

/// Gradients of few outputs stay in a first-level cache while the columns go by.
#[inline(always)]
unsafe fn weight_tiles<V: Simd, const I: usize, const K: usize, const P: usize>(
    d: Planes<*const f32>,
    x: Planes<*const f32>,
    taps: &[TapOffsets],
    sizes: ProductSizes,
    dw: Rows<*mut f32>,
    prefetch: &mut impl Prefetcher,
) {
    let columns = sizes.channels * taps.len();
    let mut k = 0;
    // SAFETY: as above.
    unsafe {
        while k + K <= columns {
            weight_columns::<V, I, K, P>(d, x, taps, sizes, k, dw, prefetch);
            k += K;
        }
        while k < columns {
            weight_columns::<V, I, 1, P>(d, x, taps, sizes, k, dw, prefetch);
            k += 1;
        }
    }
}

#[inline(always)]
unsafe fn weight_columns<V: Simd, const I: usize, const K: usize, const P: usize>(
    d: Planes<*const f32>,
    x: Planes<*const f32>,
    taps: &[TapOffsets],
    sizes: ProductSizes,
    k: usize,
    dw: Rows<*mut f32>,
    prefetch: &mut impl Prefetcher,
) {
    let mut at = [x.at; K];
    for (b, at) in at.iter_mut().enumerate() {
        let (channel, tap) = ((k + b) / taps.len(), (k + b) % taps.len());
        *at = at.wrapping_add(channel * x.plane + taps[tap].read as usize);
    }
    let mut i = 0;
    // SAFETY: as above.
    unsafe {
        while i + I <= sizes.outputs {
            let dw = Rows { at: dw.at.add(i * dw.row + k), row: dw.row };
            weight_tile::<V, I, K, P>(d, i, at, x.row, sizes, dw, prefetch);
            i += I;
        }
        while i < sizes.outputs {
            let dw = Rows { at: dw.at.add(i * dw.row + k), row: dw.row };
            weight_tile::<V, 1, K, P>(d, i, at, x.row, sizes, dw, prefetch);
            i += 1;
        }
    }
}

#[inline(always)]
unsafe fn weight_tile<V: Simd, const I: usize, const K: usize, const P: usize>(
    d: Planes<*const f32>,
    i: usize,
    at: [*const f32; K],
    row: usize,
    sizes: ProductSizes,
    dw: Rows<*mut f32>,
    prefetch: &mut impl Prefetcher,
) {
    // SAFETY: as above; P is V::PER_BLOCK.
    unsafe {
        prefetch.ready();
        let mut sums = [[[V::splat(0.0); P]; K]; I];
        for r in 0..sizes.rows {
            let left = d.at.add(i * d.plane + r * d.row);
            let right = at.map(|at| at.wrapping_add(r * row));
            for place in (0..sizes.width * BLOCK).step_by(BLOCK) {
                prefetch.step(I * K * BLOCK);
                for p in 0..P {
                    let place = place + p * V::LANES;
                    let mut x = [V::splat(0.0); K];
                    for (x, right) in x.iter_mut().zip(right) {
                        *x = V::load(right.add(place));
                    }
                    for (a, row) in sums.iter_mut().enumerate() {
                        let g = V::load(left.add(a * d.plane + place));
                        for (sum, x) in row.iter_mut().zip(x) {
                            sum[p] = g.mul_add(x, sum[p]);
                        }
                    }
                }
            }
        }
        let to = |at: usize| dw.at.add(at / K * dw.row + at % K);
        if (I * K).is_multiple_of(4) {
            for (at, four) in sums.as_flattened().chunks_exact(4).enumerate() {
                let four = V::sum_blocks(std::array::from_fn(|n| &four[n][..]));
                for (n, sum) in four.into_iter().enumerate() {
                    *to(4 * at + n) += sum;
                }
            }
        } else {
            sums.as_flattened().iter().enumerate().for_each(|(at, sum)| *to(at) += V::sum_block(sum));
        }
    }
}
