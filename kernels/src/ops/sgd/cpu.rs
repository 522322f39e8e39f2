//! The step over one flat array, segment by segment.

use super::{Squares, Update, WORKSPACE};
use crate::cpu::{Context, Element, Kernel, Sizes, Split, Unit, Vector};
use crate::program::WorkspaceId;

/// Elements of a segment; fixed, so that sums do not depend on the number of threads.
const SEGMENT: usize = 16 * 1024;

fn segments(elements: usize) -> usize {
    elements.div_ceil(SEGMENT)
}

impl Kernel for Squares {
    fn split(&self, sizes: &Sizes<'_>) -> Split {
        Split::Parts(segments(sizes.trained))
    }

    fn workspaces(&self, sizes: &Sizes<'_>) -> Vec<(WorkspaceId, usize)> {
        vec![(WORKSPACE, segments(sizes.trained) * size_of::<f64>())]
    }

    #[inline(always)]
    unsafe fn run<V: Vector, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        if let Unit::Part { part } = unit {
            // SAFETY: the caller's promise; every part has a place of its own.
            unsafe { square_sum(cx, part, cx.memory.workspace::<f64>(WORKSPACE).add(part)) }
        }
    }
}

impl Kernel for Update {
    fn split(&self, sizes: &Sizes<'_>) -> Split {
        Split::Parts(segments(sizes.trained))
    }

    #[inline(always)]
    unsafe fn run<V: Vector, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        let Unit::Part { part } = unit else { return };
        // SAFETY: the caller's promise; all segments have written their sums.
        unsafe {
            let sums = cx.memory.workspace::<f64>(WORKSPACE).cast_const();
            let norm = std::slice::from_raw_parts(sums, segments(cx.trained)).iter().sum::<f64>().sqrt();
            if norm.is_finite() {
                let clip = (f64::from(cx.settings.grad_clip) / (norm + 1e-6)).min(1.0) as f32;
                update(cx, part, clip);
            } else if part == 0 {
                *cx.metrics.pointer::<f32>() = f32::NAN;
            }
        }
    }
}

/// Sum of squares of one segment of the gradients.
///
/// # Safety
/// The gradients must be complete and `to` this segment's place.
#[inline(always)]
unsafe fn square_sum(cx: &Context<'_>, segment: usize, to: *mut f64) {
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
unsafe fn update(cx: &Context<'_>, segment: usize, clip: f32) {
    let begin = segment * SEGMENT;
    let count = SEGMENT.min(cx.trained - begin);
    let (p, settings) = (cx.parameters, cx.settings);
    // SAFETY: segments lie inside the arrays and are disjoint.
    let (weights, momentum, gradients) = unsafe {
        (
            std::slice::from_raw_parts_mut(p.master.pointer::<f32>().add(begin), count),
            std::slice::from_raw_parts_mut(p.momentum.pointer::<f32>().add(begin), count),
            std::slice::from_raw_parts(p.gradients.pointer::<f32>().add(begin), count),
        )
    };
    for ((w, m), g) in weights.iter_mut().zip(momentum).zip(gradients) {
        let gradient = g * clip + settings.weight_decay * *w;
        *m = settings.momentum * *m + gradient;
        *w -= cx.learning_rate * *m;
    }
}
