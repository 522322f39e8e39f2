//! Recorded programs: launches by time, those of one shader put into one dispatch with a job table.

use std::collections::HashMap;

use super::binding_layout::{JOB_WINDOW, SLOTS};
use super::format::{Format, SlotKind};
use super::shader::Shader;
use super::source::{Choice, Const, ShaderSource, slot_numbers};
use super::tiles::Style;

/// Most workgroups along one dimension of a dispatch.
pub(crate) const MAX_GROUPS: u32 = 65_535;

/// Jobs of one dispatch differ in their number of workgroups by this factor at most.
const LIKE: u64 = 4;

/// Workgroups that hardware may start for nothing, for each job, to spare a dispatch: it starts about one a nanosecond, and a
/// dispatch takes some microseconds.
const IDLE: u64 = 2048;

/// The same for one more job where dispatches overlap, of which each takes a microsecond.
const IDLE_OVERLAPPING: u64 = 512;

/// One kernel on one job.
pub(crate) struct Launch {
    pub(crate) kernel: &'static Shader,
    pub(crate) constants: Vec<(&'static str, Const)>,
    /// What is a constant on a processor, and on a GPU a variable that the job record says: with fewer shaders more launches
    /// share a dispatch.
    pub(crate) choices: Vec<(&'static str, Choice)>,
    /// The job record.
    pub(crate) fields: Vec<(&'static str, u32)>,
    pub(crate) slots: Vec<(&'static str, SlotKind, Page)>,
    /// Invocations of a workgroup.
    pub(crate) workgroup: u32,
    /// Workgroups along x: items.
    pub(crate) groups: u32,
    /// Workgroups along y: tiles of channels.
    pub(crate) tiles: u32,
    /// How activations lie in memory.
    pub(crate) format: Format,
}

/// What is bound to a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Page {
    /// None: the kernel does not use the slot.
    Unused,
    /// A page of the arena with quads of lanes.
    Lanes(usize),
    /// A page of the arena with words.
    Words(usize),
    /// A page of the resident images of a set.
    Images { set: usize, page: usize },
}

/// What launches of one dispatch have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grouping {
    /// Number of the shader.
    pub(crate) source: usize,
    pub(crate) pages: [Page; SLOTS],
    /// Run only when some training's images come from this set.
    pub(crate) set: Option<usize>,
}

impl Grouping {
    /// What launches of both have in common, if they can be one dispatch: a slot that one does not use may be the other's.
    fn joined(self, other: Self) -> Option<Self> {
        let mut pages = self.pages;
        for (mine, theirs) in pages.iter_mut().zip(other.pages) {
            match (*mine, theirs) {
                (Page::Unused, _) => *mine = theirs,
                (_, Page::Unused) => {}
                (mine, theirs) if mine == theirs => {}
                _ => return None,
            }
        }
        (self.source == other.source && self.set == other.set).then_some(Self { pages, ..self })
    }
}

/// One dispatch of a recorded program.
#[derive(Debug)]
pub(crate) struct Dispatch {
    pub(crate) grouping: Grouping,
    /// Byte offset of its first job record.
    pub(crate) jobs: u32,
    pub(crate) groups: [u32; 3],
    /// Those of one time are independent of each other.
    pub(super) time: usize,
}

/// A list of dispatches, in order, with their shaders and job records.
#[derive(Default)]
pub(crate) struct Recording {
    pub(crate) dispatches: Vec<Dispatch>,
    pub(crate) sources: Vec<ShaderSource>,
    pub(crate) jobs: Vec<u32>,
}

#[derive(Default)]
pub(crate) struct Recorder {
    launches: Vec<(usize, Option<usize>, Launch)>,
}

impl Recorder {
    /// Adds a launch at a time: launches of one time are independent. One with a `set` runs only when the images of some
    /// training come from that set.
    pub(crate) fn push(&mut self, time: usize, set: Option<usize>, launch: Launch) {
        self.launches.push((time, set, launch));
    }

    /// Sorts, groups and lays out the job records, for a device with this style.
    pub(crate) fn finish(mut self, style: Style) -> Recording {
        self.launches.sort_by_key(|launch| launch.0);
        let mut shaders = Shaders::default();
        let chosen: Vec<usize> =
            self.launches.iter().map(|(_, _, launch)| shaders.number(launch.source())).collect();
        let mut recording = Recording { sources: shaders.all, ..Recording::default() };
        let launches: Vec<_> = self.launches.iter().zip(chosen).collect();
        for together in launches.chunk_by(|a, b| a.0.0 == b.0.0) {
            let time = together[0].0.0;
            let mut together: Vec<_> = together.iter().collect();
            if style.overlaps {
                // Grids that are alike come one after the other.
                together.sort_by_key(|((_, _, launch), _)| std::cmp::Reverse(launch.workgroups()));
            }
            let mut dispatches: Vec<(Grouping, Vec<&Launch>)> = Vec::new();
            for ((_, set, launch), source) in together {
                let grouping = Grouping { source: *source, pages: launch.pages(), set: *set };
                let joined = dispatches.iter_mut().find_map(|(other, jobs)| {
                    let fits = if style.overlaps {
                        launch.adds_little(jobs)
                    } else {
                        launch.is_like(jobs[0], style.coarse)
                    };
                    *other = other.joined(grouping).filter(|_| fits)?;
                    jobs.push(launch);
                    Some(())
                });
                if joined.is_none() {
                    dispatches.push((grouping, vec![launch]));
                }
            }
            let first = recording.dispatches.len();
            for (grouping, jobs) in dispatches {
                let quads = recording.sources[grouping.source].quads();
                for jobs in jobs.chunks(JOB_WINDOW as usize / (16 * quads)) {
                    recording.add(time, grouping, jobs, quads);
                }
            }
            if style.overlaps {
                // Behind a large grid small ones would wait until all of its workgroups have begun.
                recording.dispatches[first..].sort_by_key(Dispatch::workgroups);
            }
        }
        recording
    }
}

impl Dispatch {
    fn workgroups(&self) -> u64 {
        self.groups.iter().map(|&groups| u64::from(groups)).product()
    }
}

/// The shaders of a recording, each once.
#[derive(Default)]
struct Shaders {
    all: Vec<ShaderSource>,
    numbers: HashMap<ShaderSource, usize>,
}

impl Shaders {
    fn number(&mut self, source: ShaderSource) -> usize {
        let Self { all, numbers } = self;
        *numbers.entry(source).or_insert_with_key(|source| {
            all.push(source.clone());
            all.len() - 1
        })
    }
}

impl Recording {
    /// Those that run when all images come from the first set.
    pub(crate) fn dispatches_of_a_step(&self) -> usize {
        let runs = |dispatch: &&Dispatch| dispatch.grouping.set.is_none_or(|set| set == 0);
        self.dispatches.iter().filter(runs).count()
    }

    /// Adds a dispatch of launches whose records have `quads` of words.
    fn add(&mut self, time: usize, grouping: Grouping, launches: &[&Launch], quads: usize) {
        let jobs = (self.jobs.len() * 4) as u32;
        for launch in launches {
            let end = self.jobs.len() + 4 * quads;
            self.jobs.extend(launch.fields.iter().map(|field| field.1));
            self.jobs.extend(launch.choices.iter().map(|choice| choice.1.word()));
            self.jobs.resize(end, 0);
        }
        self.jobs.resize(self.jobs.len().next_multiple_of(64), 0);
        let x = launches.iter().map(|launch| launch.groups).max().unwrap_or(1).max(1);
        let y = launches.iter().map(|launch| launch.tiles).max().unwrap_or(1).max(1);
        let groups = [launches.len() as u32, y, x];
        self.dispatches.push(Dispatch { grouping, jobs, groups, time });
    }
}

impl Launch {
    /// Makes constants of its choices.
    pub(crate) fn fix_choices(&mut self) {
        for (name, choice) in std::mem::take(&mut self.choices) {
            let value = match choice {
                Choice::Uint(value) => Const::Uint(value as usize),
                Choice::Bool(value) => Const::Bool(value),
            };
            self.constants.push((name, value));
        }
    }

    /// Its shader.
    pub(crate) fn source(&self) -> ShaderSource {
        let fields: Vec<&'static str> = self.fields.iter().map(|field| field.0).collect();
        let slots: Vec<_> = self.slots.iter().map(|&(name, kind, _)| (name, kind)).collect();
        ShaderSource::new(
            self.kernel,
            &self.constants,
            &fields,
            &self.choices,
            &slots,
            self.workgroup,
            self.format,
        )
    }

    /// Whether the two may share a grid: one job's workgroups are not many times the other's, which would mostly idle.
    fn is_like(&self, other: &Self, coarse: bool) -> bool {
        let (mine, theirs) = (self.workgroups(), other.workgroups());
        let grid = u64::from(self.groups.max(other.groups)) * u64::from(self.tiles.max(other.tiles));
        let idle = grid - mine.min(theirs);
        mine <= LIKE * theirs && theirs <= LIKE * mine || !coarse && idle <= IDLE
    }

    /// Whether it may join a grid of `others`, none of them smaller, where dispatches overlap: what of the grid would idle for
    /// it takes less time than one more dispatch.
    fn adds_little(&self, others: &[&Self]) -> bool {
        let most = |of: fn(&Self) -> u32| others.iter().map(|other| of(other)).max().map_or(0, u64::from);
        let (x, y) = (most(|launch| launch.groups), most(|launch| launch.tiles));
        let grid = x.max(self.groups.into()) * y.max(self.tiles.into());
        let idle = (grid - self.workgroups()) + (grid - x * y) * others.len() as u64;
        idle <= IDLE_OVERLAPPING
    }

    /// Workgroups that have something to do.
    fn workgroups(&self) -> u64 {
        u64::from(self.groups) * u64::from(self.tiles)
    }

    fn pages(&self) -> [Page; SLOTS] {
        let mut pages = [Page::Unused; SLOTS];
        let numbers = slot_numbers(self.slots.iter().map(|slot| slot.1));
        for (number, slot) in numbers.into_iter().zip(&self.slots) {
            pages[number] = slot.2;
        }
        pages
    }
}
