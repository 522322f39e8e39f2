//! The wgpu backend: a program's calls as WGSL kernels over pages of memory that are planned before the first step.
//!
//! Activations lie in the pages of an arena, everything else in one buffer of words, the state. A kernel finds its tensors
//! through a job record (offsets, by a workgroup's place along z), so that independent calls of one specialisation, of one
//! training or of several that are packed, are one dispatch. A step is the same list of dispatches with other step records.

// Where wgpu knows no Vulkan, `no_vulkan.rs` and `no_overlap.rs` stand in for what overlaps dispatches, and what only that needs
// is not used.
#![cfg_attr(
    not(any(windows, target_os = "linux", target_os = "android", target_os = "freebsd")),
    allow(dead_code, reason = "dispatches overlap on Vulkan only")
)]

mod binding_layout;
mod copy;
mod dependencies;
mod device;
mod device_memory;
mod driver;
mod format;
mod grid;
mod images;
mod lowering;
mod member;
mod memory;
mod order;
#[cfg_attr(
    not(any(windows, target_os = "linux", target_os = "android", target_os = "freebsd")),
    path = "no_overlap.rs"
)]
mod overlap;
mod pack;
mod prepare;
mod record;
mod replay;
mod request;
mod run;
mod shader;
mod source;
mod stopwatch;
mod tiles;
mod views;
#[cfg_attr(
    not(any(windows, target_os = "linux", target_os = "android", target_os = "freebsd")),
    path = "no_vulkan.rs"
)]
mod vulkan;

#[cfg(test)]
mod tests;

pub(crate) use device::GpuDevice;
pub use driver::prepare_software_driver;
pub use format::PACKED;
pub(crate) use pack::{Seat, pack};

pub(crate) use grid::launch;
pub(crate) use images::IMAGE_PAGES;
pub(crate) use lowering::{Kernel, Lowering, Sizes};
pub(crate) use memory::{Held, MAX_RUNS, RATES, SetWords};
pub(crate) use record::{Launch, Page};
pub(crate) use shader::{GRADIENT, INPUT, RNG, SINK, Shader, TOTALS, WORKGROUP_SUMS};
pub(crate) use tiles::{STRIP, SUMS_AT_ONCE, Style, VECTOR, divisor, quads, strip};
pub(crate) use views::{Arguments, Read, SinkViews, View, X_SHAPE, Y_SHAPE};

use std::sync::Arc;

use crate::backend::{DataPass, EpochMetrics, Evaluation, Monitor, Setup, Stream};
use crate::error::Error;
use crate::limits::Limit;
use crate::preprocess::ImageSet;
use crate::profile::KernelTime;
use crate::program::Mode;
use crate::program::plan::MemoryPlan;
use crate::reservation::Reservation;
use crate::state::{LossScale, Moments, State};
use crate::step::{Group, Part, Step, Vector, VectorWork};

use device_memory::Buffers;
use format::{Holds, STEP_STRIDE};
use images::{ImageSplit, ResidentImages};
use member::Member;
use memory::label_words;
use prepare::{Prepared, TooLarge, vector_recording};
use record::Recording;
use replay::{Replay, Submission, commands};
use run::{Outcome, Run};
use stopwatch::Stopwatch;

/// A pack of trainings on a device, which share dispatches.
pub(crate) struct GpuBackend {
    gpu: GpuDevice,
    setups: Vec<Setup<dyn Kernel>>,
    members: Vec<Member>,
    buffers: Buffers,
    resident: Vec<Arc<ResidentImages>>,
    train: Replay,
    evaluate: Replay,
    /// Runs before the first step of an evaluation.
    prologue: Replay,
    /// What is done with vectors, as far as it was needed.
    vectors: Vec<(VectorWork, Replay)>,
    steps_per_submission: usize,
    /// While kernels of training steps are timed.
    stopwatch: Option<Stopwatch>,
    /// Of what the trainings take of the machine's own memory.
    _reservation: Reservation,
}

/// What a pass gave to a training, if it had one.
type Ran<T> = Option<Result<T, Error>>;

impl GpuBackend {
    /// Plans, records, compiles and allocates trainings that read the same image sets.
    pub(crate) fn new(gpu: &GpuDevice, setups: Vec<Setup<dyn Kernel>>) -> Result<Self, Error> {
        let sets = setups.first().map_or(&[][..], |setup| &setup.sets[..]);
        let resident = sets.iter().map(|set| gpu.resident(set)).collect::<Result<Vec<_>, _>>()?;
        let splits: Vec<_> = sets.iter().map(|set| ImageSplit::new(set, gpu.page_bytes)).collect();
        let mut prepared = Prepared::new(&setups, gpu.page_bytes, &splits, gpu.style)
            .map_err(|reason| too_large(gpu, reason))?;
        let constants: Vec<_> =
            prepared.members.iter_mut().flat_map(|member| std::mem::take(&mut member.constants)).collect();
        let dispatches = dispatches(gpu, &setups, &prepared);
        let Prepared { members, words, words_pages, lanes_pages, train, evaluate, prologue, .. } = prepared;
        let members: Vec<Member> = (setups.iter().zip(members))
            .map(|(setup, member)| Member::new(setup, member, dispatches))
            .collect();
        let on_host = setups.iter().map(Setup::initial_bytes).fold(0, u64::saturating_add);
        let on_device = members.iter().map(|member| member.memory_plan.total()).fold(0, u64::saturating_add);
        let own = if gpu.is_software { on_device } else { 0 };
        let reservation = Reservation::new(&gpu.name(), on_host.saturating_add(own))?;
        let mut sizes = vec![(Holds::State, 4 * words as u64)];
        sizes.extend(words_pages.iter().map(|&bytes| (Holds::Words, bytes)));
        sizes.extend(
            lanes_pages.iter().map(|&(half_precision, bytes)| (Holds::Lanes { half_precision }, bytes)),
        );
        let mut memories = gpu.allocate(&sizes)?;
        let lanes = memories.split_off(1 + words_pages.len());
        let words = memories.split_off(1);
        let rows = members.iter().map(|member| member.state.segment_rows).max().unwrap_or(0);
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let steps = gpu.buffers(&[rows as u64 * STEP_STRIDE], usage)?.remove(0);
        let buffers = Buffers {
            state: memories.remove(0),
            words,
            lanes: lanes_pages.iter().map(|&(half_precision, _)| half_precision).zip(lanes).collect(),
            steps,
        };
        for (offset, words) in constants {
            buffers.state.write(gpu, offset, &words);
        }
        let replay = |recording: &Recording| Replay::new(gpu, recording, &buffers, &resident);
        Ok(Self {
            gpu: gpu.clone(),
            train: replay(&train)?,
            evaluate: replay(&evaluate)?,
            prologue: replay(&prologue)?,
            vectors: Vec::new(),
            setups,
            members,
            buffers,
            resident,
            steps_per_submission: 1,
            stopwatch: None,
            _reservation: reservation,
        })
    }

    /// The memory of a training alone, without anything of a device being used.
    pub(crate) fn memory_plan(gpu: &GpuDevice, setup: Setup<dyn Kernel>) -> Result<MemoryPlan, Error> {
        let splits: Vec<_> = setup.sets.iter().map(|set| ImageSplit::new(set, gpu.page_bytes)).collect();
        let setups = [setup];
        let mut prepared = Prepared::new(&setups, gpu.page_bytes, &splits, gpu.style)
            .map_err(|reason| too_large(gpu, reason))?;
        let dispatches = dispatches(gpu, &setups, &prepared);
        Ok(Member::new(&setups[0], prepared.members.remove(0), dispatches).memory_plan)
    }

    /// What does something with vectors; prepared before.
    fn vector_work(&self, work: VectorWork) -> Option<&Replay> {
        self.vectors.iter().find(|(known, _)| *known == work).map(|(_, replay)| replay)
    }

    /// Records what is done with vectors, once.
    fn prepare(&mut self, work: VectorWork) -> Result<(), Error> {
        if self.vector_work(work).is_none() {
            let states: Vec<_> = self.members.iter().map(|member| &member.state).collect();
            let recording = vector_recording(&self.setups, &states, self.gpu.style, work);
            let replay = Replay::new(&self.gpu, &recording, &self.buffers, &self.resident)?;
            self.vectors.push((work, replay));
        }
        Ok(())
    }

    /// What a step runs, each with the number of its row in the step; prepared before.
    fn programs(&self, step: &Step) -> Vec<(&Replay, usize)> {
        let mut rows = 0_usize;
        let program = |&part: &Part| {
            let replay = if let Part::Differentiate { .. } = part {
                rows += 1;
                Some(&self.train)
            } else {
                self.vector_work(VectorWork::Part(part))
            };
            replay.map(|replay| (replay, rows.saturating_sub(1)))
        };
        step.parts().iter().filter_map(program).collect()
    }

    /// Runs the passes of those trainings that have one, which make the same steps; what `result` makes of their outcomes.
    fn run<T>(
        &mut self,
        passes: &[Option<DataPass<'_>>],
        mode: Mode,
        result: impl Fn(&Member, &DataPass<'_>, Outcome) -> Result<T, Error>,
    ) -> Result<Vec<Ran<T>>, Error> {
        let training = mode == Mode::Train;
        let mut stopwatch = self.stopwatch.take();
        let mut steps_per_submission = self.steps_per_submission;
        let step = passes.iter().flatten().map(|pass| &pass.step).next();
        let programs = match step {
            Some(step) if training => self.programs(step),
            _ => vec![(&self.evaluate, 0)],
        };
        let members = self.members.iter().zip(&self.setups).zip(passes);
        let members = members
            .map(|((member, setup), pass)| pass.as_ref().map(|pass| member.in_pass(setup, pass)))
            .collect();
        let run = Run {
            gpu: &self.gpu,
            prologue: (!training).then_some(&self.prologue),
            programs,
            buffers: &self.buffers,
            members,
        };
        let outcomes = run.run(&mut steps_per_submission, stopwatch.as_mut().filter(|_| training));
        self.stopwatch = stopwatch;
        self.steps_per_submission = steps_per_submission;
        let each = self.members.iter().zip(passes).zip(outcomes?);
        Ok(each
            .map(|((member, pass), outcome)| pass.as_ref().map(|pass| result(member, pass, outcome)))
            .collect())
    }

    /// Trains those that have a pass; a result for each of them.
    ///
    /// # Errors
    /// When the device fails, which concerns all.
    pub(crate) fn train_all(
        &mut self,
        passes: &[Option<DataPass<'_>>],
    ) -> Result<Vec<Ran<Vec<EpochMetrics>>>, Error> {
        let mut steps: Vec<&Step> = Vec::new();
        for pass in passes.iter().flatten() {
            if !steps.contains(&&pass.step) {
                steps.push(&pass.step);
            }
        }
        let mut results: Vec<_> = passes.iter().map(|_| None).collect();
        for step in steps {
            for &part in step.parts() {
                self.prepare(VectorWork::Part(part))?;
            }
            let same: Vec<_> =
                passes.iter().map(|pass| pass.clone().filter(|pass| pass.step == *step)).collect();
            let ran = self.run(&same, Mode::Train, Member::trained)?;
            results.iter_mut().zip(ran).for_each(|(result, ran)| *result = result.take().or(ran));
        }
        Ok(results)
    }

    /// Evaluates those that have a pass; a result for each of them.
    ///
    /// # Errors
    /// When the device fails, which concerns all.
    pub(crate) fn evaluate_all(
        &mut self,
        images: &[Option<(Stream<'_>, &dyn Monitor)>],
    ) -> Result<Vec<Ran<Evaluation>>, Error> {
        let passes: Vec<_> = images
            .iter()
            .map(|images| images.map(|(stream, monitor)| DataPass::evaluation(stream, monitor)))
            .collect();
        self.run(&passes, Mode::Evaluate, Member::evaluated)
    }

    /// Begins to time the kernels of training steps, of all of the pack; false where the device cannot.
    pub(crate) fn begin_profile(&mut self) -> bool {
        if self.stopwatch.is_none() && self.gpu.has_timestamps() {
            self.stopwatch = Stopwatch::new(&self.gpu, self.train.dispatches(), self.train.is_plain()).ok();
        }
        self.stopwatch.is_some()
    }

    /// Ends that: times by kernel, for the first of the pack that asks.
    pub(crate) fn end_profile(&mut self) -> Vec<KernelTime> {
        self.stopwatch.take().map(Stopwatch::times).unwrap_or_default()
    }

    fn member(&self, member: usize) -> (&Member, &Setup<dyn Kernel>) {
        (&self.members[member], &self.setups[member])
    }

    pub(crate) fn state_of(&mut self, member: usize) -> Result<State, Error> {
        let (Member { state, .. }, Setup { layout, tables, .. }) = self.member(member);
        let channels = tables.norm_channels;
        Ok(State {
            parameters: self.read(state.parameters, layout.elements)?,
            running_mean: self.read(state.running_mean, channels)?,
            running_var: self.read(state.running_var, channels)?,
        })
    }

    pub(crate) fn set_state_of(&mut self, member: usize, state: &State) -> Result<(), Error> {
        let (Member { state: words, .. }, Setup { layout, .. }) = self.member(member);
        let zeros = vec![0.0; layout.trained];
        self.write(words.parameters, &state.parameters);
        self.write(words.running_mean, &state.running_mean);
        self.write(words.running_var, &state.running_var);
        self.write(words.momenta, &zeros);
        if words.has_second() {
            self.write(words.second, &zeros);
        }
        self.write(words.loss_scale, bytemuck::cast_slice(&[LossScale::INITIAL]));
        self.finish_writes()
    }

    pub(crate) fn set_parameters_of(
        &mut self,
        member: usize,
        offset: usize,
        values: &[f32],
    ) -> Result<(), Error> {
        self.write(self.members[member].state.parameters + offset, values);
        self.finish_writes()
    }

    pub(crate) fn replace_images_of(
        &mut self,
        member: usize,
        set: usize,
        images: ImageSet,
    ) -> Result<ImageSet, Error> {
        if self.members.len() > 1 || !self.gpu.replace(&self.resident[set], &images) {
            let problem = "other trainings read those that are to be replaced; train alone".to_owned();
            return Err(Error::Images { problem });
        }
        let labels = self.members[member].state.sets[set].labels;
        self.buffers.state.write(&self.gpu, labels, &label_words(&images));
        self.finish_writes()?;
        Ok(std::mem::replace(&mut self.setups[member].sets[set], images))
    }

    pub(crate) fn moments_of(&mut self, member: usize) -> Result<Moments, Error> {
        let (Member { state, .. }, Setup { layout, .. }) = self.member(member);
        let second = if state.has_second() { layout.trained } else { 0 };
        Ok(Moments {
            first: self.read(state.momenta, layout.trained)?,
            second: self.read(state.second, second)?,
            loss_scale: bytemuck::pod_read_unaligned(bytemuck::cast_slice(&self.read(state.loss_scale, 3)?)),
        })
    }

    pub(crate) fn set_moments_of(&mut self, member: usize, moments: &Moments) -> Result<(), Error> {
        let Member { state, .. } = &self.members[member];
        self.write(state.momenta, &moments.first);
        if state.has_second() {
            self.write(state.second, &moments.second);
        }
        self.write(state.loss_scale, bytemuck::cast_slice(&[moments.loss_scale]));
        self.finish_writes()
    }

    pub(crate) fn dot_of(&mut self, member: usize, group: Group, vectors: [Vector; 2]) -> Result<f64, Error> {
        let work = VectorWork::Dot { group, vectors };
        self.prepare(work)?;
        let Some(replay) = self.vector_work(work) else { return Ok(0.0) };
        let products = self.members[member].state.products;
        self.write(products, &[0.0; MAX_RUNS]);
        let submission = Submission { programs: vec![(replay, 0)], sets: &[] };
        self.gpu.queue.submit([commands(&self.gpu, &submission, None)?]);
        Ok(self.read(products, MAX_RUNS)?.iter().map(|&sum| f64::from(sum)).sum())
    }

    pub(crate) fn gradients_of(&mut self, member: usize) -> Result<Vec<f32>, Error> {
        let (Member { state, .. }, Setup { layout, .. }) = self.member(member);
        self.read(state.gradients, layout.elements)
    }

    pub(crate) fn memory_plan_of(&self, member: usize) -> MemoryPlan {
        self.members[member].memory_plan
    }

    fn read(&self, offset: usize, count: usize) -> Result<Vec<f32>, Error> {
        Ok(bytemuck::cast_vec(self.buffers.state.read(&self.gpu, offset, count)?))
    }

    fn write(&self, offset: usize, values: &[f32]) {
        self.buffers.state.write(&self.gpu, offset, bytemuck::cast_slice(values));
    }

    /// Sends what was written to the device.
    fn finish_writes(&self) -> Result<(), Error> {
        self.gpu.queue.submit([]);
        self.gpu.check()
    }
}

fn too_large(gpu: &GpuDevice, reason: TooLarge) -> Error {
    match reason {
        TooLarge::Allocation(bytes) => Error::OutOfMemory {
            device: gpu.name(),
            needed_mib: bytes.div_ceil(1 << 20),
            available_mib: gpu.page_bytes >> 20,
            limit: Limit::Device,
        },
        TooLarge::Grid => gpu.failed(
            "a kernel needs more workgroups than a dispatch may have; lower the batch size or the channels",
        ),
        TooLarge::Loop => gpu.failed(
            "images or batches have more pixels than it goes through in one loop; lower the image size or the batch size",
        ),
    }
}

/// Dispatches of a plain step.
fn dispatches(gpu: &GpuDevice, setups: &[Setup<dyn Kernel>], prepared: &Prepared) -> usize {
    let states: Vec<_> = prepared.members.iter().map(|member| &member.state).collect();
    let groups = setups.iter().map(|setup| setup.settings.groups.len()).max().unwrap_or(0);
    let count =
        |&part: &Part| vector_recording(setups, &states, gpu.style, VectorWork::Part(part)).dispatches.len();
    prepared.train.dispatches_of_a_step() + Step::plain(groups).parts().iter().map(count).sum::<usize>()
}
