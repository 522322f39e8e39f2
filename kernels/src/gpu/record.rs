//! Recorded programs: launches by time, those of one specialisation put into one dispatch with a job table.

use std::collections::HashMap;

use super::device::{JOB_WINDOW, SLOTS};
use super::source::{Const, Kernel, SlotKind, Source};

/// Most workgroups along one dimension of a dispatch.
pub(super) const MAX_GROUPS: u32 = 65_535;

/// Jobs of one dispatch differ in their number of workgroups by this factor at most.
const LIKE: u32 = 4;

/// One kernel on one job.
pub(super) struct Launch {
    pub(super) kernel: &'static Kernel,
    pub(super) constants: Vec<(&'static str, Const)>,
    /// The job record.
    pub(super) fields: Vec<(&'static str, u32)>,
    pub(super) slots: Vec<(&'static str, SlotKind, Page)>,
    /// Invocations of a workgroup.
    pub(super) workgroup: u32,
    /// Workgroups along x: items.
    pub(super) groups: u32,
    /// Workgroups along y: tiles of channels.
    pub(super) tiles: u32,
    /// Whether activations have 16 bits.
    pub(super) half: bool,
}

/// What is bound to a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Page {
    /// A page of the arena.
    Arena(usize),
    /// A page of the resident images of a set.
    Images { set: usize, page: usize },
}

/// What launches of one dispatch have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grouping {
    /// Number of the shader.
    pub(super) source: usize,
    pub(super) pages: [Page; SLOTS],
    /// Run only when some training's images come from this set.
    pub(super) set: Option<usize>,
}

/// One dispatch of a recorded program.
#[derive(Debug)]
pub(super) struct Dispatch {
    pub(super) grouping: Grouping,
    /// Byte offset of its first job record.
    pub(super) jobs: u32,
    pub(super) groups: [u32; 3],
}

/// A list of dispatches, in order, with their shaders and job records.
#[derive(Default)]
pub(super) struct Recording {
    pub(super) dispatches: Vec<Dispatch>,
    pub(super) sources: Vec<Source>,
    pub(super) jobs: Vec<u32>,
}

#[derive(Default)]
pub(super) struct Recorder {
    launches: Vec<(usize, Option<usize>, Launch)>,
}

impl Recorder {
    /// Adds a launch at a time: launches of one time are independent. One with a `set` runs only when the images of some
    /// training come from that set.
    pub(super) fn push(&mut self, time: usize, set: Option<usize>, launch: Launch) {
        self.launches.push((time, set, launch));
    }

    /// Sorts, groups and lays out the job records.
    pub(super) fn finish(mut self) -> Recording {
        self.launches.sort_by_key(|launch| launch.0);
        let mut recording = Recording::default();
        let mut known: HashMap<Source, usize> = HashMap::new();
        for together in self.launches.chunk_by(|a, b| a.0 == b.0) {
            let mut merged: Vec<(Grouping, Vec<&Launch>)> = Vec::new();
            for (_, set, launch) in together {
                let source = *known.entry(launch.source()).or_insert_with_key(|source| {
                    recording.sources.push(source.clone());
                    recording.sources.len() - 1
                });
                let grouping = Grouping { source, pages: launch.pages(), set: *set };
                match merged.iter_mut().find(|(other, like)| *other == grouping && launch.is_like(like[0])) {
                    Some((_, like)) => like.push(launch),
                    None => merged.push((grouping, vec![launch])),
                }
            }
            for (grouping, launches) in merged {
                for launches in launches.chunks(JOB_WINDOW as usize / launches[0].record_bytes()) {
                    recording.add(grouping, launches);
                }
            }
        }
        recording
    }
}

impl Recording {
    /// Those that run when all images come from the first set.
    pub(super) fn dispatches_of_a_step(&self) -> usize {
        let runs = |dispatch: &&Dispatch| dispatch.grouping.set.is_none_or(|set| set == 0);
        self.dispatches.iter().filter(runs).count()
    }

    fn add(&mut self, grouping: Grouping, launches: &[&Launch]) {
        let jobs = (self.jobs.len() * 4) as u32;
        for launch in launches {
            self.jobs.extend(launch.fields.iter().map(|field| field.1));
            self.jobs.resize(self.jobs.len().next_multiple_of(4), 0);
        }
        self.jobs.resize(self.jobs.len().next_multiple_of(64), 0);
        let x = launches.iter().map(|launch| launch.groups).max().unwrap_or(1).max(1);
        let y = launches.iter().map(|launch| launch.tiles).max().unwrap_or(1).max(1);
        let groups = [x, y, launches.len() as u32];
        self.dispatches.push(Dispatch { grouping, jobs, groups });
    }
}

impl Launch {
    pub(super) fn source(&self) -> Source {
        let fields: Vec<&'static str> = self.fields.iter().map(|field| field.0).collect();
        let slots: Vec<_> = self.slots.iter().map(|&(name, kind, _)| (name, kind)).collect();
        Source::new(self.kernel, &self.constants, &fields, &slots, self.workgroup, self.half)
    }

    /// Whether the two may share a grid: one job's workgroups are not many times the other's, which would mostly idle.
    fn is_like(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.groups * self.tiles, other.groups * other.tiles);
        mine <= LIKE * theirs && theirs <= LIKE * mine
    }

    fn pages(&self) -> [Page; SLOTS] {
        let mut pages = [Page::Arena(0); SLOTS];
        for (page, slot) in pages.iter_mut().zip(&self.slots) {
            *page = slot.2;
        }
        pages
    }

    fn record_bytes(&self) -> usize {
        4 * self.fields.len().next_multiple_of(4)
    }
}
