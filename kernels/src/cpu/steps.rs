//! Steps, part by part, and evaluations.

use super::kernel::Sizes;
use super::phases::Prepared;
use super::{Context, CpuBackend, Memory};
use crate::backend::{DataPass, EpochMetrics, Evaluation, Monitor, Stream};
use crate::error::Error;
use crate::optimiser::{Rates, rates};
use crate::preprocess::ImageSet;
use crate::program::Mode;
use crate::shape::blocks;
use crate::step::{Part, RunningStatistics, VectorWork};

/// What a run of a program is at.
pub(super) struct Now<'a> {
    pub(super) mode: Mode,
    pub(super) set: usize,
    pub(super) batch: &'a [u32],
    pub(super) epoch: u32,
    pub(super) drop_path: f32,
    pub(super) temperature: f32,
    pub(super) running: RunningStatistics,
    pub(super) rates: &'a [Rates],
}

impl<'a> Now<'a> {
    /// An evaluation of a batch of a set.
    pub(super) fn evaluation(set: usize, batch: &'a [u32]) -> Self {
        let running = RunningStatistics::Kept;
        let (mode, drop_path, temperature) = (Mode::Evaluate, 0.0, 1.0);
        Self { mode, set, batch, epoch: 0, drop_path, temperature, running, rates: &[] }
    }
}

impl CpuBackend {
    /// What kernels of a differentiation, an evaluation or another part of a step see.
    pub(super) fn context<'a>(&'a self, memory: &'a Memory, now: &Now<'a>) -> Context<'a> {
        let Now { mode, set, batch, epoch, drop_path, temperature, running, rates } = *now;
        Context {
            mode,
            tables: &self.tables,
            settings: &self.settings,
            memory,
            parameters: &self.parameters,
            norms: &self.norms,
            images: &self.sets[set],
            resize: &self.resizes[set],
            metrics: &self.metrics,
            epoch,
            rates,
            running,
            drop_path,
            temperature,
            layout: &self.layout,
            batch,
        }
    }

    /// What differentiates, or does something with vectors; prepared before.
    pub(super) fn vector_work(&self, work: VectorWork) -> Option<&Prepared> {
        self.vectors.iter().find(|(known, _)| *known == work).map(|(_, prepared)| prepared)
    }

    /// Prepares what a device does with vectors, once.
    pub(super) fn prepare(&mut self, work: VectorWork) -> Result<(), Error> {
        if self.vector_work(work).is_some() {
            return Ok(());
        }
        let calls = (self.vector_calls)(work);
        let sources: Vec<_> = self.sets.iter().map(ImageSet::shape).collect();
        let blocks = blocks(self.settings.batch_size);
        let (tables, layout, half_precision) = (&self.tables, &self.layout, self.train.memory.half_precision);
        let sizes = Sizes { tables, blocks, chunks: 1, layout, half_precision, sources: &sources };
        let prepared = Prepared::of_vectors(calls, &sizes)?;
        if let Some(profile) = &mut self.profile {
            profile.know(prepared.kinds());
        }
        self.vectors.push((work, prepared));
        Ok(())
    }

    pub(super) fn train_steps(&mut self, pass: &DataPass<'_>) -> Result<Vec<EpochMetrics>, Error> {
        for &part in pass.step.parts() {
            self.prepare(VectorWork::Part(part))?;
        }
        let mut metrics = pass.metrics();
        let size = self.settings.batch_size;
        for step in 0..pass.steps(size) {
            if pass.monitor.cancelled() {
                return Err(Error::Cancelled);
            }
            let mut differentiated = 0;
            for &part in pass.step.parts() {
                let stopped = Error::NonFinite { step: pass.first_step + step as u64, epoch: pass.epoch };
                if let Part::Differentiate { stream, running } = part {
                    let batch = pass.batch(stream, step, size);
                    let (loss, correct) = self.differentiate(pass, stream, batch, running);
                    if !loss.is_finite() {
                        return Err(stopped);
                    }
                    metrics[differentiated].losses.push(loss);
                    metrics[differentiated].correct += correct;
                    differentiated += 1;
                    pass.monitor.progress(batch.len() as u64);
                } else {
                    let place = differentiated.saturating_sub(1);
                    let rates = rates(&self.settings.groups, &pass.progress, &pass.step, step, place);
                    self.run_vectors(VectorWork::Part(part), &rates);
                    // An update leaves this where gradients are no numbers.
                    // SAFETY: no kernel runs now.
                    if unsafe { self.metrics.as_floats() }[0].is_nan() {
                        return Err(stopped);
                    }
                }
            }
        }
        Ok(metrics)
    }

    /// Forward and backward pass over a batch: its loss, and how many images were told rightly.
    fn differentiate(
        &mut self,
        pass: &DataPass<'_>,
        stream: usize,
        batch: &[u32],
        running: RunningStatistics,
    ) -> (f32, u64) {
        self.round_weights();
        self.metrics.as_floats_mut().fill(0.0);
        let set = pass.streams[stream].set;
        let DataPass { epoch, drop_path, temperature, .. } = *pass;
        let now = Now { mode: Mode::Train, set, batch, epoch, drop_path, temperature, running, rates: &[] };
        let cx = self.context(&self.train.memory, &now);
        self.run_phases(&cx, &self.train, &self.train.phases);
        let (loss, correct) = self.metrics(batch.len());
        ((loss / batch.len() as f64) as f32, correct)
    }

    /// Does something with vectors, which was prepared.
    pub(super) fn run_vectors(&self, work: VectorWork, rates: &[Rates]) {
        let Some(prepared) = self.vector_work(work) else { return };
        let cx = self.context(&prepared.memory, &Now { rates, ..Now::evaluation(0, &[]) });
        self.run_phases(&cx, prepared, &prepared.phases);
    }

    pub(super) fn evaluate_batches(
        &mut self,
        images: Stream<'_>,
        monitor: &dyn Monitor,
    ) -> Result<Evaluation, Error> {
        self.round_weights();
        let cx = self.context(&self.evaluate.memory, &Now::evaluation(images.set, &[]));
        self.run_phases(&cx, &self.evaluate, &self.evaluate.prologue);
        let mut total = Evaluation { correct: 0, images: 0, loss: 0.0 };
        for batch in images.order.chunks(self.settings.batch_size) {
            if monitor.cancelled() {
                return Err(Error::Cancelled);
            }
            self.metrics.as_floats_mut().fill(0.0);
            let cx = self.context(&self.evaluate.memory, &Now::evaluation(images.set, batch));
            self.run_phases(&cx, &self.evaluate, &self.evaluate.phases);
            let (loss, correct) = self.metrics(batch.len());
            total.loss += loss;
            total.correct += correct;
            total.images += batch.len() as u64;
            monitor.progress(batch.len() as u64);
        }
        total.loss /= total.images.max(1) as f64;
        Ok(total)
    }
}
