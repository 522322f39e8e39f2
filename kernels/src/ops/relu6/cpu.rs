//! ReLU6 on one block of images.

use super::{Relu6, SIX};
use crate::cpu::{BlockSink, Context, Element, Kernel, Simd, Unit};
use crate::ops::unary::{Backward, Forward};
use crate::shape::BLOCK;

impl Kernel for Forward<Relu6> {
    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        let Unit::Block(block) = unit else { return };
        let op = &self.0;
        let plane = op.output.shape.pixels() * BLOCK;
        let from: *const E = cx.memory.tensor(op.input.tensor, block.number);
        let to: *mut E = cx.memory.tensor(op.output, block.number);
        // SAFETY: the caller's promise; both tensors have these channels and pixels.
        unsafe {
            let (zero, six) = (V::splat(0.0), V::splat(SIX));
            for channel in 0..op.output.shape.channels {
                let reading = cx.reading::<V>(op.input, channel);
                for at in (channel * plane..(channel + 1) * plane).step_by(V::LANES) {
                    // Both choose the value where it is no number.
                    let x = zero.max(reading.apply(E::load::<V>(from.add(at))));
                    E::store(x.select_greater(six, six, x), to.add(at));
                }
            }
        }
    }
}

impl Kernel for Backward<Relu6> {
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
            let (zero, six) = (V::splat(0.0), V::splat(SIX));
            for channel in 0..op.output.shape.channels {
                let reading = cx.reading::<V>(op.input, channel);
                let to = to.channel(channel);
                for at in (channel * plane..(channel + 1) * plane).step_by(V::LANES) {
                    let x = reading.apply(E::load::<V>(input.add(at)));
                    let below = six.select_greater(x, E::load::<V>(from.add(at)), zero);
                    let value = x.select_greater(zero, below, zero);
                    reading.give(value, input, to, at);
                }
            }
        }
    }
}
