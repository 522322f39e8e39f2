//! The memory of a training on the processor: one list of buffers, from which it is planned and allocated.

use std::sync::Arc;

use super::CpuBackend;
use super::memory::{Buffer, Parameters};
use crate::preprocess::ImageSet;
use crate::program::plan::MemoryPlan;

/// All buffers but the arenas, by what they are for.
struct BuffersByUse<'a> {
    /// What lasts from step to step.
    state: Vec<&'a mut Buffer>,
    gradients: &'a mut Buffer,
    scratch: Vec<&'a mut Buffer>,
}

impl CpuBackend {
    fn parts(&mut self) -> BuffersByUse<'_> {
        let Self { parameters, norms, metrics, scratch, train, evaluate, .. } = self;
        let Parameters { master, rounded, momentum, second, gradients, extra, products, loss_scale } =
            parameters;
        let (norm_state, norm_sums) = norms.state_and_sums();
        let drops = [train.memory.drops(), evaluate.memory.drops()];
        BuffersByUse {
            state: [master, momentum].into_iter().chain(rounded).chain(second).chain(norm_state).collect(),
            gradients,
            scratch: scratch
                .iter_mut()
                .chain(extra)
                .chain([products, loss_scale, metrics])
                .chain(drops)
                .chain(norm_sums)
                .collect(),
        }
    }

    /// Whether an evaluation, which never runs at the same time as a step, has room in the step's arena.
    fn shares_arena(&self) -> bool {
        self.evaluate.memory.arena.bytes() <= self.train.memory.arena.bytes()
    }

    /// What will be allocated, part by part.
    pub(super) fn planned(&mut self) -> MemoryPlan {
        let bytes = |buffers: &[&mut Buffer]| buffers.iter().map(|buffer| buffer.bytes() as u64).sum::<u64>();
        let BuffersByUse { state, gradients, scratch } = self.parts();
        let (state, gradients, scratch) = (bytes(&state), gradients.bytes() as u64, bytes(&scratch));
        let (train, evaluate) = (&self.train.memory, &self.evaluate.memory);
        MemoryPlan {
            activations: train.arena.bytes() as u64,
            unshared: train.unshared as u64,
            evaluation: if self.shares_arena() { 0 } else { evaluate.arena.bytes() as u64 },
            state,
            gradients,
            scratch,
            data: self.sets.iter().map(ImageSet::bytes).sum(),
            buffers: (train.buffers + evaluate.buffers) as u64,
            calls: (self.train.calls.len() + self.plain_calls()) as u64,
            moved: self.train.moved,
        }
    }

    /// Allocates what was planned; false when the system refuses.
    #[must_use]
    pub(super) fn allocate(&mut self) -> bool {
        let own = |arena: &mut Arc<Buffer>| Arc::get_mut(arena).is_some_and(Buffer::allocate);
        let shares = self.shares_arena();
        let (train, evaluate) = (&mut self.train.memory.arena, &mut self.evaluate.memory.arena);
        if !own(train) {
            return false;
        }
        if shares {
            *evaluate = Arc::clone(train);
        } else if !own(evaluate) {
            return false;
        }
        let BuffersByUse { state, gradients, scratch } = self.parts();
        state.into_iter().chain([gradients]).chain(scratch).all(Buffer::allocate)
    }
}
