//! Cross-entropy of one block.

use super::{CrossEntropy, HeadCall};
use crate::cpu::{BlockSink, Context, Element, Kernel, Portable, Simd, Sizes, Unit};
use crate::program::{Head, Sink};
use crate::shape::BLOCK;

impl Kernel for HeadCall<CrossEntropy> {
    fn scratch_floats(&self, _: &Sizes<'_>) -> usize {
        loss_scratch_floats(self.head)
    }

    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, scratch: *mut f32) {
        if let Unit::Block(block) = unit {
            // SAFETY: the caller's promise.
            unsafe { cross_entropy::<E>(cx, self.head, self.sink.as_ref(), block.number, scratch) }
        }
    }
}

/// Elements of scratch memory that a loss needs: logits and their gradients of a block.
fn loss_scratch_floats(head: Head) -> usize {
    2 * head.logits.shape.channels * BLOCK
}

/// Cross-entropy of a head on a block: adds to the images' losses, and in training leaves the gradient of the
/// logits.
///
/// # Safety
/// The logits must be written, the images' metrics cleared, `scratch` have `loss_scratch_floats` elements, and no
/// other thread touch this block.
unsafe fn cross_entropy<E: Element>(
    cx: &Context<'_>,
    head: Head,
    sink: Option<&Sink>,
    block: usize,
    scratch: *mut f32,
) {
    let classes = head.logits.shape.channels;
    let from: *const E = cx.memory.tensor(head.logits, block);
    let metrics = cx.metrics.pointer::<f32>();
    let images = cx.batch.len();
    let smoothing = f64::from(cx.settings.label_smoothing);
    let uniform = smoothing / classes as f64;
    // SAFETY: the caller's promise; portable vectors need no instructions.
    unsafe {
        let lanes = scratch.cast::<[f32; BLOCK]>();
        let scale =
            if cx.memory.half_precision { f64::from((*cx.parameters.loss_scale()).scale) } else { 1.0 };
        let logits = std::slice::from_raw_parts_mut(lanes, classes);
        let gradients = std::slice::from_raw_parts_mut(lanes.add(classes), classes);
        gradients.fill([0.0; BLOCK]);
        for (class, lanes) in logits.iter_mut().enumerate() {
            E::load::<Portable>(from.add(class * BLOCK)).store(lanes.as_mut_ptr());
        }
        for lane in 0..cx.valid(block) {
            let position = block * BLOCK + lane;
            let label = usize::from(cx.images.labels()[cx.batch[position] as usize]);
            let best =
                (0..classes).fold(0, |best, c| if logits[c][lane] > logits[best][lane] { c } else { best });
            let largest = f64::from(logits[best][lane]);
            let sum: f64 = logits.iter().map(|l| (f64::from(l[lane]) - largest).exp()).sum();
            let log_sum = largest + sum.ln();
            let target = |class: usize| uniform + if class == label { 1.0 - smoothing } else { 0.0 };
            let mut loss = 0.0;
            for class in 0..classes {
                let logit = f64::from(logits[class][lane]);
                loss += target(class) * (log_sum - logit);
                let slope = (logit - log_sum).exp() - target(class);
                gradients[class][lane] = (slope * f64::from(head.weight) / images as f64 * scale) as f32;
            }
            *metrics.add(2 * position) += (loss * f64::from(head.weight)) as f32;
            if !head.training_only {
                let is_hit = best == label && !logits[best][lane].is_nan();
                *metrics.add(2 * position + 1) = if is_hit { 1.0 } else { 0.0 };
            }
        }
        if let Some(sink) = sink {
            let to = BlockSink::<E>::new(cx.memory, sink, block);
            for (class, lanes) in gradients.iter().enumerate() {
                to.channel(class).put(class * BLOCK, Portable::load(lanes.as_ptr()));
            }
        }
    }
}
