//! What this machine asks of a call: how its work is split, what memory it needs, and the work itself, which is compiled for
//! each instruction set and each precision.

use std::marker::PhantomData;

use super::context::{Context, segments};
use super::isa::Isa;
use super::memory::Memory;
use super::prefetch::{Later, Piece};
#[cfg(target_arch = "x86_64")]
use super::simd::{Avx2, Avx512};
use super::simd::{Element, Half, Portable, Simd, Work};
use crate::program::{Declare, Tables, WorkspaceId};
use crate::shape::Shape;
use crate::state::ParameterLayout;
use crate::step::Group;

/// How the work of a call is split. What one unit writes no other one touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    /// Into blocks of images, where the call follows those that it depends on image by image.
    Blocks,
    /// Into so many parts, each of which may read the whole batch.
    Parts(usize),
    /// The same behind a pass over the blocks, which gathers what the parts read.
    GatheredParts(usize),
    /// There is nothing to do.
    Nothing,
}

/// One unit of the work of a call.
#[derive(Clone, Copy)]
pub(crate) enum Unit<'a> {
    /// One block of images.
    Block(Block<'a>),
    /// One block, to gather what parts read.
    Gather { block: usize },
    /// One part.
    Part { part: usize },
}

/// A block of images, as a unit of work.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a> {
    /// Which of the batch's blocks it is.
    pub(crate) number: usize,
    /// Number of the partial sums that it adds to, and whether it is the first to do so.
    pub(crate) chunk: usize,
    pub(crate) first_of_chunk: bool,
    /// What the calls after this one read.
    pub(crate) next: &'a [Later],
}

/// What memory that is planned depends on.
pub(crate) struct Sizes<'a> {
    pub(crate) tables: &'a Tables,
    /// Blocks of a whole batch.
    pub(crate) blocks: usize,
    /// Partial sums of a call that is split into blocks.
    pub(crate) chunks: usize,
    /// Where parameters lie.
    pub(crate) layout: &'a ParameterLayout,
    /// Whether activations have 16 bits.
    pub(crate) half_precision: bool,
    /// Shapes of the images of each set.
    pub(crate) sources: &'a [Shape],
}

impl Sizes<'_> {
    /// The split of a call that goes through a group's elements, segment by segment.
    pub(crate) fn by_segment(&self, Group(group): Group) -> Split {
        Split::Parts(segments(self.layout.groups[group].len()))
    }
}

/// A call as this machine runs it.
pub(crate) trait Kernel: Declare {
    fn split(&self, _: &Sizes<'_>) -> Split {
        Split::Blocks
    }

    /// Elements of scratch memory that one unit needs.
    fn scratch_floats(&self, _: &Sizes<'_>) -> usize {
        0
    }

    /// Workspaces and the bytes that it needs of them; they last from the first call that declares them to the last.
    fn workspaces(&self, _: &Sizes<'_>) -> Vec<(WorkspaceId, usize)> {
        Vec::new()
    }

    /// What it reads of a block before it has products that the wait for memory could hide behind.
    fn first_reads(&self, _: &Memory) -> Vec<Piece> {
        Vec::new()
    }

    /// Whether it asks for what the calls after it read, while products keep the processor busy.
    fn prefetches(&self) -> bool {
        false
    }

    /// Does one unit of the work. Always inlined.
    ///
    /// # Safety
    /// `scratch` must have as many elements as the kernel says, all that the call reads be written, and no other thread touch
    /// what the unit writes: the schedule's promise. As [`Simd`] besides.
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, scratch: *mut f32)
    where
        Self: Sized;
}

/// A [`Kernel`] whose instructions are chosen when it runs.
pub(crate) trait RunKernel: Declare {
    /// As [`Kernel::split`].
    fn split(&self, sizes: &Sizes<'_>) -> Split;
    /// As [`Kernel::scratch_floats`].
    fn scratch_floats(&self, sizes: &Sizes<'_>) -> usize;
    /// As [`Kernel::workspaces`].
    fn workspaces(&self, sizes: &Sizes<'_>) -> Vec<(WorkspaceId, usize)>;
    /// As [`Kernel::first_reads`].
    fn first_reads(&self, memory: &Memory) -> Vec<Piece>;
    /// As [`Kernel::prefetches`].
    fn prefetches(&self) -> bool;
    /// Does one unit of the work.
    ///
    /// # Safety
    /// As [`Kernel::run`]; the processor must have the instructions.
    unsafe fn run_on(&self, isa: Isa, cx: &Context<'_>, unit: Unit<'_>, scratch: *mut f32);
}

impl<K: Kernel> RunKernel for K {
    fn split(&self, sizes: &Sizes<'_>) -> Split {
        Kernel::split(self, sizes)
    }

    fn scratch_floats(&self, sizes: &Sizes<'_>) -> usize {
        Kernel::scratch_floats(self, sizes)
    }

    fn workspaces(&self, sizes: &Sizes<'_>) -> Vec<(WorkspaceId, usize)> {
        Kernel::workspaces(self, sizes)
    }

    fn first_reads(&self, memory: &Memory) -> Vec<Piece> {
        Kernel::first_reads(self, memory)
    }

    fn prefetches(&self) -> bool {
        Kernel::prefetches(self)
    }

    unsafe fn run_on(&self, isa: Isa, cx: &Context<'_>, unit: Unit<'_>, scratch: *mut f32) {
        // SAFETY: `Isa::detect` found the instructions; the rest is the caller's promise.
        unsafe {
            match (isa, cx.memory.half_precision) {
                #[cfg(target_arch = "x86_64")]
                (Isa::Avx512, false) => Avx512::outlined(Task::<K, f32>::new(self, cx, unit, scratch)),
                #[cfg(target_arch = "x86_64")]
                (Isa::Avx512, true) => Avx512::outlined(Task::<K, Half>::new(self, cx, unit, scratch)),
                #[cfg(target_arch = "x86_64")]
                (Isa::Avx2, false) => Avx2::outlined(Task::<K, f32>::new(self, cx, unit, scratch)),
                #[cfg(target_arch = "x86_64")]
                (Isa::Avx2, true) => Avx2::outlined(Task::<K, Half>::new(self, cx, unit, scratch)),
                (Isa::Portable, false) => Portable::outlined(Task::<K, f32>::new(self, cx, unit, scratch)),
                (Isa::Portable, true) => Portable::outlined(Task::<K, Half>::new(self, cx, unit, scratch)),
            }
        }
    }
}

/// A unit of a kernel, as work for some instructions and one precision.
struct Task<'a, K, E> {
    kernel: &'a K,
    cx: &'a Context<'a>,
    unit: Unit<'a>,
    scratch: *mut f32,
    element: PhantomData<E>,
}

impl<'a, K, E> Task<'a, K, E> {
    fn new(kernel: &'a K, cx: &'a Context<'a>, unit: Unit<'a>, scratch: *mut f32) -> Self {
        Self { kernel, cx, unit, scratch, element: PhantomData }
    }
}

impl<V: Simd, E: Element, K: Kernel> Work<V> for Task<'_, K, E> {
    #[inline(always)]
    unsafe fn run(self) {
        // SAFETY: the caller's promise.
        unsafe { self.kernel.run::<V, E>(self.cx, self.unit, self.scratch) }
    }
}
