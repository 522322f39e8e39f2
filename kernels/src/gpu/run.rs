//! Replays recorded programs: steps are encoded again and again from what was built before the first one.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::device::{GpuDevice, JOB_WINDOW, SLOTS, STEP_STRIDE};
use super::images::ResidentImages;
use super::memory::StateWords;
use super::record::{Page, Recording};
use crate::error::Error;
use crate::trainer::Pass;

/// How long one submission should take: well below the 2 s or so after which drivers give a device up, and short enough
/// that a training stops soon when asked to.
const SUBMISSION: Duration = Duration::from_millis(50);
/// Submissions that wait on the device.
const IN_FLIGHT: usize = 2;

/// What kernels know of the running step; the layout is that of `Step` in the shaders.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct StepRecord {
    /// Images of the batch.
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
    pub(super) unused: [u32; 3],
}

/// Buffers of one training.
pub(super) struct Buffers {
    pub(super) state: wgpu::Buffer,
    pub(super) pages: Vec<wgpu::Buffer>,
    pub(super) steps: wgpu::Buffer,
}

/// A recorded program with all that its dispatches bind.
pub(super) struct Replay {
    dispatches: Vec<Ready>,
}

struct Ready {
    pipeline: wgpu::ComputePipeline,
    bindings: wgpu::BindGroup,
    jobs: u32,
    groups: [u32; 3],
    set: Option<usize>,
}

impl Replay {
    pub(super) fn new(
        gpu: &GpuDevice,
        recording: &Recording,
        buffers: &Buffers,
        sets: &[std::sync::Arc<ResidentImages>],
    ) -> Result<Self, Error> {
        let pipelines = gpu.pipelines(&recording.sources)?;
        // The last window of job records must lie inside the buffer as a whole.
        let bytes: &[u8] = bytemuck::cast_slice(&recording.jobs);
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let jobs = gpu.buffers(&[bytes.len() as u64 + JOB_WINDOW], usage)?.remove(0);
        gpu.queue.write_buffer(&jobs, 0, bytes);
        let mut groups: HashMap<[Page; SLOTS], wgpu::BindGroup> = HashMap::new();
        let dispatches = recording.dispatches.iter().map(|dispatch| {
            let bindings = groups
                .entry(dispatch.grouping.pages)
                .or_insert_with(|| bind(gpu, &jobs, buffers, sets, &dispatch.grouping.pages))
                .clone();
            Ready {
                pipeline: pipelines[dispatch.grouping.source].clone(),
                bindings,
                jobs: dispatch.jobs,
                groups: dispatch.groups,
                set: dispatch.grouping.set,
            }
        });
        let replay = Self { dispatches: dispatches.collect() };
        gpu.check()?;
        Ok(replay)
    }

    /// Encodes one step.
    fn encode(&self, pass: &mut wgpu::ComputePass<'_>, step: u32, set: usize) {
        for ready in &self.dispatches {
            if ready.set.is_some_and(|own| own != set) {
                continue;
            }
            pass.set_pipeline(&ready.pipeline);
            pass.set_bind_group(0, &ready.bindings, &[step * STEP_STRIDE as u32, ready.jobs]);
            pass.dispatch_workgroups(ready.groups[0], ready.groups[1], ready.groups[2]);
        }
    }
}

fn bind(
    gpu: &GpuDevice,
    jobs: &wgpu::Buffer,
    buffers: &Buffers,
    sets: &[std::sync::Arc<ResidentImages>],
    pages: &[Page; SLOTS],
) -> wgpu::BindGroup {
    let window = |buffer, bytes| {
        wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer,
            offset: 0,
            size: std::num::NonZeroU64::new(bytes),
        })
    };
    let mut entries = vec![
        wgpu::BindGroupEntry { binding: 0, resource: window(&buffers.steps, size_of::<StepRecord>() as u64) },
        wgpu::BindGroupEntry { binding: 1, resource: window(jobs, JOB_WINDOW) },
        wgpu::BindGroupEntry { binding: 2, resource: buffers.state.as_entire_binding() },
    ];
    for (slot, page) in pages.iter().enumerate() {
        let buffer = match *page {
            Page::Arena(page) => &buffers.pages[page],
            Page::Images { set, page } => &sets[set].pages[page],
        };
        entries.push(wgpu::BindGroupEntry { binding: 3 + slot as u32, resource: buffer.as_entire_binding() });
    }
    gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &gpu.layout,
        entries: &entries,
    })
}

/// What one pass of a program over an order of images is made of.
pub(super) struct Run<'a> {
    pub(super) gpu: &'a GpuDevice,
    pub(super) replay: &'a Replay,
    /// Run once before the first step.
    pub(super) prologue: Option<&'a Replay>,
    pub(super) buffers: &'a Buffers,
    pub(super) state: &'a StateWords,
    pub(super) batch: usize,
    pub(super) heads: usize,
    pub(super) seed: u64,
}

impl Run<'_> {
    /// Runs all steps of `pass`; loss sum and hits of each step and head.
    pub(super) fn run(
        &self,
        pass: &Pass<'_>,
        steps_per_submission: &mut usize,
    ) -> Result<Vec<Vec<[f32; 2]>>, Error> {
        let mut metrics = Vec::new();
        for segment in pass.order.chunks(self.state.segment_steps * self.batch) {
            self.upload(pass, segment);
            self.submit(pass, segment.len(), metrics.is_empty(), steps_per_submission)?;
            let steps = segment.len().div_ceil(self.batch);
            let offset = (self.state.metrics * 4) as u64;
            let bytes = self.gpu.read(&self.buffers.state, offset, (steps * self.heads * 8) as u64)?;
            let values: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
            for row in values.chunks(2 * self.heads) {
                metrics.push(row.chunks(2).map(|pair| [pair[0], pair[1]]).collect());
            }
        }
        Ok(metrics)
    }

    /// The segment's order and step records.
    fn upload(&self, pass: &Pass<'_>, order: &[u32]) {
        let queue = &self.gpu.queue;
        queue.write_buffer(&self.buffers.state, (self.state.order * 4) as u64, bytemuck::cast_slice(order));
        let steps = order.len().div_ceil(self.batch);
        let mut records = vec![0_u8; steps * STEP_STRIDE as usize];
        for (step, record) in records.chunks_mut(STEP_STRIDE as usize).enumerate() {
            let first = step * self.batch;
            let values = StepRecord {
                images: (order.len() - first).min(self.batch) as u32,
                first: first as u32,
                row: step as u32,
                epoch: pass.epoch,
                seed: [self.seed as u32, (self.seed >> 32) as u32],
                labels: self.state.sets[pass.set].labels as u32,
                learning_rate: pass.learning_rate,
                drop_path: pass.drop_path,
                unused: [0; 3],
            };
            record[..size_of::<StepRecord>()].copy_from_slice(bytemuck::bytes_of(&values));
        }
        queue.write_buffer(&self.buffers.steps, 0, &records);
    }

    fn submit(&self, pass: &Pass<'_>, images: usize, first: bool, at_once: &mut usize) -> Result<(), Error> {
        let gpu = self.gpu;
        let steps = images.div_ceil(self.batch);
        let mut waiting: VecDeque<(wgpu::SubmissionIndex, usize)> = VecDeque::new();
        let mut done_before = Instant::now();
        let mut finish =
            |(index, steps): (wgpu::SubmissionIndex, usize), next: usize, at_once: &mut usize| {
                gpu.wait(Some(index))?;
                // The device was busy with this submission since the one before was done.
                let each = done_before.elapsed() / steps as u32;
                done_before = Instant::now();
                *at_once = ((SUBMISSION.as_nanos() / each.as_nanos().max(1)) as usize).clamp(1, 2 * *at_once);
                let images = images.min(next * self.batch) - (next - steps) * self.batch;
                pass.monitor.progress(images as u64);
                Ok::<(), Error>(())
            };
        let mut next = 0;
        let mut done = 0;
        while next < steps {
            if pass.monitor.cancelled() {
                gpu.wait(None)?;
                return Err(Error::Cancelled);
            }
            let count = (*at_once).min(steps - next);
            let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            {
                let mut compute = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                if let (true, 0, Some(prologue)) = (first, next, self.prologue) {
                    prologue.encode(&mut compute, 0, pass.set);
                }
                for step in next..next + count {
                    self.replay.encode(&mut compute, step as u32, pass.set);
                }
            }
            waiting.push_back((gpu.queue.submit([encoder.finish()]), count));
            next += count;
            if waiting.len() >= IN_FLIGHT
                && let Some(oldest) = waiting.pop_front()
            {
                done += oldest.1;
                finish(oldest, done, at_once)?;
            }
        }
        for oldest in waiting {
            done += oldest.1;
            finish(oldest, done, at_once)?;
        }
        Ok(())
    }
}
