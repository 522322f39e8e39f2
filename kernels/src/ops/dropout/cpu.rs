//! Dropout on one block of images.

use super::Dropout;
use crate::cpu::{BlockSink, Context, Element, Kernel, Simd, Unit};
use crate::ops::unary::{Backward, Forward};
use crate::shape::BLOCK;

/// What scales of a block are drawn from.
struct Drawn<'a> {
    cx: &'a Context<'a>,
    op: Dropout,
    /// Numbers of the block's images.
    images: [u32; BLOCK],
    valid: usize,
}

impl<'a> Drawn<'a> {
    fn new(cx: &'a Context<'a>, op: Dropout, block: usize) -> Self {
        let mut images = [0; BLOCK];
        let valid = cx.valid(block);
        images[..valid].copy_from_slice(&cx.batch[block * BLOCK..][..valid]);
        Self { cx, op, images, valid }
    }

    /// Those of one element; 1 in idle lanes.
    #[inline(always)]
    fn scales(&self, element: usize) -> [f32; BLOCK] {
        if self.op.rate == 0.0 {
            return [1.0; BLOCK];
        }
        let mut scales = self.op.scales(self.cx.settings.seed, self.cx.epoch, self.images, element);
        scales[self.valid..].fill(1.0);
        scales
    }
}

impl Kernel for Forward<Dropout> {
    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        let Unit::Block(block) = unit else { return };
        let op = &self.0;
        let pixels = op.output.shape.pixels();
        let from: *const E = cx.memory.tensor(op.input.tensor, block.number);
        let to: *mut E = cx.memory.tensor(op.output, block.number);
        let drawn = Drawn::new(cx, op.function, block.number);
        // SAFETY: the caller's promise; both tensors have these channels and pixels.
        unsafe {
            for channel in 0..op.output.shape.channels {
                let reading = cx.reading::<V>(op.input, channel);
                for element in channel * pixels..(channel + 1) * pixels {
                    let scales = drawn.scales(element);
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

impl Kernel for Backward<Dropout> {
    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        let Unit::Block(block) = unit else { return };
        let Self { op, gradient, sink } = self;
        let pixels = op.output.shape.pixels();
        let from: *const E = cx.memory.tensor(*gradient, block.number);
        let input: *const E = cx.memory.tensor(op.input.tensor, block.number);
        let to = BlockSink::<E>::new(cx.memory, sink, block.number);
        let drawn = Drawn::new(cx, op.function, block.number);
        // SAFETY: the caller's promise; all tensors have these channels and pixels.
        unsafe {
            for channel in 0..op.output.shape.channels {
                let reading = cx.reading::<V>(op.input, channel);
                let to = to.channel(channel);
                for element in channel * pixels..(channel + 1) * pixels {
                    let scales = drawn.scales(element);
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
