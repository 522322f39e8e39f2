//! The native backend: SIMD kernels chosen at run time, one training on one or several threads.
//!
//! Work is split by fixed chunks of image blocks (or of channels), and every sum over chunks has a fixed
//! order, so that the number of threads never changes a bit. `unsafe` is here and in the operations' kernels for
//! it: they work on one arena through raw pointers, and the schedule of `program/` promises that what runs
//! at one time does not conflict.

mod address_space;
mod context;
pub mod control;
mod device;
mod isa;
mod kernel;
mod memory;
mod phases;
mod planned;
mod prefetch;
mod rows;
mod simd;
#[cfg(test)]
mod tests;
mod windows;

use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;

pub use self::address_space::save_address_space;
pub(crate) use self::context::{Context, Reading};
pub(crate) use self::device::CpuDevice;
pub(crate) use self::kernel::{Block, Kernel, RunKernel, Sizes, Split, Unit};
pub(crate) use self::memory::Memory;
pub(crate) use self::prefetch::{Piece, Prefetch, Prefetcher};
pub(crate) use self::rows::{Rows, output_gradients, zero_margins};
pub(crate) use self::simd::{Element, Portable, Vector, Work};
pub(crate) use self::windows::{Side, Windows, pad_rows};

use self::context::CHUNKS;
use self::isa::Isa;
use self::memory::{Buffer, NormArrays, Parameters};
use self::phases::{Link, Phase, Prepared};
use crate::backend::{Backend, EpochMetrics, Evaluation, Pass, Setup, TrainerSettings};
use crate::error::Error;
use crate::preprocess::{ImageSet, Resize};
use crate::profile::{KernelTime, Profile};
use crate::program::plan::MemoryPlan;
use crate::program::{Mode, Program, Tables};
use crate::reservation::Reservation;
use crate::shape::{BLOCK, blocks};
use crate::state::State;

/// How errors name this device.
const CPU: &str = "cpu";

/// One training on the processor.
pub(crate) struct CpuBackend {
    isa: Isa,
    pool: Option<Arc<rayon::ThreadPool>>,
    tables: Tables,
    settings: TrainerSettings,
    sets: Vec<ImageSet>,
    resizes: Vec<[Resize; 2]>,
    train: Prepared,
    evaluate: Prepared,
    parameters: Parameters,
    norms: NormArrays,
    metrics: Buffer,
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
    pub(crate) fn new(device: &CpuDevice, setup: Setup<dyn RunKernel>) -> Result<Self, Error> {
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
    pub(crate) fn memory_plan(device: &CpuDevice, setup: Setup<dyn RunKernel>) -> Result<MemoryPlan, Error> {
        Ok(Self::plan(device, setup)?.memory_plan)
    }

    /// A training whose memory is not allocated.
    fn plan(device: &CpuDevice, setup: Setup<dyn RunKernel>) -> Result<Self, Error> {
        let Setup { tables, layout, train, evaluate, settings, sets } = setup;
        let blocks = blocks(settings.batch_size);
        let halves = settings.float_bits == 16;
        let sources: Vec<_> = sets.iter().map(ImageSet::shape).collect();
        let sizes = Sizes {
            tables: &tables,
            blocks,
            chunks: CHUNKS.min(blocks),
            trained: layout.trained,
            sources: &sources,
        };
        let prepare = |program: Program<dyn RunKernel>| {
            let moved = program.moved(settings.batch_size, settings.float_bits);
            Prepared::new(program, &sizes, &layout, halves, moved)
        };
        let (train, evaluate) = (prepare(train)?, prepare(evaluate)?);
        let scratch = train.scratch_floats.max(evaluate.scratch_floats);
        let size = settings.preprocess.image_size;
        let parameters = || Buffer::floats(layout.elements);
        let mut backend = Self {
            isa: device.isa,
            pool: device.pool.clone(),
            resizes: (sets.iter())
                .map(|set| [Resize::new(set.shape().height, size), Resize::new(set.shape().width, size)])
                .collect(),
            sets,
            settings,
            train,
            evaluate,
            parameters: Parameters {
                master: parameters()?,
                rounded: halves.then(parameters).transpose()?,
                momentum: parameters()?,
                gradients: parameters()?,
            },
            norms: NormArrays::new(tables.norm_channels, blocks)?,
            metrics: Buffer::floats(2 * blocks * BLOCK)?,
            scratch: (0..device.threads).map(|_| Buffer::floats(scratch)).collect::<Result<_, _>>()?,
            trained: layout.trained,
            elements: layout.elements,
            tables,
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
            tables: &self.tables,
            settings: &self.settings,
            memory: &prepared.memory,
            parameters: &self.parameters,
            norms: &self.norms,
            images: &self.sets[pass.set],
            resize: &self.resizes[pass.set],
            metrics: &self.metrics,
            epoch: pass.epoch,
            learning_rate: pass.learning_rate,
            drop_path: pass.drop_path,
            trained: self.trained,
            batch,
        }
    }

    /// Runs `count` lists of units that do not conflict with each other, on all threads.
    fn run_all<'u>(
        &self,
        cx: &Context<'_>,
        prepared: &Prepared,
        count: usize,
        units: impl Fn(usize, &mut dyn FnMut(usize, Unit<'u>)) + Sync,
    ) {
        let run = |index: usize| {
            let thread = rayon::current_thread_index().unwrap_or(0) % self.scratch.len();
            let scratch = self.scratch[thread].pointer();
            units(index, &mut |call, unit| {
                let profile = self.profile.as_ref().filter(|_| cx.mode == Mode::Train);
                let timed = profile.map(|profile| (profile, Instant::now()));
                // SAFETY: the schedule's promise, and one scratch area a thread.
                unsafe { prepared.calls[call].run_on(self.isa, cx, unit, scratch) }
                if let Some((profile, begun)) = timed {
                    profile.add(prepared.kind_of[call], begun);
                }
            });
        };
        if self.pool.is_some() && count > 1 {
            (0..count).into_par_iter().with_max_len(1).for_each(run);
        } else {
            (0..count).for_each(run);
        }
    }

    fn run_phases(&self, cx: &Context<'_>, prepared: &Prepared, phases: &[Phase]) {
        let (blocks, chunks) = (cx.blocks(), cx.chunks());
        for phase in phases {
            match phase {
                Phase::Blocks(chains) => {
                    self.run_all(cx, prepared, chunks * chains.len(), |index, run| {
                        let (chunk, chain) = (index / chains.len(), &chains[index % chains.len()]);
                        let first = chunk * blocks / chunks;
                        for block in first..(chunk + 1) * blocks / chunks {
                            for Link { call, next } in chain {
                                let first_of_chunk = block == first;
                                let unit = Block { number: block, chunk, first_of_chunk, next };
                                run(*call, Unit::Block(unit));
                            }
                        }
                    });
                }
                Phase::Gather(list) => self.run_all(cx, prepared, blocks, |block, run| {
                    for &call in list {
                        run(call, Unit::Gather { block });
                    }
                }),
                Phase::Parts(list) => self.run_all(cx, prepared, list.len(), |index, run| {
                    let (call, part) = list[index];
                    run(call, Unit::Part { part });
                }),
            }
        }
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
        for batch in pass.order.chunks(self.settings.batch_size) {
            if pass.monitor.cancelled() {
                return Err(Error::Cancelled);
            }
            self.round_weights();
            self.metrics.as_floats_mut().fill(0.0);
            let cx = self.context(Mode::Train, pass, batch);
            self.run_phases(&cx, &self.train, &self.train.phases);
            let (loss, correct) = self.metrics(batch.len());
            let loss = (loss / batch.len() as f64) as f32;
            if !loss.is_finite() {
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
        self.run_phases(&cx, &self.evaluate, &self.evaluate.prologue);
        let mut total = Evaluation { correct: 0, images: 0, loss: 0.0 };
        for batch in pass.order.chunks(self.settings.batch_size) {
            if pass.monitor.cancelled() {
                return Err(Error::Cancelled);
            }
            self.metrics.as_floats_mut().fill(0.0);
            let cx = self.context(Mode::Evaluate, pass, batch);
            self.run_phases(&cx, &self.evaluate, &self.evaluate.phases);
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
        let channels = self.tables.norm_channels;
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

    fn momenta(&mut self) -> Result<Vec<f32>, Error> {
        // SAFETY: no kernel runs now.
        Ok(unsafe { self.parameters.momentum.as_floats() }[..self.trained].to_vec())
    }

    fn set_momenta(&mut self, momenta: &[f32]) -> Result<(), Error> {
        self.parameters.momentum.as_floats_mut()[..momenta.len()].copy_from_slice(momenta);
        Ok(())
    }

    fn gradients(&mut self) -> Result<Vec<f32>, Error> {
        // SAFETY: no kernel runs now.
        Ok(unsafe { self.parameters.gradients.as_floats() }[..self.elements].to_vec())
    }

    fn begin_profile(&mut self) -> bool {
        self.profile = Some(Profile::new(&self.train.kinds));
        true
    }

    fn end_profile(&mut self) -> Vec<KernelTime> {
        self.profile.take().map_or_else(Vec::new, |profile| profile.times())
    }

    fn memory_plan(&self) -> MemoryPlan {
        self.memory_plan
    }
}
