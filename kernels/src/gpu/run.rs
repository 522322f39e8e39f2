//! Replays recorded programs: steps are encoded again and again from what was built before the first one.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::device::{GpuDevice, STEP_STRIDE};
use super::memory::StateWords;
use super::replay::{Buffers, Part, Replays};
use super::stopwatch::Stopwatch;
use crate::backend::Pass;
use crate::error::Error;
use crate::program::Mode;

/// How long one submission should take: well below the 2 s or so after which drivers give a device up, and short enough
/// that a training stops soon when asked to.
pub(super) const SUBMISSION: Duration = Duration::from_millis(50);
/// Submissions that wait on the device.
const IN_FLIGHT: usize = 2;

/// What kernels know of the step that a training is at; the layout is that of `Step` in the shaders.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct StepRecord {
    /// Images of the batch; 0 when the training rests.
    pub(super) images: u32,
    /// Place of its first image in the order.
    pub(super) first: u32,
    /// Row of metrics.
    pub(super) row: u32,
    pub(super) epoch: u32,
    pub(super) seed: [u32; 2],
    /// Word offset of the set's labels.
    pub(super) labels: u32,
    pub(super) learning_rate: f32,
    pub(super) drop_path: f32,
    /// Set that the images come from.
    pub(super) image_set: u32,
    pub(super) unused: [u32; 2],
}

/// What one training of a pack does in a pass of its program, and where its state lies.
pub(super) struct Share<'a> {
    pub(super) pass: &'a Pass<'a>,
    pub(super) state: &'a StateWords,
    pub(super) batch: usize,
    pub(super) heads: usize,
    pub(super) seed: u64,
}

impl Share<'_> {
    /// Images of its `segment`-th part, between two uploads.
    fn segment(&self, segment: usize) -> &[u32] {
        let images = self.state.segment_steps * self.batch;
        self.pass.order.chunks(images).nth(segment).unwrap_or(&[])
    }

    fn segments(&self) -> usize {
        self.pass.order.len().div_ceil(self.state.segment_steps * self.batch)
    }

    /// The record of a step of a segment of so many images.
    fn record(&self, step: usize, images: usize) -> StepRecord {
        let first = step * self.batch;
        StepRecord {
            images: images.saturating_sub(first).min(self.batch) as u32,
            first: first as u32,
            row: step as u32,
            epoch: self.pass.epoch,
            seed: [self.seed as u32, (self.seed >> 32) as u32],
            labels: self.state.sets[self.pass.set].labels as u32,
            learning_rate: self.pass.learning_rate,
            drop_path: self.pass.drop_path,
            image_set: self.pass.set as u32,
            unused: [0; 2],
        }
    }
}

/// Loss sum and hits of one head in one step.
pub(super) type Sums = [f32; 2];

/// What a pass gave to one training.
#[derive(Default)]
pub(super) struct Outcome {
    /// Of each step and head.
    pub(super) rows: Vec<Vec<Sums>>,
    /// Its monitor said stop.
    pub(super) cancelled: bool,
}

/// One pass of a program, of each training of a pack over its own order of images; some may rest.
pub(super) struct Run<'a> {
    pub(super) gpu: &'a GpuDevice,
    pub(super) replays: &'a Replays,
    pub(super) mode: Mode,
    pub(super) buffers: &'a Buffers,
    pub(super) shares: Vec<Option<Share<'a>>>,
}

impl Run<'_> {
    /// Runs all steps, until all trainings that do not rest are cancelled; an outcome for each training. Under a stopwatch
    /// the device waits between steps.
    pub(super) fn run(
        &self,
        steps_per_submission: &mut usize,
        mut stopwatch: Option<&mut Stopwatch>,
    ) -> Result<Vec<Outcome>, Error> {
        let mut outcomes: Vec<Outcome> = self.shares.iter().map(|_| Outcome::default()).collect();
        let segments = self.shares.iter().flatten().map(Share::segments).max().unwrap_or(0);
        for segment in 0..segments {
            let steps = self.upload(segment);
            self.submit(segment, steps, steps_per_submission, stopwatch.as_deref_mut(), &mut outcomes)?;
            for (share, outcome) in self.shares.iter().zip(&mut outcomes) {
                let Some(share) = share else { continue };
                let steps = share.segment(segment).len().div_ceil(share.batch);
                if steps == 0 || outcome.cancelled {
                    continue;
                }
                let words =
                    self.buffers.state.read(self.gpu, share.state.metrics, 2 * steps * share.heads)?;
                let values: Vec<f32> = bytemuck::cast_vec(words);
                let rows = values.chunks(2 * share.heads);
                outcome
                    .rows
                    .extend(rows.map(|row| row.chunks(2).map(|pair| [pair[0], pair[1]]).collect::<Vec<_>>()));
            }
            if self.all_cancelled(&outcomes) {
                break;
            }
        }
        Ok(outcomes)
    }

    fn all_cancelled(&self, outcomes: &[Outcome]) -> bool {
        self.shares.iter().zip(outcomes).all(|(share, outcome)| share.is_none() || outcome.cancelled)
    }

    /// A segment's orders and step records; the number of its steps.
    fn upload(&self, segment: usize) -> usize {
        let queue = &self.gpu.queue;
        let steps = |share: &Share<'_>| share.segment(segment).len().div_ceil(share.batch);
        let steps = self.shares.iter().flatten().map(steps).max().unwrap_or(0);
        let mut records = vec![0_u8; steps * STEP_STRIDE as usize];
        for (index, share) in self.shares.iter().enumerate() {
            let Some(share) = share else { continue };
            let order = share.segment(segment);
            self.buffers.state.write(self.gpu, share.state.order, order);
            for (step, records) in records.chunks_mut(STEP_STRIDE as usize).enumerate() {
                let record = share.record(step, order.len());
                let own = index * size_of::<StepRecord>()..(index + 1) * size_of::<StepRecord>();
                records[own].copy_from_slice(bytemuck::bytes_of(&record));
            }
        }
        queue.write_buffer(&self.buffers.steps, 0, &records);
        steps
    }

    /// Marks the trainings whose monitors say stop.
    fn ask(&self, outcomes: &mut [Outcome]) {
        for (share, outcome) in self.shares.iter().zip(outcomes) {
            outcome.cancelled |= share.as_ref().is_some_and(|share| share.pass.monitor.cancelled());
        }
    }

    /// Tells monitors of the images of the steps from `first` to before `last`.
    fn tell(&self, segment: usize, first: usize, last: usize) {
        for share in self.shares.iter().flatten() {
            let images = share.segment(segment).len();
            let images = images.min(last * share.batch) - images.min(first * share.batch);
            if images > 0 {
                share.pass.monitor.progress(images as u64);
            }
        }
    }

    fn submit(
        &self,
        segment: usize,
        steps: usize,
        at_once: &mut usize,
        mut stopwatch: Option<&mut Stopwatch>,
        outcomes: &mut [Outcome],
    ) -> Result<(), Error> {
        let gpu = self.gpu;
        let sets: Vec<usize> = self.shares.iter().flatten().map(|share| share.pass.set).collect();
        let mut waiting: VecDeque<(wgpu::SubmissionIndex, usize)> = VecDeque::new();
        let mut done_before = Instant::now();
        let mut done = 0;
        let mut finish = |(index, steps): (wgpu::SubmissionIndex, usize), at_once: &mut usize| {
            gpu.wait(Some(index))?;
            // The device was busy with this submission since the one before was done.
            let each = done_before.elapsed() / steps as u32;
            done_before = Instant::now();
            *at_once = ((SUBMISSION.as_nanos() / each.as_nanos().max(1)) as usize).clamp(1, 2 * *at_once);
            self.tell(segment, done, done + steps);
            done += steps;
            Ok::<(), Error>(())
        };
        let mut next = 0;
        while next < steps {
            self.ask(outcomes);
            if self.all_cancelled(outcomes) {
                return gpu.wait(None);
            }
            let count = if stopwatch.is_some() { 1 } else { (*at_once).min(steps - next) };
            let first = segment == 0 && next == 0;
            let part = Part { mode: self.mode, first, steps: next..next + count, sets: &sets };
            let commands = self.replays.commands(gpu, &part, stopwatch.as_deref_mut())?;
            waiting.push_back((gpu.queue.submit([commands]), count));
            if let Some(stopwatch) = &mut stopwatch {
                stopwatch.read(gpu)?;
            }
            next += count;
            if waiting.len() >= IN_FLIGHT
                && let Some(oldest) = waiting.pop_front()
            {
                finish(oldest, at_once)?;
            }
        }
        waiting.into_iter().try_for_each(|oldest| finish(oldest, at_once))
    }
}
