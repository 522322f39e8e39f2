//! Where kernels give the gradients of a block of images.

use std::ops::Range;

use super::memory::Memory;
use super::simd::{Element, Simd};
use crate::program::Sink;

/// A block's part of a sink.
#[derive(Clone)]
pub(crate) struct BlockSink<E> {
    any: ChannelSink<E>,
    /// Channels that are whole then.
    whole: Range<usize>,
}

/// The same for one channel. Places count from the first channel on.
#[derive(Clone, Copy)]
pub(crate) struct ChannelSink<E> {
    /// The gradient.
    pub(crate) to: *mut E,
    /// The sum in 32 bits that becomes it; where elements have as many, the gradient again.
    pub(crate) sum: *mut f32,
    /// Whether it is added to.
    pub(crate) accumulate: bool,
    /// Whether it is whole then.
    pub(crate) is_whole: bool,
}

impl<E: Element> BlockSink<E> {
    pub(crate) fn new(memory: &Memory, sink: &Sink, block: usize) -> Self {
        let Sink { tensor, sum, accumulate, .. } = *sink;
        let (to, sum) = (memory.tensor(tensor, block), memory.tensor(sum, block));
        Self { any: ChannelSink { to, sum, accumulate, is_whole: false }, whole: sink.whole.range() }
    }

    #[inline(always)]
    pub(crate) fn channel(&self, channel: usize) -> ChannelSink<E> {
        ChannelSink { is_whole: self.whole.contains(&channel), ..self.any }
    }
}

impl<E: Element> ChannelSink<E> {
    /// The same so many elements on.
    #[inline(always)]
    pub(crate) fn on(self, elements: usize) -> Self {
        Self { to: self.to.wrapping_add(elements), sum: self.sum.wrapping_add(elements), ..self }
    }

    /// Gives a vector of the gradient.
    ///
    /// # Safety
    /// As [`Simd`]; a vector must be at `at`.
    #[inline(always)]
    pub(crate) unsafe fn put<V: Simd>(self, at: usize, value: V) {
        // SAFETY: the caller's promise.
        unsafe {
            let sum = if self.accumulate { value.add(V::load(self.sum.add(at))) } else { value };
            self.store(at, sum);
        }
    }

    /// Stores a vector of the sum so far.
    ///
    /// # Safety
    /// As [`put`](Self::put).
    #[inline(always)]
    pub(crate) unsafe fn store<V: Simd>(self, at: usize, sum: V) {
        // SAFETY: the caller's promise.
        unsafe {
            if self.is_whole || !E::ROUNDS {
                E::store(sum, self.to.add(at));
            } else {
                sum.store(self.sum.add(at));
            }
        }
    }
}
