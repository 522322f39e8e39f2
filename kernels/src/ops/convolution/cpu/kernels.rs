//! The calls of a convolution as the native backend runs them.

use std::marker::PhantomData;

use super::implicit::{BackwardBands, ForwardBands, Implicit, is_implicit};
use super::{Bands, Convolution, backward, forward, partials, wide};
use crate::cpu::{Context, Element, Kernel, Memory, Piece, Simd, Sizes, Split, Unit};
use crate::ops::convolution::Workspace;
use crate::ops::convolution::calls::{Backward, Forward, ReorderWeights, WeightGradient};
use crate::program::WorkspaceId;

fn split(op: &Convolution) -> Split {
    if wide::is_wide(op) { Split::GatheredParts(wide::PARTS) } else { Split::Blocks }
}

fn scratch_floats(op: &Convolution, sizes: &Sizes<'_>) -> usize {
    if wide::is_wide(op) {
        wide::scratch_floats(op, sizes.blocks)
    } else if is_implicit(op) {
        Implicit::new(op).scratch_floats(op)
    } else {
        Bands::new(op, sizes.half_precision).scratch_floats()
    }
}

/// Bytes of the columns of the whole batch, and of the gradients of the outputs, where they are gathered.
fn gathered(op: &Convolution, sizes: &Sizes<'_>) -> [(WorkspaceId, usize); 2] {
    let floats = if wide::is_wide(op) { wide::gathered_floats(op, sizes.blocks) } else { [0, 0] };
    let [columns, gradients] = floats.map(|floats| floats * size_of::<f32>());
    let named = |workspace, bytes| (op.workspace(workspace), bytes);
    [named(Workspace::Columns, columns), named(Workspace::ColumnGradients, gradients)]
}

/// Chunks of a batch that have partial sums of their own.
fn chunks(op: &Convolution, all: usize) -> usize {
    if wide::is_wide(op) { 1 } else { all }
}

impl Kernel for ReorderWeights {
    /// Weights are read as they are.
    fn split(&self, _: &Sizes<'_>) -> Split {
        Split::Nothing
    }

    unsafe fn run<V: Simd, E: Element>(&self, _: &Context<'_>, _: Unit<'_>, _: *mut f32) {}
}

impl Kernel for Forward {
    fn split(&self, _: &Sizes<'_>) -> Split {
        split(&self.op)
    }

    fn scratch_floats(&self, sizes: &Sizes<'_>) -> usize {
        scratch_floats(&self.op, sizes)
    }

    fn workspaces(&self, sizes: &Sizes<'_>) -> Vec<(WorkspaceId, usize)> {
        gathered(&self.op, sizes)[..1].to_vec()
    }

    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, scratch: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe {
            match unit {
                Unit::Block(block) if is_implicit(&self.op) => {
                    let (op, block, element) = (&self.op, block.number, PhantomData::<E>);
                    V::outlined(ForwardBands { cx, op, block, scratch, element });
                }
                Unit::Block(block) => forward::<V, E>(cx, &self.op, block.number, scratch),
                Unit::Gather { block } => wide::gather_columns::<V, E>(cx, &self.op, block, scratch),
                Unit::Part { part } => wide::forward::<V, E>(cx, &self.op, part, scratch),
            }
        }
    }
}

impl Kernel for Backward {
    fn split(&self, _: &Sizes<'_>) -> Split {
        split(&self.op)
    }

    fn scratch_floats(&self, sizes: &Sizes<'_>) -> usize {
        scratch_floats(&self.op, sizes)
    }

    fn workspaces(&self, sizes: &Sizes<'_>) -> Vec<(WorkspaceId, usize)> {
        let op = &self.op;
        let sums = partials::floats(op, sizes.tables) * chunks(op, sizes.chunks) * size_of::<f32>();
        let [columns, gradients] = gathered(op, sizes);
        vec![columns, gradients, (op.workspace(Workspace::Partials), sums)]
    }

    fn first_reads(&self, memory: &Memory) -> Vec<Piece> {
        if is_implicit(&self.op) {
            let way = Implicit::new(&self.op);
            let inputs = way.inputs(memory, &self.op, self.sink.as_ref(), 0);
            return vec![way.gradients(memory, &self.gradient, 0), inputs];
        }
        let bands = Bands::new(&self.op, memory.half_precision);
        let mut list = vec![Piece::of_gradient(memory, &self.gradient, 0, bands.rows)];
        if self.op.depthwise.is_none() {
            list.push(bands.inputs(memory, &self.op, self.sink.as_ref(), 0));
        }
        list
    }

    fn prefetches(&self) -> bool {
        true
    }

    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, scratch: *mut f32) {
        let Self { op, gradient, sink } = self;
        // SAFETY: the caller's promise.
        unsafe {
            match unit {
                Unit::Block(block) if is_implicit(op) => {
                    let (sink, element) = (sink.as_ref(), PhantomData::<E>);
                    V::outlined(BackwardBands { cx, op, gradient, sink, block, scratch, element });
                }
                Unit::Block(block) => backward::<V, E>(cx, op, gradient, sink.as_ref(), block, scratch),
                Unit::Gather { block } => wide::gather_gradients::<V, E>(cx, op, gradient, block),
                Unit::Part { part } => wide::backward::<V, E>(cx, op, sink.as_ref(), part, scratch),
            }
        }
    }
}

impl Kernel for WeightGradient {
    fn split(&self, sizes: &Sizes<'_>) -> Split {
        Split::Parts(partials::parts(&self.op, sizes.tables))
    }

    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        if let Unit::Part { part } = unit {
            // SAFETY: the caller's promise.
            unsafe { partials::add_up(cx, &self.op, chunks(&self.op, cx.chunks()), part) }
        }
    }
}
