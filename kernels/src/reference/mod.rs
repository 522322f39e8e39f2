//! A plain backend in double precision that tests compare the real ones with.
//!
//! It runs the same programs call by call, in textbook loops: normalised values, ReLU gates and gradients are materialised,
//! every storage has memory of its own, and memory starts as NaN. It must not know blocks, lanes, plans or fused kernels.

mod array;
mod memory;

use std::sync::Arc;

pub(crate) use array::Array;
pub(crate) use memory::{Kinks, Memory, NormMemory};

use crate::backend::{
    Backend, DataPass, EpochMetrics, Evaluation, Monitor, Setup, Show, Stream, TrainerSettings, VectorCalls,
};
use crate::error::Error;
use crate::optimiser::Progress;
use crate::preprocess::ImageSet;
use crate::program::plan::MemoryPlan;
use crate::program::{
    Content, Declare, DropId, Gradient, Input, Mixed, ParamId, Program, Sink, StorageId, Tables, Tensor,
};
use crate::state::{LossScale, Moments, ParameterLayout, State};
use crate::step::{Group, Part, RunningStatistics, Vector, VectorWork};

/// A call as this machine runs it.
pub(crate) trait Kernel: Declare {
    /// Does all of its work.
    fn run(&self, reference: &mut Reference, memory: &mut Memory, batch: Batch<'_>);
}

/// What is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// Nothing: double precision throughout.
    Double,
    /// Activations and gradients are rounded to single precision where they are stored, weights after each step: about
    /// what a real backend loses.
    Single,
    /// Activations and gradients are rounded to half precision where they are stored, and sums that gradients are made
    /// of are not.
    Half,
}

/// One training in textbook loops.
pub(crate) struct Reference {
    pub(crate) tables: Tables,
    pub(crate) layout: ParameterLayout,
    pub(crate) settings: TrainerSettings,
    pub(crate) sets: Vec<ImageSet>,
    rounding: Rounding,
    pub(crate) train: Program<dyn Kernel>,
    evaluate: Program<dyn Kernel>,
    vectors: VectorCalls<dyn Kernel>,
    pub(crate) parameters: Vec<f64>,
    pub(crate) gradients: Vec<f64>,
    pub(crate) momentum: Vec<f64>,
    pub(crate) second: Vec<f64>,
    extra: Vec<Vec<f64>>,
    pub(crate) running_mean: Vec<f64>,
    pub(crate) running_var: Vec<f64>,
    /// Of all steps since the state was set.
    pub(crate) margin: f64,
    /// Of the last batch, not rounded.
    pub(crate) last_loss: f64,
}

/// The images of one step and what is done with them.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a> {
    pub(crate) set: usize,
    pub(crate) images: &'a [u32],
    pub(crate) epoch: u32,
    /// Where each group stands, for an update.
    pub(crate) progress: &'a [Progress],
    pub(crate) drop_path: f32,
    pub(crate) temperature: f32,
    pub(crate) running: RunningStatistics,
    pub(crate) training: bool,
}

impl<'a> Batch<'a> {
    /// Images of an evaluation.
    fn evaluation(set: usize, images: &'a [u32]) -> Self {
        let running = RunningStatistics::Kept;
        let (drop_path, temperature) = (0.0, 1.0);
        Self { set, images, epoch: 0, progress: &[], drop_path, temperature, running, training: false }
    }
}

impl Reference {
    pub(crate) fn new(setup: Setup<dyn Kernel>, rounding: Rounding) -> Self {
        let Setup { tables, layout, train, evaluate, vectors, settings, sets } = setup;
        let elements = layout.elements;
        Self {
            extra: vec![vec![0.0; elements]; settings.extra_vectors],
            layout,
            settings,
            sets,
            rounding,
            train,
            evaluate,
            vectors,
            parameters: vec![0.0; elements],
            gradients: vec![0.0; elements],
            momentum: vec![0.0; elements],
            second: vec![0.0; elements],
            running_mean: vec![0.0; tables.norm_channels],
            running_var: vec![1.0; tables.norm_channels],
            margin: f64::INFINITY,
            last_loss: f64::NAN,
            tables,
        }
    }

    /// Memory of a step before its first call.
    pub(crate) fn memory(&self, batch: Batch<'_>) -> Memory {
        let program = if batch.training { &self.train } else { &self.evaluate };
        Memory::new(&self.tables, &program.storages, batch.images.len())
    }

    /// Runs `calls`, which differentiate.
    pub(crate) fn differentiate(&mut self, calls: &[Arc<dyn Kernel>], batch: Batch<'_>) -> Memory {
        self.gradients.fill(0.0);
        let mut memory = self.memory(batch);
        for call in calls {
            call.run(self, &mut memory, batch);
        }
        memory
    }

    /// A group's part of a vector.
    pub(crate) fn vector(&mut self, group: Group, vector: Vector) -> &mut [f64] {
        let numbers = match vector {
            Vector::Parameters => &mut self.parameters,
            Vector::Gradients => &mut self.gradients,
            Vector::Momenta => &mut self.momentum,
            Vector::Extra(number) => &mut self.extra[number],
        };
        &mut numbers[self.layout.groups[group.0].clone()]
    }

    pub(crate) fn param(&self, param: ParamId) -> &[f64] {
        &self.parameters[self.layout.offset(param)..][..self.tables.elements(param)]
    }

    pub(crate) fn put_gradient(&mut self, param: ParamId, values: &[f64]) {
        self.gradients[self.layout.offset(param)..][..values.len()].copy_from_slice(values);
    }

    /// Leaves the gradient of a weight of a mixture from one term.
    pub(crate) fn put_weight_gradient(memory: &mut Memory, mixed: Mixed, gradient: f64) {
        if let Some(partials) = memory.workspaces.get_mut(&mixed.partials) {
            partials[mixed.term] = gradient;
        }
    }

    /// A value as an operation reads it, behind normalisation and ReLU.
    pub(crate) fn read(&self, memory: &mut Memory, input: Input) -> Array {
        let mut value = get(memory, input.tensor);
        if let Some(norm) = input.norm {
            let first = input.tensor.channel - self.tables.norms[norm.0].raw.channel;
            memory.norms[norm.0].apply(first, &mut value);
        }
        if input.relu {
            for v in &mut value.values {
                memory.kinks.see(u64::from(*v > 0.0), v.abs());
                // What is no number stays so, where `max` would give 0.
                *v = if *v < 0.0 { 0.0 } else { *v };
            }
        }
        value
    }

    pub(crate) fn read_gradient(&self, memory: &Memory, gradient: Gradient) -> Array {
        let found = get(memory, gradient.tensor);
        let mut found = scaled(memory, found, gradient.scale);
        if let Some(norm) = gradient.norm {
            let raw = get(memory, gradient.raw);
            let first = gradient.raw.channel - self.tables.norms[norm.0].raw.channel;
            memory.norms[norm.0].send_back(first, &mut found, &raw);
        }
        found
    }

    /// Sends the gradient of what was read through the ReLU gate.
    pub(crate) fn put_input_gradient(
        &self,
        memory: &mut Memory,
        input: Input,
        mut gradient: Array,
        sink: Sink,
    ) {
        if input.relu {
            let gate = self.read(memory, input);
            for (g, gate) in gradient.values.iter_mut().zip(&gate.values) {
                *g = if *gate > 0.0 { *g } else { 0.0 };
            }
        }
        self.give(memory, sink, &gradient);
    }

    /// Gives a gradient.
    pub(crate) fn give(&self, memory: &mut Memory, sink: Sink, gradient: &Array) {
        for (image, channel) in gradient.planes() {
            let mut sums = gradient.plane(image, channel).to_vec();
            if sink.accumulate {
                let before = plane_mut(memory, sink.sum, image, channel);
                sums.iter_mut().zip(before).for_each(|(sum, &mut before)| *sum += before);
            }
            let target = if sink.whole.range().contains(&channel) { sink.tensor } else { sink.sum };
            let to = plane_mut(memory, target, image, channel);
            to.iter_mut().zip(sums).for_each(|(to, sum)| *to = self.stored(target.storage, sum));
        }
    }

    pub(crate) fn put(&self, memory: &mut Memory, tensor: Tensor, values: &Array) {
        assert_eq!(values.shape, tensor.shape);
        for (image, channel) in values.planes() {
            let plane = plane_mut(memory, tensor, image, channel);
            for (target, &value) in plane.iter_mut().zip(values.plane(image, channel)) {
                *target = self.stored(tensor.storage, value);
            }
        }
    }

    fn stored(&self, StorageId(storage): StorageId, value: f64) -> f64 {
        match (self.rounding, self.train.storages[storage].content) {
            (Rounding::Half, Content::Activation) => half::f16::from_f64(value).to_f64(),
            _ => self.rounded(value),
        }
    }

    pub(crate) fn rounded(&self, value: f64) -> f64 {
        match self.rounding {
            Rounding::Double | Rounding::Half => value,
            Rounding::Single => f64::from(value as f32),
        }
    }
}

/// Pixels of a channel of a tensor.
fn plane_mut(memory: &mut Memory, tensor: Tensor, image: usize, channel: usize) -> &mut [f64] {
    memory.storages[tensor.storage.0].plane_mut(image, tensor.channel + channel)
}

/// The numbers of a tensor.
pub(crate) fn get(memory: &Memory, tensor: Tensor) -> Array {
    let StorageId(storage) = tensor.storage;
    let source = &memory.storages[storage];
    let mut found = Array::filled(source.images, tensor.shape, 0.0);
    for (image, channel) in found.planes() {
        found.plane_mut(image, channel).copy_from_slice(source.plane(image, tensor.channel + channel));
    }
    found
}

/// Times the drop-path scale of each image.
pub(crate) fn scaled(memory: &Memory, mut values: Array, drop: Option<DropId>) -> Array {
    if let Some(DropId(edge)) = drop {
        for (image, channel) in values.planes() {
            let scale = memory.drop_scales[edge][image];
            values.plane_mut(image, channel).iter_mut().for_each(|v| *v *= scale);
        }
    }
    values
}

impl Backend for Reference {
    fn train(&mut self, pass: &DataPass<'_>) -> Result<Vec<EpochMetrics>, Error> {
        let calls = self.train.calls.clone();
        let mut metrics = pass.metrics();
        let size = self.settings.batch_size;
        for step in 0..pass.steps(size) {
            if pass.monitor.cancelled() {
                return Err(Error::Cancelled);
            }
            let stopped = Error::NonFinite { step: pass.first_step + step as u64, epoch: pass.epoch };
            let mut progress = pass.progress.clone();
            progress.iter_mut().enumerate().for_each(|(group, progress)| {
                progress.updates += (step * pass.step.updates(Group(group))) as u64;
            });
            let mut place = 0;
            let mut memory = self.memory(Batch::evaluation(0, &[]));
            for &part in pass.step.parts() {
                if let Part::Differentiate { stream, running } = part {
                    let images = pass.batch(stream, step, size);
                    let DataPass { epoch, drop_path, temperature, .. } = *pass;
                    let (set, training) = (pass.streams[stream].set, true);
                    let progress = &[];
                    let batch =
                        Batch { set, images, epoch, progress, drop_path, temperature, running, training };
                    memory = self.differentiate(&calls, batch);
                    self.margin = self.margin.min(memory.kinks.margin);
                    self.last_loss = memory.loss;
                    metrics[place].losses.push(memory.loss as f32);
                    metrics[place].correct += memory.correct;
                    place += 1;
                    pass.monitor.progress(images.len() as u64);
                } else {
                    let batch = Batch { progress: &progress, ..Batch::evaluation(0, &[]) };
                    for call in (self.vectors)(VectorWork::Part(part)) {
                        call.run(self, &mut memory, batch);
                    }
                    if let Part::Update { group } = part {
                        progress[group.0].updates += 1;
                    }
                }
                if !memory.loss.is_finite() {
                    return Err(stopped);
                }
            }
        }
        Ok(metrics)
    }

    fn evaluate(&mut self, images: Stream<'_>, monitor: &dyn Monitor) -> Result<Evaluation, Error> {
        let Program { prologue, calls, .. } = &self.evaluate;
        let calls: Vec<_> = prologue.iter().chain(calls).cloned().collect();
        let mut total = Evaluation { correct: 0, images: images.order.len() as u64, loss: 0.0 };
        for batch in images.order.chunks(self.settings.batch_size) {
            if monitor.cancelled() {
                return Err(Error::Cancelled);
            }
            let now = Batch::evaluation(images.set, batch);
            let mut memory = self.memory(now);
            for call in &calls {
                call.run(self, &mut memory, now);
            }
            total.correct += memory.correct;
            total.loss += memory.loss * batch.len() as f64 / images.order.len() as f64;
            monitor.progress(batch.len() as u64);
        }
        Ok(total)
    }

    fn state(&mut self) -> Result<State, Error> {
        let single = |values: &[f64]| values.iter().map(|&v| v as f32).collect();
        Ok(State {
            parameters: single(&self.parameters),
            running_mean: single(&self.running_mean),
            running_var: single(&self.running_var),
        })
    }

    fn set_state(&mut self, state: &State) -> Result<(), Error> {
        let double = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect();
        self.parameters = double(&state.parameters);
        self.running_mean = double(&state.running_mean);
        self.running_var = double(&state.running_var);
        self.momentum.fill(0.0);
        self.second.fill(0.0);
        self.margin = f64::INFINITY;
        Ok(())
    }

    fn set_parameters(&mut self, offset: usize, values: &[f32]) -> Result<(), Error> {
        let to = &mut self.parameters[offset..][..values.len()];
        to.iter_mut().zip(values).for_each(|(to, &value)| *to = f64::from(value));
        Ok(())
    }

    fn replace_images(&mut self, set: usize, images: ImageSet) -> Result<ImageSet, Error> {
        Ok(std::mem::replace(&mut self.sets[set], images))
    }

    fn moments(&mut self) -> Result<Moments, Error> {
        let single = |moments: &[f64]| moments[..self.layout.trained].iter().map(|&m| m as f32).collect();
        let (first, second) = (single(&self.momentum), single(&self.second));
        Ok(Moments { first, second, loss_scale: LossScale::INITIAL })
    }

    fn set_moments(&mut self, moments: &Moments) -> Result<(), Error> {
        let set = |to: &mut [f64], from: &[f32]| {
            to.iter_mut().zip(from).for_each(|(to, &from)| *to = f64::from(from));
        };
        set(&mut self.momentum, &moments.first);
        set(&mut self.second, &moments.second);
        Ok(())
    }

    fn dot(&mut self, group: Group, [left, right]: [Vector; 2]) -> Result<f64, Error> {
        let left = self.vector(group, left).to_vec();
        Ok(left.iter().zip(self.vector(group, right)).map(|(a, b)| a * *b).sum())
    }

    fn gradients(&mut self) -> Result<Vec<f32>, Error> {
        Ok(self.gradients.iter().map(|&g| g as f32).collect())
    }

    fn rectified(&mut self, _: usize, _: &mut Show<'_>) -> Result<(), Error> {
        let problem = "memory of a step is given by `differentiate`".to_owned();
        Err(Error::Device { device: "reference".to_owned(), problem })
    }

    fn memory_plan(&self) -> MemoryPlan {
        MemoryPlan::default()
    }
}
