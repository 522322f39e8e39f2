//! The update, segment by segment.

use super::UpdateGroup;
use crate::cpu::{Buffer, Context, Element, Kernel, Simd, Sizes, Split, Unit};
use crate::ops::vector::norm;
use crate::optimiser::{GroupSettings, Optimiser};
use crate::step;

impl Kernel for UpdateGroup {
    fn split(&self, sizes: &Sizes<'_>) -> Split {
        sizes.by_segment(self.group)
    }

    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        let Unit::Part { part } = unit else { return };
        // SAFETY: the caller's promise; all segments have written their sums.
        unsafe {
            let norm = norm(cx, self.group);
            if norm.is_finite() {
                let clip = f64::from(cx.settings.groups[self.group.0].grad_clip);
                update(cx, self.group, part, (clip / (norm + 1e-6)).min(1.0) as f32);
            } else if part == 0 && !(cx.memory.half_precision && (*cx.parameters.loss_scale()).skips != 0.0) {
                *cx.metrics.pointer::<f32>() = f32::NAN;
            }
        }
    }
}

/// One segment of the update.
///
/// # Safety
/// No other thread may touch this segment.
#[inline(always)]
unsafe fn update(cx: &Context<'_>, group: step::Group, segment: usize, clip: f32) {
    let (begin, count) = cx.segment(group, segment);
    let (p, rates) = (cx.parameters, cx.rates[group.0]);
    let GroupSettings { optimiser, weight_decay, .. } = cx.settings.groups[group.0];
    // SAFETY: segments lie inside the arrays and are disjoint; second moments are there where a group has Adam.
    unsafe {
        let part = |of| std::slice::from_raw_parts_mut(cx.vector(of).add(begin), count);
        let weights = part(step::Vector::Parameters);
        let first = part(step::Vector::Momenta);
        let gradients = std::slice::from_raw_parts(p.gradients.pointer::<f32>().add(begin), count);
        let each = weights.iter_mut().zip(first).zip(gradients);
        match optimiser {
            Optimiser::Sgd { momentum } => {
                for ((w, m), g) in each {
                    let gradient = g * clip + weight_decay * *w;
                    *m = momentum * *m + gradient;
                    *w -= rates.learning_rate * *m;
                }
            }
            Optimiser::Adam { beta1, beta2, epsilon } => {
                let second = p.second.as_ref().map_or(std::ptr::null_mut(), Buffer::pointer::<f32>);
                let second = std::slice::from_raw_parts_mut(second.add(begin), count);
                for (((w, m), g), v) in each.zip(second) {
                    let gradient = g * clip + weight_decay * *w;
                    *m = beta1 * *m + (1.0 - beta1) * gradient;
                    *v = beta2 * *v + (1.0 - beta2) * gradient * gradient;
                    *w -= rates.step_size * *m / (v.sqrt() * rates.second_scale + epsilon);
                }
            }
        }
    }
}
