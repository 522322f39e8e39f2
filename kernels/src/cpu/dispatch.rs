//! Chooses the instructions at run time and runs one call on one block or one part of its channels.

use std::marker::PhantomData;

use super::ahead::{Ahead, Later};
use super::context::Context;
#[cfg(target_arch = "x86_64")]
use super::simd::{Avx2, Avx512};
use super::simd::{Element, Half, Portable, Vector, Work};
use super::{batch, convolution, elementwise, norm, pool, wide};
use crate::graph::Graph;
use crate::ops::Convolution;
use crate::profile::UPDATE;
use crate::program::{Call, Gradient, Sink};

/// Instruction sets with kernels of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isa {
    /// AVX-512F.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX2, FMA and F16C.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// What the compiler makes of plain Rust.
    Portable,
}

impl Isa {
    /// Those that this processor has, the best last.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c");
            if avx2 {
                all.push(Self::Avx2);
            }
            if avx2 && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
                all.push(Self::Avx512);
            }
        }
        all
    }

    /// The best that this processor has.
    pub(crate) fn detect() -> Self {
        Self::all().pop().unwrap_or(Self::Portable)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "AVX2",
            Self::Portable => "portable",
        }
    }
}

/// One piece of work of a step.
#[derive(Clone, Copy)]
pub(crate) enum Unit<'a> {
    /// A call on one block of images.
    Block {
        call: &'a Call,
        block: usize,
        /// Partial sums that it adds to, and whether it is the first to do so.
        chunk: usize,
        first_of_chunk: bool,
        /// What the calls after it read.
        next: &'a [Later],
    },
    /// What the parts of a wide convolution read of one block.
    Gather { call: &'a Call, block: usize },
    /// One part of a call that reads the whole batch.
    Part { call: &'a Call, part: usize },
    /// A segment of the sum of squares of all gradients.
    SquareSum { segment: usize, to: *mut f64 },
    /// A segment of the update.
    Update { segment: usize, step: super::update::Step },
}

impl Unit<'_> {
    /// Number of its kind in a profile.
    pub(crate) fn kind(&self) -> usize {
        match self {
            Self::Block { call, .. } | Self::Gather { call, .. } | Self::Part { call, .. } => call.kind(),
            Self::SquareSum { .. } | Self::Update { .. } => UPDATE,
        }
    }
}

// SAFETY: the pointer is to a place of this unit alone.
unsafe impl Send for Unit<'_> {}
// SAFETY: as above.
unsafe impl Sync for Unit<'_> {}

/// Runs one unit.
///
/// # Safety
/// `scratch` must be large enough for the call, all that the call reads must be written, and no other thread
/// touch what it writes: the schedule's promise.
pub(crate) unsafe fn run(
    isa: Isa,
    cx: &Context<'_>,
    graph: &Graph,
    chunks: usize,
    unit: Unit<'_>,
    scratch: *mut f32,
) {
    // SAFETY: `Isa::detect` found the instructions; the rest is the caller's promise.
    unsafe {
        match (isa, cx.memory.halves) {
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx512, false) => Avx512::apart(Run::<f32>::new(cx, graph, chunks, unit, scratch)),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx512, true) => Avx512::apart(Run::<Half>::new(cx, graph, chunks, unit, scratch)),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx2, false) => Avx2::apart(Run::<f32>::new(cx, graph, chunks, unit, scratch)),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx2, true) => Avx2::apart(Run::<Half>::new(cx, graph, chunks, unit, scratch)),
            (Isa::Portable, false) => Portable::apart(Run::<f32>::new(cx, graph, chunks, unit, scratch)),
            (Isa::Portable, true) => Portable::apart(Run::<Half>::new(cx, graph, chunks, unit, scratch)),
        }
    }
}

/// [`run`] for some instructions and one precision.
struct Run<'a, E> {
    cx: &'a Context<'a>,
    graph: &'a Graph,
    chunks: usize,
    unit: Unit<'a>,
    scratch: *mut f32,
    element: PhantomData<E>,
}

impl<'a, E> Run<'a, E> {
    fn new(cx: &'a Context<'a>, graph: &'a Graph, chunks: usize, unit: Unit<'a>, scratch: *mut f32) -> Self {
        Self { cx, graph, chunks, unit, scratch, element: PhantomData }
    }
}

impl<V: Vector, E: Element> Work<V> for Run<'_, E> {
    #[inline(always)]
    unsafe fn run(self) {
        let Self { cx, graph, chunks, unit, scratch, .. } = self;
        // SAFETY: the caller's promise.
        unsafe {
            match unit {
                Unit::Block { call, block, chunk, first_of_chunk, next } => {
                    run_block::<V, E>(cx, graph, call, block, chunk, first_of_chunk, next, scratch);
                }
                Unit::Gather { call, block } => match call {
                    Call::Convolve { op } => wide::gather_columns::<V, E>(cx, op, block, scratch),
                    Call::ConvolveBackward { op, gradient, .. } => {
                        wide::gather_gradients::<V, E>(cx, op, gradient, block);
                    }
                    _ => {}
                },
                Unit::Part { call, part } => match call {
                    Call::Convolve { op } => wide::forward::<V, E>(cx, op, part, scratch),
                    Call::ConvolveBackward { op, sink, .. } => {
                        wide::backward::<V, E>(cx, op, sink.as_ref(), part, scratch);
                    }
                    Call::NormStatistics { norm } => norm::statistics(cx, graph, *norm),
                    Call::NormGradient { norm } => norm::gradient_map(cx, graph, *norm),
                    Call::WeightGradient { op } => super::update::weight_gradient(cx, op, chunks, part),
                    _ => {}
                },
                Unit::SquareSum { segment, to } => super::update::square_sum(cx, segment, to),
                Unit::Update { segment, step } => super::update::update(cx, segment, step),
            }
        }
    }
}

/// A convolution forward.
struct Forward<'a, E> {
    cx: &'a Context<'a>,
    op: &'a Convolution,
    block: usize,
    scratch: *mut f32,
    element: PhantomData<E>,
}

impl<V: Vector, E: Element> Work<V> for Forward<'_, E> {
    #[inline(always)]
    unsafe fn run(self) {
        // SAFETY: the caller's promise.
        unsafe { convolution::forward::<V, E>(self.cx, self.op, self.block, self.scratch) }
    }
}

/// A convolution backward.
struct Backward<'a, E> {
    cx: &'a Context<'a>,
    op: &'a Convolution,
    gradient: &'a Gradient,
    sink: Option<&'a Sink>,
    block: usize,
    partials: (usize, bool),
    ahead: Ahead,
    scratch: *mut f32,
    element: PhantomData<E>,
}

impl<V: Vector, E: Element> Work<V> for Backward<'_, E> {
    #[inline(always)]
    unsafe fn run(self) {
        let Self { cx, op, gradient, sink, block, partials, ahead, scratch, .. } = self;
        // SAFETY: the caller's promise.
        unsafe { convolution::backward::<V, E>(cx, op, gradient, sink, block, partials, ahead, scratch) }
    }
}

#[inline(always)]
unsafe fn run_block<V: Vector, E: Element>(
    cx: &Context<'_>,
    graph: &Graph,
    call: &Call,
    block: usize,
    chunk: usize,
    first_of_chunk: bool,
    next: &[Later],
    scratch: *mut f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        match call {
            Call::LoadImages { output } => batch::load_images::<E>(cx, *output, block, scratch),
            Call::DrawDropPath => batch::draw_drop_path(cx, graph.drops, block),
            Call::Convolve { op } => V::apart(Forward::<E> { cx, op, block, scratch, element: PhantomData }),
            Call::Pool { op } => pool::forward::<V, E>(cx, op, block, scratch),
            Call::NodeSum { op } => elementwise::node_sum::<V, E>(cx, op, block),
            Call::WindowAverage { op } => elementwise::window_average::<V, E>(cx, op, block),
            Call::CrossEntropy { head, gradient } => {
                batch::cross_entropy::<E>(cx, *head, *gradient, block, scratch);
            }
            Call::NormGradientSums { norm, gradient } => {
                norm::gradient_sums::<V, E>(cx, *norm, gradient, block);
            }
            Call::ConvolveBackward { op, gradient, sink } => {
                let sink = sink.as_ref();
                let ahead = Ahead::new(cx.memory, block, cx.blocks(), next);
                let partials = (chunk, first_of_chunk);
                let element = PhantomData;
                V::apart(Backward::<E> { cx, op, gradient, sink, block, partials, ahead, scratch, element });
            }
            Call::PoolBackward { op, gradient, sink } => {
                pool::backward::<V, E>(cx, op, gradient, *sink, block, scratch);
            }
            Call::EdgeBackward { gradient, sink } => {
                elementwise::edge_backward::<V, E>(cx, gradient, *sink, block);
            }
            Call::WindowAverageBackward { op, gradient, sink } => {
                elementwise::window_average_backward::<V, E>(cx, op, *gradient, *sink, block);
            }
            Call::NormStatistics { .. }
            | Call::NormGradient { .. }
            | Call::WeightGradient { .. }
            | Call::Update => {}
        }
    }
}
