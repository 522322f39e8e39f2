//! All of the trainings of a pack that is known without a device: their states' words, the arenas' pages, and the recorded
//! programs, in which launches of all of them share dispatches.

use std::collections::HashMap;
use std::sync::Arc;

use super::dependencies::before;
use super::images::ImageSplit;
use super::lowering::{CallLaunch, Kernel, Lowerer, Sizes};
use super::memory::{Address, Arena, Needs, StateWords};
use super::order::{Draft, order};
use super::record::{MAX_GROUPS, Recorder, Recording};
use super::source::ShaderSource;
use super::tiles::Style;
use crate::backend::Setup;
use crate::program::Program;
use crate::step::VectorWork;

pub(super) struct Prepared {
    pub(super) members: Vec<PreparedMember>,
    /// Words of all states.
    pub(super) words: usize,
    /// Pages of words, and pages of lanes, which those of 16 bits share with each other only; enough for either program.
    pub(super) words_pages: Vec<u64>,
    pub(super) lanes_pages: Vec<(bool, u64)>,
    pub(super) train: Recording,
    pub(super) evaluate: Recording,
    /// Run once before an evaluation.
    pub(super) prologue: Recording,
    /// Of each training's arena of a training step.
    #[cfg(test)]
    pub(super) lives: Vec<Vec<(crate::program::plan::Lifetime, Address, bool)>>,
}

/// One training of a pack.
pub(super) struct PreparedMember {
    pub(super) state: StateWords,
    /// Words of the state that never change, by offset.
    pub(super) constants: Vec<(usize, Vec<u32>)>,
    /// Bytes of its arena, enough for either program.
    pub(super) arena_bytes: usize,
    /// Pieces that lie in it, of both programs, and bytes of those of training if none shared memory with another.
    pub(super) buffers: usize,
    pub(super) unshared: usize,
}

/// Why trainings do not fit: an allocation of so many bytes, a grid of too many workgroups, or maps that no loop of the
/// device goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooLarge {
    Allocation(u64),
    Grid,
    Loop,
}

impl Prepared {
    /// Plans and records for pages of at most `page_bytes`; `splits` tell how the images of each set are held, which all of
    /// the pack read. `style` is the device's.
    pub(super) fn new(
        setups: &[Setup<dyn Kernel>],
        page_bytes: u64,
        splits: &[ImageSplit],
        style: Style,
    ) -> Result<Self, TooLarge> {
        let mut members: Vec<PreparedMember> = Vec::with_capacity(setups.len());
        let mut words = 0;
        for Setup { tables, layout, settings, sets, .. } in setups {
            let (state, constants) = StateWords::new(words, tables, layout, settings, sets);
            words = state.words;
            members.push(PreparedMember { state, constants, arena_bytes: 0, buffers: 0, unshared: 0 });
        }
        if 4 * words as u64 > page_bytes {
            return Err(TooLarge::Allocation(4 * words as u64));
        }
        let train: Vec<&Program<dyn Kernel>> = setups.iter().map(|setup| &setup.train).collect();
        let evaluate: Vec<&Program<dyn Kernel>> = setups.iter().map(|setup| &setup.evaluate).collect();
        let programs = [train, evaluate];
        let times = programs.each_ref().map(|programs| times(setups, programs, &members, splits, style));
        let mut arenas: [Vec<Arena>; 2] = [Vec::new(), Vec::new()];
        // What a kernel does not use is bound too, so that there is a page of words in any case.
        let mut words_pages = Pages { most: page_bytes, sizes: vec![(false, 0)] };
        let mut lanes_pages = Pages { most: page_bytes, sizes: Vec::new() };
        for (index, (setup, member)) in setups.iter().zip(&mut members).enumerate() {
            let batch = setup.settings.batch_size;
            if setup.train.storages.iter().any(|storage| !style.loops_through(storage.shape, batch)) {
                return Err(TooLarge::Loop);
            }
            let half_precision = setup.settings.float_bits == 16;
            let sizes = Sizes { batch, half_precision, style };
            let mut own = [0, 1].map(|mode: usize| {
                let (program, spans) = (programs[mode][index], times[mode][index].spans());
                let needs = needs(&program.calls, &sizes, &spans);
                Arena::new(&program.storages, &needs, sizes.batch, half_precision, page_bytes as usize)
            });
            let largest = own.iter().map(|arena| arena.largest).max().unwrap_or(0);
            if largest as u64 > page_bytes {
                return Err(TooLarge::Allocation(largest as u64));
            }
            let lanes = larger(own.each_ref().map(|arena| &arena.lanes[..]));
            let words = larger(own.each_ref().map(|arena| &arena.words[..]));
            member.arena_bytes = lanes.iter().chain(&words).sum();
            let lanes = lanes_pages.take_all(half_precision, &lanes);
            let words = words_pages.take_all(false, &words);
            for arena in &mut own {
                arena.move_to(&lanes, &words);
            }
            member.buffers = own.iter().map(|arena| arena.addresses.len()).sum();
            member.unshared = own[0].unshared;
            for (all, arena) in arenas.iter_mut().zip(own) {
                all.push(arena);
            }
        }
        let record = |mode: usize| {
            let mut recorder = Recorder::default();
            for (index, setup) in setups.iter().enumerate() {
                let (program, arena) = (programs[mode][index], &arenas[mode][index]);
                let state = &members[index].state;
                let lowerer = Lowerer { setup, training: index, state, splits, style };
                let launches = lowerer.lower(program, &program.calls, arena);
                for (lowered, &time) in launches.into_iter().zip(&times[mode][index].launches) {
                    recorder.push(time, lowered.set, lowered.launch);
                }
            }
            let recording = recorder.finish(style);
            let fits = |groups: &[u32; 3]| groups.iter().all(|&groups| groups <= MAX_GROUPS);
            let fits = recording.dispatches.iter().all(|dispatch| fits(&dispatch.groups));
            if fits { Ok(recording) } else { Err(TooLarge::Grid) }
        };
        let (train, evaluate) = (record(0)?, record(1)?);
        let mut recorder = Recorder::default();
        let arena = Arena::unplanned();
        for (training, (setup, member)) in setups.iter().zip(&members).enumerate() {
            let lowerer = Lowerer { setup, training, state: &member.state, splits, style };
            for lowered in lowerer.lower(&setup.evaluate, &setup.evaluate.prologue, &arena) {
                recorder.push(lowered.stage, lowered.set, lowered.launch);
            }
        }
        let prologue = recorder.finish(style);
        let words_pages = words_pages.sizes.into_iter().map(|(_, size)| size).collect();
        let lanes_pages = lanes_pages.sizes;
        Ok(Self {
            members,
            words,
            words_pages,
            lanes_pages,
            train,
            evaluate,
            prologue,
            #[cfg(test)]
            lives: arenas[0].iter().map(Arena::lives).collect(),
        })
    }
}

/// What does something with vectors, of all trainings that have them.
pub(super) fn vector_recording(
    setups: &[Setup<dyn Kernel>],
    states: &[&StateWords],
    style: Style,
    work: VectorWork,
) -> Recording {
    let mut recorder = Recorder::default();
    let arena = Arena::unplanned();
    for (training, (setup, state)) in setups.iter().zip(states).enumerate() {
        let settings = &setup.settings;
        if work.lacks(settings.groups.len(), settings.extra_vectors).is_some() {
            continue;
        }
        let lowerer = Lowerer { setup, training, state, splits: &[], style };
        // One call waits for the other.
        for lowered in lowerer.lower(&setup.train, &(setup.vectors)(work), &arena) {
            recorder.push(lowered.call, lowered.set, lowered.launch);
        }
    }
    recorder.finish(style)
}

/// What calls need that have launches between two times.
pub(super) fn needs(
    calls: &[Arc<dyn Kernel>],
    sizes: &Sizes,
    spans: &[Option<(usize, usize)>],
) -> Vec<Needs> {
    let launched = calls.iter().zip(spans).filter_map(|(call, span)| Some((call, (*span)?)));
    let needs = |(call, times): (&Arc<dyn Kernel>, (usize, usize))| Needs {
        times,
        storages: call.storages(),
        workspaces: call.workspaces(sizes),
        touched_workspaces: call.workspaces_touched(),
    };
    launched.map(needs).collect()
}

/// When one program's launches run.
struct Times {
    launches: Vec<usize>,
    /// The call of each.
    calls: Vec<usize>,
    /// Number of calls.
    count: usize,
}

impl Times {
    /// Times of each call's first and last launch.
    fn spans(&self) -> Vec<Option<(usize, usize)>> {
        let mut spans: Vec<Option<(usize, usize)>> = vec![None; self.count];
        for (&call, &time) in self.calls.iter().zip(&self.launches) {
            let (first, last) = spans[call].unwrap_or((time, time));
            spans[call] = Some((first.min(time), last.max(time)));
        }
        spans
    }
}

/// Orders the launches of one program of each training together.
fn times(
    setups: &[Setup<dyn Kernel>],
    programs: &[&Program<dyn Kernel>],
    members: &[PreparedMember],
    splits: &[ImageSplit],
    style: Style,
) -> Vec<Times> {
    // Where memory lies depends on the order, and shaders on neither.
    let arena = Arena::unplanned();
    let mut shaders: HashMap<ShaderSource, usize> = HashMap::new();
    let mut drafts: Vec<Draft> = Vec::with_capacity(setups.len());
    let mut calls: Vec<Vec<usize>> = Vec::with_capacity(setups.len());
    for (index, (setup, program)) in setups.iter().zip(programs).enumerate() {
        let lowerer = Lowerer { setup, training: index, state: &members[index].state, splits, style };
        let launches = lowerer.lower(program, &program.calls, &arena);
        let number = |lowered: &CallLaunch| {
            let count = shaders.len();
            *shaders.entry(lowered.launch.source()).or_insert(count)
        };
        let numbers = launches.iter().map(number).collect();
        drafts.push(Draft { before: before(&program.calls, &launches), shaders: numbers });
        calls.push(launches.iter().map(|lowered| lowered.call).collect());
    }
    let times = order(&drafts, style.overlaps).into_iter().zip(calls).zip(programs);
    let times =
        times.map(|((launches, calls), program)| Times { launches, calls, count: program.calls.len() });
    times.collect()
}

/// Bytes of each page that are enough for either of two arenas.
fn larger(pages: [&[usize]; 2]) -> Vec<usize> {
    let count = pages.iter().map(|pages| pages.len()).max().unwrap_or(0);
    let bytes = |page: usize| pages.iter().filter_map(|pages| pages.get(page)).copied().max().unwrap_or(0);
    (0..count).map(bytes).collect()
}

/// The pages that the arenas of a pack share: each page of an arena goes to the first of its precision with room for it.
struct Pages {
    most: u64,
    /// Whether of half precision, and bytes.
    sizes: Vec<(bool, u64)>,
}

impl Pages {
    fn take_all(&mut self, half_precision: bool, pages: &[usize]) -> Vec<Address> {
        pages.iter().map(|&bytes| self.take(half_precision, bytes as u64)).collect()
    }

    fn take(&mut self, half_precision: bool, bytes: u64) -> Address {
        let fits =
            |&(precision, size): &(bool, u64)| precision == half_precision && size + bytes <= self.most;
        let page = self.sizes.iter().position(fits).unwrap_or(self.sizes.len());
        if page == self.sizes.len() {
            self.sizes.push((half_precision, 0));
        }
        let size = &mut self.sizes[page].1;
        let address = Address { page, bytes: *size as usize };
        *size += bytes;
        address
    }
}
