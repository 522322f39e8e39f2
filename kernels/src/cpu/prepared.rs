//! A program as this backend runs it: its memory, and its calls in phases.

use super::ahead::{Later, next_reads};
use super::memory::Memory;
use super::{CHUNKS, batch, convolution, pool, update, wide};
use crate::error::Error;
use crate::graph::Graph;
use crate::program::{Call, Program};
use crate::schedule::{chains, put_off, schedule, waits};
use crate::state::Layout;

/// A call of a chain, and what those after it read.
pub(super) struct Link {
    pub(super) call: usize,
    pub(super) next: Vec<Later>,
}

/// What runs at one time.
pub(super) enum Phase {
    /// Chains of calls that depend on each other image by image only, run one after the other on every block.
    Blocks(Vec<Vec<Link>>),
    /// Wide convolutions gather what the parts of the phase after this one read, block by block.
    Gather(Vec<usize>),
    /// Independent (call, part) pairs.
    Parts(Vec<(usize, usize)>),
}

/// A program with its memory and phases.
pub(super) struct Prepared {
    pub(super) program: Program,
    pub(super) memory: Memory,
    pub(super) phases: Vec<Phase>,
}

fn is_local(call: &Call) -> bool {
    match call {
        Call::Convolve { op } | Call::ConvolveBackward { op, .. } => !wide::is_wide(op),
        Call::NormStatistics { .. }
        | Call::NormGradient { .. }
        | Call::WeightGradient { .. }
        | Call::Update => false,
        _ => true,
    }
}

impl Prepared {
    pub(super) fn new(
        graph: &Graph,
        layout: &Layout,
        program: Program,
        blocks: usize,
        halves: bool,
    ) -> Result<Self, Error> {
        let waits = waits(&program.calls);
        let mut times = schedule(&program.calls, &waits, is_local);
        put_off(&program.calls, &waits, is_local, &mut times);
        let chunks = |call: &Call| if is_local(call) { CHUNKS.min(blocks) } else { 1 };
        let memory = Memory::new(graph, layout, &program, &times, blocks, chunks, halves)?;
        let mut phases = Vec::new();
        for time in 0..=times.iter().copied().max().unwrap_or(0) {
            let calls: Vec<usize> = (0..times.len()).filter(|&i| times[i] == time).collect();
            if calls.is_empty() {
                continue;
            }
            if time % 2 == 1 {
                let chains = chains(&waits, &calls);
                let mut next = next_reads(&memory, &program.calls, &chains.concat()).into_iter();
                let link = |(call, next)| Link { call, next };
                let links = |chain: Vec<usize>| chain.into_iter().zip(next.by_ref()).map(link).collect();
                phases.push(Phase::Blocks(chains.into_iter().map(links).collect()));
            } else {
                let parts =
                    |&call: &usize| (0..parts(&program.calls[call], &memory)).map(move |part| (call, part));
                let parts: Vec<_> = calls.iter().flat_map(parts).collect();
                let wide = |&call: &usize| {
                    matches!(&program.calls[call], Call::Convolve { .. } | Call::ConvolveBackward { .. })
                };
                let gathers: Vec<usize> = calls.iter().copied().filter(wide).collect();
                if !gathers.is_empty() {
                    phases.push(Phase::Gather(gathers));
                }
                if !parts.is_empty() {
                    phases.push(Phase::Parts(parts));
                }
            }
        }
        Ok(Self { program, memory, phases })
    }

    pub(super) fn scratch_floats(&self, source: crate::Shape) -> usize {
        let of_call = |call: &Call| match call {
            Call::LoadImages { output } => batch::load_scratch_floats(*output, source),
            Call::Convolve { op } | Call::ConvolveBackward { op, .. } => {
                if wide::is_wide(op) {
                    wide::scratch_floats(op, self.memory.blocks_max())
                } else {
                    convolution::scratch_floats(op)
                }
            }
            Call::Pool { op } | Call::PoolBackward { op, .. } => pool::scratch_floats(op),
            Call::CrossEntropy { head, .. } => batch::loss_scratch_floats(*head),
            _ => 0,
        };
        self.program.calls.iter().map(of_call).max().unwrap_or(0)
    }
}

/// Parts of a call that is not run block by block.
fn parts(call: &Call, memory: &Memory) -> usize {
    match call {
        Call::Convolve { .. } | Call::ConvolveBackward { .. } => wide::PARTS,
        Call::WeightGradient { op } => {
            memory.partials(op, 0).map_or(0, |partials| update::segments(partials.floats))
        }
        Call::NormStatistics { .. } | Call::NormGradient { .. } => 1,
        _ => 0,
    }
}
