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
mod rectified;
mod rows;
mod simd;
mod sink;
mod steps;
#[cfg(test)]
mod tests;
mod windows;

use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;

pub use self::address_space::save_address_space;
pub(crate) use self::context::{Context, Reading, SEGMENT, segments};
pub(crate) use self::device::CpuDevice;
pub(crate) use self::isa::Isa;
pub(crate) use self::kernel::{Block, Kernel, RunKernel, Sizes, Split, Unit};
pub(crate) use self::memory::{Buffer, Memory};
pub(crate) use self::prefetch::{Piece, Prefetch, Prefetcher};
pub(crate) use self::rows::{OutputGradients, Rows, output_gradients, zero_margins};
pub(crate) use self::simd::{Element, Portable, Simd, Work};
pub(crate) use self::sink::{BlockSink, ChannelSink};
pub(crate) use self::windows::{Side, Windows, pad_rows};

use self::context::CHUNKS;
use self::memory::{NormArrays, Parameters};
use self::phases::{Link, Phase, Prepared};
use crate::backend::{
    Backend, DataPass, EpochMetrics, Evaluation, Monitor, Setup, Show, Stream, TrainerSettings, VectorCalls,
};
use crate::error::Error;
use crate::optimiser::has_second_moments;
use crate::preprocess::{ImageSet, Resize};
use crate::profile::{KernelTime, Profile};
use crate::program::plan::MemoryPlan;
use crate::program::{Program, Tables};
use crate::reservation::Reservation;
use crate::shape::{BLOCK, blocks};
use crate::state::{LossScale, Moments, ParameterLayout, State};
use crate::step::{Group, Part, Step, Vector, VectorWork};

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
    /// What is done with vectors, as far as it was needed.
    vectors: Vec<(VectorWork, Prepared)>,
    vector_calls: VectorCalls<dyn RunKernel>,
    parameters: Parameters,
    norms: NormArrays,
    metrics: Buffer,
    /// One area of scratch memory a thread.
    scratch: Vec<Buffer>,
    layout: ParameterLayout,
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
        let Setup { tables, layout, train, evaluate, vectors, settings, sets } = setup;
        let blocks = blocks(settings.batch_size);
        let half_precision = settings.float_bits == 16;
        let sources: Vec<_> = sets.iter().map(ImageSet::shape).collect();
        let sizes = Sizes {
            tables: &tables,
            blocks,
            chunks: CHUNKS.min(blocks),
            layout: &layout,
            half_precision,
            sources: &sources,
        };
        let prepare = |program: Program<dyn RunKernel>| {
            let moved = program.moved(settings.batch_size, settings.float_bits);
            Prepared::new(program, &sizes, moved)
        };
        let (train, evaluate) = (prepare(train)?, prepare(evaluate)?);
        let scratch = train.scratch_floats.max(evaluate.scratch_floats);
        let size = settings.preprocess.image_size;
        let parameters = || Buffer::floats(layout.elements);
        let products = Buffer::planned(size_of::<f64>() * segments(layout.trained))?;
        let mut backend = Self {
            isa: device.isa,
            pool: device.pool.clone(),
            resizes: (sets.iter())
                .map(|set| [Resize::new(set.shape().height, size), Resize::new(set.shape().width, size)])
                .collect(),
            sets,
            train,
            evaluate,
            vectors: Vec::new(),
            vector_calls: vectors,
            parameters: Parameters {
                master: parameters()?,
                rounded: half_precision.then(parameters).transpose()?,
                momentum: parameters()?,
                second: has_second_moments(&settings.groups).then(parameters).transpose()?,
                gradients: parameters()?,
                extra: (0..settings.extra_vectors).map(|_| parameters()).collect::<Result<_, _>>()?,
                products,
                loss_scale: Buffer::planned(size_of::<LossScale>())?,
            },
            norms: NormArrays::new(tables.norm_channels, blocks)?,
            metrics: Buffer::floats(2 * blocks * BLOCK)?,
            scratch: (0..device.threads).map(|_| Buffer::floats(scratch)).collect::<Result<_, _>>()?,
            layout,
            settings,
            tables,
            profile: None,
            memory_plan: MemoryPlan::default(),
            _reservation: None,
        };
        backend.memory_plan = backend.planned();
        Ok(backend)
    }

    /// Runs `count` lists of units that do not conflict with each other, on all threads.
    fn run_all<'u>(
        &self,
        cx: &Context<'_>,
        prepared: &Prepared,
        count: usize,
        units: impl Fn(usize, &mut dyn FnMut(usize, Unit<'u>)) + Sync,
    ) {
        let is_timed = !std::ptr::eq(prepared, &raw const self.evaluate);
        let run = |index: usize| {
            let thread = rayon::current_thread_index().unwrap_or(0) % self.scratch.len();
            let scratch = self.scratch[thread].pointer();
            units(index, &mut |call, unit| {
                let profile = self.profile.as_ref().filter(|_| is_timed);
                let timed = profile.map(|profile| (profile, Instant::now()));
                // SAFETY: the schedule's promise, and one scratch area a thread.
                unsafe { prepared.calls[call].run_on(self.isa, cx, unit, scratch) }
                if let Some((profile, begun)) = timed {
                    profile.add(prepared.calls[call].kind(), begun);
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

    fn set_loss_scale(&mut self, scale: LossScale) {
        // SAFETY: no kernel runs now, and this is borrowed exclusively.
        unsafe { *self.parameters.loss_scale() = scale }
    }

    fn in_pool<T: Send>(&mut self, work: impl FnOnce(&mut Self) -> T + Send) -> T {
        match self.pool.clone() {
            Some(pool) => pool.install(|| work(self)),
            None => work(self),
        }
    }

    /// Calls of the plain step's updates.
    fn plain_calls(&self) -> usize {
        let updates = Step::plain(self.layout.groups.len());
        let calls = |&part: &Part| (self.vector_calls)(VectorWork::Part(part)).len();
        updates.parts().iter().map(calls).sum()
    }
}

impl Backend for CpuBackend {
    fn train(&mut self, pass: &DataPass<'_>) -> Result<Vec<EpochMetrics>, Error> {
        self.in_pool(|backend| backend.train_steps(pass))
    }

    fn evaluate(&mut self, images: Stream<'_>, monitor: &dyn Monitor) -> Result<Evaluation, Error> {
        self.in_pool(|backend| backend.evaluate_batches(images, monitor))
    }

    fn state(&mut self) -> Result<State, Error> {
        // SAFETY: no kernel runs now.
        let read = |buffer: &Buffer, count: usize| unsafe { buffer.as_floats() }[..count].to_vec();
        let channels = self.tables.norm_channels;
        Ok(State {
            parameters: read(&self.parameters.master, self.layout.elements),
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
        let Parameters { momentum, second, .. } = &mut self.parameters;
        [momentum].into_iter().chain(second).for_each(|moments| moments.as_floats_mut().fill(0.0));
        self.set_loss_scale(LossScale::INITIAL);
        Ok(())
    }

    fn set_parameters(&mut self, offset: usize, values: &[f32]) -> Result<(), Error> {
        self.parameters.master.as_floats_mut()[offset..][..values.len()].copy_from_slice(values);
        Ok(())
    }

    fn replace_images(&mut self, set: usize, images: ImageSet) -> Result<ImageSet, Error> {
        Ok(std::mem::replace(&mut self.sets[set], images))
    }

    fn moments(&mut self) -> Result<Moments, Error> {
        // SAFETY: no kernel runs now.
        let read = |buffer: &Buffer| unsafe { buffer.as_floats() }[..self.layout.trained].to_vec();
        let Parameters { momentum, second, .. } = &self.parameters;
        Ok(Moments {
            first: read(momentum),
            second: second.as_ref().map_or_else(Vec::new, read),
            // SAFETY: no kernel runs now.
            loss_scale: unsafe { *self.parameters.loss_scale() },
        })
    }

    fn set_moments(&mut self, moments: &Moments) -> Result<(), Error> {
        let Parameters { momentum, second, .. } = &mut self.parameters;
        momentum.as_floats_mut()[..self.layout.trained].copy_from_slice(&moments.first);
        if let Some(second) = second {
            second.as_floats_mut()[..self.layout.trained].copy_from_slice(&moments.second);
        }
        self.set_loss_scale(moments.loss_scale);
        Ok(())
    }

    fn dot(&mut self, group: Group, vectors: [Vector; 2]) -> Result<f64, Error> {
        let work = VectorWork::Dot { group, vectors };
        self.prepare(work)?;
        self.parameters.products.as_floats_mut().fill(0.0);
        self.in_pool(|backend| backend.run_vectors(work, &[]));
        // SAFETY: no kernel runs now.
        let products: &[f64] = bytemuck::cast_slice(unsafe { self.parameters.products.as_floats() });
        Ok(products.iter().sum())
    }

    fn gradients(&mut self) -> Result<Vec<f32>, Error> {
        // SAFETY: no kernel runs now.
        Ok(unsafe { self.parameters.gradients.as_floats() }[..self.layout.elements].to_vec())
    }

    fn rectified(&mut self, images: usize, show: &mut Show<'_>) -> Result<(), Error> {
        self.show_rectified(images, show);
        Ok(())
    }

    fn begin_profile(&mut self) -> bool {
        let mut profile = Profile::default();
        let all = std::iter::once(&self.train).chain(self.vectors.iter().map(|(_, prepared)| prepared));
        all.for_each(|prepared| profile.know(prepared.kinds()));
        self.profile = Some(profile);
        true
    }

    fn end_profile(&mut self) -> Vec<KernelTime> {
        self.profile.take().map_or_else(Vec::new, |profile| profile.times())
    }

    fn memory_plan(&self) -> MemoryPlan {
        self.memory_plan
    }
}
