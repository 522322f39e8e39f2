//! Depthwise convolutions with "same" padding: an output for every input pixel. They read rows as these lie, without zeros
//! around them: which taps fall outside the image is known when a tile at its border is compiled, and those are left out.

use std::marker::PhantomData;
use std::ops::Range;

use super::ahead::Lookahead;
use super::depthwise::add_lane_sums;
use super::matrix::Target;
use super::rows::Windows;
use super::simd::Vector;
use crate::shape::BLOCK;

/// Most taps of a row of a kernel.
const ROW_MAX: usize = 5;

/// Rows of one channel of a block, one after the other.
pub(super) struct ImageRows {
    /// The first one's first pixel.
    pub(super) at: *const f32,
    /// Which rows of the image they are.
    pub(super) rows: Range<usize>,
}

/// A depthwise convolution of stride 1 that keeps the size of the image.
#[derive(Clone, Copy)]
pub(super) struct Same {
    taps: Taps,
    /// Rows and pixels from the middle tap to the last.
    reach: usize,
    width: usize,
    height: usize,
}

/// Kernels that are compiled.
#[derive(Clone, Copy)]
enum Taps {
    Three,
    Five,
    DilatedThree,
    DilatedFive,
}

/// Chooses what is compiled for a kernel.
macro_rules! with_taps {
    ($taps:expr, $name:ident => $call:expr) => {
        match $taps {
            Taps::Three => {
                type $name = Three;
                $call
            }
            Taps::Five => {
                type $name = Five;
                $call
            }
            Taps::DilatedThree => {
                type $name = DilatedThree;
                $call
            }
            Taps::DilatedFive => {
                type $name = DilatedFive;
                $call
            }
        }
    };
}

impl Same {
    /// The windows as such a convolution, where they are one that is compiled: rows are one tile of four pixels or tiles of
    /// eight.
    pub(super) fn of(w: &Windows) -> Option<Self> {
        let taps = match (w.kernel, w.dilation) {
            (3, 1) => Taps::Three,
            (5, 1) => Taps::Five,
            (3, 2) => Taps::DilatedThree,
            (5, 2) => Taps::DilatedFive,
            _ => return None,
        };
        let reach = (w.extent() - 1) / 2;
        let keeps_size = w.stride == 1
            && w.origin == reach as isize
            && [w.input.height, w.input.width] == [w.output.height, w.output.width];
        let (width, height) = (w.input.width, w.input.height);
        (keeps_size && (width == 4 || width.is_multiple_of(8))).then_some(Self { taps, reach, width, height })
    }

    /// The rows that `rows` output rows from `first` on read, which lie at `at`.
    #[inline(always)]
    pub(super) fn image_rows(&self, at: *const f32, first: usize, rows: usize) -> ImageRows {
        ImageRows { at, rows: first.saturating_sub(self.reach)..(first + rows + self.reach).min(self.height) }
    }

    /// Output rows `rows`: row i of `to` is the i-th of them.
    ///
    /// # Safety
    /// `x` must be what they [read](Self::image_rows), `weights` be those of the channel, and `to` have room.
    #[inline(always)]
    pub(super) unsafe fn forward<V: Vector>(
        &self,
        x: &ImageRows,
        weights: *const f32,
        rows: Range<usize>,
        to: impl Target<V>,
        ahead: &mut impl Lookahead,
    ) {
        // SAFETY: the caller's promise.
        with_taps!(self.taps, T => unsafe { slide::<V, T, false>(self, x, weights, rows, to, ahead) });
    }

    /// Gradients of input rows `rows` from those of output rows: row i of `to` is the i-th of them.
    ///
    /// # Safety
    /// As [`forward`](Self::forward), except that `d` may hold any output rows: others count as zeros.
    #[inline(always)]
    pub(super) unsafe fn backward<V: Vector>(
        &self,
        d: &ImageRows,
        weights: *const f32,
        rows: Range<usize>,
        to: impl Target<V>,
        ahead: &mut impl Lookahead,
    ) {
        // SAFETY: the caller's promise.
        with_taps!(self.taps, T => unsafe { slide::<V, T, true>(self, d, weights, rows, to, ahead) });
    }

    /// Adds to the gradients of the channel's weights what output rows `d` give, of input rows `x`.
    ///
    /// # Safety
    /// `x` must be what the output rows [read](Self::image_rows).
    #[inline(always)]
    pub(super) unsafe fn weight_gradients<V: Vector>(&self, d: &ImageRows, x: &ImageRows, dw: &mut [f32]) {
        // SAFETY: the caller's promise.
        with_taps!(self.taps, T => unsafe {
            // A block of two vectors has twice as many sums, and half as many registers.
            if V::PER_BLOCK > 1 && T::COUNT > 3 {
                weight_gradients::<V, T, 1>(self, d, x, dw);
            } else {
                weight_gradients::<V, T, 2>(self, d, x, dw);
            }
        });
    }
}

/// The taps of a row of a kernel.
trait RowTaps {
    /// Taps of a row, and rows.
    const COUNT: usize;
    /// Pixels from tap to tap.
    const DILATION: usize;

    /// Adds to the sums of `X` pixels what the row's taps read: those of the pixels' own row `at`, to the left and the right,
    /// or, for gradients of inputs (`BACK`), of what reads the pixels through them. `LEFT`, `RIGHT`: the image ends there.
    ///
    /// # Safety
    /// The taps' pixels inside the image must be there, and a weight for each tap.
    unsafe fn add<V: Vector, const X: usize, const BACK: bool, const LEFT: bool, const RIGHT: bool>(
        sums: &mut [[V; 2]; X],
        at: *const f32,
        weights: *const f32,
    );

    /// Adds to sums of each tap, of even pixels and of odd ones, the products of the gradients of `X` pixels with what the tap
    /// reads: of `P` vectors of a block from `part` on.
    ///
    /// # Safety
    /// As [`add`](Self::add).
    unsafe fn add_products<V: Vector, const X: usize, const P: usize, const LEFT: bool, const RIGHT: bool>(
        sums: &mut [[[V; P]; 2]],
        d: *const f32,
        at: *const f32,
        part: usize,
    );
}

macro_rules! row_taps {
    ($name:ident, $dilation:literal, [$($shift:literal),*]) => {
        struct $name;

        impl RowTaps for $name {
            const COUNT: usize = [$($shift),*].len();
            const DILATION: usize = $dilation;

            #[inline(always)]
            unsafe fn add<V: Vector, const X: usize, const BACK: bool, const LEFT: bool, const RIGHT: bool>(
                sums: &mut [[V; 2]; X],
                at: *const f32,
                weights: *const f32,
            ) {
                let mut tap = 0..Self::COUNT;
                // SAFETY: the caller's promise.
                unsafe {
                    $(
                        let weight = weights.add(tap.next().unwrap_or_default());
                        if BACK {
                            add_tap::<V, X, { -$shift }, LEFT, RIGHT>(sums, at, weight);
                        } else {
                            add_tap::<V, X, $shift, LEFT, RIGHT>(sums, at, weight);
                        }
                    )*
                }
            }

            #[inline(always)]
            unsafe fn add_products<V: Vector, const X: usize, const P: usize, const LEFT: bool, const RIGHT: bool>(
                sums: &mut [[[V; P]; 2]],
                d: *const f32,
                at: *const f32,
                part: usize,
            ) {
                let mut sums = sums.iter_mut();
                // SAFETY: the caller's promise.
                unsafe {
                    $(
                        if let Some(sums) = sums.next() {
                            add_tap_products::<V, X, P, $shift, LEFT, RIGHT>(sums, d, at, part);
                        }
                    )*
                }
            }
        }
    };
}

row_taps!(Three, 1, [-1, 0, 1]);
row_taps!(Five, 1, [-2, -1, 0, 1, 2]);
row_taps!(DilatedThree, 2, [-2, 0, 2]);
row_taps!(DilatedFive, 2, [-4, -2, 0, 2, 4]);

/// Whether the tap `shift` pixels from pixel `x` of a tile of `X` is inside the image.
#[inline(always)]
const fn is_inside<const X: usize, const LEFT: bool, const RIGHT: bool>(x: usize, shift: isize) -> bool {
    let place = x as isize + shift;
    !(LEFT && place < 0 || RIGHT && place >= X as isize)
}

#[inline(always)]
unsafe fn add_tap<V: Vector, const X: usize, const SHIFT: isize, const LEFT: bool, const RIGHT: bool>(
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
    V: Vector,
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
) {
    // SAFETY: as the trait says; a block has at most two vectors.
    unsafe {
        for x in 0..X {
            if is_inside::<X, LEFT, RIGHT>(x, SHIFT) {
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
trait Row {
    /// Pixels `x .. x + X`. `LEFT`, `RIGHT`: the image ends there.
    ///
    /// # Safety
    /// As the row's fields say.
    unsafe fn tile<const X: usize, const LEFT: bool, const RIGHT: bool>(&mut self, x: usize);
}

/// Goes through a row of `width` pixels in tiles: of eight where registers hold their sums.
///
/// # Safety
/// As [`Row::tile`].
#[inline(always)]
unsafe fn for_tiles<V: Vector>(width: usize, row: &mut impl Row) {
    // SAFETY: the caller's promise.
    unsafe {
        if width == 4 {
            row.tile::<4, true, true>(0);
        } else if V::PER_BLOCK == 1 {
            for_tiles_of::<8>(width, row);
        } else {
            for_tiles_of::<4>(width, row);
        }
    }
}

#[inline(always)]
unsafe fn for_tiles_of<const X: usize>(width: usize, row: &mut impl Row) {
    // SAFETY: as above.
    unsafe {
        if width == X {
            return row.tile::<X, true, true>(0);
        }
        row.tile::<X, true, false>(0);
        for x in (X..width - X).step_by(X) {
            row.tile::<X, false, false>(x);
        }
        row.tile::<X, false, true>(width - X);
    }
}

/// Sums over all taps for rows `rows` of the image.
#[inline(always)]
unsafe fn slide<V: Vector, T: RowTaps, const BACK: bool>(
    same: &Same,
    from: &ImageRows,
    weights: *const f32,
    rows: Range<usize>,
    to: impl Target<V>,
    ahead: &mut impl Lookahead,
) {
    // SAFETY: rows outside `from` are left out; so are pixels outside the image.
    unsafe {
        for (r, y) in rows.enumerate() {
            let mut list = [(std::ptr::null(), std::ptr::null()); ROW_MAX];
            let mut count = 0;
            for tap in 0..T::COUNT {
                let shift = tap * T::DILATION;
                // Without a wrap none of these sums is negative; a row before the first one wraps beyond the last.
                let row = if BACK { y + same.reach - shift } else { (y + shift).wrapping_sub(same.reach) };
                if from.rows.contains(&row) {
                    let at = from.at.add((row - from.rows.start) * same.width * BLOCK);
                    list[count] = (at, weights.add(tap * T::COUNT));
                    count += 1;
                }
            }
            let mut row =
                SlidRow::<V, T, _, _, BACK> { list: &list[..count], r, to, ahead, kinds: PhantomData };
            for_tiles::<V>(same.width, &mut row);
        }
    }
}

/// An output row, or (`BACK`) one of the input's gradients: the rows that its taps read, each with the taps' weights.
struct SlidRow<'a, V, T, O, A, const BACK: bool> {
    list: &'a [(*const f32, *const f32)],
    to: O,
    r: usize,
    ahead: &'a mut A,
    kinds: PhantomData<(V, T)>,
}

impl<V: Vector, T: RowTaps, O: Target<V>, A: Lookahead, const BACK: bool> Row
    for SlidRow<'_, V, T, O, A, BACK>
{
    #[inline(always)]
    unsafe fn tile<const X: usize, const LEFT: bool, const RIGHT: bool>(&mut self, x: usize) {
        // SAFETY: the rows are there, and taps outside the image are left out.
        unsafe {
            self.ahead.ready();
            let mut sums = [[V::splat(0.0); 2]; X];
            for &(at, weights) in self.list {
                self.ahead.step(T::COUNT * X * BLOCK);
                T::add::<V, X, BACK, LEFT, RIGHT>(&mut sums, at.add(x * BLOCK), weights);
            }
            for (j, sums) in sums.iter().enumerate() {
                self.to.put(self.r, (x + j) * V::PER_BLOCK, &sums[..V::PER_BLOCK]);
            }
        }
    }
}

/// Sums of `P` of a block's vectors at a time.
#[inline(always)]
unsafe fn weight_gradients<V: Vector, T: RowTaps, const P: usize>(
    same: &Same,
    d: &ImageRows,
    x: &ImageRows,
    dw: &mut [f32],
) {
    let row = same.width * BLOCK;
    // SAFETY: rows outside `x` are left out; so are pixels outside the image.
    unsafe {
        for (tap, dw) in dw.chunks_exact_mut(T::COUNT).enumerate() {
            // The output rows that read a row that is there.
            let shift = tap * T::DILATION;
            let begin = d.rows.start.max((x.rows.start + same.reach).saturating_sub(shift));
            let end = d.rows.end.min((x.rows.end + same.reach).saturating_sub(shift));
            let mut totals = [[V::splat(0.0); 2]; ROW_MAX];
            for part in (0..V::PER_BLOCK).step_by(P) {
                let mut sums = [[[V::splat(0.0); P]; 2]; ROW_MAX];
                for y in begin..end {
                    let d = d.at.add((y - d.rows.start) * row);
                    let at = x.at.add((y + shift - same.reach - x.rows.start) * row);
                    let mut row = ProductsRow::<V, T, P> { d, at, part, sums, kinds: PhantomData };
                    for_tiles::<V>(same.width, &mut row);
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
    part: usize,
    sums: [[[V; P]; 2]; ROW_MAX],
    kinds: PhantomData<T>,
}

impl<V: Vector, T: RowTaps, const P: usize> Row for ProductsRow<V, T, P> {
    #[inline(always)]
    unsafe fn tile<const X: usize, const LEFT: bool, const RIGHT: bool>(&mut self, x: usize) {
        // SAFETY: both rows are there, and taps outside the image are left out.
        unsafe {
            let (d, at) = (self.d.add(x * BLOCK), self.at.add(x * BLOCK));
            T::add_products::<V, X, P, LEFT, RIGHT>(&mut self.sums[..T::COUNT], d, at, self.part);
        }
    }
}
