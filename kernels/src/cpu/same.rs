//! Depthwise convolutions with "same" padding: an output for every input pixel, or for every second one of every second row.
//! They read rows without zeros around them: which taps fall outside the image is known when a tile at its border is
//! compiled, and those are left out.
//!
//! For a stride of two the pixels of an input row lie in two halves: first those at even places, then those at odd ones.
//! What one tap reads for neighbouring outputs is then contiguous.

use std::marker::PhantomData;
use std::ops::Range;

use super::ahead::Lookahead;
use super::context::Reading;
use super::depthwise::add_lane_sums;
use super::matrix::Target;
use super::rows::Windows;
use super::simd::{Element, Vector, Work};
use crate::shape::BLOCK;

/// Most taps of a row of a kernel.
const ROW_MAX: usize = 5;

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
    taps: Taps,
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
enum Taps {
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
            $(Taps::$kernel => {
                type $name = $kernel;
                $call
            })*
        }
    };
}

impl Same {
    /// The windows as such a convolution, where they are one that is compiled: rows of outputs are one tile of four pixels or
    /// tiles of eight.
    pub(super) fn of(w: &Windows) -> Option<Self> {
        let taps = match (w.stride, w.kernel, w.dilation) {
            (1, 3, 1) => Taps::Three,
            (1, 5, 1) => Taps::Five,
            (1, 3, 2) => Taps::DilatedThree,
            (1, 5, 2) => Taps::DilatedFive,
            (2, 3, 1) => Taps::HalvingThree,
            (2, 5, 1) => Taps::HalvingFive,
            (2, 3, 2) => Taps::HalvingDilatedThree,
            (2, 5, 2) => Taps::HalvingDilatedFive,
            _ => return None,
        };
        let (stride, reach, width) = (w.stride, (w.extent() - 1) / 2, w.output.width);
        let is_same = w.origin == reach as isize
            && [w.input.height, w.input.width] == [stride * w.output.height, stride * width];
        let is_tiles = width == 4 || width.is_multiple_of(8);
        (is_same && is_tiles).then_some(Self { taps, stride, reach, width, height: w.input.height })
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

    /// Copies `rows` input rows of a channel as they are read, for a stride of two in halves.
    ///
    /// # Safety
    /// `from` must be the first row, and `to` have room.
    #[inline(always)]
    pub(super) unsafe fn read<V: Vector, E: Element>(
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
            for half in 0..2 * rows {
                // The half's first pixel.
                let from = from.add((half / 2 * 2 * self.width + half % 2) * BLOCK);
                reading.read(from, 2, to.add(half * self.width * BLOCK), self.width);
            }
        }
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
        with_taps!(self.taps, T => unsafe {
            V::apart(Slide::<T, _, _> { same: self, from: x, weights, rows, to, ahead, taps: PhantomData });
        });
    }

    /// Gradients of input rows `rows` from those of output rows.
    ///
    /// # Safety
    /// `weights` must be those of the channel, and `to` hold the rows. `d` may be any output rows: others count as zeros.
    #[inline(always)]
    pub(super) unsafe fn backward<V: Vector, E: Element>(
        &self,
        d: &ImageRows,
        weights: *const f32,
        rows: Range<usize>,
        to: &Gated<E>,
        ahead: &mut impl Lookahead,
    ) {
        // SAFETY: the caller's promise.
        with_taps!(self.taps, T => unsafe {
            V::apart(SlideBack::<T, _, _> { same: self, from: d, weights, rows, to, ahead, taps: PhantomData });
        });
    }

    /// Adds to the gradients of the channel's weights what output rows `d` give, of input rows `x`.
    ///
    /// # Safety
    /// `x` must be what the output rows [read](Self::image_rows).
    #[inline(always)]
    pub(super) unsafe fn weight_gradients<V: Vector>(&self, d: &ImageRows, x: &ImageRows, dw: &mut [f32]) {
        // SAFETY: the caller's promise.
        with_taps!(self.taps, T => unsafe {
            V::apart(WeightGradients::<T> { same: self, d, x, dw, taps: PhantomData });
        });
    }
}

/// Rows of input gradients on their way through the ReLU's gate to a sink.
pub(super) struct Gated<E> {
    /// The rows as the operation [read](Same::read) them, where through a ReLU: it passes what is positive.
    pub(super) gate: Option<*const f32>,
    pub(super) to: *mut E,
    /// So many rows are added to what is there.
    pub(super) accumulated: usize,
}

/// The taps of a row of a kernel.
trait RowTaps {
    /// Taps of a row, and rows.
    const COUNT: usize;
    /// Pixels from tap to tap.
    const DILATION: usize;
    const STRIDE: usize;

    /// Adds to the sums of `X` output pixels what the row's taps read of the input row `at`, whose halves are `half` elements
    /// apart. `LEFT`, `RIGHT`: the image ends there.
    ///
    /// # Safety
    /// The taps' pixels inside the image must be there, and a weight for each tap.
    unsafe fn add<V: Vector, const X: usize, const LEFT: bool, const RIGHT: bool>(
        sums: &mut [[V; 2]; X],
        at: *const f32,
        half: usize,
        weights: *const f32,
    );

    /// Adds to the sums of `X` input pixels of a half what output pixels of row `at` give that read them.
    ///
    /// # Safety
    /// As [`add`](Self::add).
    unsafe fn add_back<V: Vector, const X: usize, const HALF: usize, const LEFT: bool, const RIGHT: bool>(
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
        half: usize,
        part: usize,
    );
}

/// Kernels by the half of the input row that each tap of a row reads, and the pixel of it, from the output pixel on.
macro_rules! row_taps {
    ($name:ident, $stride:literal, $dilation:literal, [$($half:literal $shift:literal),*]) => {
        struct $name;

        impl RowTaps for $name {
            const COUNT: usize = [$($shift),*].len();
            const DILATION: usize = $dilation;
            const STRIDE: usize = $stride;

            #[inline(always)]
            unsafe fn add<V: Vector, const X: usize, const LEFT: bool, const RIGHT: bool>(
                sums: &mut [[V; 2]; X],
                at: *const f32,
                half: usize,
                weights: *const f32,
            ) {
                let mut tap = 0..Self::COUNT;
                // SAFETY: the caller's promise.
                unsafe {
                    $(
                        let weight = weights.add(tap.next().unwrap_or_default());
                        add_tap::<V, X, $shift, LEFT, RIGHT>(sums, at.add($half * half), weight);
                    )*
                }
            }

            #[inline(always)]
            unsafe fn add_back<
                V: Vector,
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
            unsafe fn add_products<V: Vector, const X: usize, const P: usize, const LEFT: bool, const RIGHT: bool>(
                sums: &mut [[[V; P]; 2]],
                d: *const f32,
                at: *const f32,
                half: usize,
                part: usize,
            ) {
                let mut sums = sums.iter_mut();
                // SAFETY: the caller's promise.
                unsafe {
                    $(
                        if let Some(sums) = sums.next() {
                            let at = at.add($half * half);
                            add_tap_products::<V, X, P, $shift, LEFT, RIGHT>(sums, d, at, part);
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

/// Output rows.
struct Slide<'a, T, O, A> {
    same: &'a Same,
    from: &'a ImageRows,
    weights: *const f32,
    rows: Range<usize>,
    to: O,
    ahead: &'a mut A,
    taps: PhantomData<T>,
}

impl<V: Vector, T: RowTaps, O: Target<V>, A: Lookahead> Work<V> for Slide<'_, T, O, A> {
    #[inline(always)]
    unsafe fn run(self) {
        let Self { same, from, weights, rows, to, ahead, .. } = self;
        // SAFETY: rows outside `from` are left out; so are pixels outside the image.
        unsafe {
            for (r, y) in rows.enumerate() {
                let mut list = TapRows::new();
                for tap in 0..T::COUNT {
                    // A row before the first one wraps beyond the last.
                    let row = (y * T::STRIDE + tap * T::DILATION).wrapping_sub(same.reach);
                    list.push(from, row, same.input_row(), weights.add(tap * T::COUNT));
                }
                let half = same.width * BLOCK;
                let list = &list.list[..list.count];
                let mut row = SlidRow::<V, T, _, _> { list, half, r, to, ahead, kinds: PhantomData };
                for_tiles::<V>(same.width, &mut row);
            }
        }
    }
}

/// Gradients of input rows.
struct SlideBack<'a, T, E, A> {
    same: &'a Same,
    from: &'a ImageRows,
    weights: *const f32,
    rows: Range<usize>,
    to: &'a Gated<E>,
    ahead: &'a mut A,
    taps: PhantomData<T>,
}

impl<V: Vector, T: RowTaps, E: Element, A: Lookahead> Work<V> for SlideBack<'_, T, E, A> {
    #[inline(always)]
    unsafe fn run(self) {
        let Self { same, from, weights, rows, to, ahead, .. } = self;
        // SAFETY: as in `Slide`.
        unsafe {
            for (r, y) in rows.enumerate() {
                let mut list = TapRows::new();
                for tap in 0..T::COUNT {
                    let row = (y + same.reach).wrapping_sub(tap * T::DILATION);
                    if row.is_multiple_of(T::STRIDE) {
                        list.push(from, row / T::STRIDE, same.width * BLOCK, weights.add(tap * T::COUNT));
                    }
                }
                let list = &list.list[..list.count];
                let gate = to.gate.map(|gate| gate.add(r * same.input_row()));
                let (at, accumulate) = (to.to.add(r * same.input_row()), r < to.accumulated);
                let kinds = PhantomData;
                let mut even = SlidBackRow::<V, T, E, _, 0> { list, gate, to: at, accumulate, ahead, kinds };
                for_tiles::<V>(same.width, &mut even);
                if T::STRIDE == 2 {
                    let gate = gate.map(|gate| gate.add(same.width * BLOCK));
                    let mut odd =
                        SlidBackRow::<V, T, E, _, 1> { list, gate, to: at, accumulate, ahead, kinds };
                    for_tiles::<V>(same.width, &mut odd);
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
    half: usize,
    r: usize,
    to: O,
    ahead: &'a mut A,
    kinds: PhantomData<(V, T)>,
}

impl<V: Vector, T: RowTaps, O: Target<V>, A: Lookahead> Row for SlidRow<'_, V, T, O, A> {
    #[inline(always)]
    unsafe fn tile<const X: usize, const LEFT: bool, const RIGHT: bool>(&mut self, x: usize) {
        // SAFETY: the rows are there, and taps outside the image are left out.
        unsafe {
            self.ahead.ready();
            let mut sums = [[V::splat(0.0); 2]; X];
            for &(at, weights) in self.list {
                self.ahead.step(T::COUNT * X * BLOCK);
                T::add::<V, X, LEFT, RIGHT>(&mut sums, at.add(x * BLOCK), self.half, weights);
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
    /// The half.
    gate: Option<*const f32>,
    /// The row.
    to: *mut E,
    accumulate: bool,
    ahead: &'a mut A,
    kinds: PhantomData<(V, T)>,
}

impl<V: Vector, T: RowTaps, E: Element, A: Lookahead, const HALF: usize> Row
    for SlidBackRow<'_, V, T, E, A, HALF>
{
    #[inline(always)]
    unsafe fn tile<const X: usize, const LEFT: bool, const RIGHT: bool>(&mut self, x: usize) {
        // SAFETY: as above.
        unsafe {
            self.ahead.ready();
            let zero = V::splat(0.0);
            let mut sums = [[zero; 2]; X];
            for &(at, weights) in self.list {
                self.ahead.step(T::COUNT * X * BLOCK / T::STRIDE);
                T::add_back::<V, X, HALF, LEFT, RIGHT>(&mut sums, at.add(x * BLOCK), weights);
            }
            for (j, sums) in sums.iter().enumerate() {
                for (part, &sum) in sums.iter().enumerate().take(V::PER_BLOCK) {
                    let lane = part * V::LANES;
                    let to = self.to.add(((x + j) * T::STRIDE + HALF) * BLOCK + lane);
                    let mut value = sum;
                    if let Some(gate) = self.gate {
                        let gate = V::load(gate.add((x + j) * BLOCK + lane));
                        value = gate.select_greater(zero, value, zero);
                    }
                    if self.accumulate {
                        value = value.add(E::load::<V>(to));
                    }
                    E::store(value, to);
                }
            }
        }
    }
}

/// Sums for the gradients of the weights.
struct WeightGradients<'a, T> {
    same: &'a Same,
    d: &'a ImageRows,
    x: &'a ImageRows,
    dw: &'a mut [f32],
    taps: PhantomData<T>,
}

impl<V: Vector, T: RowTaps> Work<V> for WeightGradients<'_, T> {
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
unsafe fn weight_gradients<V: Vector, T: RowTaps, const P: usize>(
    same: &Same,
    d: &ImageRows,
    x: &ImageRows,
    dw: &mut [f32],
) {
    let half = same.width * BLOCK;
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
                    let d = d.at.add((y - d.rows.start) * half);
                    let read = y * T::STRIDE + shift - same.reach;
                    let at = x.at.add((read - x.rows.start) * same.input_row());
                    let mut row = ProductsRow::<V, T, P> { d, at, half, part, sums, kinds: PhantomData };
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
    half: usize,
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
            let sums = &mut self.sums[..T::COUNT];
            T::add_products::<V, X, P, LEFT, RIGHT>(sums, d, at, self.half, self.part);
        }
    }
}
