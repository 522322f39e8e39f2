//! The groups of a convolution: the matrix has a block of its own for each, between columns and outputs of its own.

use std::ops::Range;

use super::Convolution;
use super::matrix::{WeightMatrix, weight_gradient};
use crate::cpu::{Prefetcher, Rows, Simd};

/// One group of channels.
pub(super) struct ChannelGroup {
    pub(super) columns: Range<usize>,
    pub(super) outputs: Range<usize>,
}

/// All of a convolution, which has a single one where it is not grouped.
#[inline(always)]
pub(super) fn groups(op: &Convolution) -> impl Iterator<Item = ChannelGroup> {
    let count = op.groups();
    let (columns, outputs) = (op.columns_of_group(), op.output.shape.channels / count);
    (0..count).map(move |group| ChannelGroup {
        columns: group * columns..(group + 1) * columns,
        outputs: group * outputs..(group + 1) * outputs,
    })
}

impl ChannelGroup {
    /// Element of the weights at which its block begins.
    #[inline(always)]
    fn first_weight(&self) -> usize {
        self.outputs.start * self.columns.len()
    }

    /// Its block of the weights at `at`.
    #[inline(always)]
    pub(super) fn weights(&self, at: *const f32) -> WeightMatrix {
        WeightMatrix { at: at.wrapping_add(self.first_weight()), row: self.columns.len(), column: 1 }
    }

    /// The same with rows and columns exchanged.
    #[inline(always)]
    pub(super) fn transposed(&self, at: *const f32) -> WeightMatrix {
        WeightMatrix { at: at.wrapping_add(self.first_weight()), row: 1, column: self.columns.len() }
    }
}

/// Adds to `dw` the gradients of the weights of all groups, over `pixels` blocks of gradients `d` of the outputs and of columns
/// `t`.
///
/// # Safety
/// `d` must have a row for each output and `t` for each column of `pixels` blocks, `dw` an element for each weight.
#[inline(always)]
pub(super) unsafe fn weight_gradients<V: Simd>(
    op: &Convolution,
    d: Rows<*const f32>,
    t: Rows<*const f32>,
    dw: *mut f32,
    pixels: usize,
    prefetch: &mut impl Prefetcher,
) {
    for group in groups(op) {
        let (columns, outputs) = (group.columns.len(), group.outputs.len());
        let (d, t) = (d.skip(group.outputs.start), t.skip(group.columns.start));
        // SAFETY: the caller's promise; groups lie one after the other.
        unsafe {
            let dw = dw.add(group.first_weight());
            weight_gradient::<V>(d, t, dw, outputs, columns, pixels, prefetch);
        }
    }
}
