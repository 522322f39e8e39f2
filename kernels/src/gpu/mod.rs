//! The wgpu backend: a program's calls as WGSL kernels over pages of memory that are planned before the first step.
//!
//! Activations lie in the pages of an arena, everything else in one buffer of words, the state. A kernel finds its tensors
//! through a job record (offsets, by a workgroup's place along z), so that independent calls of one specialisation, of one
//! training or of several that are packed, are one dispatch. A step is the same list of dispatches with other step records.

// Where wgpu knows no Vulkan, `no_overlap.rs` stands in for what overlaps dispatches, and what only that needs is not used.
#![cfg_attr(
    not(any(windows, target_os = "linux", target_os = "android", target_os = "freebsd")),
    allow(dead_code, reason = "dispatches overlap on Vulkan only")
)]

mod copy;
mod dependencies;
mod device;
mod grid;
mod images;
mod layout;
mod lowering;
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
mod run;
mod source;
mod stopwatch;
mod storage;
mod tiles;
mod views;
#[cfg(any(windows, target_os = "linux", target_os = "android", target_os = "freebsd"))]
mod vulkan;

#[cfg(test)]
mod tests;

pub(crate) use device::GpuDevice;
pub use device::PACKED;
pub(crate) use pack::{Seat, pack};

pub(crate) use grid::launch;
pub(crate) use images::IMAGE_PAGES;
pub(crate) use lowering::{Held, Kernel, Lowering, Sizes};
pub(crate) use memory::{MAX_RUNS, SetWords};
pub(crate) use record::{Launch, Page};
pub(crate) use source::{GRADIENT, INPUT, RNG, SINK, Shader, WORKGROUP_SUMS};
pub(crate) use tiles::{STRIP, SUMS_AT_ONCE, Style, VECTOR, divisor, quads, strip};
pub(crate) use views::{Parts, Read, View, X_SHAPE, Y_SHAPE};

use crate::backend::{EpochMetrics, Evaluation, Pass, Setup};
use crate::error::Error;
use crate::limits::Limit;
use crate::preprocess::ImageSet;
use crate::profile::KernelTime;
use crate::program::Mode;
use crate::program::plan::MemoryPlan;
use crate::reservation::Reservation;
use crate::state::State;

use device::STEP_STRIDE;
use images::ImageSplit;
use memory::StateWords;
use prepare::{Prepared, TooLarge};
use replay::{Buffers, Programs, Replays};
use run::{Outcome, Run, Share};
use stopwatch::Stopwatch;
use storage::Holds;

/// A pack of trainings on a device, which share dispatches.
pub(crate) struct GpuBackend {
    gpu: GpuDevice,
    members: Vec<Member>,
    buffers: Buffers,
    replays: Replays,
    steps_per_submission: usize,
    /// While kernels of training steps are timed.
    stopwatch: Option<Stopwatch>,
    /// Of what the trainings take of the machine's own memory.
    _reservation: Reservation,
}

/// One training of a pack.
struct Member {
    state: StateWords,
    /// Weight of each head's loss in training, and whether its answers count; the main head is the one that does.
    heads: Vec<(f32, bool)>,
    batch: usize,
    seed: u64,
    elements: usize,
    trained: usize,
    channels: usize,
    memory_plan: MemoryPlan,
}

impl GpuBackend {
    /// Plans, records, compiles and allocates trainings that read the same image sets.
    pub(crate) fn new(gpu: &GpuDevice, setups: &[Setup<dyn Kernel>]) -> Result<Self, Error> {
        let sets = setups.first().map_or(&[][..], |setup| &setup.sets[..]);
        let resident = sets.iter().map(|set| gpu.resident(set)).collect::<Result<Vec<_>, _>>()?;
        let splits: Vec<_> = sets.iter().map(|set| ImageSplit::new(set, gpu.page_bytes)).collect();
        let prepared = Prepared::new(setups, gpu.page_bytes, &splits, gpu.style)
            .map_err(|reason| too_large(gpu, reason))?;
        let Prepared { mut members, words, words_pages, lanes_pages, train, evaluate, prologue, .. } =
            prepared;
        let constants: Vec<_> =
            members.iter_mut().flat_map(|member| std::mem::take(&mut member.constants)).collect();
        let dispatches = train.dispatches_of_a_step();
        let members: Vec<Member> = (setups.iter().zip(members))
            .map(|(setup, member)| Member::new(setup, member, dispatches))
            .collect();
        let on_host = setups.iter().map(Setup::initial_bytes).fold(0, u64::saturating_add);
        let on_device = members.iter().map(|member| member.memory_plan.total()).fold(0, u64::saturating_add);
        let own = if gpu.is_software { on_device } else { 0 };
        let reservation = Reservation::new(&gpu.name(), on_host.saturating_add(own))?;
        let mut sizes = vec![(Holds::State, 4 * words as u64)];
        sizes.extend(words_pages.iter().map(|&bytes| (Holds::Words, bytes)));
        sizes.extend(lanes_pages.iter().map(|&(half, bytes)| (Holds::Lanes { half }, bytes)));
        let mut storages = gpu.storages(&sizes)?;
        let lanes = storages.split_off(1 + words_pages.len());
        let words = storages.split_off(1);
        let steps = members.iter().map(|member| member.state.segment_steps).max().unwrap_or(0);
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let steps = gpu.buffers(&[steps as u64 * STEP_STRIDE], usage)?.remove(0);
        let buffers = Buffers {
            state: storages.remove(0),
            words,
            lanes: lanes_pages.iter().map(|&(half, _)| half).zip(lanes).collect(),
            steps,
        };
        for (offset, words) in constants {
            buffers.state.write(gpu, offset, &words);
        }
        let recordings = Programs { train: &train, evaluate: &evaluate, prologue: &prologue };
        Ok(Self {
            gpu: gpu.clone(),
            replays: Replays::new(gpu, &recordings, &buffers, &resident)?,
            members,
            buffers,
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
        let dispatches = prepared.train.dispatches_of_a_step();
        Ok(Member::new(&setups[0], prepared.members.remove(0), dispatches).memory_plan)
    }

    /// Runs the passes of those trainings that have one; what `result` makes of each of their outcomes.
    fn run<T>(
        &mut self,
        passes: &[Option<Pass<'_>>],
        mode: Mode,
        result: impl Fn(&Member, &Pass<'_>, Outcome) -> Result<T, Error>,
    ) -> Result<Vec<Option<Result<T, Error>>>, Error> {
        let training = mode == Mode::Train;
        let shares = self.members.iter().zip(passes);
        let run = Run {
            gpu: &self.gpu,
            replays: &self.replays,
            mode,
            buffers: &self.buffers,
            shares: shares.map(|(member, pass)| pass.as_ref().map(|pass| member.share(pass))).collect(),
        };
        let stopwatch = self.stopwatch.as_mut().filter(|_| training);
        let outcomes = run.run(&mut self.steps_per_submission, stopwatch)?;
        let each = self.members.iter().zip(passes).zip(outcomes);
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
        passes: &[Option<Pass<'_>>],
    ) -> Result<Vec<Option<Result<EpochMetrics, Error>>>, Error> {
        self.run(passes, Mode::Train, Member::trained)
    }

    /// Evaluates those that have a pass; a result for each of them.
    ///
    /// # Errors
    /// When the device fails, which concerns all.
    pub(crate) fn evaluate_all(
        &mut self,
        passes: &[Option<Pass<'_>>],
    ) -> Result<Vec<Option<Result<Evaluation, Error>>>, Error> {
        self.run(passes, Mode::Evaluate, Member::evaluated)
    }

    /// Begins to time the kernels of training steps, of all of the pack; false where the device cannot.
    pub(crate) fn begin_profile(&mut self) -> bool {
        if self.stopwatch.is_none() && self.gpu.has_timestamps() {
            self.stopwatch = Stopwatch::new(&self.gpu, &self.replays).ok();
        }
        self.stopwatch.is_some()
    }

    /// Ends that: times by kernel, for the first of the pack that asks.
    pub(crate) fn end_profile(&mut self) -> Vec<KernelTime> {
        self.stopwatch.take().map(Stopwatch::times).unwrap_or_default()
    }

    pub(crate) fn state_of(&mut self, member: usize) -> Result<State, Error> {
        let Member { state, elements, channels, .. } = &self.members[member];
        Ok(State {
            parameters: self.read(state.parameters, *elements)?,
            running_mean: self.read(state.running_mean, *channels)?,
            running_var: self.read(state.running_var, *channels)?,
        })
    }

    pub(crate) fn set_state_of(&mut self, member: usize, state: &State) -> Result<(), Error> {
        let Member { state: words, trained, .. } = &self.members[member];
        self.write(words.parameters, &state.parameters);
        self.write(words.running_mean, &state.running_mean);
        self.write(words.running_var, &state.running_var);
        self.write(words.momenta, &vec![0.0; *trained]);
        self.gpu.queue.submit([]);
        self.gpu.check()
    }

    pub(crate) fn momenta_of(&mut self, member: usize) -> Result<Vec<f32>, Error> {
        let Member { state, trained, .. } = &self.members[member];
        self.read(state.momenta, *trained)
    }

    pub(crate) fn set_momenta_of(&mut self, member: usize, momenta: &[f32]) -> Result<(), Error> {
        self.write(self.members[member].state.momenta, momenta);
        self.gpu.queue.submit([]);
        self.gpu.check()
    }

    pub(crate) fn gradients_of(&mut self, member: usize) -> Result<Vec<f32>, Error> {
        let Member { state, elements, .. } = &self.members[member];
        self.read(state.gradients, *elements)
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
}

impl Member {
    fn new(setup: &Setup<dyn Kernel>, prepared: prepare::Member, dispatches: usize) -> Self {
        let Setup { tables, layout, settings, sets, .. } = setup;
        let prepare::Member { state, arena_bytes, buffers, unshared, .. } = prepared;
        let [state_bytes, gradients, small] = state.bytes();
        let labels = sets.iter().map(|set| size_of_val(set.labels()) as u64).sum::<u64>();
        let memory_plan = MemoryPlan {
            activations: arena_bytes as u64,
            unshared: unshared as u64,
            evaluation: 0,
            state: state_bytes,
            gradients,
            // Labels lie among the words, and are part of the images.
            scratch: small + state.segment_steps as u64 * STEP_STRIDE - labels,
            data: sets.iter().map(ImageSet::bytes).sum(),
            buffers: buffers as u64,
            calls: dispatches as u64,
            moved: setup.train.moved(settings.batch_size, settings.float_bits),
        };
        Self {
            heads: tables.heads.iter().map(|head| (head.weight, !head.training_only)).collect(),
            state,
            batch: settings.batch_size,
            seed: settings.seed,
            elements: layout.elements,
            trained: layout.trained,
            channels: tables.norm_channels,
            memory_plan,
        }
    }

    fn share<'a>(&'a self, pass: &'a Pass<'a>) -> Share<'a> {
        let Self { state, heads, batch, seed, .. } = self;
        Share { pass, state, batch: *batch, heads: heads.len(), seed: *seed }
    }

    fn trained(&self, pass: &Pass<'_>, outcome: Outcome) -> Result<EpochMetrics, Error> {
        let Outcome { rows, cancelled } = outcome;
        if cancelled {
            return Err(Error::Cancelled);
        }
        let mut metrics = EpochMetrics { losses: Vec::with_capacity(rows.len()), correct: 0 };
        for (step, (row, images)) in rows.iter().zip(batches(pass.order.len(), self.batch)).enumerate() {
            let mut loss = 0.0;
            for (&[sum, hits], &(weight, main)) in row.iter().zip(&self.heads) {
                loss += weight * (sum / images);
                metrics.correct += if main { hits as u64 } else { 0 };
            }
            if !loss.is_finite() {
                return Err(Error::NonFinite { step: pass.first_step + step as u64, epoch: pass.epoch });
            }
            metrics.losses.push(loss);
        }
        Ok(metrics)
    }

    fn evaluated(&self, pass: &Pass<'_>, outcome: Outcome) -> Result<Evaluation, Error> {
        let Outcome { rows, cancelled } = outcome;
        if cancelled {
            return Err(Error::Cancelled);
        }
        let images = pass.order.len() as u64;
        let mut evaluation = Evaluation { correct: 0, images, loss: 0.0 };
        for row in rows {
            // The auxiliary head is not evaluated.
            for (&[sum, hits], &(weight, _)) in row.iter().zip(&self.heads).filter(|(_, head)| head.1) {
                evaluation.correct += hits as u64;
                evaluation.loss += f64::from(weight) * f64::from(sum);
            }
        }
        evaluation.loss /= (images as f64).max(1.0);
        Ok(evaluation)
    }
}

fn too_large(gpu: &GpuDevice, reason: TooLarge) -> Error {
    match reason {
        TooLarge::Block(bytes) => Error::OutOfMemory {
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

/// Images of each step.
fn batches(images: usize, batch: usize) -> impl Iterator<Item = f32> {
    (0..images).step_by(batch).map(move |first| (images - first).min(batch) as f32)
}
