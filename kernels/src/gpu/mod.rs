//! The wgpu backend: a program's calls as WGSL kernels over pages of memory that are planned before the first step.
//!
//! Activations lie in the pages of an arena, everything else in one buffer of words, the state. A kernel finds its tensors
//! through a job record (offsets, by a workgroup's place along z), so that independent calls of one specialisation, of one
//! training or of several, are one dispatch. A step is the same list of dispatches with another step record.

mod device;
mod images;
mod lower;
mod lower_convolution;
mod memory;
mod prepare;
mod record;
mod run;
mod source;
mod tiles;
mod views;

#[cfg(test)]
mod tests;

pub(crate) use device::GpuDevice;

use crate::error::Error;
use crate::plan::MemoryPlan;
use crate::preprocess::Images;
use crate::program::Mode;
use crate::state::State;
use crate::trainer::{Backend, EpochMetrics, Evaluation, Pass, Setup};

use images::ImageSplit;
use memory::StateWords;
use prepare::{Prepared, TooLarge};
use run::{Buffers, Replay, Run};

/// One training on a device.
pub(crate) struct GpuBackend {
    gpu: GpuDevice,
    state: StateWords,
    buffers: Buffers,
    train: Replay,
    evaluate: Replay,
    running_statistics: Replay,
    /// Weight of each head's loss in training, and whether its answers count; the main head is the one that does.
    heads: Vec<(f32, bool)>,
    batch: usize,
    seed: u64,
    elements: usize,
    trained: usize,
    channels: usize,
    memory_plan: MemoryPlan,
    steps_per_submission: usize,
}

impl GpuBackend {
    /// Plans, records, compiles and allocates.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "every backend is built alike, and some keep the programs"
    )]
    pub(crate) fn new(gpu: &GpuDevice, setup: Setup<'_>) -> Result<Self, Error> {
        let Setup { graph, layout, recipe, sets, .. } = setup;
        let resident = sets.iter().map(|set| gpu.resident(set)).collect::<Result<Vec<_>, _>>()?;
        let splits: Vec<_> = sets.iter().map(|set| ImageSplit::new(set, gpu.page_bytes)).collect();
        let prepared =
            Prepared::new(&setup, gpu.page_bytes, &splits).map_err(|reason| too_large(gpu, reason))?;
        let Prepared { state, constants, pages, buffers, unshared, train, evaluate, running_statistics } =
            prepared;
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let mut sizes = vec![4 * state.words as u64];
        sizes.extend(&pages);
        let mut storage = gpu.buffers(&sizes, usage)?;
        let step_bytes = state.segment_steps as u64 * device::STEP_STRIDE;
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let steps = gpu.buffers(&[step_bytes], usage)?.remove(0);
        let [state_bytes, gradients, small] = state.bytes();
        let memory_plan = MemoryPlan {
            activations: pages.iter().sum(),
            unshared: unshared as u64,
            evaluation: 0,
            state: state_bytes,
            gradients,
            // Labels lie among the words, and are part of the images.
            scratch: small + step_bytes - sets.iter().map(|set| set.labels().len() as u64).sum::<u64>(),
            data: sets.iter().map(Images::bytes).sum(),
            buffers: buffers as u64,
            calls: setup.train.calls.len() as u64,
        };
        let buffers = Buffers { state: storage.remove(0), pages: storage, steps };
        for (offset, words) in constants.iter().filter(|(_, words)| !words.is_empty()) {
            gpu.queue.write_buffer(&buffers.state, 4 * *offset as u64, bytemuck::cast_slice(words));
        }
        let replay = |recording| Replay::new(gpu, recording, &buffers, &resident);
        Ok(Self {
            gpu: gpu.clone(),
            train: replay(&train)?,
            evaluate: replay(&evaluate)?,
            running_statistics: replay(&running_statistics)?,
            heads: graph.heads.iter().map(|head| (head.weight, !head.training_only)).collect(),
            state,
            buffers,
            batch: recipe.batch_size,
            seed: recipe.seed,
            elements: layout.elements,
            trained: layout.trained,
            channels: graph.norm_channels(),
            memory_plan,
            steps_per_submission: 1,
        })
    }

    fn run(&mut self, pass: &Pass<'_>, mode: Mode) -> Result<Vec<Vec<[f32; 2]>>, Error> {
        let training = mode == Mode::Train;
        let run = Run {
            gpu: &self.gpu,
            replay: if training { &self.train } else { &self.evaluate },
            prologue: (!training).then_some(&self.running_statistics),
            buffers: &self.buffers,
            state: &self.state,
            batch: self.batch,
            heads: self.heads.len(),
            seed: self.seed,
        };
        run.run(pass, &mut self.steps_per_submission)
    }

    fn read(&self, offset: usize, count: usize) -> Result<Vec<f32>, Error> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let bytes = self.gpu.read(&self.buffers.state, 4 * offset as u64, 4 * count as u64)?;
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }

    fn write(&self, offset: usize, values: &[f32]) {
        if !values.is_empty() {
            self.gpu.queue.write_buffer(&self.buffers.state, 4 * offset as u64, bytemuck::cast_slice(values));
        }
    }
}

fn too_large(gpu: &GpuDevice, reason: TooLarge) -> Error {
    match reason {
        TooLarge::Block(bytes) => Error::OutOfMemory {
            device: gpu.name(),
            needed_mib: bytes.div_ceil(1 << 20),
            available_mib: gpu.page_bytes >> 20,
        },
        TooLarge::Grid => Error::Device {
            device: gpu.name(),
            problem: "a batch needs more workgroups than a dispatch may have; lower the batch size".into(),
        },
    }
}

/// Images of each step.
fn batches(images: usize, batch: usize) -> impl Iterator<Item = f32> {
    (0..images).step_by(batch).map(move |first| (images - first).min(batch) as f32)
}

impl Backend for GpuBackend {
    fn train(&mut self, pass: &Pass<'_>) -> Result<EpochMetrics, Error> {
        let rows = self.run(pass, Mode::Train)?;
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

    fn evaluate(&mut self, pass: &Pass<'_>) -> Result<Evaluation, Error> {
        let rows = self.run(pass, Mode::Evaluate)?;
        let weights: Vec<f32> = self.heads.iter().filter(|head| head.1).map(|head| head.0).collect();
        let images = pass.order.len() as u64;
        let mut evaluation = Evaluation { correct: 0, images, loss: 0.0 };
        for row in rows {
            for (&[sum, hits], &weight) in row.iter().zip(&weights) {
                evaluation.correct += hits as u64;
                evaluation.loss += f64::from(weight) * f64::from(sum);
            }
        }
        evaluation.loss /= (images as f64).max(1.0);
        Ok(evaluation)
    }

    fn state(&mut self) -> Result<State, Error> {
        Ok(State {
            parameters: self.read(self.state.parameters, self.elements)?,
            running_mean: self.read(self.state.running_mean, self.channels)?,
            running_var: self.read(self.state.running_var, self.channels)?,
        })
    }

    fn set_state(&mut self, state: &State) -> Result<(), Error> {
        self.write(self.state.parameters, &state.parameters);
        self.write(self.state.running_mean, &state.running_mean);
        self.write(self.state.running_var, &state.running_var);
        self.write(self.state.momenta, &vec![0.0; self.trained]);
        self.gpu.queue.submit([]);
        self.gpu.check()
    }

    fn gradients(&mut self) -> Result<Vec<f32>, Error> {
        self.read(self.state.gradients, self.elements)
    }

    fn memory_plan(&self) -> MemoryPlan {
        self.memory_plan
    }
}
