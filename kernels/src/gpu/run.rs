//! Replays recorded programs: steps are encoded again and again from what was built before the first one.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::device::GpuDevice;
use super::device_memory::Buffers;
use super::format::STEP_STRIDE;
use super::memory::StateWords;
use super::replay::{Replay, Submission, commands};
use super::stopwatch::Stopwatch;
use crate::backend::DataPass;
use crate::error::Error;
use crate::optimiser::{GroupSettings, Rates, rates};
use crate::step::RunningStatistics;

/// How long one submission should take: well below the 2 s or so after which drivers give a device up, and short enough
/// that a training stops soon when asked to.
pub(super) const SUBMISSION: Duration = Duration::from_millis(50);
/// Submissions that wait on the device.
const IN_FLIGHT: usize = 2;

/// What kernels know of the step that a training is at; the layout is that of `Step` in the shaders.
#[repr(C)]
#[derive(Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
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
    /// Whether running statistics stay as they are.
    pub(super) keeps_running: u32,
    pub(super) drop_path: f32,
    /// Set that the images come from.
    pub(super) image_set: u32,
    pub(super) temperature: f32,
    pub(super) unused: u32,
}

/// What one training of a pack does in a pass, and where its state lies.
pub(super) struct MemberPass<'a> {
    pub(super) pass: &'a DataPass<'a>,
    pub(super) groups: &'a [GroupSettings],
    pub(super) state: &'a StateWords,
    pub(super) batch: usize,
    pub(super) heads: usize,
    pub(super) seed: u64,
}

impl MemberPass<'_> {
    /// Rows of a step: one for each batch that it reads.
    fn rows_a_step(&self) -> usize {
        self.pass.step.differentiations().count().max(1)
    }

    /// Steps between two uploads.
    fn steps_a_segment(&self) -> usize {
        self.state.segment_rows / self.rows_a_step()
    }

    fn segments(&self) -> usize {
        self.pass.steps(self.batch).div_ceil(self.steps_a_segment())
    }

    /// Steps of its `segment`-th part, between two uploads.
    fn steps(&self, segment: usize) -> usize {
        let steps = self.steps_a_segment();
        self.pass.steps(self.batch).saturating_sub(segment * steps).min(steps)
    }

    /// The images that a stream gives to that.
    fn segment(&self, stream: usize, segment: usize) -> &[u32] {
        let images = self.steps_a_segment() * self.batch;
        self.pass.streams[stream].order.chunks(images).nth(segment).unwrap_or(&[])
    }

    /// The records of a segment, row by row.
    pub(super) fn records(&self, segment: usize) -> Vec<StepRecord> {
        let rows: Vec<_> = self.pass.step.differentiations().collect();
        let record = |step: usize, row: usize, images: usize| StepRecord {
            images: images as u32,
            row: (step * self.rows_a_step() + row) as u32,
            epoch: self.pass.epoch,
            seed: [self.seed as u32, (self.seed >> 32) as u32],
            drop_path: self.pass.drop_path,
            temperature: self.pass.temperature,
            ..StepRecord::default()
        };
        let read = |step: usize, row: usize| {
            let (stream, running) = rows[row];
            let left = self.segment(stream, segment).len() - step * self.batch;
            let set = self.pass.streams[stream].set;
            StepRecord {
                first: ((stream * self.steps_a_segment() + step) * self.batch) as u32,
                labels: self.state.sets[set].labels as u32,
                image_set: set as u32,
                keeps_running: u32::from(running == RunningStatistics::Kept),
                ..record(step, row, left.min(self.batch))
            }
        };
        let steps = 0..self.steps(segment);
        if rows.is_empty() {
            // No image is read, and the training does not rest.
            return steps.map(|step| record(step, 0, 1)).collect();
        }
        steps.flat_map(|step| (0..rows.len()).map(move |row| (step, row))).map(|(s, r)| read(s, r)).collect()
    }

    /// Rates of a segment's updates, row by row.
    pub(super) fn rates(&self, segment: usize) -> Vec<Rates> {
        let (pass, rows) = (self.pass, self.rows_a_step());
        let first = segment * self.steps_a_segment();
        let of = |row: usize| rates(self.groups, &pass.progress, &pass.step, first + row / rows, row % rows);
        (0..self.steps(segment) * rows).flat_map(of).collect()
    }

    /// Images that the steps from `first` to before `last` of a segment read.
    fn images(&self, segment: usize, first: usize, last: usize) -> usize {
        let of = |(stream, _)| {
            let images = self.segment(stream, segment).len();
            images.min(last * self.batch) - images.min(first * self.batch)
        };
        self.pass.step.differentiations().map(of).sum()
    }
}

/// Loss sum and hits of one head in one row.
pub(super) type HeadSums = [f32; 2];

/// What a pass gave to one training.
#[derive(Default)]
pub(super) struct Outcome {
    /// Of each row and head.
    pub(super) rows: Vec<Vec<HeadSums>>,
    /// Its monitor said stop.
    pub(super) cancelled: bool,
}

/// One pass, of each training of a pack over its own images; some may rest. All others make the same steps.
pub(super) struct Run<'a> {
    pub(super) gpu: &'a GpuDevice,
    /// Runs before the first step.
    pub(super) prologue: Option<&'a Replay>,
    /// What a step runs, each with the number of its row in the step.
    pub(super) programs: Vec<(&'a Replay, usize)>,
    pub(super) buffers: &'a Buffers,
    pub(super) members: Vec<Option<MemberPass<'a>>>,
}

impl Run<'_> {
    /// Runs all steps, until all trainings that do not rest are cancelled; an outcome for each training. Under a stopwatch
    /// the device waits between programs.
    pub(super) fn run(
        &self,
        steps_per_submission: &mut usize,
        mut stopwatch: Option<&mut Stopwatch>,
    ) -> Result<Vec<Outcome>, Error> {
        let mut outcomes: Vec<Outcome> = self.members.iter().map(|_| Outcome::default()).collect();
        let segments = self.members.iter().flatten().map(MemberPass::segments).max().unwrap_or(0);
        for segment in 0..segments {
            let steps = self.upload(segment);
            self.submit(segment, steps, steps_per_submission, stopwatch.as_deref_mut(), &mut outcomes)?;
            for (member, outcome) in self.members.iter().zip(&mut outcomes) {
                let Some(member) = member else { continue };
                let rows = member.steps(segment) * member.pass.step.differentiations().count();
                if rows == 0 || outcome.cancelled {
                    continue;
                }
                let words =
                    self.buffers.state.read(self.gpu, member.state.metrics, 2 * rows * member.heads)?;
                let values: Vec<f32> = bytemuck::cast_vec(words);
                let rows = values.chunks(2 * member.heads);
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
        self.members.iter().zip(outcomes).all(|(member, outcome)| member.is_none() || outcome.cancelled)
    }

    /// A segment's orders, rates and step records; the number of its steps.
    fn upload(&self, segment: usize) -> usize {
        let all: Vec<_> =
            self.members.iter().map(|member| member.as_ref().map(|member| member.records(segment))).collect();
        let rows = all.iter().flatten().map(Vec::len).max().unwrap_or(0);
        let mut bytes = vec![0_u8; rows * STEP_STRIDE as usize];
        for (index, (member, records)) in self.members.iter().zip(&all).enumerate() {
            let (Some(member), Some(records)) = (member, records) else { continue };
            for stream in 0..member.pass.streams.len() {
                let first = stream * member.steps_a_segment() * member.batch;
                let order = member.segment(stream, segment);
                self.buffers.state.write(self.gpu, member.state.order + first, order);
            }
            let rates = member.rates(segment);
            self.buffers.state.write(self.gpu, member.state.rates, bytemuck::cast_slice(&rates));
            for (record, row) in records.iter().zip(bytes.chunks_mut(STEP_STRIDE as usize)) {
                let own = index * size_of::<StepRecord>()..(index + 1) * size_of::<StepRecord>();
                row[own].copy_from_slice(bytemuck::bytes_of(record));
            }
        }
        self.gpu.queue.write_buffer(&self.buffers.steps, 0, &bytes);
        self.members.iter().flatten().map(|member| member.steps(segment)).max().unwrap_or(0)
    }

    /// Marks the trainings whose monitors say stop.
    fn ask(&self, outcomes: &mut [Outcome]) {
        for (member, outcome) in self.members.iter().zip(outcomes) {
            outcome.cancelled |= member.as_ref().is_some_and(|member| member.pass.monitor.cancelled());
        }
    }

    /// Tells monitors of the images of the steps from `first` to before `last`.
    fn tell(&self, segment: usize, first: usize, last: usize) {
        for member in self.members.iter().flatten() {
            let images = member.images(segment, first, last);
            if images > 0 {
                member.pass.monitor.progress(images as u64);
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
        let streams = self.members.iter().flatten().flat_map(|member| &member.pass.streams);
        let sets: Vec<usize> = streams.map(|stream| stream.set).collect();
        let rows = self.members.iter().flatten().map(MemberPass::rows_a_step).max().unwrap_or(1);
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
            let prologue = self.prologue.filter(|_| segment == 0 && next == 0).map(|replay| (replay, 0));
            let step =
                |step: usize| self.programs.iter().map(move |&(replay, row)| (replay, step * rows + row));
            let programs: Vec<_> = prologue.into_iter().chain((next..next + count).flat_map(step)).collect();
            let submit = |programs: &[(&Replay, usize)], stopwatch: Option<&mut Stopwatch>| {
                let submission = Submission { programs: programs.to_vec(), sets: &sets };
                Ok::<_, Error>(gpu.queue.submit([commands(gpu, &submission, stopwatch)?]))
            };
            let submitted = match &mut stopwatch {
                None => Some(submit(&programs, None)?),
                Some(stopwatch) => {
                    let mut last = None;
                    for program in programs.chunks(1) {
                        last = Some(submit(program, Some(stopwatch))?);
                        stopwatch.read(gpu)?;
                    }
                    last
                }
            };
            waiting.extend(submitted.map(|index| (index, count)));
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
