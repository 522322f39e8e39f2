//! Partial sums of the gradients of a convolution's weights: one for each chunk of a batch's blocks, added up in their order.

use super::Convolution;
use crate::cpu::{Context, Memory};
use crate::ops::convolution::Workspace;
use crate::program::Tables;

/// Elements that one part adds up; fixed, so that results do not depend on the number of threads.
const SEGMENT: usize = 16 * 1024;

/// The partial sums of one chunk: weights, depthwise weights, bias.
pub(super) struct Partials {
    pub(super) weight: *mut f32,
    pub(super) depthwise: *mut f32,
    pub(super) bias: *mut f32,
    pub(super) floats: usize,
}

/// Elements of the partial sums of one chunk.
pub(super) fn floats(op: &Convolution, tables: &Tables) -> usize {
    op.trained().map(|param| tables.elements(param)).sum()
}

/// Parts that adding up is split into.
pub(super) fn parts(op: &Convolution, tables: &Tables) -> usize {
    floats(op, tables).div_ceil(SEGMENT)
}

impl Partials {
    pub(super) fn of(op: &Convolution, memory: &Memory, chunk: usize) -> Self {
        let elements = |id| memory.param(id).1;
        let floats = op.trained().map(elements).sum();
        let weight = memory.workspace::<f32>(op.workspace(Workspace::Partials)).wrapping_add(chunk * floats);
        let depthwise = weight.wrapping_add(op.weight.map_or(0, elements));
        let bias = depthwise.wrapping_add(op.depthwise.map_or(0, elements));
        Self { weight, depthwise, bias, floats }
    }
}

/// Adds the partial sums of all chunks, in their order, for one segment of a convolution's weights.
///
/// # Safety
/// The partial sums must be there and no other thread write this segment's gradients.
#[inline(always)]
pub(super) unsafe fn add_up(cx: &Context<'_>, op: &Convolution, chunks: usize, part: usize) {
    let begin = part * SEGMENT;
    let end = (begin + SEGMENT).min(Partials::of(op, cx.memory, 0).floats);
    let gradients = cx.parameters.gradients.pointer::<f32>();
    let mut place = 0;
    for id in [op.weight, op.depthwise, op.bias].into_iter().flatten() {
        let (offset, elements) = cx.memory.param(id);
        let (from, to) = (begin.max(place), end.min(place + elements));
        if from < to {
            for chunk in 0..chunks {
                let partials = Partials::of(op, cx.memory, chunk);
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
