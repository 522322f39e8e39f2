//! Both ends of products whose columns are the input's pixels one by one: they read and write activations where these lie.

use super::Convolution;
use super::matrix::{Source, Target};
use crate::cpu::{BlockSink, Context, Element, Rows, Simd};
use crate::shape::BLOCK;

/// The input's pixels as a convolution reads them that goes from pixel to pixel, `[channel][pixel]`.
pub(super) struct Pixels<'a, E> {
    cx: &'a Context<'a>,
    op: &'a Convolution,
    from: *const E,
    /// The channel that counts as the first.
    channel: usize,
}

impl<'a, E: Element> Pixels<'a, E> {
    /// Those of a block from `channel` and from pixel `first` on.
    pub(super) fn new(
        cx: &'a Context<'_>,
        op: &'a Convolution,
        block: usize,
        channel: usize,
        first: usize,
    ) -> Self {
        let from: *const E = cx.memory.tensor(op.input.tensor, block);
        Self { cx, op, from: from.wrapping_add(first * BLOCK), channel }
    }
}

impl<E> Clone for Pixels<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Pixels<'_, E> {}

impl<V: Simd, E: Element> Source<V> for Pixels<'_, E> {
    #[inline(always)]
    unsafe fn get(self, k: usize, j: usize) -> V {
        let plane = self.op.input.tensor.shape.pixels() * BLOCK;
        let k = self.channel + k;
        // SAFETY: the caller's promise.
        unsafe {
            let x = E::load::<V>(self.from.add(k * plane + j * V::LANES));
            self.cx.reading::<V>(self.op.input, k).apply(x)
        }
    }
}

/// Where the gradients of such pixels go: through the ReLU's gate to the sink. What was read is left for the gradients of
/// the weights. `t` and `to` have rows for all channels.
pub(super) struct PixelGradients<'a, E> {
    pub(super) input: Pixels<'a, E>,
    pub(super) t: Rows<*mut f32>,
    pub(super) to: &'a BlockSink<E>,
    /// First pixel.
    pub(super) first: usize,
}

impl<E> Clone for PixelGradients<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for PixelGradients<'_, E> {}

impl<V: Simd, E: Element> Target<V> for PixelGradients<'_, E> {
    #[inline(always)]
    unsafe fn put(self, k: usize, j: usize, sums: &[V]) {
        let input = self.input.op.input;
        let plane = input.tensor.shape.pixels() * BLOCK;
        let k = self.input.channel + k;
        // SAFETY: the caller's promise; `t` and the sink have the input's pixels.
        unsafe {
            let (reading, zero) = (self.input.cx.reading::<V>(self.input.op.input, k), V::splat(0.0));
            let to = self.to.channel(k).on(self.first * BLOCK);
            for (b, &sum) in sums.iter().enumerate() {
                let place = k * plane + (j + b) * V::LANES;
                let x = reading.apply(E::load::<V>(self.input.from.add(place)));
                self.t.put(k, j + b, &[x]);
                to.put(place, if input.relu { x.select_greater(zero, sum, zero) } else { sum });
            }
        }
    }
}
