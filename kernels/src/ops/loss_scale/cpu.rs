//! The scale of the loss on a processor.

use super::{Adapt, GOOD, LARGEST, Unscale};
use crate::cpu::{Context, Element, Kernel, SEGMENT, Simd, Sizes, Split, Unit, segments};
use crate::state::LossScale;

impl Kernel for Unscale {
    fn split(&self, sizes: &Sizes<'_>) -> Split {
        if sizes.half_precision { Split::Parts(segments(sizes.layout.trained)) } else { Split::Nothing }
    }

    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        let Unit::Part { part } = unit else { return };
        let begin = part * SEGMENT;
        let count = SEGMENT.min(cx.layout.trained - begin);
        // SAFETY: segments lie inside the gradients and are disjoint; every part has a place of its own among the products.
        unsafe {
            let gradients = cx.parameters.gradients.pointer::<f32>().add(begin);
            let factor = 1.0 / (*cx.parameters.loss_scale()).scale;
            // What is no number stays none in a sum of its multiples by 0.
            let mut sum = 0.0_f32;
            for gradient in std::slice::from_raw_parts_mut(gradients, count) {
                *gradient *= factor;
                sum += *gradient * 0.0;
            }
            *cx.parameters.products.pointer::<f64>().add(part) = f64::from(sum);
        }
    }
}

impl Kernel for Adapt {
    fn split(&self, sizes: &Sizes<'_>) -> Split {
        if sizes.half_precision { Split::Parts(1) } else { Split::Nothing }
    }

    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, _: Unit<'_>, _: *mut f32) {
        // SAFETY: the caller's promise; all segments have written their sums.
        unsafe {
            let products = cx.parameters.products.pointer::<f64>();
            let sums = std::slice::from_raw_parts(products, segments(cx.layout.trained));
            let now = cx.parameters.loss_scale();
            *now = next(*now, sums.iter().all(|sum| sum.is_finite()));
        }
    }
}

/// The factor after gradients that were numbers or not.
fn next(LossScale { scale, good, .. }: LossScale, are_numbers: bool) -> LossScale {
    match (are_numbers, scale > 1.0, good + 1.0 >= GOOD) {
        (false, true, _) => LossScale { scale: scale / 2.0, good: 0.0, skips: 1.0 },
        (false, false, _) => LossScale { scale, good: 0.0, skips: 0.0 },
        (true, _, true) => LossScale { scale: (2.0 * scale).min(LARGEST), good: 0.0, skips: 0.0 },
        (true, _, false) => LossScale { scale, good: good + 1.0, skips: 0.0 },
    }
}
