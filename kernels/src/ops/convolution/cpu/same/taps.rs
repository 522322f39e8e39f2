//! The taps of a row of a kernel, and the tiles of a row of pixels: which taps of a tile fall outside the image is known when
//! they are compiled.

use crate::cpu::Simd;
use crate::shape::BLOCK;

/// Most taps of a row of a kernel.
pub(super) const ROW_MAX: usize = 5;

/// The taps of a row of a kernel.
pub(super) trait RowTaps {
    /// Taps of a row, and rows.
    const COUNT: usize;
    /// Pixels from tap to tap.
    const DILATION: usize;
    const STRIDE: usize;

    /// Adds to the sums of `X` output pixels what the row's taps read of the input row `at`, whose halves are
    /// `half_row_stride` elements apart. `LEFT`, `RIGHT`: the image ends there.
    ///
    /// # Safety
    /// The taps' pixels inside the image must be there, and a weight for each tap.
    unsafe fn add<V: Simd, const X: usize, const LEFT: bool, const RIGHT: bool>(
        sums: &mut [[V; 2]; X],
        at: *const f32,
        half_row_stride: usize,
        weights: *const f32,
    );

    /// Adds to the sums of `X` input pixels of a half what output pixels of row `at` give that read them.
    ///
    /// # Safety
    /// As [`add`](Self::add).
    unsafe fn add_back<V: Simd, const X: usize, const HALF: usize, const LEFT: bool, const RIGHT: bool>(
        sums: &mut [[V; 2]; X],
        at: *const f32,
        weights: *const f32,
    );

    /// Adds to sums of each tap, of even pixels and of odd ones, the products of the gradients of `X` pixels, from pixel `skip`
    /// on, with what the tap reads: of `P` vectors of a block from `part` on.
    ///
    /// # Safety
    /// As [`add`](Self::add).
    unsafe fn add_products<V: Simd, const X: usize, const P: usize, const LEFT: bool, const RIGHT: bool>(
        sums: &mut [[[V; P]; 2]],
        d: *const f32,
        at: *const f32,
        half_row_stride: usize,
        part: usize,
        skip: usize,
    );
}

/// Kernels by the half of the input row that each tap of a row reads, and the pixel of it, from the output pixel on.
macro_rules! row_taps {
    ($name:ident, $stride:literal, $dilation:literal, [$($half:literal $shift:literal),*]) => {
        pub(super) struct $name;

        impl RowTaps for $name {
            const COUNT: usize = [$($shift),*].len();
            const DILATION: usize = $dilation;
            const STRIDE: usize = $stride;

            #[inline(always)]
            unsafe fn add<V: Simd, const X: usize, const LEFT: bool, const RIGHT: bool>(
                sums: &mut [[V; 2]; X],
                at: *const f32,
                half_row_stride: usize,
                weights: *const f32,
            ) {
                let mut tap = 0..Self::COUNT;
                // SAFETY: the caller's promise.
                unsafe {
                    $(
                        let weight = weights.add(tap.next().unwrap_or_default());
                        add_tap::<V, X, $shift, LEFT, RIGHT>(sums, at.add($half * half_row_stride), weight);
                    )*
                }
            }

            #[inline(always)]
            unsafe fn add_back<
                V: Simd,
                const X: usize,
                const HALF: usize,
                const LEFT: bool,
                const RIGHT: bool,
            >(
                sums: &mut [[V; 2]; X],
                at: *const f32,
                weights: *const f32,
            ) {
                let mut tap = 0..Self::COUNT;
                // SAFETY: the caller's promise.
                unsafe {
                    $(
                        let weight = weights.add(tap.next().unwrap_or_default());
                        if $half == HALF {
                            add_tap::<V, X, { -$shift }, LEFT, RIGHT>(sums, at, weight);
                        }
                    )*
                }
            }

            #[inline(always)]
            unsafe fn add_products<V: Simd, const X: usize, const P: usize, const LEFT: bool, const RIGHT: bool>(
                sums: &mut [[[V; P]; 2]],
                d: *const f32,
                at: *const f32,
                half_row_stride: usize,
                part: usize,
                skip: usize,
            ) {
                let mut sums = sums.iter_mut();
                // SAFETY: the caller's promise.
                unsafe {
                    $(
                        if let Some(sums) = sums.next() {
                            let at = at.add($half * half_row_stride);
                            add_tap_products::<V, X, P, $shift, LEFT, RIGHT>(sums, d, at, part, skip);
                        }
                    )*
                }
            }
        }
    };
}

row_taps!(Three, 1, 1, [0 -1, 0 0, 0 1]);
row_taps!(Five, 1, 1, [0 -2, 0 -1, 0 0, 0 1, 0 2]);
row_taps!(DilatedThree, 1, 2, [0 -2, 0 0, 0 2]);
row_taps!(DilatedFive, 1, 2, [0 -4, 0 -2, 0 0, 0 2, 0 4]);
row_taps!(HalvingThree, 2, 1, [1 -1, 0 0, 1 0]);
row_taps!(HalvingFive, 2, 1, [0 -1, 1 -1, 0 0, 1 0, 0 1]);
row_taps!(HalvingDilatedThree, 2, 2, [0 -1, 0 0, 0 1]);
row_taps!(HalvingDilatedFive, 2, 2, [0 -2, 0 -1, 0 0, 0 1, 0 2]);

/// Whether the tap `shift` pixels from pixel `x` of a tile of `X` is inside the image.
#[inline(always)]
const fn is_inside<const X: usize, const LEFT: bool, const RIGHT: bool>(x: usize, shift: isize) -> bool {
    let place = x as isize + shift;
    !(LEFT && place < 0 || RIGHT && place >= X as isize)
}

#[inline(always)]
unsafe fn add_tap<V: Simd, const X: usize, const SHIFT: isize, const LEFT: bool, const RIGHT: bool>(
    sums: &mut [[V; 2]; X],
    at: *const f32,
    weight: *const f32,
) {
    // SAFETY: as the trait says.
    unsafe {
        let weight = V::splat(*weight);
        for (x, sums) in sums.iter_mut().enumerate() {
            if is_inside::<X, LEFT, RIGHT>(x, SHIFT) {
                let at = at.offset((x as isize + SHIFT) * BLOCK as isize);
                for (part, sum) in sums.iter_mut().enumerate().take(V::PER_BLOCK) {
                    *sum = weight.mul_add(V::load(at.add(part * V::LANES)), *sum);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn add_tap_products<
    V: Simd,
    const X: usize,
    const P: usize,
    const SHIFT: isize,
    const LEFT: bool,
    const RIGHT: bool,
>(
    sums: &mut [[V; P]; 2],
    d: *const f32,
    at: *const f32,
    part: usize,
    skip: usize,
) {
    // SAFETY: as the trait says; a block has at most two vectors.
    unsafe {
        for x in 0..X {
            // A tile that begins a row skips nothing, which is known when it is compiled.
            if is_inside::<X, LEFT, RIGHT>(x, SHIFT) && (LEFT || x >= skip) {
                let at = at.offset((x as isize + SHIFT) * BLOCK as isize);
                for (p, sum) in sums[x % 2].iter_mut().enumerate().take(V::PER_BLOCK) {
                    let lane = (part + p) * V::LANES;
                    *sum = V::load(d.add(x * BLOCK + lane)).mul_add(V::load(at.add(lane)), *sum);
                }
            }
        }
    }
}

/// What is done with each tile of a row.
pub(super) trait Row {
    /// Pixels `x + skip .. x + X`; those before them were in the last tile. `LEFT`, `RIGHT`: the image ends there.
    ///
    /// # Safety
    /// As the row's fields say.
    unsafe fn tile<const X: usize, const LEFT: bool, const RIGHT: bool>(&mut self, x: usize, skip: usize);
}

/// Pixels of a tile: its sums are as many as the registers hold.
const fn tile<V: Simd>() -> usize {
    if V::PER_BLOCK == 1 { 8 } else { 4 }
}

/// Whether a row of `width` pixels, whose taps reach `reach` pixels far, is one tile or is covered by several: one at each end,
/// and such between them whose taps stay inside.
pub(super) fn has_tiles<V: Simd>(width: usize, reach: usize) -> bool {
    let tile = tile::<V>();
    let (ends, inside) = (width >= tile + reach, width >= tile + 2 * reach);
    matches!(width, 4 | 7) || width == tile || ends && (width <= 2 * tile || inside)
}

/// Goes through a row of `width` pixels in tiles, of which neighbours may overlap.
///
/// # Safety
/// As [`Row::tile`]; the row must [have](has_tiles) tiles.
#[inline(always)]
pub(super) unsafe fn for_tiles<V: Simd>(width: usize, reach: usize, row: &mut impl Row) {
    // SAFETY: the caller's promise.
    unsafe {
        match width {
            4 => row.tile::<4, true, true>(0, 0),
            7 => row.tile::<7, true, true>(0, 0),
            _ if V::PER_BLOCK == 1 => for_tiles_of::<8>(width, reach, row),
            _ => for_tiles_of::<4>(width, reach, row),
        }
    }
}

#[inline(always)]
unsafe fn for_tiles_of<const X: usize>(width: usize, reach: usize, row: &mut impl Row) {
    // SAFETY: as above.
    unsafe {
        if width == X {
            return row.tile::<X, true, true>(0, 0);
        }
        row.tile::<X, true, false>(0, 0);
        let mut done = X;
        while done + X < width {
            let x = done.min(width - X - reach);
            row.tile::<X, false, false>(x, done - x);
            done = x + X;
        }
        row.tile::<X, false, true>(width - X, done + X - width);
    }
}
