//! SGD over one flat array: sum of the partial weight gradients, norm of all gradients, and the step.
//!
//! With g the gradient, c = min(1, clip / (‖g‖ + 1e-6)): `m = momentum·m + c·g + decay·w`, `w = w - rate·m`.

use super::context::Context;
use crate::ops::Convolution;

/// Elements of a segment; fixed, so that sums do not depend on the number of threads.
pub(crate) const SEGMENT: usize = 16 * 1024;

/// Numbers of one update.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    /// Factor that clips the gradients.
    pub(crate) clip: f32,
    pub(crate) learning_rate: f32,
    pub(crate) momentum: f32,
    pub(crate) weight_decay: f32,
    /// Elements that are trained.
    pub(crate) elements: usize,
}

/// Segments of `elements` elements.
pub(crate) fn segments(elements: usize) -> usize {
    elements.div_ceil(SEGMENT)
}

/// Adds the partial sums of all chunks, in their order, for one segment of a convolution's weights.
///
/// # Safety
/// The partial sums must be there and no other thread write this segment's gradients.
#[inline(always)]
pub(crate) unsafe fn weight_gradient(cx: &Context<'_>, op: &Convolution, chunks: usize, part: usize) {
    let Some(first) = cx.memory.partials(op, 0) else { return };
    let begin = part * SEGMENT;
    let end = (begin + SEGMENT).min(first.floats);
    let gradients = cx.parameters.gradients.pointer::<f32>();
    let mut place = 0;
    for id in [Some(op.weight), op.depthwise, op.bias].into_iter().flatten() {
        let (offset, elements) = cx.memory.param(id);
        let (from, to) = (begin.max(place), end.min(place + elements));
        if from < to {
            for chunk in 0..chunks {
                let Some(partials) = cx.memory.partials(op, chunk) else { return };
                // SAFETY: elements `from..to` of the partial sums belong to this parameter from its `from -
                // place` on.
                let (sums, target) = unsafe {
                    (
                        std::slice::from_raw_parts(partials.weight.add(from), to - from),
                        std::slice::from_raw_parts_mut(gradients.add(offset + from - place), to - from),
                    )
                };
                if chunk == 0 {
                    target.copy_from_slice(sums);
                } else {
                    target.iter_mut().zip(sums).for_each(|(t, s)| *t += s);
                }
            }
        }
        place += elements;
    }
}

/// Sum of squares of one segment of the gradients.
///
/// # Safety
/// The gradients must be complete and `to` this segment's place.
#[inline(always)]
pub(crate) unsafe fn square_sum(cx: &Context<'_>, segment: usize, to: *mut f64) {
    // SAFETY: segments lie inside the array; its padding is zero.
    unsafe {
        let all = cx.parameters.gradients.as_floats();
        let begin = segment * SEGMENT;
        let gradients = &all[begin..(begin + SEGMENT).min(all.len())];
        // Eight sums so that the loop is not one chain of additions.
        let mut sums = [0.0_f64; 8];
        for eight in gradients.chunks_exact(8) {
            for (sum, &g) in sums.iter_mut().zip(eight) {
                *sum += f64::from(g) * f64::from(g);
            }
        }
        *to = sums.iter().sum();
    }
}

/// One segment of the update.
///
/// # Safety
/// No other thread may touch this segment.
#[inline(always)]
pub(crate) unsafe fn update(cx: &Context<'_>, segment: usize, step: Step) {
    let begin = segment * SEGMENT;
    let count = SEGMENT.min(step.elements - begin);
    let p = cx.parameters;
    // SAFETY: segments lie inside the arrays and are disjoint.
    let (weights, momentum, gradients) = unsafe {
        (
            std::slice::from_raw_parts_mut(p.master.pointer::<f32>().add(begin), count),
            std::slice::from_raw_parts_mut(p.momentum.pointer::<f32>().add(begin), count),
            std::slice::from_raw_parts(p.gradients.pointer::<f32>().add(begin), count),
        )
    };
    for ((w, m), g) in weights.iter_mut().zip(momentum).zip(gradients) {
        let gradient = g * step.clip + step.weight_decay * *w;
        *m = step.momentum * *m + gradient;
        *w -= step.learning_rate * *m;
    }
}
