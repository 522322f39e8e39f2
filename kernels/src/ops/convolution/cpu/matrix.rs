//! The three products of a convolution over one run of vectors, in register tiles.
//!
//! A run is `vectors` consecutive vectors of images (pixels of a row, of several rows, or of a whole batch).
//! Rows of an operand lie `row` elements apart.

use crate::cpu::{Element, Prefetcher, Rows, Simd, Work};
use crate::shape::BLOCK;

/// A matrix of weights: element (i, k) at `at + i·row + k·column`.
#[derive(Clone, Copy)]
pub(crate) struct WeightMatrix {
    pub(crate) at: *const f32,
    pub(crate) row: usize,
    pub(crate) column: usize,
}

/// The right-hand side of a product, `[column][vector]`.
pub(crate) trait Source<V: Simd>: Copy {
    /// Vector `j` of column `k`.
    ///
    /// # Safety
    /// It must be there.
    unsafe fn get(self, k: usize, j: usize) -> V;
}

/// Where a product goes, `[output][vector]`.
pub(crate) trait Target<V: Simd>: Copy {
    /// Takes some vectors of output `i`, from vector `j` on.
    ///
    /// # Safety
    /// There must be room for them.
    unsafe fn put(self, i: usize, j: usize, sums: &[V]);
}

impl<V: Simd> Source<V> for Rows<*const f32> {
    #[inline(always)]
    unsafe fn get(self, k: usize, j: usize) -> V {
        // SAFETY: the caller's promise.
        unsafe { V::load(self.at.add(k * self.row + j * V::LANES)) }
    }
}

impl<V: Simd, E: Element> Target<V> for Rows<*mut E> {
    #[inline(always)]
    unsafe fn put(self, i: usize, j: usize, sums: &[V]) {
        for (b, &sum) in sums.iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { E::store(sum, self.at.add(i * self.row + (j + b) * V::LANES)) }
        }
    }
}

/// `y[i] = bias[i] + Σ_k w[i][k] · t[k]`, summed in the order of k.
///
/// # Safety
/// `y` must have `outputs` rows, `t` `columns` rows of `vectors` vectors, `w` as many elements, `bias` (or
/// null) `outputs`.
#[inline(always)]
pub(crate) unsafe fn multiply<V: Simd>(
    w: WeightMatrix,
    bias: *const f32,
    [outputs, columns, vectors]: [usize; 3],
    t: impl Source<V>,
    y: impl Target<V>,
    prefetch: &mut impl Prefetcher,
) {
    let mut i = 0;
    // SAFETY: tiles stay inside the bounds that the caller promises.
    unsafe {
        if V::LANES == 16 {
            while i + 8 <= outputs {
                multiply_rows::<V, 8, 3>(w, bias, i, columns, vectors, t, y, prefetch);
                i += 8;
            }
        }
        while i + 4 <= outputs {
            if V::LANES == 16 {
                multiply_rows::<V, 4, 4>(w, bias, i, columns, vectors, t, y, prefetch);
            } else {
                multiply_rows::<V, 4, 2>(w, bias, i, columns, vectors, t, y, prefetch);
            }
            i += 4;
        }
        while i < outputs {
            multiply_rows::<V, 1, 4>(w, bias, i, columns, vectors, t, y, prefetch);
            i += 1;
        }
    }
}

/// [`multiply`] in a function of its own: its sums stay in registers, whatever its caller holds.
pub(crate) struct Product<S, T> {
    pub(crate) w: WeightMatrix,
    pub(crate) bias: *const f32,
    pub(crate) sizes: [usize; 3],
    pub(crate) t: S,
    pub(crate) y: T,
}

impl<V: Simd, S: Source<V>, T: Target<V>> Work<V> for Product<S, T> {
    #[inline(always)]
    unsafe fn run(self) {
        let Self { w, bias, sizes, t, y } = self;
        // SAFETY: the caller's promise.
        unsafe { multiply::<V>(w, bias, sizes, t, y, &mut ()) }
    }
}

/// `I` outputs in tiles of `J` vectors.
#[inline(always)]
unsafe fn multiply_rows<V: Simd, const I: usize, const J: usize>(
    w: WeightMatrix,
    bias: *const f32,
    i: usize,
    columns: usize,
    vectors: usize,
    t: impl Source<V>,
    y: impl Target<V>,
    prefetch: &mut impl Prefetcher,
) {
    let mut j = 0;
    // SAFETY: as above.
    unsafe {
        while j + J <= vectors {
            multiply_tile::<V, I, J>(w, bias, i, j, columns, t, y, prefetch);
            j += J;
        }
        while j < vectors {
            multiply_tile::<V, I, 1>(w, bias, i, j, columns, t, y, prefetch);
            j += 1;
        }
    }
}

#[inline(always)]
unsafe fn multiply_tile<V: Simd, const I: usize, const J: usize>(
    w: WeightMatrix,
    bias: *const f32,
    i: usize,
    j: usize,
    columns: usize,
    t: impl Source<V>,
    y: impl Target<V>,
    prefetch: &mut impl Prefetcher,
) {
    // SAFETY: as above.
    unsafe {
        prefetch.ready();
        let mut sums = [[V::splat(0.0); J]; I];
        if !bias.is_null() {
            for (a, row) in sums.iter_mut().enumerate() {
                *row = [V::splat(*bias.add(i + a)); J];
            }
        }
        let mut weight = w.at.add(i * w.row);
        for k in 0..columns {
            prefetch.step(I * J * V::LANES);
            let mut x = [V::splat(0.0); J];
            for (b, x) in x.iter_mut().enumerate() {
                *x = t.get(k, j + b);
            }
            for (a, row) in sums.iter_mut().enumerate() {
                let weight = V::splat(*weight.add(a * w.row));
                for (sum, x) in row.iter_mut().zip(x) {
                    *sum = weight.mul_add(x, *sum);
                }
            }
            weight = weight.add(w.column);
        }
        for (a, row) in sums.iter().enumerate() {
            y.put(i + a, j, row);
        }
    }
}

/// `dw[i][k] += Σ_lanes Σ_pixels d[i] · t[k]`, over `pixels` blocks; `dw` has `columns` elements a row.
///
/// # Safety
/// `d` must have `outputs` rows and `t` `columns` rows of `pixels` blocks, `dw` outputs × columns elements.
#[inline(always)]
pub(crate) unsafe fn weight_gradient<V: Simd>(
    d: Rows<*const f32>,
    t: Rows<*const f32>,
    dw: *mut f32,
    outputs: usize,
    columns: usize,
    pixels: usize,
    prefetch: &mut impl Prefetcher,
) {
    // SAFETY: tiles stay inside the bounds that the caller promises.
    unsafe {
        if V::LANES == 16 {
            weight_gradient_tiles::<V, 4, 4, 1>(d, t, dw, outputs, columns, pixels, prefetch);
        } else {
            weight_gradient_tiles::<V, 2, 2, 2>(d, t, dw, outputs, columns, pixels, prefetch);
        }
    }
}

#[inline(always)]
unsafe fn weight_gradient_tiles<V: Simd, const I: usize, const K: usize, const P: usize>(
    d: Rows<*const f32>,
    t: Rows<*const f32>,
    dw: *mut f32,
    outputs: usize,
    columns: usize,
    pixels: usize,
    prefetch: &mut impl Prefetcher,
) {
    let (whole_outputs, whole_columns) = (outputs / I * I, columns / K * K);
    // SAFETY: as above.
    unsafe {
        for i in (0..whole_outputs).step_by(I) {
            for k in (0..whole_columns).step_by(K) {
                weight_gradient_tile::<V, I, K, P>(d, t, dw, i, k, columns, pixels, prefetch);
            }
            for k in whole_columns..columns {
                weight_gradient_tile::<V, I, 1, P>(d, t, dw, i, k, columns, pixels, prefetch);
            }
        }
        for i in whole_outputs..outputs {
            for k in (0..whole_columns).step_by(K) {
                weight_gradient_tile::<V, 1, K, P>(d, t, dw, i, k, columns, pixels, prefetch);
            }
            for k in whole_columns..columns {
                weight_gradient_tile::<V, 1, 1, P>(d, t, dw, i, k, columns, pixels, prefetch);
            }
        }
    }
}

#[inline(always)]
unsafe fn weight_gradient_tile<V: Simd, const I: usize, const K: usize, const P: usize>(
    d: Rows<*const f32>,
    t: Rows<*const f32>,
    dw: *mut f32,
    i: usize,
    k: usize,
    columns: usize,
    pixels: usize,
    prefetch: &mut impl Prefetcher,
) {
    // SAFETY: as above; P is V::PER_BLOCK.
    unsafe {
        prefetch.ready();
        let mut sums = [[[V::splat(0.0); P]; K]; I];
        let mut left = d.at.add(i * d.row);
        let mut right = t.at.add(k * t.row);
        for _ in 0..pixels {
            prefetch.step(I * K * BLOCK);
            for p in 0..P {
                let mut x = [V::splat(0.0); K];
                for (b, x) in x.iter_mut().enumerate() {
                    *x = V::load(right.add(b * t.row + p * V::LANES));
                }
                for (a, row) in sums.iter_mut().enumerate() {
                    let g = V::load(left.add(a * d.row + p * V::LANES));
                    for (sum, x) in row.iter_mut().zip(x) {
                        sum[p] = g.mul_add(x, sum[p]);
                    }
                }
            }
            left = left.add(P * V::LANES);
            right = right.add(P * V::LANES);
        }
        let to = |at: usize| dw.add((i + at / K) * columns + k + at % K);
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
