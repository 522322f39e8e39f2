//! Runs of pixels of several channels in scratch memory, and gradients as kernels read them into such.

use super::context::{Context, Lanes};
use super::simd::{Element, Simd};
use crate::program::{Gradient, Tensor};
use crate::shape::BLOCK;

/// Rows of vectors, `row` elements apart.
#[derive(Clone, Copy)]
pub(crate) struct Rows<T> {
    pub(crate) at: T,
    pub(crate) row: usize,
}

impl<T> Rows<*const T> {
    /// Those behind the first `rows`.
    #[inline(always)]
    pub(crate) fn skip(self, rows: usize) -> Self {
        Self { at: self.at.wrapping_add(rows * self.row), ..self }
    }
}

impl<T> Rows<*mut T> {
    /// Those behind the first `rows`.
    #[inline(always)]
    pub(crate) fn skip(self, rows: usize) -> Self {
        Self { at: self.at.wrapping_add(rows * self.row), ..self }
    }
}

/// The gradient of a block of an operation's outputs, as kernels read it.
pub(crate) struct OutputGradients<'a, V, E> {
    cx: &'a Context<'a>,
    gradient: &'a Gradient,
    block: usize,
    from: *const E,
    raw: *const E,
    scale: [f32; BLOCK],
    lanes: Lanes<V>,
}

impl<'a, V: Simd, E: Element> OutputGradients<'a, V, E> {
    /// Of a block.
    ///
    /// # Safety
    /// The gradient (and the coefficients of its normalisation) must be there.
    #[inline(always)]
    pub(crate) unsafe fn new(cx: &'a Context<'a>, gradient: &'a Gradient, block: usize) -> Self {
        // SAFETY: the caller's promise.
        let (scale, lanes) = unsafe { (cx.scale(gradient.scale, block), cx.lanes(block)) };
        let place = |tensor: Tensor| -> *const E { cx.memory.tensor(tensor, block) };
        let (from, raw) = (place(gradient.tensor), place(gradient.raw));
        Self { cx, gradient, block, from, raw, scale, lanes }
    }

    /// Reads a run of pixels of a channel, zero in idle lanes.
    ///
    /// # Safety
    /// They must be there, and room for them.
    #[inline(always)]
    pub(crate) unsafe fn read(&self, channel: usize, first_pixel: usize, pixels: usize, to: *mut f32) {
        let place = (channel * self.gradient.raw.shape.pixels() + first_pixel) * BLOCK;
        // SAFETY: the caller's promise.
        unsafe {
            let (from, raw) = (self.from.add(place), self.raw.add(place));
            let map = self.cx.gradient_map(self.gradient, channel);
            for part in 0..V::PER_BLOCK {
                let lane = part * V::LANES;
                let scale = V::load(self.scale.as_ptr().add(lane));
                if let Some([a, b, c]) = map {
                    let scale = V::splat(a).mul(scale);
                    let (slope, constant) = (V::splat(b), V::splat(c));
                    for pixel in 0..pixels {
                        let at = pixel * BLOCK + lane;
                        let value = slope.mul_add(E::load::<V>(raw.add(at)), constant);
                        scale.mul_add(E::load::<V>(from.add(at)), value).store(to.add(at));
                    }
                } else {
                    for pixel in 0..pixels {
                        let at = pixel * BLOCK + lane;
                        scale.mul(E::load::<V>(from.add(at))).store(to.add(at));
                    }
                }
                if self.cx.valid(self.block) < BLOCK {
                    for pixel in 0..pixels {
                        let at = to.add(pixel * BLOCK + lane);
                        self.lanes.keep(part, V::load(at)).store(at);
                    }
                }
            }
        }
    }
}

/// `dy` of a run of pixels, `[channel][pixel]`, zero in idle lanes.
///
/// # Safety
/// The gradient (and the coefficients of its normalisation) must be there.
#[inline(always)]
pub(crate) unsafe fn output_gradients<V: Simd, E: Element>(
    cx: &Context<'_>,
    gradient: &Gradient,
    block: usize,
    first_pixel: usize,
    pixels: usize,
    to: Rows<*mut f32>,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let gradients = OutputGradients::<V, E>::new(cx, gradient, block);
        for channel in 0..gradient.raw.shape.channels {
            gradients.read(channel, first_pixel, pixels, to.at.add(channel * to.row));
        }
    }
}

/// Writes zeros around `rows` rows of `floats` elements: so many rows of them above and below, and so many positions left
/// and right, where what is right of one row is left of the next.
///
/// # Safety
/// `to` must have rows + 2·margins[0] rows of `pitch` elements, and margins[1] positions more.
#[inline(always)]
pub(crate) unsafe fn zero_margins(
    to: *mut f32,
    floats: usize,
    rows: usize,
    margins: [usize; 2],
    pitch: usize,
) {
    let (first, side) = (margins[0] * pitch, margins[1] * BLOCK);
    // SAFETY: the caller's promise.
    unsafe {
        let zero = |at: usize, floats: usize| std::slice::from_raw_parts_mut(to.add(at), floats).fill(0.0);
        zero(0, first + side);
        for r in 0..rows {
            zero(first + r * pitch + side + floats, side);
        }
        zero(first + rows * pitch + side, first);
    }
}
