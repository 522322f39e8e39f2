//! Recorded programs with all that their dispatches bind, to be encoded step by step.

use std::collections::HashMap;
use std::sync::Arc;

use super::binding_layout::{JOB_WINDOW, NUMBERS};
use super::device::GpuDevice;
use super::device_memory::{Buffers, all_bound};
use super::format::{Format, STEP_STRIDE};
use super::images::ResidentImages;
use super::overlap::{self, Overlapping};
use super::record::{Grouping, Page, Recording};
use super::stopwatch::Stopwatch;
use crate::error::Error;

/// Programs that are submitted at once, one after the other, each with the row of its step records.
pub(super) struct Submission<'a> {
    pub(super) programs: Vec<(&'a Replay, usize)>,
    /// Where images of trainings come from.
    pub(super) sets: &'a [usize],
}

/// How a program is replayed.
pub(super) enum Replay {
    /// By wgpu, which lets each dispatch wait for the one before.
    Plain(Plain),
    /// With barriers between times only.
    Overlapping(Box<Overlapping>),
}

impl Replay {
    pub(super) fn new(
        gpu: &GpuDevice,
        recording: &Recording,
        buffers: &Buffers,
        sets: &[Arc<ResidentImages>],
    ) -> Result<Self, Error> {
        // The last window of job records must lie inside the buffer as a whole.
        let bytes: &[u8] = bytemuck::cast_slice(&recording.jobs);
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let jobs = gpu.buffers(&[bytes.len() as u64 + JOB_WINDOW], usage)?.remove(0);
        gpu.queue.write_buffer(&jobs, 0, bytes);
        match Overlapping::new(gpu, recording, &jobs, buffers, sets) {
            Some(replay) => Ok(Self::Overlapping(Box::new(replay))),
            None => Plain::new(gpu, recording, &jobs, buffers, sets).map(Self::Plain),
        }
    }

    /// Its dispatches, of all image sets.
    pub(super) fn dispatches(&self) -> usize {
        match self {
            Self::Plain(replay) => replay.dispatches.len(),
            Self::Overlapping(replay) => replay.dispatches(),
        }
    }

    /// Whether wgpu records it.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }
}

/// Commands for a submission; under a stopwatch it is of one program, whose dispatches are timed.
pub(super) fn commands(
    gpu: &GpuDevice,
    submission: &Submission<'_>,
    mut stopwatch: Option<&mut Stopwatch>,
) -> Result<wgpu::CommandBuffer, Error> {
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    // Programs that one of the two records go together.
    let chunks = submission.programs.chunk_by(|(one, _), (next, _)| one.is_plain() == next.is_plain());
    for programs in chunks {
        let overlapping: Vec<(&Overlapping, u32)> = (programs.iter())
            .filter_map(|&(replay, row)| match replay {
                Replay::Overlapping(replay) => Some((&**replay, row as u32)),
                Replay::Plain(_) => None,
            })
            .collect();
        if !overlapping.is_empty() {
            overlap::record(gpu, &mut encoder, &overlapping, submission.sets, stopwatch.as_deref_mut())?;
            continue;
        }
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for &(replay, row) in programs {
            if let Replay::Plain(replay) = replay {
                replay.encode(&mut pass, row as u32, submission.sets, stopwatch.as_deref_mut());
            }
        }
    }
    Ok(encoder.finish())
}

/// A program that wgpu replays.
pub(super) struct Plain {
    dispatches: Vec<Ready>,
    /// The records of a step and of jobs, at offsets that each dispatch says.
    records: wgpu::BindGroup,
}

struct Ready {
    kernel: &'static str,
    pipeline: wgpu::ComputePipeline,
    format: Format,
    memory: wgpu::BindGroup,
    jobs: u32,
    groups: [u32; 3],
    set: Option<usize>,
}

impl Plain {
    fn new(
        gpu: &GpuDevice,
        recording: &Recording,
        jobs: &wgpu::Buffer,
        buffers: &Buffers,
        sets: &[Arc<ResidentImages>],
    ) -> Result<Self, Error> {
        let pipelines = gpu.pipelines(&recording.sources)?;
        let mut memories: HashMap<(Format, Vec<(u32, Page)>), wgpu::BindGroup> = HashMap::new();
        let dispatches = recording.dispatches.iter().map(|dispatch| {
            let Grouping { source, pages, .. } = dispatch.grouping;
            let format = recording.sources[source].format();
            let bound = all_bound(buffers, format, &pages);
            let memory = memories
                .entry((format, bound))
                .or_insert_with_key(|(format, bound)| bind(gpu, buffers, sets, *format, bound))
                .clone();
            Ready {
                kernel: recording.sources[source].kernel(),
                pipeline: pipelines[source].clone(),
                format,
                memory,
                jobs: dispatch.jobs,
                groups: dispatch.groups,
                set: dispatch.grouping.set,
            }
        });
        let records = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &gpu.records_layout,
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: window(&buffers.steps, STEP_STRIDE) },
                wgpu::BindGroupEntry { binding: 1, resource: window(jobs, JOB_WINDOW) },
            ],
        });
        let replay = Self { dispatches: dispatches.collect(), records };
        gpu.check()?;
        Ok(replay)
    }

    /// Encodes one step of trainings whose images come from `sets`.
    fn encode(
        &self,
        pass: &mut wgpu::ComputePass<'_>,
        step: u32,
        sets: &[usize],
        mut stopwatch: Option<&mut Stopwatch>,
    ) {
        let numbers: [u32; NUMBERS] = std::array::from_fn(|number| number as u32);
        let mut format = None;
        if let Some(stopwatch) = &mut stopwatch {
            stopwatch.begin(pass);
        }
        for ready in &self.dispatches {
            if ready.set.is_some_and(|own| !sets.contains(&own)) {
                continue;
            }
            pass.set_pipeline(&ready.pipeline);
            // They are cleared where the layout changes, as it does with the format.
            if ready.format.textured && format != Some(ready.format) {
                pass.set_immediates(0, bytemuck::cast_slice(&numbers));
            }
            format = Some(ready.format);
            // Most dispatches have the memory of the one before, and then this does nothing.
            pass.set_bind_group(0, &ready.memory, &[]);
            pass.set_bind_group(1, &self.records, &[step * STEP_STRIDE as u32, ready.jobs]);
            pass.dispatch_workgroups(ready.groups[0], ready.groups[1], ready.groups[2]);
            if let Some(stopwatch) = &mut stopwatch {
                stopwatch.lap(pass, ready.kernel);
            }
        }
    }
}

fn window(buffer: &wgpu::Buffer, bytes: u64) -> wgpu::BindingResource<'_> {
    let size = std::num::NonZeroU64::new(bytes);
    wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset: 0, size })
}

/// Binds the pages that [`all_bound`] says.
fn bind(
    gpu: &GpuDevice,
    buffers: &Buffers,
    sets: &[std::sync::Arc<ResidentImages>],
    format: Format,
    bound: &[(u32, Page)],
) -> wgpu::BindGroup {
    let resource = |page| match page {
        Page::Lanes(page) => buffers.lanes[page].1.binding(),
        Page::Words(page) => buffers.words[page].binding(),
        Page::Images { set, page } => sets[set][page].as_entire_binding(),
        Page::Unused => buffers.words[0].binding(),
    };
    let mut entries = vec![wgpu::BindGroupEntry { binding: 0, resource: buffers.state.binding() }];
    entries.extend(
        bound.iter().map(|&(binding, page)| wgpu::BindGroupEntry { binding, resource: resource(page) }),
    );
    gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &gpu.layout(format).memory,
        entries: &entries,
    })
}
