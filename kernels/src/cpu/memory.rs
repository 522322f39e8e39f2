//! Where everything of one program lies in memory, as the kernels see it.

use std::ptr::{self, NonNull};
use std::sync::Arc;

use super::simd::{Element, Half};
use super::wide;
use crate::error::Error;
use crate::graph::{DropId, Graph, Input, NormId, ParamId, Tensor};
use crate::limits::Limit;
use crate::plan::{ALIGNMENT, Lifetime, plan};
use crate::program::{Call, Content, Program};
use crate::reservation::memory_for_trainings;
use crate::shape::BLOCK;
use crate::state::Layout;

/// A huge page of Linux. A step goes through more memory than a processor remembers the translations of with pages of
/// 4 KiB, so buffers that fill such a page begin at one.
const HUGE_PAGE: usize = 2 << 20;

/// Zeroed memory, aligned for vectors and cache lines, freed when dropped. It is planned first, and allocated when all
/// memory of its training is known and there.
pub(crate) struct Buffer {
    /// None until it is allocated.
    at: Option<NonNull<u8>>,
    layout: std::alloc::Layout,
}

// SAFETY: a buffer is plain memory; who may touch which part when is decided by the schedule.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// A buffer that will have so many bytes.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] when no address space holds them.
    pub(crate) fn planned(bytes: usize) -> Result<Self, Error> {
        let size = bytes.max(1).checked_next_multiple_of(ALIGNMENT);
        let layout = size.and_then(|size| {
            let alignment = if size < HUGE_PAGE { ALIGNMENT } else { HUGE_PAGE };
            std::alloc::Layout::from_size_align(size, alignment).ok()
        });
        let layout = layout.ok_or_else(|| Error::OutOfMemory {
            device: "cpu".into(),
            needed_mib: (bytes >> 20) as u64,
            available_mib: memory_for_trainings().unwrap_or(0) >> 20,
            limit: Limit::Machine,
        })?;
        Ok(Self { at: None, layout })
    }

    /// Room for so many numbers.
    ///
    /// # Errors
    /// As [`Buffer::planned`].
    pub(crate) fn floats(count: usize) -> Result<Self, Error> {
        Self::planned(count.saturating_mul(size_of::<f32>()))
    }

    /// Allocates it, once; false when the system refuses.
    #[must_use]
    pub(super) fn allocate(&mut self) -> bool {
        debug_assert!(self.at.is_none(), "a buffer is allocated once");
        let size = self.layout.size();
        // SAFETY: the size is not zero.
        let Some(at) = NonNull::new(unsafe { std::alloc::alloc(self.layout) }) else { return false };
        // SAFETY: the memory just allocated. Pages are chosen when they are first touched, so advice comes before zeros;
        // where the kernel refuses it, pages are small and nothing else changes.
        unsafe {
            #[cfg(target_os = "linux")]
            libc::madvise(at.as_ptr().cast(), size / HUGE_PAGE * HUGE_PAGE, libc::MADV_HUGEPAGE);
            at.as_ptr().write_bytes(0, size);
        }
        self.at = Some(at);
        true
    }

    pub(crate) fn bytes(&self) -> usize {
        self.layout.size()
    }

    pub(crate) fn pointer<T>(&self) -> *mut T {
        self.at.map_or(ptr::null_mut(), NonNull::as_ptr).cast()
    }

    /// The buffer as numbers.
    ///
    /// # Safety
    /// No kernel may be running.
    pub(crate) unsafe fn as_floats(&self) -> &[f32] {
        // SAFETY: the memory is zeroed or written as f32, and nobody writes now.
        unsafe { std::slice::from_raw_parts(self.pointer(), self.bytes() / size_of::<f32>()) }
    }

    pub(crate) fn as_floats_mut(&mut self) -> &mut [f32] {
        // SAFETY: exclusive borrow of memory that holds f32.
        unsafe { std::slice::from_raw_parts_mut(self.pointer(), self.bytes() / size_of::<f32>()) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(at) = self.at {
            // SAFETY: allocated with this layout in `allocate`.
            unsafe { std::alloc::dealloc(at.as_ptr(), self.layout) }
        }
    }
}

/// Arrays with one number for each channel of each normalisation.
pub(crate) struct NormArrays {
    /// `a` and `b` of the forward map `a·y + b`.
    pub(crate) scale: Buffer,
    pub(crate) shift: Buffer,
    pub(crate) mean: Buffer,
    pub(crate) inverse_std: Buffer,
    /// A, B and C of the backward map.
    pub(crate) gradient_map: [Buffer; 3],
    pub(crate) running_mean: Buffer,
    pub(crate) running_var: Buffer,
    /// Mean and sum of squared deviations of each block, `[channel][block][2]`.
    pub(crate) sums: Buffer,
    /// `Σ g` and `Σ g·(y - mean)` of each block, `[channel][block][2]`.
    pub(crate) gradient_sums: Buffer,
}

impl NormArrays {
    pub(crate) fn new(channels: usize, blocks: usize) -> Result<Self, Error> {
        let floats = || Buffer::floats(channels);
        Ok(Self {
            scale: floats()?,
            shift: floats()?,
            mean: floats()?,
            inverse_std: floats()?,
            gradient_map: [floats()?, floats()?, floats()?],
            running_mean: floats()?,
            running_var: floats()?,
            sums: Buffer::floats(2 * channels * blocks)?,
            gradient_sums: Buffer::floats(2 * channels * blocks)?,
        })
    }

    /// Its buffers: those that last from step to step, and the sums of one step.
    pub(crate) fn state_and_sums(&mut self) -> ([&mut Buffer; 9], [&mut Buffer; 2]) {
        let Self { scale, shift, mean, inverse_std, gradient_map, running_mean, running_var, .. } = self;
        let [a, b, c] = gradient_map;
        let state = [scale, shift, mean, inverse_std, a, b, c, running_mean, running_var];
        (state, [&mut self.sums, &mut self.gradient_sums])
    }
}

/// Parameters and what belongs to them.
pub(crate) struct Parameters {
    pub(crate) master: Buffer,
    /// The weights that arithmetic uses: the master copy, or that rounded to binary16.
    pub(crate) rounded: Option<Buffer>,
    pub(crate) momentum: Buffer,
    pub(crate) gradients: Buffer,
}

/// Bytes of an activation of 16 or of 32 bits.
fn element(halves: bool) -> usize {
    if halves { size_of::<Half>() } else { size_of::<f32>() }
}

/// Place of a storage in the arena.
#[derive(Clone, Copy)]
struct Place {
    offset: usize,
    block_bytes: usize,
    channel_bytes: usize,
}

/// Place of the partial sums of a convolution's weights.
#[derive(Clone, Copy)]
struct PartialPlace {
    offset: usize,
    chunk_floats: usize,
}

/// What a wide convolution gathers of the whole batch: its columns, which stay for the backward pass, and there the gradients
/// of its outputs.
pub(crate) struct Gathered {
    pub(crate) columns: *mut f32,
    pub(crate) gradients: *mut f32,
}

/// Partial sums of one convolution and chunk: weights, depthwise weights, bias.
pub(crate) struct Partials {
    pub(crate) weight: *mut f32,
    pub(crate) depthwise: *mut f32,
    pub(crate) bias: *mut f32,
    pub(crate) floats: usize,
}

/// Memory plan of one program.
pub(crate) struct Memory {
    pub(crate) arena: Arc<Buffer>,
    /// Pieces that lie in the arena, and their bytes if none shared memory with another.
    pub(crate) buffers: usize,
    pub(crate) unshared: usize,
    places: Vec<Place>,
    partials: Vec<Option<PartialPlace>>,
    /// Offsets of the columns and of the gradients that a wide convolution gathers.
    gathers: Vec<Option<[usize; 2]>>,
    /// First channel of each normalisation in the arrays, less the first channel of what it normalises.
    norm_offsets: Vec<(usize, usize)>,
    params: Vec<(usize, usize)>,
    drops: Buffer,
    blocks_max: usize,
    pub(crate) halves: bool,
}

impl Memory {
    /// Plans the arena of `program`, whose calls run at `times`, for batches of up to `blocks` blocks in
    /// `chunks` chunks.
    pub(crate) fn new(
        graph: &Graph,
        layout: &Layout,
        program: &Program,
        times: &[usize],
        blocks: usize,
        chunks: impl Fn(&Call) -> usize,
        halves: bool,
    ) -> Result<Self, Error> {
        let element = element(halves);
        let mut lifetimes: Vec<Lifetime> = Vec::new();
        let mut places = Vec::new();
        for storage in &program.storages {
            let bytes = match storage.content {
                Content::Activation => element,
                Content::Taps => 1,
            };
            let channel_bytes = storage.shape.pixels() * BLOCK * bytes;
            let block_bytes = channel_bytes * storage.shape.channels;
            places.push(Place { offset: 0, block_bytes, channel_bytes });
            lifetimes.push(Lifetime { bytes: block_bytes * blocks, first: usize::MAX, last: 0 });
        }
        let mut partials = vec![None; graph.params.len()];
        let mut gathers: Vec<Option<[usize; 2]>> = vec![None; graph.params.len()];
        for (call, &time) in program.calls.iter().zip(times) {
            for storage in call.storages() {
                let life = &mut lifetimes[storage.0];
                life.first = life.first.min(time);
                life.last = life.last.max(time);
            }
            if let Call::Convolve { op } | Call::ConvolveBackward { op, .. } = call
                && wide::is_wide(op)
            {
                let bytes = wide::gathered_floats(op, blocks).map(|floats| floats * size_of::<f32>());
                let here = |bytes| Lifetime { bytes, first: time, last: time };
                let [columns, gradients] = *gathers[op.weight.0].get_or_insert_with(|| {
                    lifetimes.extend([here(bytes[0]), here(0)]);
                    [lifetimes.len() - 2, lifetimes.len() - 1]
                });
                lifetimes[columns].last = time;
                if matches!(call, Call::ConvolveBackward { .. }) {
                    lifetimes[gradients] = here(bytes[1]);
                }
            }
            match call {
                Call::ConvolveBackward { op, .. } => {
                    let ids = op.depthwise.into_iter().chain([op.weight]).chain(op.bias);
                    let chunk_floats = ids.map(|id| graph.params[id.0].elements()).sum();
                    let bytes = chunk_floats * size_of::<f32>() * chunks(call);
                    partials[op.weight.0] = Some((lifetimes.len(), chunk_floats));
                    lifetimes.push(Lifetime { bytes, first: time, last: time });
                }
                Call::WeightGradient { op } => {
                    if let Some((index, _)) = partials[op.weight.0] {
                        lifetimes[index].last = time;
                    }
                }
                _ => {}
            }
        }
        for life in &mut lifetimes {
            if life.first > life.last {
                *life = Lifetime { bytes: 0, first: 0, last: 0 };
            }
        }
        let plan = plan(&lifetimes);
        for (place, &offset) in places.iter_mut().zip(&plan.offsets) {
            place.offset = offset;
        }
        let partial = |p: Option<(usize, usize)>| {
            p.map(|(index, chunk_floats)| PartialPlace { offset: plan.offsets[index], chunk_floats })
        };
        let gather = |place: [usize; 2]| place.map(|index| plan.offsets[index]);
        Ok(Self {
            arena: Arc::new(Buffer::planned(plan.bytes)?),
            buffers: lifetimes.iter().filter(|life| life.bytes > 0).count(),
            unshared: lifetimes.iter().map(|life| life.bytes).fold(0, usize::saturating_add),
            places,
            partials: partials.into_iter().map(partial).collect(),
            gathers: gathers.into_iter().map(|place| place.map(gather)).collect(),
            norm_offsets: graph.norms.iter().map(|norm| (norm.offset, norm.raw.channel)).collect(),
            params: (graph.params.iter().enumerate())
                .map(|(id, param)| (layout.offset(ParamId(id)), param.elements()))
                .collect(),
            drops: Buffer::floats(graph.drops * blocks * BLOCK)?,
            blocks_max: blocks,
            halves,
        })
    }

    /// Byte of the arena where a tensor's part of block 0 begins, and bytes from block to block.
    #[inline(always)]
    pub(crate) fn place(&self, tensor: Tensor) -> (usize, usize) {
        let place = self.places[tensor.storage.0];
        (place.offset + tensor.channel * place.channel_bytes, place.block_bytes)
    }

    /// Bytes of an activation.
    pub(crate) fn element(&self) -> usize {
        element(self.halves)
    }

    /// First element of a tensor's part of a block.
    #[inline(always)]
    pub(crate) fn tensor<E: Element>(&self, tensor: Tensor, block: usize) -> *mut E {
        debug_assert!(block < self.blocks_max);
        let (at, block_bytes) = self.place(tensor);
        self.arena.pointer::<u8>().wrapping_add(at + block * block_bytes).cast()
    }

    /// Tap numbers of a block.
    #[inline(always)]
    pub(crate) fn taps(&self, storage: crate::graph::StorageId, block: usize) -> *mut u8 {
        let place = self.places[storage.0];
        self.arena.pointer::<u8>().wrapping_add(place.offset + block * place.block_bytes)
    }

    /// Partial sums of a convolution in one chunk.
    pub(crate) fn partials(&self, op: &crate::ops::Convolution, chunk: usize) -> Option<Partials> {
        let place = self.partials[op.weight.0]?;
        let offset = place.offset + chunk * place.chunk_floats * size_of::<f32>();
        let weight: *mut f32 = self.arena.pointer::<u8>().wrapping_add(offset).cast();
        let depthwise = weight.wrapping_add(self.params[op.weight.0].1);
        let bias = depthwise.wrapping_add(op.depthwise.map_or(0, |id| self.params[id.0].1));
        Some(Partials { weight, depthwise, bias, floats: place.chunk_floats })
    }

    /// What a wide convolution gathers.
    pub(crate) fn gathered(&self, op: &crate::ops::Convolution) -> Option<Gathered> {
        let at = |offset: usize| self.arena.pointer::<u8>().wrapping_add(offset).cast();
        let [columns, gradients] = self.gathers[op.weight.0]?.map(at);
        Some(Gathered { columns, gradients })
    }

    /// Drop-path scale of the 16 images of a block.
    #[inline(always)]
    pub(crate) fn drop_scale(&self, drop: DropId, block: usize) -> *mut f32 {
        self.drops.pointer::<f32>().wrapping_add((drop.0 * self.blocks_max + block) * BLOCK)
    }

    /// Offset of a parameter and its number of elements.
    #[inline(always)]
    pub(crate) fn param(&self, id: ParamId) -> (usize, usize) {
        self.params[id.0]
    }

    /// Place of a tensor's first channel in the arrays of normalisations.
    #[inline(always)]
    pub(crate) fn norm_channel(&self, norm: NormId, tensor: Tensor) -> usize {
        let (offset, first) = self.norm_offsets[norm.0];
        offset + tensor.channel - first
    }

    /// Place of an input's first channel in the arrays, when it is normalised.
    #[inline(always)]
    pub(crate) fn input_channel(&self, input: Input) -> Option<usize> {
        input.norm.map(|norm| self.norm_channel(norm, input.tensor))
    }

    pub(crate) fn blocks_max(&self) -> usize {
        self.blocks_max
    }

    pub(crate) fn drops(&mut self) -> &mut Buffer {
        &mut self.drops
    }
}
