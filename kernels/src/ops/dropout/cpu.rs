//! Dropout on one block of images.

use super::{Backward, Dropout, Forward};
use crate::cpu::{BlockSink, Context, Element, Kernel, Unit, Vector};
use crate::shape::BLOCK;

/// Scales of one element for the images of a block; 1 in idle lanes.
fn scales(cx: &Context<'_>, op: &Dropout, block: usize, element: usize) -> [f32; BLOCK] {
    let mut scales = [1.0; BLOCK];
    if op.rate > 0.0 {
        for (lane, scale) in scales.iter_mut().enumerate().take(cx.valid(block)) {
            let image = cx.batch[block * BLOCK + lane];
            *scale = op.scale(cx.settings.seed, cx.epoch, image, element);
        }
    }
    scales
}

impl Kernel for Forward {
    #[inline(always)]
    unsafe fn run<V: Vector, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        let Unit::Block(block) = unit else { return };
        let op = &self.0;
        let pixels = op.output.shape.pixels();
        let from: *const E = cx.memory.tensor(op.input.tensor, block.number);
        let to: *mut E = cx.memory.tensor(op.output, block.number);
        // SAFETY: the caller's promise; both tensors have these channels and pixels.
        unsafe {
            for channel in 0..op.output.shape.channels {
                let reading = cx.reading::<V>(op.input, channel);
                for element in channel * pixels..(channel + 1) * pixels {
                    let scales = scales(cx, op, block.number, element);
                    for lane in (0..BLOCK).step_by(V::LANES) {
                        let at = element * BLOCK + lane;
                        let x = reading.apply(E::load::<V>(from.add(at)));
                        E::store(x.mul(V::load(scales.as_ptr().add(lane))), to.add(at));
                    }
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
        let pixels = op.output.shape.pixels();
        let from: *const E = cx.memory.tensor(*gradient, block.number);
        let input: *const E = cx.memory.tensor(op.input.tensor, block.number);
        let to = BlockSink::<E>::new(cx.memory, sink, block.number);
        // SAFETY: the caller's promise; all tensors have these channels and pixels.
        unsafe {
            for channel in 0..op.output.shape.channels {
                let reading = cx.reading::<V>(op.input, channel);
                let to = to.channel(channel);
                for element in channel * pixels..(channel + 1) * pixels {
                    let scales = scales(cx, op, block.number, element);
                    for lane in (0..BLOCK).step_by(V::LANES) {
                        let at = element * BLOCK + lane;
                        let scale = V::load(scales.as_ptr().add(lane));
                        let value = E::load::<V>(from.add(at)).mul(scale);
                        reading.give(value, input, to, at);
                    }
                }
            }
        }
    }
}
