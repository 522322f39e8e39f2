//! Where everything of one program lies in memory, as the kernels see it.

use std::ptr::{self, NonNull};
use std::sync::Arc;

use super::simd::Element;
use crate::error::Error;
use crate::limits::Limit;
use crate::program::plan::{ALIGNMENT, Lifetime, plan};
use crate::program::{DropId, Input, NormId, ParamId, Storage, StorageId, Tables, Tensor, WorkspaceId};
use crate::reservation::memory_for_trainings;
use crate::shape::BLOCK;
use crate::state::{LossScale, ParameterLayout};

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
        assert!(self.at.is_none(), "a buffer is allocated once");
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
    /// Momenta of SGD, and first moments of Adam.
    pub(crate) momentum: Buffer,
    /// Second moments of Adam, where a group has it.
    pub(crate) second: Option<Buffer>,
    pub(crate) gradients: Buffer,
    /// What steps keep.
    pub(crate) extra: Vec<Buffer>,
    /// Sums of products of the elements of vectors, by segments.
    pub(crate) products: Buffer,
    /// A [`LossScale`].
    pub(crate) loss_scale: Buffer,
}

impl Parameters {
    /// The scale of the loss.
    pub(crate) fn loss_scale(&self) -> *mut LossScale {
        self.loss_scale.pointer()
    }
}

/// Where a storage lies in the arena: its first byte, and strides.
#[derive(Clone, Copy)]
struct StorageLayout {
    offset: usize,
    block_bytes: usize,
    channel_bytes: usize,
}

/// What a call touches that runs at a time: storages, and workspaces with the bytes that it needs of each.
pub(super) struct Touched {
    pub(super) time: usize,
    pub(super) storages: Vec<StorageId>,
    pub(super) workspaces: Vec<(WorkspaceId, usize)>,
}

/// Memory plan of one program.
pub(crate) struct Memory {
    pub(crate) arena: Arc<Buffer>,
    /// Pieces that lie in the arena, and their bytes if none shared memory with another.
    pub(crate) buffers: usize,
    pub(crate) unshared: usize,
    layouts: Vec<StorageLayout>,
    /// Offset of each workspace.
    workspaces: Vec<usize>,
    /// First channel of each normalisation in the arrays, less the first channel of what it normalises.
    norm_offsets: Vec<(usize, usize)>,
    params: Vec<(usize, usize)>,
    drops: Buffer,
    blocks_max: usize,
    pub(crate) half_precision: bool,
}

impl Memory {
    /// Plans the arena for batches of up to `blocks` blocks and calls that touch `touched`.
    pub(super) fn new(
        tables: &Tables,
        layout: &ParameterLayout,
        storages: &[Storage],
        touched: &[Touched],
        blocks: usize,
        half_precision: bool,
    ) -> Result<Self, Error> {
        let unused = |bytes| Lifetime { bytes, first: usize::MAX, last: 0 };
        let mut lifetimes: Vec<Lifetime> = Vec::new();
        let mut layouts = Vec::new();
        for storage in storages {
            let channel_bytes = storage.shape.pixels() * BLOCK * storage.content.bytes(half_precision);
            let block_bytes = channel_bytes * storage.shape.channels;
            layouts.push(StorageLayout { offset: 0, block_bytes, channel_bytes });
            lifetimes.push(unused(block_bytes * blocks));
        }
        lifetimes.resize(storages.len() + tables.workspaces, unused(0));
        for Touched { time, storages: touched, workspaces } in touched {
            let workspaces = workspaces.iter().map(|&(WorkspaceId(id), bytes)| (storages.len() + id, bytes));
            for (index, bytes) in touched.iter().map(|&StorageId(id)| (id, 0)).chain(workspaces) {
                let life = &mut lifetimes[index];
                let (first, last) = (life.first.min(*time), life.last.max(*time));
                *life = Lifetime { bytes: life.bytes.max(bytes), first, last };
            }
        }
        for life in &mut lifetimes {
            if life.first > life.last {
                *life = Lifetime { bytes: 0, first: 0, last: 0 };
            }
        }
        let plan = plan(&lifetimes);
        for (storage, &offset) in layouts.iter_mut().zip(&plan.offsets) {
            storage.offset = offset;
        }
        Ok(Self {
            arena: Arc::new(Buffer::planned(plan.bytes)?),
            buffers: lifetimes.iter().filter(|life| life.bytes > 0).count(),
            unshared: lifetimes.iter().map(|life| life.bytes).fold(0, usize::saturating_add),
            layouts,
            workspaces: plan.offsets[storages.len()..].to_vec(),
            norm_offsets: tables.norms.iter().map(|norm| (norm.offset, norm.raw.channel)).collect(),
            params: (tables.params.iter().enumerate())
                .map(|(id, param)| (layout.offset(ParamId(id)), param.elements()))
                .collect(),
            drops: Buffer::floats(tables.drops * blocks * BLOCK)?,
            blocks_max: blocks,
            half_precision,
        })
    }

    /// Byte of the arena where a tensor's part of block 0 begins, and bytes from block to block.
    #[inline(always)]
    pub(crate) fn place(&self, tensor: Tensor) -> (usize, usize) {
        let layout = self.layouts[tensor.storage.0];
        (layout.offset + tensor.channel * layout.channel_bytes, layout.block_bytes)
    }

    /// First element of a tensor's part of a block.
    #[inline(always)]
    pub(crate) fn tensor<E: Element>(&self, tensor: Tensor, block: usize) -> *mut E {
        assert!(!cfg!(test) || block < self.blocks_max);
        let (at, block_bytes) = self.place(tensor);
        self.arena.pointer::<u8>().wrapping_add(at + block * block_bytes).cast()
    }

    /// Small numbers of a block.
    #[inline(always)]
    pub(crate) fn bytes(&self, storage: StorageId, block: usize) -> *mut u8 {
        let layout = self.layouts[storage.0];
        self.arena.pointer::<u8>().wrapping_add(layout.offset + block * layout.block_bytes)
    }

    /// An operation's own memory, at a cache line.
    #[inline(always)]
    pub(crate) fn workspace<T>(&self, workspace: WorkspaceId) -> *mut T {
        self.arena.pointer::<u8>().wrapping_add(self.workspaces[workspace.0]).cast()
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

    /// Byte of the arena where a workspace begins.
    #[cfg(test)]
    pub(super) fn workspace_offset(&self, workspace: WorkspaceId) -> usize {
        self.workspaces[workspace.0]
    }

    /// Bytes of a channel of a block.
    pub(super) fn channel_bytes(&self, storage: StorageId) -> usize {
        self.layouts[storage.0].channel_bytes
    }

    /// The drop-path scales.
    #[cfg(test)]
    pub(super) fn drop_scales(&self) -> &Buffer {
        &self.drops
    }

    pub(crate) fn blocks_max(&self) -> usize {
        self.blocks_max
    }

    pub(crate) fn drops(&mut self) -> &mut Buffer {
        &mut self.drops
    }
}
