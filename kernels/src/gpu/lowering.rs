//! From the calls of a program to launches of shaders; a call of several launches that depend on each other uses stages.

use std::sync::Arc;

use super::images::ImageSplit;
use super::memory::{Arena, Held, StateWords};
use super::record::Launch;
use super::source::GUARD;
use super::tiles::Style;
use super::views::Places;
use crate::backend::{Setup, TrainerSettings};
use crate::preprocess::ImageSet;
use crate::program::{Access, Accesses, Declare, Guard, Mode, Program, WorkspaceId};
use crate::state::ParameterLayout;
use crate::step::{Group, Vector};

/// A call as this machine runs it.
pub(crate) trait Kernel: Declare {
    /// Workspaces and what it needs of them; they last from the first call that declares them to the last.
    fn workspaces(&self, _: &Sizes) -> Vec<(WorkspaceId, Held)> {
        Vec::new()
    }

    /// Its launches.
    fn lower(&self, lowering: &mut Lowering<'_>);
}

/// What memory that is planned depends on.
pub(crate) struct Sizes {
    /// Images of a whole batch.
    pub(crate) batch: usize,
    /// Whether activations have 16 bits.
    pub(crate) half_precision: bool,
    pub(crate) style: Style,
}

/// State of the lowering of one program.
pub(crate) struct Lowering<'a> {
    pub(crate) places: Places<'a>,
    pub(crate) layout: &'a ParameterLayout,
    pub(crate) settings: &'a TrainerSettings,
    pub(crate) sets: &'a [ImageSet],
    pub(crate) splits: &'a [ImageSplit],
    pub(crate) style: Style,
    /// Number of the training among those that share dispatches.
    training: usize,
    launches: Vec<CallLaunch>,
    /// The call that is lowered, and what it stands behind.
    call: usize,
    guard: Option<Guard>,
}

/// A launch of a call.
pub(crate) struct CallLaunch {
    pub(crate) call: usize,
    /// Launches of one call and stage are independent of each other, and wait for those of the stages before.
    pub(crate) stage: usize,
    /// Runs only for images of this set.
    pub(crate) set: Option<usize>,
    /// What it reads and writes, where that is not what its call does. Stages say nothing then.
    pub(crate) accesses: Option<Vec<Access>>,
    pub(crate) launch: Launch,
}

/// What the launches of a training are made from, beside its program.
#[derive(Clone, Copy)]
pub(super) struct Lowerer<'a> {
    pub(super) setup: &'a Setup<dyn Kernel>,
    /// Number of the training among those that share dispatches.
    pub(super) training: usize,
    pub(super) state: &'a StateWords,
    pub(super) splits: &'a [ImageSplit],
    pub(super) style: Style,
}

impl Lowerer<'_> {
    /// Launches of a list of calls of a program.
    pub(super) fn lower(
        &self,
        program: &Program<dyn Kernel>,
        calls: &[Arc<dyn Kernel>],
        arena: &Arena,
    ) -> Vec<CallLaunch> {
        let Self { setup, training, state, splits, style } = *self;
        let Setup { tables, layout, settings, sets, .. } = setup;
        let half_precision = settings.float_bits == 16;
        let places = Places {
            tables,
            storages: &program.storages,
            mode: program.mode,
            state,
            arena,
            batch: settings.batch_size,
            half_precision,
        };
        let launches = Vec::new();
        let mut lowering = Lowering {
            places,
            layout,
            settings,
            sets,
            splits,
            style,
            training,
            launches,
            call: 0,
            guard: None,
        };
        for (index, call) in calls.iter().enumerate() {
            lowering.call = index;
            call.lower(&mut lowering);
        }
        lowering.launches
    }
}

impl Lowering<'_> {
    /// Whether a step of training is lowered.
    pub(crate) fn is_training(&self) -> bool {
        self.places.mode == Mode::Train
    }

    /// Word offset of a group's part of a vector.
    pub(crate) fn vector(&self, Group(group): Group, vector: Vector) -> usize {
        let state = self.places.state;
        let first = match vector {
            Vector::Parameters => state.parameters,
            Vector::Gradients => state.gradients,
            Vector::Momenta => state.momenta,
            Vector::Extra(number) => state.extra[number],
        };
        first + self.layout.groups[group].start
    }

    /// Adds a launch to a stage of the call.
    pub(crate) fn push(&mut self, stage: usize, launch: Launch) {
        self.push_for_set(stage, None, launch);
    }

    /// The same, which runs only for images of a set.
    pub(crate) fn push_for_set(&mut self, stage: usize, set: Option<usize>, launch: Launch) {
        self.add(stage, set, launch, None);
    }

    /// Adds a launch that reads and writes something else than its call.
    pub(crate) fn push_as(&mut self, stage: usize, launch: Launch, accesses: Vec<Access>) {
        self.add(stage, None, launch, Some(accesses));
    }

    /// Adds a launch that does a part of what its call does. Where dispatches do not overlap it counts as all of it: a launch
    /// that waits longer meets more of its kind.
    pub(crate) fn push_part(&mut self, stage: usize, launch: Launch, part: Accesses) {
        let accesses = self.style.overlaps.then(|| part.list());
        self.add(stage, None, launch, accesses);
    }

    /// What `lower` adds is not run where a weight of a mixture is 0.
    pub(crate) fn behind(&mut self, guard: Guard, lower: impl FnOnce(&mut Self)) {
        self.guard = Some(guard);
        lower(self);
        self.guard = None;
    }

    fn add(&mut self, stage: usize, set: Option<usize>, launch: Launch, accesses: Option<Vec<Access>>) {
        let accesses = accesses.map(|mut list| {
            list.extend(self.guard.map(Access::to_guard));
            list
        });
        let mut launch = Launch { format: self.style.format(self.places.half_precision), ..launch };
        if self.style.coarse {
            launch.fix_choices();
        }
        launch.fields.push(("training", self.training as u32));
        if let Some(guard) = self.guard {
            launch.fields.push((GUARD, self.places.guard(guard) as u32));
        }
        self.launches.push(CallLaunch { call: self.call, stage, set, accesses, launch });
    }
}
