//! Memory plan: where each block of memory lies, by lifetime, before the first step.

/// Memory that is needed from time `first` to time `last`, both included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetime {
    pub(crate) bytes: usize,
    pub(crate) first: usize,
    pub(crate) last: usize,
}

/// Where everything lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Offset in bytes of each lifetime's memory.
    pub(crate) offsets: Vec<usize>,
    /// Bytes of the arena.
    pub(crate) bytes: usize,
}

/// Memory of one training on its device, in bytes, as it is planned and allocated before the first step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryPlan {
    /// The arena of a training step, where activations, their gradients and the kernels' workspaces share memory by
    /// lifetime: what they take at their peak.
    pub activations: u64,
    /// What those would take if none shared memory with another.
    pub unshared: u64,
    /// The arena of evaluation; 0 on devices where it is the same memory.
    pub evaluation: u64,
    /// What lasts from step to step: weights, momentum, running statistics and maps of normalisations.
    pub state: u64,
    /// Gradients of the weights.
    pub gradients: u64,
    /// What kernels need beside: scratch memory of threads, sums of normalisations, drop-path scales, metrics.
    pub scratch: u64,
    /// Images and labels, which trainings share: not part of the total.
    pub data: u64,
    /// Pieces of memory that are laid out in the arenas.
    pub buffers: u64,
    /// Kernel calls of a training step: on a GPU, its dispatches.
    pub calls: u64,
    /// Bytes of activations and their gradients that a training step's calls read and write, as they declare it.
    pub moved: u64,
}

impl MemoryPlan {
    /// All memory of the training but its images.
    pub fn total(&self) -> u64 {
        [self.activations, self.evaluation, self.state, self.gradients, self.scratch]
            .into_iter()
            .fold(0, u64::saturating_add)
    }
}

/// Alignment of everything in the arena: a cache line, and the offset alignment of GPU bindings.
pub(crate) const ALIGNMENT: usize = 256;

/// Plans greedily, largest first, each at the lowest offset that is free during its whole lifetime.
pub(crate) fn plan(lifetimes: &[Lifetime]) -> Plan {
    let mut order: Vec<usize> = (0..lifetimes.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(lifetimes[i].bytes), lifetimes[i].first, i));
    let mut offsets = vec![0; lifetimes.len()];
    let mut placed: Vec<usize> = Vec::new();
    let mut end_of_all = 0;
    for index in order {
        let life = lifetimes[index];
        let size = life.bytes.next_multiple_of(ALIGNMENT);
        // Those alive at the same time, by offset: the first gap that is large enough is taken.
        let mut offset = 0;
        for &other in &placed {
            let there = lifetimes[other];
            if there.first > life.last || life.first > there.last {
                continue;
            }
            if offsets[other] >= offset + size {
                break;
            }
            offset = offset.max(offsets[other] + there.bytes.next_multiple_of(ALIGNMENT));
        }
        offsets[index] = offset;
        end_of_all = end_of_all.max(offset + size);
        let position = placed.partition_point(|&other| offsets[other] <= offset);
        placed.insert(position, index);
    }
    Plan { offsets, bytes: end_of_all }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lives_together_never_overlaps_and_what_does_not_shares() {
        let lives: Vec<Lifetime> = (0..200)
            .map(|i| Lifetime { bytes: 100 + (i * 7919) % 5000, first: i % 37, last: i % 37 + (i * 31) % 9 })
            .collect();
        let plan = plan(&lives);
        for (i, a) in lives.iter().enumerate() {
            for (j, b) in lives.iter().enumerate().skip(i + 1) {
                let together = a.first <= b.last && b.first <= a.last;
                let overlap = plan.offsets[i] < plan.offsets[j] + b.bytes
                    && plan.offsets[j] < plan.offsets[i] + a.bytes;
                assert!(!(together && overlap), "{a:?} and {b:?}");
            }
        }
        assert!(plan.bytes < lives.iter().map(|life| life.bytes).sum());
    }
}
