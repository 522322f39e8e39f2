//! Shuffles of channels on one block of images.

use super::ChannelShuffle;
use crate::cpu::{BlockSink, Context, Element, Kernel, Simd, Unit};
use crate::ops::unary::{Backward, Forward};
use crate::shape::BLOCK;

impl Kernel for Forward<ChannelShuffle> {
    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        let Unit::Block(block) = unit else { return };
        let op = &self.0;
        let plane = op.output.shape.pixels() * BLOCK;
        let from: *const E = cx.memory.tensor(op.input.tensor, block.number);
        let to: *mut E = cx.memory.tensor(op.output, block.number);
        // SAFETY: the caller's promise; both tensors have these channels and pixels.
        unsafe {
            for channel in 0..op.output.shape.channels {
                let reading = cx.reading::<V>(op.input, channel);
                let (from, to) = (
                    from.add(channel * plane),
                    to.add(op.function.output_channel(op.output.shape.channels, channel) * plane),
                );
                for at in (0..plane).step_by(V::LANES) {
                    E::store(reading.apply(E::load::<V>(from.add(at))), to.add(at));
                }
            }
        }
    }
}

impl Kernel for Backward<ChannelShuffle> {
    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        let Unit::Block(block) = unit else { return };
        let Self { op, gradient, sink } = self;
        let plane = op.output.shape.pixels() * BLOCK;
        let from: *const E = cx.memory.tensor(*gradient, block.number);
        let input: *const E = cx.memory.tensor(op.input.tensor, block.number);
        let to = BlockSink::<E>::new(cx.memory, sink, block.number);
        // SAFETY: the caller's promise; all tensors have these channels and pixels.
        unsafe {
            for channel in 0..op.output.shape.channels {
                let reading = cx.reading::<V>(op.input, channel);
                let from = from.add(op.function.output_channel(op.output.shape.channels, channel) * plane);
                let (input, to) = (input.add(channel * plane), to.channel(channel).on(channel * plane));
                for at in (0..plane).step_by(V::LANES) {
                    let value = E::load::<V>(from.add(at));
                    reading.give(value, input, to, at);
                }
            }
        }
    }
}
