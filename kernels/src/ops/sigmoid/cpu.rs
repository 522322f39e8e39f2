//! The logistic function on one block of images.

use super::{Backward, Forward};
use crate::cpu::{BlockSink, Context, Element, Kernel, Unit, Vector};
use crate::shape::BLOCK;

impl Kernel for Forward {
    #[inline(always)]
    unsafe fn run<V: Vector, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        let Unit::Block(block) = unit else { return };
        let op = &self.0;
        let plane = op.output.shape.pixels() * BLOCK;
        let from: *const E = cx.memory.tensor(op.input.tensor, block.number);
        let to: *mut E = cx.memory.tensor(op.output, block.number);
        let mut lanes = [0.0_f32; BLOCK];
        // SAFETY: the caller's promise; both tensors have these channels and pixels.
        unsafe {
            for channel in 0..op.output.shape.channels {
                let reading = cx.reading::<V>(op.input, channel);
                for at in (channel * plane..(channel + 1) * plane).step_by(V::LANES) {
                    reading.apply(E::load::<V>(from.add(at))).store(lanes.as_mut_ptr());
                    for lane in &mut lanes[..V::LANES] {
                        *lane = 1.0 / (1.0 + (-*lane).exp());
                    }
                    E::store(V::load(lanes.as_ptr()), to.add(at));
                }
            }
        }
    }
}

impl Kernel for Backward {
    #[inline(always)]
    unsafe fn run<V: Vector, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        let Unit::Block(block) = unit else { return };
        let Self { op, gradient, sink } = self;
        let plane = op.output.shape.pixels() * BLOCK;
        let from: *const E = cx.memory.tensor(*gradient, block.number);
        let output: *const E = cx.memory.tensor(op.output, block.number);
        let input: *const E = cx.memory.tensor(op.input.tensor, block.number);
        let to = BlockSink::<E>::new(cx.memory, sink, block.number);
        // SAFETY: the caller's promise; all tensors have these channels and pixels.
        unsafe {
            let one = V::splat(1.0);
            for channel in 0..op.output.shape.channels {
                let reading = cx.reading::<V>(op.input, channel);
                let to = to.channel(channel);
                for at in (channel * plane..(channel + 1) * plane).step_by(V::LANES) {
                    let y = E::load::<V>(output.add(at));
                    let value = E::load::<V>(from.add(at)).mul(y.mul(one.sub(y)));
                    reading.give(value, input, to, at);
                }
            }
        }
    }
}
