//! The native backend: SIMD kernels chosen at run time, one training on one or several threads.
//!
//! Work is split by fixed chunks of image blocks (or of channels), and every sum over chunks has a fixed
//! order, so that the number of threads never changes a bit. `unsafe` is here alone: kernels work on one
//! arena through raw pointers, and the schedule of `program.rs` promises that what runs at one time does not
//! conflict.

mod address_space;
mod ahead;
mod batch;
mod columns;
mod context;
pub mod control;
mod convolution;
mod depthwise;
mod device;
mod dispatch;
mod elementwise;
mod matrix;
mod memory;
mod norm;
mod pixels;
mod planned;
mod pool;
mod prepared;
mod rows;
mod same;
mod simd;
mod update;
mod wide;

use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;

pub use self::address_space::save_address_space;
use self::context::Context;
pub(crate) use self::device::CpuDevice;
use self::dispatch::{Isa, Unit};
use self::memory::{Buffer, NormArrays, Parameters};
use self::prepared::{Link, Phase, Prepared};
use crate::error::Error;
use crate::graph::{Graph, NormId};
use crate::plan::MemoryPlan;
use crate::preprocess::{ImageSet, Resize};
use crate::profile::{KernelTime, Profile};
use crate::program::{Call, Mode};
use crate::reservation::Reservation;
use crate::shape::blocks;
use crate::state::State;
use crate::trainer::{Backend, EpochMetrics, Evaluation, Pass, Setup, TrainerSettings};

/// Chunks that the blocks of a batch are split into: the grain of parallel work and of the weights' partial
/// sums.
const CHUNKS: usize = 8;

/// How errors name this device.
const CPU: &str = "cpu";

/// One training on the processor.
pub(crate) struct CpuBackend {
    isa: Isa,
    pool: Option<Arc<rayon::ThreadPool>>,
    graph: Graph,
    recipe: TrainerSettings,
    sets: Vec<ImageSet>,
    resizes: Vec<[Resize; 2]>,
    train: Prepared,
    evaluate: Prepared,
    parameters: Parameters,
    norms: NormArrays,
    metrics: Buffer,
    /// Sum of squares of each segment of the gradients, in 64 bits.
    square_sums: Buffer,
    /// One area of scratch memory a thread.
    scratch: Vec<Buffer>,
    trained: usize,
    elements: usize,
    /// Times kernels while there is one.
    profile: Option<Profile>,
    memory_plan: MemoryPlan,
    /// Of all memory above, when it is allocated.
    _reservation: Option<Reservation>,
}

impl CpuBackend {
    /// Plans a training, reserves the memory and allocates it.
    ///
    /// # Errors
    /// When the memory is not there, or other trainings hold it.
    pub(crate) fn new(device: &CpuDevice, setup: Setup) -> Result<Self, Error> {
        let on_host = setup.initial_bytes();
        let mut backend = Self::plan(device, setup)?;
        let reservation = Reservation::new(CPU, backend.memory_plan.total().saturating_add(on_host))?;
        if !backend.allocate() {
            drop(backend);
            return Err(reservation.refused(CPU));
        }
        Ok(Self { _reservation: Some(reservation), ..backend })
    }

    /// The memory of a training, without any of it being allocated.
    pub(crate) fn memory_plan(device: &CpuDevice, setup: Setup) -> Result<MemoryPlan, Error> {
        Ok(Self::plan(device, setup)?.memory_plan)
    }

    /// A training whose memory is not allocated.
    fn plan(device: &CpuDevice, setup: Setup) -> Result<Self, Error> {
        let Setup { graph, layout, train, evaluate, recipe, sets } = setup;
        let count = blocks(recipe.batch_size);
        let halves = recipe.float_bits == 16;
        let train = Prepared::new(&graph, &layout, train, count, halves)?;
        let evaluate = Prepared::new(&graph, &layout, evaluate, count, halves)?;
        let floats = |prepared: &Prepared| {
            sets.iter().map(|set| prepared.scratch_floats(set.shape())).max().unwrap_or(0)
        };
        let scratch = floats(&train).max(floats(&evaluate));
        let size = recipe.preprocess.image_size;
        let parameters = || Buffer::floats(layout.elements);
        let mut backend = Self {
            isa: device.isa,
            pool: device.pool.clone(),
            resizes: (sets.iter())
                .map(|set| [Resize::new(set.shape().height, size), Resize::new(set.shape().width, size)])
                .collect(),
            sets,
            recipe,
            train,
            evaluate,
            parameters: Parameters {
                master: parameters()?,
                rounded: halves.then(parameters).transpose()?,
                momentum: parameters()?,
                gradients: parameters()?,
            },
            norms: NormArrays::new(graph.norm_channels(), count)?,
            metrics: Buffer::floats(2 * count * crate::BLOCK)?,
            square_sums: Buffer::planned(update::segments(layout.trained) * size_of::<f64>())?,
            scratch: (0..device.threads).map(|_| Buffer::floats(scratch)).collect::<Result<_, _>>()?,
            trained: layout.trained,
            elements: layout.elements,
            graph,
            profile: None,
            memory_plan: MemoryPlan::default(),
            _reservation: None,
        };
        backend.memory_plan = backend.planned();
        Ok(backend)
    }

    fn context<'a>(&'a self, mode: Mode, pass: &Pass<'_>, batch: &'a [u32]) -> Context<'a> {
        let prepared = if mode == Mode::Train { &self.train } else { &self.evaluate };
        Context {
            mode,
            memory: &prepared.memory,
            parameters: &self.parameters,
            norms: &self.norms,
            images: &self.sets[pass.set],
            preprocess: &self.recipe.preprocess,
            resize: &self.resizes[pass.set],
            metrics: &self.metrics,
            seed: self.recipe.seed,
            epoch: pass.epoch,
            drop_path: pass.drop_path,
            label_smoothing: self.recipe.label_smoothing,
            batch,
        }
    }

    /// Runs units that do not conflict with each other, on all threads.
    fn run_all<'u>(
        &self,
        cx: &Context<'_>,
        count: usize,
        units: impl Fn(usize, &mut dyn FnMut(Unit<'u>)) + Sync,
    ) {
        let chunks = CHUNKS.min(cx.blocks());
        let run = |index: usize| {
            let thread = rayon::current_thread_index().unwrap_or(0) % self.scratch.len();
            let scratch = self.scratch[thread].pointer();
            units(index, &mut |unit| {
                let chunks = match unit {
                    Unit::Part { call: Call::WeightGradient { op }, .. } if wide::is_wide(op) => 1,
                    _ => chunks,
                };
                let timed = self.profile.as_ref().map(|profile| (profile, unit.kind(), Instant::now()));
                // SAFETY: the schedule's promise, and one scratch area a thread.
                unsafe { dispatch::run(self.isa, cx, &self.graph, chunks, unit, scratch) }
                if let Some((profile, kind, begun)) = timed {
                    profile.add(kind, begun);
                }
            });
        };
        if self.pool.is_some() && count > 1 {
            (0..count).into_par_iter().with_max_len(1).for_each(run);
        } else {
            (0..count).for_each(run);
        }
    }

    fn run_phases(&self, cx: &Context<'_>, prepared: &Prepared) {
        let (blocks, calls) = (cx.blocks(), &prepared.program.calls);
        let chunks = CHUNKS.min(blocks);
        for phase in &prepared.phases {
            match phase {
                Phase::Blocks(chains) => self.run_all(cx, chunks * chains.len(), |index, run| {
                    let (chunk, chain) = (index / chains.len(), &chains[index % chains.len()]);
                    let first = chunk * blocks / chunks;
                    for block in first..(chunk + 1) * blocks / chunks {
                        for Link { call, next } in chain {
                            let call = &calls[*call];
                            run(Unit::Block { call, block, chunk, first_of_chunk: block == first, next });
                        }
                    }
                }),
                Phase::Gather(list) => self.run_all(cx, blocks, |block, run| {
                    for &call in list {
                        run(Unit::Gather { call: &calls[call], block });
                    }
                }),
                Phase::Parts(list) => self.run_all(cx, list.len(), |index, run| {
                    let (call, part) = list[index];
                    run(Unit::Part { call: &calls[call], part });
                }),
            }
        }
    }

    /// Clips and steps; false when the norm of the gradients is not a number, and nothing is changed.
    fn update(&self, cx: &Context<'_>, learning_rate: f32) -> bool {
        let segments = update::segments(self.trained);
        let sums: *mut f64 = self.square_sums.pointer();
        let to = SendPointer(sums);
        self.run_all(cx, segments, |segment, run| {
            run(Unit::SquareSum { segment, to: to.at(segment) });
        });
        // SAFETY: every segment has written its sum.
        let norm = unsafe { std::slice::from_raw_parts(sums, segments) }.iter().sum::<f64>().sqrt();
        if !norm.is_finite() {
            return false;
        }
        let step = update::Step {
            clip: (f64::from(self.recipe.grad_clip) / (norm + 1e-6)).min(1.0) as f32,
            learning_rate,
            momentum: self.recipe.momentum,
            weight_decay: self.recipe.weight_decay,
            elements: self.trained,
        };
        self.run_all(cx, segments, |segment, run| run(Unit::Update { segment, step }));
        true
    }

    fn round_weights(&mut self) {
        // SAFETY: no kernel runs between steps.
        let master = unsafe { self.parameters.master.as_floats() };
        if let Some(rounded) = &mut self.parameters.rounded {
            for (to, from) in rounded.as_floats_mut().iter_mut().zip(master) {
                *to = half::f16::from_f32(*from).to_f32();
            }
        }
    }

    /// Sums of the batch's losses and hits, in the order of its images.
    fn metrics(&self, images: usize) -> (f64, u64) {
        // SAFETY: no kernel runs between steps.
        let metrics = unsafe { self.metrics.as_floats() };
        let mut total = (0.0, 0);
        for image in metrics.chunks_exact(2).take(images) {
            total.0 += f64::from(image[0]);
            total.1 += u64::from(image[1] > 0.0);
        }
        total
    }

    fn in_pool<T: Send>(&mut self, work: impl FnOnce(&mut Self) -> T + Send) -> T {
        match self.pool.clone() {
            Some(pool) => pool.install(|| work(self)),
            None => work(self),
        }
    }

    fn train_batches(&mut self, pass: &Pass<'_>) -> Result<EpochMetrics, Error> {
        let mut metrics = EpochMetrics { losses: Vec::new(), correct: 0 };
        for batch in pass.order.chunks(self.recipe.batch_size) {
            if pass.monitor.cancelled() {
                return Err(Error::Cancelled);
            }
            self.round_weights();
            self.metrics.as_floats_mut().fill(0.0);
            let cx = self.context(Mode::Train, pass, batch);
            self.run_phases(&cx, &self.train);
            let is_updated = self.update(&cx, pass.learning_rate);
            let (loss, correct) = self.metrics(batch.len());
            let loss = (loss / batch.len() as f64) as f32;
            if !loss.is_finite() || !is_updated {
                let step = pass.first_step + metrics.losses.len() as u64;
                return Err(Error::NonFinite { step, epoch: pass.epoch });
            }
            metrics.losses.push(loss);
            metrics.correct += correct;
            pass.monitor.progress(batch.len() as u64);
        }
        Ok(metrics)
    }

    fn evaluate_batches(&mut self, pass: &Pass<'_>) -> Result<Evaluation, Error> {
        self.round_weights();
        let cx = self.context(Mode::Evaluate, pass, &[]);
        for norm in 0..self.graph.norms.len() {
            // SAFETY: no kernel runs now.
            unsafe { norm::running_map(&cx, &self.graph, NormId(norm)) }
        }
        let mut total = Evaluation { correct: 0, images: 0, loss: 0.0 };
        for batch in pass.order.chunks(self.recipe.batch_size) {
            if pass.monitor.cancelled() {
                return Err(Error::Cancelled);
            }
            self.metrics.as_floats_mut().fill(0.0);
            let cx = self.context(Mode::Evaluate, pass, batch);
            self.run_phases(&cx, &self.evaluate);
            let (loss, correct) = self.metrics(batch.len());
            total.loss += loss;
            total.correct += correct;
            total.images += batch.len() as u64;
            pass.monitor.progress(batch.len() as u64);
        }
        total.loss /= total.images.max(1) as f64;
        Ok(total)
    }
}

/// A pointer that units on several threads write disjoint places of.
#[derive(Clone, Copy)]
struct SendPointer(*mut f64);

// SAFETY: every unit writes its own element.
unsafe impl Send for SendPointer {}
// SAFETY: as above.
unsafe impl Sync for SendPointer {}

impl SendPointer {
    fn at(&self, index: usize) -> *mut f64 {
        self.0.wrapping_add(index)
    }
}

impl Backend for CpuBackend {
    fn train(&mut self, pass: &Pass<'_>) -> Result<EpochMetrics, Error> {
        self.in_pool(|backend| backend.train_batches(pass))
    }

    fn evaluate(&mut self, pass: &Pass<'_>) -> Result<Evaluation, Error> {
        self.in_pool(|backend| backend.evaluate_batches(pass))
    }

    fn state(&mut self) -> Result<State, Error> {
        // SAFETY: no kernel runs now.
        let read = |buffer: &Buffer, count: usize| unsafe { buffer.as_floats() }[..count].to_vec();
        let channels = self.graph.norm_channels();
        Ok(State {
            parameters: read(&self.parameters.master, self.elements),
            running_mean: read(&self.norms.running_mean, channels),
            running_var: read(&self.norms.running_var, channels),
        })
    }

    fn set_state(&mut self, state: &State) -> Result<(), Error> {
        let write = |buffer: &mut Buffer, values: &[f32]| {
            buffer.as_floats_mut()[..values.len()].copy_from_slice(values);
        };
        write(&mut self.parameters.master, &state.parameters);
        write(&mut self.norms.running_mean, &state.running_mean);
        write(&mut self.norms.running_var, &state.running_var);
        self.parameters.momentum.as_floats_mut().fill(0.0);
        Ok(())
    }

    fn gradients(&mut self) -> Result<Vec<f32>, Error> {
        // SAFETY: no kernel runs now.
        Ok(unsafe { self.parameters.gradients.as_floats() }[..self.elements].to_vec())
    }

    fn begin_profile(&mut self) -> bool {
        self.profile = Some(Profile::default());
        true
    }

    fn end_profile(&mut self) -> Vec<KernelTime> {
        self.profile.take().map_or_else(Vec::new, |profile| profile.times())
    }

    fn memory_plan(&self) -> MemoryPlan {
        self.memory_plan
    }
}
