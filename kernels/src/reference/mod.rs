//! A plain backend in double precision that tests compare the real ones with.
//!
//! It runs the same programs call by call, in textbook loops: normalised values, ReLU gates and gradients are materialised,
//! every storage has memory of its own, and memory starts as NaN. It must not know blocks, lanes, plans or fused kernels.

mod array;
mod convolution;
mod images;
mod loss;
mod memory;
mod norm;
mod pool;
mod window_average;

use crate::Error;
use crate::graph::{DropId, Graph, Input, NormId, ParamId, StorageId, Tensor};
use crate::preprocess::{Augmentation, ImageSet};
use crate::program::{Call, Gradient, Program, Sink};
use crate::rng::{Purpose, random, unit};
use crate::state::{Layout, State};
use crate::trainer::{Backend, EpochMetrics, Evaluation, Pass, Setup, TrainerSettings};
use array::Array;
pub(crate) use memory::{Kinks, Memory};

/// What is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// Nothing: double precision throughout.
    Double,
    /// Activations and gradients are rounded to single precision where they are stored, weights after each step: about
    /// what a real backend loses.
    Single,
}

/// One training in textbook loops.
pub(crate) struct Reference {
    graph: Graph,
    layout: Layout,
    recipe: TrainerSettings,
    sets: Vec<ImageSet>,
    rounding: Rounding,
    pub(crate) train: Program,
    evaluate: Program,
    pub(crate) parameters: Vec<f64>,
    pub(crate) gradients: Vec<f64>,
    momentum: Vec<f64>,
    running_mean: Vec<f64>,
    running_var: Vec<f64>,
    /// Of all steps since the state was set.
    pub(crate) margin: f64,
}

/// The images of one step and what is done with them.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a> {
    pub(crate) set: usize,
    pub(crate) images: &'a [u32],
    pub(crate) epoch: u32,
    pub(crate) learning_rate: f32,
    pub(crate) drop_path: f32,
    pub(crate) training: bool,
}

impl Reference {
    pub(crate) fn new(setup: Setup, rounding: Rounding) -> Self {
        let Setup { graph, layout, train, evaluate, recipe, sets } = setup;
        let elements = layout.elements;
        Self {
            layout,
            recipe,
            sets,
            rounding,
            train,
            evaluate,
            parameters: vec![0.0; elements],
            gradients: vec![0.0; elements],
            momentum: vec![0.0; elements],
            running_mean: vec![0.0; graph.norm_channels()],
            running_var: vec![1.0; graph.norm_channels()],
            margin: f64::INFINITY,
            graph,
        }
    }

    /// Memory of a step before its first call.
    pub(crate) fn memory(&self, program: &Program, batch: Batch<'_>) -> Memory {
        let mut memory = Memory::new(&self.graph, program, batch.images.len());
        if !batch.training {
            for (index, (info, norm)) in self.graph.norms.iter().zip(&mut memory.norms).enumerate() {
                let channels = self.norm_channels(NormId(index));
                let (scale, shift) = (self.param(info.scale), self.param(info.shift));
                let (mean, var) = (&self.running_mean[channels.clone()], &self.running_var[channels]);
                norm::from_running(norm, scale, shift, mean, var);
            }
        }
        memory
    }

    /// Runs all of `calls` but the update of the weights: their gradients are left.
    pub(crate) fn differentiate(&mut self, calls: &[Call], batch: Batch<'_>) -> Memory {
        self.gradients.fill(0.0);
        let mut memory = self.memory(&self.train, batch);
        for call in calls.iter().filter(|call| !matches!(call, Call::Update)) {
            self.execute(call, &mut memory, batch);
        }
        memory
    }

    /// Runs one call.
    pub(crate) fn execute(&mut self, call: &Call, memory: &mut Memory, batch: Batch<'_>) {
        match call {
            Call::LoadImages { output } => {
                let loaded = self.load(batch, *output);
                self.put(memory, *output, &loaded, false);
            }
            Call::DrawDropPath => self.draw_drop_path(memory, batch),
            Call::Convolve { op } => {
                let input = self.read(memory, op.input);
                let bias = op.bias.map_or(&[][..], |bias| self.param(bias));
                let output =
                    convolution::forward(op, &input, self.depthwise(op), self.param(op.weight), bias);
                self.put(memory, op.output, &output, false);
                self.add_up(memory, op.norm, op.output, batch);
            }
            Call::Pool { op } => {
                let input = self.read(memory, op.input);
                let (output, held, margin) = pool::forward(op, &input);
                self.put(memory, op.output, &output, false);
                if let Some(storage) = op.taps {
                    held.values.iter().for_each(|&tap| memory.kinks.see(tap as u64, margin));
                    memory.storages[storage.0] = held;
                }
                self.add_up(memory, op.norm, op.output, batch);
            }
            Call::NormStatistics { norm } => {
                let info = &self.graph.norms[norm.0];
                let count = (batch.images.len() * info.raw.shape.pixels()) as f64;
                let scale = self.param(info.scale).to_vec();
                let shift = self.param(info.shift).to_vec();
                let channels = self.norm_channels(*norm);
                let mean = &mut self.running_mean[channels.clone()];
                let var = &mut self.running_var[channels];
                norm::statistics(&mut memory.norms[norm.0], count, &scale, &shift, mean, var);
            }
            Call::NodeSum { op } => {
                let mut sum = Array::filled(batch.images.len(), op.output.shape, 0.0);
                for &(input, drop) in &op.edges {
                    let edge = self.read(memory, input);
                    let edge = scaled(memory, edge, drop);
                    sum.values.iter_mut().zip(&edge.values).for_each(|(sum, value)| *sum += value);
                }
                self.put(memory, op.output, &sum, false);
            }
            Call::WindowAverage { op } => {
                let input = self.read(memory, op.input);
                self.put(memory, op.output, &window_average::forward(op, &input), false);
            }
            Call::CrossEntropy { head, gradient } => {
                let logits = get(memory, head.logits);
                let all = self.sets[batch.set].labels();
                let labels: Vec<u8> = batch.images.iter().map(|&image| all[image as usize]).collect();
                let (smoothing, weight) = (f64::from(self.recipe.label_smoothing), f64::from(head.weight));
                let (loss, correct, found) = loss::cross_entropy(&logits, &labels, smoothing, weight);
                memory.loss += weight * loss;
                if !head.training_only {
                    memory.correct += correct;
                }
                if let Some(gradient) = gradient {
                    self.put(memory, *gradient, &found, false);
                }
            }
            Call::NormGradientSums { norm, gradient } => {
                let found = get(memory, gradient.tensor);
                let found = scaled(memory, found, gradient.scale);
                let raw = get(memory, gradient.raw);
                norm::add_up_gradient(&mut memory.norms[norm.0], &found, &raw);
            }
            Call::NormGradient { norm } => {
                let info = &self.graph.norms[norm.0];
                let count = (batch.images.len() * info.raw.shape.pixels()) as f64;
                let (scale, shift) = (info.scale, info.shift);
                let (scale_gradient, shift_gradient) = norm::gradient(&mut memory.norms[norm.0], count);
                self.put_gradient(scale, &scale_gradient);
                self.put_gradient(shift, &shift_gradient);
            }
            Call::ConvolveBackward { op, gradient, sink } => {
                let dy = self.read_gradient(memory, *gradient);
                let input = self.read(memory, op.input);
                let (weight, depthwise) = (self.param(op.weight), self.depthwise(op));
                let (found, dx) = convolution::backward(op, &input, &dy, depthwise, weight);
                memory.weight_partials.insert(op.weight.0, found);
                if let Some(sink) = sink {
                    self.put_input_gradient(memory, op.input, dx, *sink);
                }
            }
            Call::WeightGradient { op } => {
                let found = memory.weight_partials[&op.weight.0].clone();
                self.put_gradient(op.weight, &found.weight);
                if let Some(depthwise) = op.depthwise {
                    self.put_gradient(depthwise, &found.depthwise);
                }
                if let Some(bias) = op.bias {
                    self.put_gradient(bias, &found.bias);
                }
            }
            Call::PoolBackward { op, gradient, sink } => {
                let dy = self.read_gradient(memory, *gradient);
                let held = op.taps.map(|storage| &memory.storages[storage.0]);
                let dx = pool::backward(op, &dy, held);
                self.put_input_gradient(memory, op.input, dx, *sink);
            }
            Call::EdgeBackward { gradient, sink } => {
                let found = self.read_gradient(memory, *gradient);
                self.put(memory, sink.tensor, &found, sink.accumulate);
            }
            Call::WindowAverageBackward { op, gradient, sink } => {
                let dy = get(memory, *gradient);
                self.put_input_gradient(memory, op.input, window_average::backward(op, &dy), *sink);
            }
            Call::Update => {
                self.update(batch.learning_rate);
            }
        }
    }

    fn param(&self, param: ParamId) -> &[f64] {
        &self.parameters[self.layout.offset(param)..][..self.graph.params[param.0].elements()]
    }

    fn depthwise(&self, op: &crate::ops::Convolution) -> &[f64] {
        op.depthwise.map_or(&[], |depthwise| self.param(depthwise))
    }

    fn norm_channels(&self, norm: NormId) -> std::ops::Range<usize> {
        let norm = &self.graph.norms[norm.0];
        norm.offset..norm.offset + norm.raw.shape.channels
    }

    fn put_gradient(&mut self, param: ParamId, values: &[f64]) {
        self.gradients[self.layout.offset(param)..][..values.len()].copy_from_slice(values);
    }

    fn load(&self, batch: Batch<'_>, output: Tensor) -> Array {
        let (images, preprocess) = (&self.sets[batch.set], &self.recipe.preprocess);
        let pixels = |&image: &u32| {
            let drawn = if batch.training {
                Augmentation::draw(preprocess, self.recipe.seed, batch.epoch, image)
            } else {
                Augmentation::NONE
            };
            images::preprocess(images.image(image as usize), images.shape(), preprocess, drawn)
        };
        let values = batch.images.iter().flat_map(pixels).collect();
        Array { images: batch.images.len(), shape: output.shape, values }
    }

    fn draw_drop_path(&self, memory: &mut Memory, batch: Batch<'_>) {
        for (edge, scales) in memory.drop_scales.iter_mut().enumerate() {
            for (scale, &image) in scales.iter_mut().zip(batch.images) {
                let words = random(self.recipe.seed, Purpose::DropPath, edge as u32, batch.epoch, image);
                let keep = unit(words[0]) >= batch.drop_path;
                *scale = if keep { 1.0 / (1.0 - f64::from(batch.drop_path)) } else { 0.0 };
            }
        }
    }

    /// Takes the sums for the statistics of what was just produced.
    fn add_up(&self, memory: &mut Memory, norm: Option<NormId>, output: Tensor, batch: Batch<'_>) {
        if let (Some(norm), true) = (norm, batch.training) {
            let raw = get(memory, output);
            let first = output.channel - self.graph.norms[norm.0].raw.channel;
            norm::add_up(&mut memory.norms[norm.0], first, &raw);
        }
    }

    /// A value as an operation reads it, behind normalisation and ReLU.
    fn read(&self, memory: &mut Memory, input: Input) -> Array {
        let mut value = get(memory, input.tensor);
        if let Some(norm) = input.norm {
            let first = input.tensor.channel - self.graph.norms[norm.0].raw.channel;
            norm::apply(&memory.norms[norm.0], first, &mut value);
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

    fn read_gradient(&self, memory: &Memory, gradient: Gradient) -> Array {
        let found = get(memory, gradient.tensor);
        let mut found = scaled(memory, found, gradient.scale);
        if let Some(norm) = gradient.norm {
            let raw = get(memory, gradient.raw);
            let first = gradient.raw.channel - self.graph.norms[norm.0].raw.channel;
            norm::send_back(&memory.norms[norm.0], first, &mut found, &raw);
        }
        found
    }

    /// Sends the gradient of what was read through the ReLU gate.
    fn put_input_gradient(&self, memory: &mut Memory, input: Input, mut gradient: Array, sink: Sink) {
        if input.relu {
            let gate = self.read(memory, input);
            for (g, gate) in gradient.values.iter_mut().zip(&gate.values) {
                *g = if *gate > 0.0 { *g } else { 0.0 };
            }
        }
        self.put(memory, sink.tensor, &gradient, sink.accumulate);
    }

    fn put(&self, memory: &mut Memory, tensor: Tensor, values: &Array, accumulate: bool) {
        assert_eq!(values.shape, tensor.shape);
        let target = &mut memory.storages[tensor.storage.0];
        for (image, channel) in values.planes() {
            let plane = target.plane_mut(image, tensor.channel + channel);
            for (target, &value) in plane.iter_mut().zip(values.plane(image, channel)) {
                let sum = if accumulate { *target + value } else { value };
                *target = self.rounded(sum);
            }
        }
    }

    fn rounded(&self, value: f64) -> f64 {
        match self.rounding {
            Rounding::Double => value,
            Rounding::Single => f64::from(value as f32),
        }
    }

    /// False when the norm of the gradients is no number, and nothing is changed.
    fn update(&mut self, learning_rate: f32) -> bool {
        let trained = self.layout.trained;
        let norm = self.gradients[..trained].iter().map(|g| g * g).sum::<f64>().sqrt();
        if !norm.is_finite() {
            return false;
        }
        let clip = (f64::from(self.recipe.grad_clip) / (norm + 1e-6)).min(1.0);
        for i in 0..trained {
            let gradient =
                clip * self.gradients[i] + f64::from(self.recipe.weight_decay) * self.parameters[i];
            self.momentum[i] = f64::from(self.recipe.momentum) * self.momentum[i] + gradient;
            self.parameters[i] =
                self.rounded(self.parameters[i] - f64::from(learning_rate) * self.momentum[i]);
        }
        true
    }
}

fn get(memory: &Memory, tensor: Tensor) -> Array {
    let StorageId(storage) = tensor.storage;
    let source = &memory.storages[storage];
    let mut found = Array::filled(source.images, tensor.shape, 0.0);
    for (image, channel) in found.planes() {
        found.plane_mut(image, channel).copy_from_slice(source.plane(image, tensor.channel + channel));
    }
    found
}

/// Times the drop-path scale of each image.
fn scaled(memory: &Memory, mut values: Array, drop: Option<DropId>) -> Array {
    if let Some(DropId(edge)) = drop {
        for (image, channel) in values.planes() {
            let scale = memory.drop_scales[edge][image];
            values.plane_mut(image, channel).iter_mut().for_each(|v| *v *= scale);
        }
    }
    values
}

impl Backend for Reference {
    fn train(&mut self, pass: &Pass<'_>) -> Result<EpochMetrics, Error> {
        let calls = self.train.calls.clone();
        let mut metrics = EpochMetrics { losses: Vec::new(), correct: 0 };
        for (step, images) in (pass.first_step..).zip(pass.order.chunks(self.recipe.batch_size)) {
            if pass.monitor.cancelled() {
                return Err(Error::Cancelled);
            }
            let Pass { set, epoch, learning_rate, drop_path, .. } = *pass;
            let batch = Batch { set, images, epoch, learning_rate, drop_path, training: true };
            let memory = self.differentiate(&calls, batch);
            if !memory.loss.is_finite() || !self.update(learning_rate) {
                return Err(Error::NonFinite { step, epoch });
            }
            self.margin = self.margin.min(memory.kinks.margin);
            metrics.losses.push(memory.loss as f32);
            metrics.correct += memory.correct;
            pass.monitor.progress(images.len() as u64);
        }
        Ok(metrics)
    }

    fn evaluate(&mut self, pass: &Pass<'_>) -> Result<Evaluation, Error> {
        let calls = self.evaluate.calls.clone();
        let mut total = Evaluation { correct: 0, images: pass.order.len() as u64, loss: 0.0 };
        for images in pass.order.chunks(self.recipe.batch_size) {
            if pass.monitor.cancelled() {
                return Err(Error::Cancelled);
            }
            let Pass { set, epoch, learning_rate, drop_path, .. } = *pass;
            let batch = Batch { set, images, epoch, learning_rate, drop_path, training: false };
            let mut memory = self.memory(&self.evaluate, batch);
            for call in &calls {
                self.execute(call, &mut memory, batch);
            }
            total.correct += memory.correct;
            total.loss += memory.loss * images.len() as f64 / pass.order.len() as f64;
            pass.monitor.progress(images.len() as u64);
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
        self.margin = f64::INFINITY;
        Ok(())
    }

    fn gradients(&mut self) -> Result<Vec<f32>, Error> {
        Ok(self.gradients.iter().map(|&g| g as f32).collect())
    }

    fn memory_plan(&self) -> crate::MemoryPlan {
        crate::MemoryPlan::default()
    }
}
