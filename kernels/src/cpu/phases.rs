//! A program as this machine runs it: its memory, and its calls in phases.

use std::sync::Arc;

use super::kernel::{RunKernel, Sizes, Split};
use super::memory::{Memory, Touched};
use super::prefetch::{BYTES, Later, NEXT, Piece};
use crate::error::Error;
use crate::program::schedule::{chains, put_off, schedule, waits};
use crate::program::{Input, Mode, Program};

/// A call of a chain, and what those after it read.
pub(super) struct Link {
    pub(super) call: usize,
    pub(super) next: Vec<Later>,
}

/// What runs at one time.
pub(super) enum Phase {
    /// Chains of calls that depend on each other image by image only, run one after the other on every block.
    Blocks(Vec<Vec<Link>>),
    /// Calls gather what their parts read, which the phase after this one runs, block by block.
    Gather(Vec<usize>),
    /// Independent (call, part) pairs.
    Parts(Vec<(usize, usize)>),
}

/// A program with its memory and phases.
pub(super) struct Prepared {
    /// Calls of the program's prologue, then of a step.
    pub(super) calls: Vec<Arc<dyn RunKernel>>,
    pub(super) memory: Memory,
    /// What is run once before the first step.
    pub(super) prologue: Vec<Phase>,
    pub(super) phases: Vec<Phase>,
    /// Elements of scratch memory that a unit needs.
    pub(super) scratch_floats: usize,
    /// Bytes of activations that a step reads and writes.
    pub(super) moved: u64,
    /// What can be read when a step has ended.
    pub(super) kept: Vec<Input>,
}

impl Prepared {
    pub(super) fn new(program: Program<dyn RunKernel>, sizes: &Sizes<'_>, moved: u64) -> Result<Self, Error> {
        let works = |call: &Arc<dyn RunKernel>| call.split(sizes) != Split::Nothing;
        let Program { prologue, calls, storages, kept, .. } = program;
        let [prologue, calls] =
            [prologue, calls].map(|calls| calls.into_iter().filter(works).collect::<Vec<_>>());
        let split = |calls: &[Arc<dyn RunKernel>]| -> Vec<Split> {
            calls.iter().map(|call| call.split(sizes)).collect()
        };
        let splits = split(&calls);
        let is_local: Vec<bool> = splits.iter().map(|split| *split == Split::Blocks).collect();
        let waits = waits(&calls);
        let mut times = schedule(&waits, &is_local);
        let placements: Vec<_> = calls.iter().map(|call| call.placement()).collect();
        put_off(&placements, &waits, &is_local, &mut times);
        let touch = |(call, &time): (&Arc<dyn RunKernel>, _)| {
            let declared = call.workspaces_touched().into_iter().map(|id| (id, 0));
            let workspaces = call.workspaces(sizes).into_iter().chain(declared).collect();
            Touched { time, storages: call.storages(), workspaces }
        };
        let mut touched: Vec<_> = calls.iter().zip(&times).map(touch).collect();
        let last = times.iter().copied().max().unwrap_or(0);
        let storages_kept = kept.iter().map(|input| input.tensor.storage).collect();
        touched.push(Touched { time: last, storages: storages_kept, workspaces: Vec::new() });
        let memory =
            Memory::new(sizes.tables, sizes.layout, &storages, &touched, sizes.blocks, sizes.half_precision)?;
        let mut phases = Vec::new();
        for time in 0..=last {
            let together: Vec<usize> = (0..times.len()).filter(|&i| times[i] == time).collect();
            if together.is_empty() {
                continue;
            }
            if time % 2 == 1 {
                let chains = chains(&waits, &together);
                let mut next = next_reads(&memory, &calls, &chains.concat()).into_iter();
                let link = |(call, next)| Link { call, next };
                let links = |chain: Vec<usize>| chain.into_iter().zip(next.by_ref()).map(link).collect();
                phases.push(Phase::Blocks(chains.into_iter().map(links).collect()));
            } else {
                phases.extend(in_parts(&together, &splits));
            }
        }
        let scratch_floats = calls.iter().map(|call| call.scratch_floats(sizes)).max().unwrap_or(0);
        // What comes before a step is in parts, and independent of each other.
        let first = calls.len();
        let numbers: Vec<usize> = (first..first + prologue.len()).collect();
        let mut all = splits;
        all.extend(split(&prologue));
        let before = in_parts(&numbers, &all);
        let calls: Vec<_> = calls.into_iter().chain(prologue).collect();
        Ok(Self { calls, memory, prologue: before, phases, scratch_floats, moved, kept })
    }
}

impl Prepared {
    /// Kinds of its calls, of each call one.
    pub(super) fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.calls.iter().map(|call| call.kind())
    }

    /// Calls on vectors, one after the other. They use no memory of a program.
    pub(super) fn of_vectors(calls: Vec<Arc<dyn RunKernel>>, sizes: &Sizes<'_>) -> Result<Self, Error> {
        let (prologue, storages, trained, kept) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let program = Program { mode: Mode::Train, prologue, calls, storages, trained, kept };
        Self::new(program, sizes, 0)
    }
}

/// Phases of calls that run at one time and are not split into blocks.
fn in_parts(calls: &[usize], splits: &[Split]) -> Vec<Phase> {
    let gathers: Vec<usize> =
        calls.iter().copied().filter(|&call| matches!(splits[call], Split::GatheredParts(_))).collect();
    let parts = |&call: &usize| {
        let count = match splits[call] {
            Split::Parts(count) | Split::GatheredParts(count) => count,
            Split::Blocks | Split::Nothing => 0,
        };
        (0..count).map(move |part| (call, part))
    };
    let parts: Vec<_> = calls.iter().flat_map(parts).collect();
    let gather = (!gathers.is_empty()).then_some(Phase::Gather(gathers));
    gather.into_iter().chain((!parts.is_empty()).then_some(Phase::Parts(parts))).collect()
}

/// For each call of a phase that is run call by call on a block: what the calls after it read first, on the same block
/// or on the next, of which there may be none. Calls that may not run where it does are left out.
fn next_reads(memory: &Memory, calls: &[Arc<dyn RunKernel>], list: &[usize]) -> Vec<Vec<Later>> {
    let after = |index: usize| {
        let own = calls[list[index]].guard();
        let mut next = Vec::new();
        let mut bytes = 0;
        for later in index + 1..=index + list.len() {
            let call = &calls[list[later % list.len()]];
            if call.guard().is_some_and(|guard| own != Some(guard)) {
                continue;
            }
            let pieces = call.first_reads(memory);
            bytes += pieces.iter().map(Piece::bytes).sum::<usize>();
            next.extend(pieces.into_iter().map(|piece| Later { piece, blocks: later / list.len() }));
            if bytes > BYTES || call.prefetches() {
                break;
            }
        }
        next.truncate(NEXT);
        next
    };
    (0..list.len()).map(after).collect()
}
