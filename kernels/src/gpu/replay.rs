//! Recorded programs with all that their dispatches bind, to be encoded step by step.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::device::{GpuDevice, STEP_STRIDE};
use super::images::ResidentImages;
use super::layout::{JOB_WINDOW, NUMBERS, SLOTS, slot_bindings};
use super::overlap::Overlapping;
use super::record::{Grouping, Page, Recording};
use super::source::SlotKind;
use super::stopwatch::Stopwatch;
use super::storage::{Format, Storage};
use crate::error::Error;
use crate::program::Mode;

/// Buffers of a pack of trainings.
pub(super) struct Buffers {
    pub(super) state: Storage,
    pub(super) words: Vec<Storage>,
    /// With whether they are of half precision.
    pub(super) lanes: Vec<(bool, Storage)>,
    pub(super) steps: wgpu::Buffer,
}

/// The programs of a pack.
pub(super) struct Programs<T> {
    pub(super) train: T,
    pub(super) evaluate: T,
    /// Runs before the first step of an evaluation.
    pub(super) prologue: T,
}

impl<T> Programs<T> {
    fn of(&self, mode: Mode) -> &T {
        if mode == Mode::Train { &self.train } else { &self.evaluate }
    }
}

/// Steps of a pass that are submitted at once.
pub(super) struct Part<'a> {
    pub(super) mode: Mode,
    /// Whether they are the first.
    pub(super) first: bool,
    pub(super) steps: Range<usize>,
    /// Where images of trainings come from.
    pub(super) sets: &'a [usize],
}

/// How programs are replayed.
pub(super) enum Replays {
    /// By wgpu, which lets each dispatch wait for the one before.
    Plain(Programs<Plain>),
    /// With barriers between times only.
    Overlapping(Box<Programs<Overlapping>>),
}

impl Replays {
    pub(super) fn new(
        gpu: &GpuDevice,
        recordings: &Programs<&Recording>,
        buffers: &Buffers,
        sets: &[Arc<ResidentImages>],
    ) -> Result<Self, Error> {
        let &Programs { train, evaluate, prologue } = recordings;
        let jobs = |recording: &Recording| {
            // The last window of job records must lie inside the buffer as a whole.
            let bytes: &[u8] = bytemuck::cast_slice(&recording.jobs);
            let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
            let jobs = gpu.buffers(&[bytes.len() as u64 + JOB_WINDOW], usage)?.remove(0);
            gpu.queue.write_buffer(&jobs, 0, bytes);
            Ok::<_, Error>(jobs)
        };
        let all = [(train, jobs(train)?), (evaluate, jobs(evaluate)?), (prologue, jobs(prologue)?)];
        let overlapping =
            all.each_ref().map(|(recording, jobs)| Overlapping::new(gpu, recording, jobs, buffers, sets));
        if let [Some(train), Some(evaluate), Some(prologue)] = overlapping {
            let replays = Programs { train, evaluate, prologue };
            return Ok(Self::Overlapping(Box::new(replays)));
        }
        let [train, evaluate, prologue] =
            all.each_ref().map(|(recording, jobs)| Plain::new(gpu, recording, jobs, buffers, sets));
        let replays = Programs { train: train?, evaluate: evaluate?, prologue: prologue? };
        Ok(Self::Plain(replays))
    }

    /// Dispatches of a training step, of all image sets.
    pub(super) fn dispatches(&self) -> usize {
        match self {
            Self::Plain(replays) => replays.train.dispatches.len(),
            Self::Overlapping(replays) => replays.train.dispatches(),
        }
    }

    /// Commands for a part of a pass.
    pub(super) fn commands(
        &self,
        gpu: &GpuDevice,
        part: &Part<'_>,
        stopwatch: Option<&mut Stopwatch>,
    ) -> Result<wgpu::CommandBuffer, Error> {
        let has_prologue = part.first && part.mode == Mode::Evaluate;
        match self {
            Self::Plain(replays) => {
                let prologue = has_prologue.then_some(&replays.prologue);
                Ok(replays.of(part.mode).commands(gpu, prologue, part, stopwatch))
            }
            Self::Overlapping(replays) => {
                let prologue = has_prologue.then_some(&replays.prologue);
                replays.of(part.mode).commands(gpu, prologue, part, stopwatch)
            }
        }
    }
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

    fn commands(
        &self,
        gpu: &GpuDevice,
        prologue: Option<&Self>,
        part: &Part<'_>,
        mut stopwatch: Option<&mut Stopwatch>,
    ) -> wgpu::CommandBuffer {
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            if let Some(prologue) = prologue {
                prologue.encode(&mut pass, 0, part.sets, None);
            }
            for step in part.steps.clone() {
                self.encode(&mut pass, step as u32, part.sets, stopwatch.as_deref_mut());
            }
        }
        encoder.finish()
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

/// The page of every binding of the layout: of `pages` or, where a kernel uses none, some page of the right kind, always the
/// same one, so that dispatches differ in what they bind as little as can be.
pub(super) fn all_bound(buffers: &Buffers, format: Format, pages: &[Page; SLOTS]) -> Vec<(u32, Page)> {
    let lanes = buffers.lanes.iter().position(|(half, _)| *half == format.half);
    let page = |(binding, slot, kind): (u32, usize, SlotKind)| {
        let page = match (pages[slot], kind) {
            // Buffers of both kinds can be bound to a slot.
            (page @ Page::Lanes(_), kind) if kind == SlotKind::Lanes || !format.textured => page,
            (page @ (Page::Words(_) | Page::Images { .. }), SlotKind::Words) => page,
            (_, SlotKind::Lanes) => lanes.map_or(Page::Words(0), Page::Lanes),
            _ => Page::Words(0),
        };
        (binding, page)
    };
    slot_bindings(format).map(page).collect()
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
        Page::Images { set, page } => sets[set].pages[page].as_entire_binding(),
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
