//! Scales of channels on one block of images.

use super::{Forward, InputBackward, ScaleBackward};
use crate::cpu::{BlockSink, Context, Element, Kernel, Simd, Unit};
use crate::shape::BLOCK;

impl Kernel for Forward {
    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        let Unit::Block(block) = unit else { return };
        let op = &self.0;
        let plane = op.output.shape.pixels() * BLOCK;
        let from: *const E = cx.memory.tensor(op.input.tensor, block.number);
        let scales: *const E = cx.memory.tensor(op.scale.tensor, block.number);
        let to: *mut E = cx.memory.tensor(op.output, block.number);
        // SAFETY: the caller's promise; both maps have these channels and pixels, scales one pixel a channel.
        unsafe {
            for channel in 0..op.output.shape.channels {
                let reading = cx.reading::<V>(op.input, channel);
                let scale_reading = cx.reading::<V>(op.scale, channel);
                for lane in (0..BLOCK).step_by(V::LANES) {
                    let scale = scale_reading.apply(E::load::<V>(scales.add(channel * BLOCK + lane)));
                    for at in (channel * plane + lane..(channel + 1) * plane).step_by(BLOCK) {
                        E::store(reading.apply(E::load::<V>(from.add(at))).mul(scale), to.add(at));
                    }
                }
            }
        }
    }
}

impl Kernel for InputBackward {
    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        let Unit::Block(block) = unit else { return };
        let Self { op, gradient, sink } = self;
        let plane = op.output.shape.pixels() * BLOCK;
        let from: *const E = cx.memory.tensor(*gradient, block.number);
        let input: *const E = cx.memory.tensor(op.input.tensor, block.number);
        let scales: *const E = cx.memory.tensor(op.scale.tensor, block.number);
        let to = BlockSink::<E>::new(cx.memory, sink, block.number);
        // SAFETY: as above.
        unsafe {
            for channel in 0..op.output.shape.channels {
                let reading = cx.reading::<V>(op.input, channel);
                let scale_reading = cx.reading::<V>(op.scale, channel);
                for lane in (0..BLOCK).step_by(V::LANES) {
                    let scale = scale_reading.apply(E::load::<V>(scales.add(channel * BLOCK + lane)));
                    for at in (channel * plane + lane..(channel + 1) * plane).step_by(BLOCK) {
                        let value = E::load::<V>(from.add(at)).mul(scale);
                        reading.give(value, input, to.channel(channel), at);
                    }
                }
            }
        }
    }
}

impl Kernel for ScaleBackward {
    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        let Unit::Block(block) = unit else { return };
        let Self { op, gradient, sink } = self;
        let plane = op.output.shape.pixels() * BLOCK;
        let from: *const E = cx.memory.tensor(*gradient, block.number);
        let input: *const E = cx.memory.tensor(op.input.tensor, block.number);
        let scales: *const E = cx.memory.tensor(op.scale.tensor, block.number);
        let to = BlockSink::<E>::new(cx.memory, sink, block.number);
        // SAFETY: as above; the sink has one pixel a channel.
        unsafe {
            let zero = V::splat(0.0);
            for channel in 0..op.output.shape.channels {
                let reading = cx.reading::<V>(op.input, channel);
                let scale_reading = cx.reading::<V>(op.scale, channel);
                for lane in (0..BLOCK).step_by(V::LANES) {
                    let mut value = zero;
                    for at in (channel * plane + lane..(channel + 1) * plane).step_by(BLOCK) {
                        let x = reading.apply(E::load::<V>(input.add(at)));
                        value = E::load::<V>(from.add(at)).mul_add(x, value);
                    }
                    let place = channel * BLOCK + lane;
                    scale_reading.give(value, scales, to.channel(channel), place);
                }
            }
        }
    }
}
