//! All of a training that is known without a device: the state's words, the arena's pages, and the recorded programs.

use super::images::ImageSplit;
use super::lower::{lower, lower_running_statistics};
use super::memory::{Arena, StateWords};
use super::record::{MAX_GROUPS, Recording};
use crate::program::Program;
use crate::schedule::schedule;
use crate::trainer::Setup;

pub(super) struct Prepared {
    pub(super) state: StateWords,
    /// Words of the state that never change, by offset.
    pub(super) constants: Vec<(usize, Vec<u32>)>,
    /// Bytes of each page, enough for either program.
    pub(super) pages: Vec<u64>,
    /// Pieces that lie on them, of both programs, and bytes of those of training if none shared memory with another.
    pub(super) buffers: usize,
    pub(super) unshared: usize,
    pub(super) train: Recording,
    pub(super) evaluate: Recording,
    /// Makes the affine maps of all normalisations from running statistics.
    pub(super) running_statistics: Recording,
}

/// Why a training does not fit: a block of so many bytes, or a grid of too many workgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooLarge {
    Block(u64),
    Grid,
}

impl Prepared {
    /// Plans and records for pages of at most `page_bytes`; `splits` tell how each set's images are held.
    pub(super) fn new(setup: &Setup<'_>, page_bytes: u64, splits: &[ImageSplit]) -> Result<Self, TooLarge> {
        let Setup { graph, layout, recipe, sets, .. } = *setup;
        let (state, constants) = StateWords::new(graph, layout, recipe, sets);
        if 4 * state.words as u64 > page_bytes {
            return Err(TooLarge::Block(4 * state.words as u64));
        }
        // A kernel binds the first page to the slots that it does not use.
        let mut pages: Vec<u64> = vec![0];
        let (mut buffers, mut unshared) = (0, 0);
        let mut record = |program| {
            let program: &Program = program;
            let times = schedule(&program.calls, |_| false);
            let half = recipe.float_bits == 16;
            let arena = Arena::new(program, &times, recipe.batch_size, half, page_bytes as usize);
            if arena.largest as u64 > page_bytes {
                return Err(TooLarge::Block(arena.largest as u64));
            }
            buffers += arena.places.len();
            unshared = unshared.max(arena.unshared);
            pages.resize(pages.len().max(arena.pages.len()), 0);
            pages.iter_mut().zip(&arena.pages).for_each(|(page, &own)| *page = (*page).max(own as u64));
            let recording = lower(setup, program, &times, &state, &arena, splits);
            let fits = |groups: &[u32; 3]| groups.iter().all(|&groups| groups <= MAX_GROUPS);
            let fits = recording.dispatches.iter().all(|dispatch| fits(&dispatch.groups));
            if fits { Ok(recording) } else { Err(TooLarge::Grid) }
        };
        let train = record(&setup.train)?;
        let evaluate = record(&setup.evaluate)?;
        let running_statistics = lower_running_statistics(setup, &state);
        Ok(Self { state, constants, pages, buffers, unshared, train, evaluate, running_statistics })
    }
}
