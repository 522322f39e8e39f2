//! The memory of a training on the processor, part by part.

use std::sync::Arc;

use super::CpuBackend;
use super::memory::{Buffer, Parameters};
use crate::plan::MemoryPlan;
use crate::preprocess::ImageSet;

impl CpuBackend {
    /// What is allocated, part by part: read from the buffers themselves.
    pub(super) fn planned(&self) -> MemoryPlan {
        let all = |buffers: &[&Buffer]| buffers.iter().map(|buffer| buffer.bytes() as u64).sum::<u64>();
        let Parameters { master, rounded, momentum, gradients } = &self.parameters;
        let (train, evaluate) = (&self.train.memory, &self.evaluate.memory);
        let is_shared = Arc::ptr_eq(&train.arena, &evaluate.arena);
        let (norm_state, norm_sums) = self.norms.state_and_sums();
        let own = self.scratch.iter().chain([&self.metrics, &self.square_sums]);
        let own = own.chain([train.drops(), evaluate.drops()]).chain(norm_sums).collect::<Vec<_>>();
        MemoryPlan {
            activations: train.arena.bytes() as u64,
            unshared: train.unshared as u64,
            evaluation: if is_shared { 0 } else { evaluate.arena.bytes() as u64 },
            state: all(&[master, momentum]) + rounded.as_ref().map_or(0, |b| all(&[b])) + all(&norm_state),
            gradients: all(&[gradients]),
            scratch: all(&own),
            data: self.sets.iter().map(ImageSet::bytes).sum(),
            buffers: (train.buffers + evaluate.buffers) as u64,
            calls: self.train.program.calls.len() as u64,
        }
    }
}
