//! Sums of the logits of one block.

use super::{HeadCall, LogitSum};
use crate::cpu::{BlockSink, Context, Element, Kernel, Portable, Simd, Sizes, Unit};
use crate::shape::BLOCK;

impl Kernel for HeadCall<LogitSum> {
    fn scratch_floats(&self, _: &Sizes<'_>) -> usize {
        0
    }

    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        if let Unit::Block(block) = unit {
            // SAFETY: the caller's promise.
            unsafe { self.sum::<E>(cx, block.number) }
        }
    }
}

impl HeadCall<LogitSum> {
    /// Adds to the losses of a block's images, and in training leaves the gradient of the logits.
    ///
    /// # Safety
    /// The logits must be written, the images' metrics cleared, and no other thread touch this block.
    unsafe fn sum<E: Element>(&self, cx: &Context<'_>, block: usize) {
        let Self { head, sink, .. } = self;
        let classes = head.logits.shape.channels;
        let from: *const E = cx.memory.tensor(head.logits, block);
        let metrics = cx.metrics.pointer::<f32>();
        let mut sums = [0.0_f64; BLOCK];
        // SAFETY: the caller's promise; portable vectors need no instructions.
        unsafe {
            for class in 0..classes {
                let mut logits = [0.0; BLOCK];
                E::load::<Portable>(from.add(class * BLOCK)).store(logits.as_mut_ptr());
                sums.iter_mut().zip(logits).for_each(|(sum, logit)| *sum += f64::from(logit));
            }
            for (lane, sum) in sums.iter().enumerate().take(cx.valid(block)) {
                *metrics.add(2 * (block * BLOCK + lane)) += (sum * f64::from(head.weight)) as f32;
            }
            let Some(sink) = sink else { return };
            let scale =
                if cx.memory.half_precision { f64::from((*cx.parameters.loss_scale()).scale) } else { 1.0 };
            let slope = (f64::from(head.weight) / cx.batch.len() as f64 * scale) as f32;
            let mut slopes = [0.0; BLOCK];
            slopes[..cx.valid(block)].fill(slope);
            let to = BlockSink::<E>::new(cx.memory, sink, block);
            for class in 0..classes {
                to.channel(class).put(class * BLOCK, Portable::load(slopes.as_ptr()));
            }
        }
    }
}
