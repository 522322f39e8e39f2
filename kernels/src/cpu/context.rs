//! What a kernel sees: memory of the program, parameters, normalisations, and the batch.

use super::memory::{Buffer, Memory, NormArrays, Parameters};
use super::simd::{Element, Simd};
use super::sink::ChannelSink;
use crate::backend::TrainerSettings;
use crate::optimiser::Rates;
use crate::preprocess::{ImageSet, Resize};
use crate::program::{DropId, Gradient, Guard, Input, Mixed, Mode, ParamId, Tables};
use crate::shape::{BLOCK, blocks};
use crate::state::ParameterLayout;
use crate::step::{self, Group, RunningStatistics};

/// Most chunks that the blocks of a batch are split into: the grain of parallel work and of the weights' partial sums, which take
/// memory for each. Threads share the chunks of all independent chains of calls, so that one training can keep more threads busy.
pub(super) const CHUNKS: usize = 16;

/// Elements of a segment of a vector; fixed, so that sums do not depend on the number of threads.
pub(crate) const SEGMENT: usize = 16 * 1024;

/// Segments of so many elements.
pub(crate) fn segments(elements: usize) -> usize {
    elements.div_ceil(SEGMENT)
}

/// What a step reads beside activations.
pub(crate) struct Context<'a> {
    pub(crate) mode: Mode,
    pub(crate) tables: &'a Tables,
    pub(crate) settings: &'a TrainerSettings,
    pub(crate) memory: &'a Memory,
    pub(crate) parameters: &'a Parameters,
    pub(crate) norms: &'a NormArrays,
    pub(crate) images: &'a ImageSet,
    /// Vertical and horizontal resize.
    pub(crate) resize: &'a [Resize; 2],
    /// Loss of each image and whether the main head was right, `[image][2]`.
    pub(crate) metrics: &'a Buffer,
    pub(crate) epoch: u32,
    /// Of each group, for an update.
    pub(crate) rates: &'a [Rates],
    pub(crate) running: RunningStatistics,
    pub(crate) drop_path: f32,
    pub(crate) temperature: f32,
    /// Where parameters lie.
    pub(crate) layout: &'a ParameterLayout,
    /// The batch: numbers of its images in the set.
    pub(crate) batch: &'a [u32],
}

impl Context<'_> {
    /// Blocks of this batch.
    pub(crate) fn blocks(&self) -> usize {
        blocks(self.batch.len())
    }

    /// Partial sums of a call that is split into blocks.
    pub(crate) fn chunks(&self) -> usize {
        CHUNKS.min(self.blocks())
    }

    /// How channel `channel` of an input is read.
    ///
    /// # Safety
    /// The map of its normalisation must be there.
    #[inline(always)]
    pub(crate) unsafe fn reading<V: Simd>(&self, input: Input, channel: usize) -> Reading<V> {
        // SAFETY: the caller's promise.
        unsafe { Reading::new(self.norms, self.memory.input_channel(input), channel, input.relu) }
    }

    /// Images in a block.
    #[inline(always)]
    pub(crate) fn valid(&self, block: usize) -> usize {
        (self.batch.len() - block * BLOCK).min(BLOCK)
    }

    /// Which lanes of a block hold images.
    ///
    /// # Safety
    /// As [`Simd`].
    #[inline(always)]
    pub(crate) unsafe fn lanes<V: Simd>(&self, block: usize) -> Lanes<V> {
        let valid = self.valid(block);
        if valid == BLOCK {
            return Lanes(None);
        }
        let there: [f32; BLOCK] = std::array::from_fn(|lane| if lane < valid { 1.0 } else { 0.0 });
        // SAFETY: a block's lanes; parts that a vector does not have repeat its last.
        Lanes(Some(std::array::from_fn(|part| unsafe {
            V::load(there.as_ptr().add(part.min(V::PER_BLOCK - 1) * V::LANES))
        })))
    }

    /// Drop-path scales.
    ///
    /// # Safety
    /// The scales of the block must have been drawn.
    #[inline(always)]
    pub(crate) unsafe fn scale(&self, drop: Option<DropId>, block: usize) -> [f32; BLOCK] {
        let Some(drop) = drop else { return [1.0; BLOCK] };
        let scale = self.memory.drop_scale(drop, block);
        // SAFETY: the block's 16 scales.
        std::array::from_fn(|lane| unsafe { *scale.add(lane) })
    }

    /// A weight of a mixture; 1 where there is none.
    ///
    /// # Safety
    /// The weights must be there.
    #[inline(always)]
    pub(crate) unsafe fn mixture_weight(&self, mixed: Option<Mixed>) -> f32 {
        // SAFETY: the caller's promise.
        mixed.map_or(1.0, |mixed| unsafe { *self.memory.workspace::<f32>(mixed.weights).add(mixed.choice) })
    }

    /// Whether what stands behind a guard is run in this step.
    ///
    /// # Safety
    /// The weights must be there.
    pub(crate) unsafe fn is_open(&self, guard: Guard) -> bool {
        // SAFETY: the caller's promise.
        unsafe { *self.memory.workspace::<f32>(guard.weights).add(guard.choice) != 0.0 }
    }

    /// Where the partial sums of the gradient of a weight lie, one a block.
    pub(crate) fn weight_partials(&self, mixed: Mixed) -> *mut f32 {
        self.memory.workspace::<f32>(mixed.partials).wrapping_add(mixed.term * self.memory.blocks_max())
    }

    /// Leaves the gradient of a weight from one term, of all blocks, in the place of the first; the softmax left zeros.
    ///
    /// # Safety
    /// No other thread may touch the term.
    pub(crate) unsafe fn put_weight_gradient(&self, mixed: Mixed, gradient: f32) {
        // SAFETY: the caller's promise; a term has a number for each block.
        unsafe { *self.weight_partials(mixed) = gradient }
    }

    /// A, B and C of the normalisation that a gradient is sent back through, of a channel of what it is the gradient of.
    ///
    /// # Safety
    /// They must be there.
    #[inline(always)]
    pub(crate) unsafe fn gradient_map(&self, gradient: &Gradient, channel: usize) -> Option<[f32; 3]> {
        let at = self.memory.norm_channel(gradient.norm?, gradient.raw) + channel;
        // SAFETY: the caller's promise.
        Some(self.norms.gradient_map.each_ref().map(|one| unsafe { *one.pointer::<f32>().add(at) }))
    }

    /// Where a segment of a group begins in the vectors, and its elements.
    pub(crate) fn segment(&self, Group(group): Group, segment: usize) -> (usize, usize) {
        let range = &self.layout.groups[group];
        let begin = range.start + segment * SEGMENT;
        (begin, SEGMENT.min(range.end - begin))
    }

    /// A vector of trained parameters' numbers.
    pub(crate) fn vector(&self, vector: step::Vector) -> *mut f32 {
        let Parameters { master, gradients, momentum, extra, .. } = self.parameters;
        let buffer = match vector {
            step::Vector::Parameters => master,
            step::Vector::Gradients => gradients,
            step::Vector::Momenta => momentum,
            step::Vector::Extra(number) => &extra[number],
        };
        buffer.pointer()
    }

    /// A parameter in 32 bits: what normalisations use, also with `float_bits = 16`.
    #[inline(always)]
    pub(crate) fn master(&self, id: ParamId) -> *const f32 {
        self.parameters.master.pointer::<f32>().wrapping_add(self.memory.param(id).0)
    }

    /// A parameter as arithmetic uses it.
    #[inline(always)]
    pub(crate) fn weights(&self, id: ParamId) -> *const f32 {
        let buffer = self.parameters.rounded.as_ref().unwrap_or(&self.parameters.master);
        buffer.pointer::<f32>().wrapping_add(self.memory.param(id).0)
    }
}

/// Which lanes of a block hold images, in the vectors of a block; nothing where all do.
#[derive(Clone, Copy)]
pub(crate) struct Lanes<V>(Option<[V; 2]>);

impl<V: Simd> Lanes<V> {
    /// Part `part` of the lanes where they hold images, and 0 in idle ones, whatever is in them.
    ///
    /// # Safety
    /// As [`Simd`].
    #[inline(always)]
    pub(crate) unsafe fn keep(self, part: usize, value: V) -> V {
        let Some(there) = self.0 else { return value };
        // SAFETY: the caller's promise.
        unsafe {
            let zero = V::splat(0.0);
            there[part].select_greater(zero, value, zero)
        }
    }
}

/// The affine map of a channel and ReLU, as an operation reads.
#[derive(Clone, Copy)]
pub(crate) struct Reading<V> {
    map: Option<(V, V)>,
    relu: bool,
}

impl<V: Simd> Reading<V> {
    /// How channel `channel` of an input is read; `first` is its first channel in the arrays of
    /// normalisations.
    ///
    /// # Safety
    /// The map of that channel must be there.
    #[inline(always)]
    pub(crate) unsafe fn new(norms: &NormArrays, first: Option<usize>, channel: usize, relu: bool) -> Self {
        let map = first.map(|first| {
            let (scale, shift) = (norms.scale.pointer::<f32>(), norms.shift.pointer::<f32>());
            // SAFETY: the caller's promise.
            unsafe { (V::splat(*scale.add(first + channel)), V::splat(*shift.add(first + channel))) }
        });
        Self { map, relu }
    }

    /// The value as the operation sees it.
    ///
    /// # Safety
    /// As [`Simd`].
    #[inline(always)]
    pub(crate) unsafe fn apply(self, mut x: V) -> V {
        // SAFETY: the caller's promise.
        unsafe {
            if let Some((scale, shift)) = self.map {
                x = scale.mul_add(x, shift);
            }
            // What is no number stays so: `max` gives its second operand there.
            if self.relu { V::splat(0.0).max(x) } else { x }
        }
    }

    /// Gives the gradient of the value that is read at `at` from `from`, through the gate of the ReLU.
    ///
    /// # Safety
    /// As [`Simd`]; a vector must be at that place, and in the sink.
    #[inline(always)]
    pub(crate) unsafe fn give<E: Element>(
        self,
        mut value: V,
        from: *const E,
        sink: ChannelSink<E>,
        at: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            if self.relu {
                let zero = V::splat(0.0);
                value = self.apply(E::load::<V>(from.add(at))).select_greater(zero, value, zero);
            }
            sink.put(at, value);
        }
    }

    /// Reads `count` blocks of images that lie `step` blocks apart, and leaves them side by side.
    ///
    /// # Safety
    /// As [`Simd`]; `to` must have room.
    #[inline(always)]
    pub(crate) unsafe fn read<E: Element>(self, from: *const E, step: usize, to: *mut f32, count: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            match (self.map.is_some(), self.relu) {
                (true, true) => self.read_as::<E, true, true>(from, step, to, count),
                (true, false) => self.read_as::<E, true, false>(from, step, to, count),
                (false, true) => self.read_as::<E, false, true>(from, step, to, count),
                (false, false) => self.read_as::<E, false, false>(from, step, to, count),
            }
        }
    }

    /// [`read`](Self::read) with a loop of its own for each way of reading: compilers leave the choice inside.
    #[inline(always)]
    unsafe fn read_as<E: Element, const MAP: bool, const RELU: bool>(
        self,
        from: *const E,
        step: usize,
        to: *mut f32,
        count: usize,
    ) {
        let reading = Self { map: if MAP { self.map } else { None }, relu: RELU };
        // SAFETY: the caller's promise.
        unsafe {
            for block in 0..count {
                for lane in (0..BLOCK).step_by(V::LANES) {
                    let value = E::load::<V>(from.add(block * step * BLOCK + lane));
                    reading.apply(value).store(to.add(block * BLOCK + lane));
                }
            }
        }
    }
}
