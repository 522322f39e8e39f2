//! Replays on Vulkan in which dispatches of one time overlap: barriers stand between times only.

use std::collections::HashMap;
use std::sync::Arc;

use wgpu::hal::api::Vulkan as Api;
use wgpu::hal::{self, CommandEncoder as _, vulkan};

use super::binding_layout::JOB_WINDOW;
use super::device::GpuDevice;
use super::device_memory::{Buffers, DeviceMemory, all_bound};
use super::format::STEP_STRIDE;
use super::images::ResidentImages;
use super::record::{Page, Recording};
use super::stopwatch::Stopwatch;
use super::vulkan::{Bound, Owned, Raw, RawEncoder, Vulkan, finish};
use crate::error::Error;

/// A recorded program with all that its dispatches bind.
pub(super) struct Overlapping {
    dispatches: Vec<Ready>,
    /// What shaders read and write.
    memories: Vec<Owned<vulkan::BindGroup>>,
    /// The records of a step and of jobs, at offsets that each dispatch says.
    records: Owned<vulkan::BindGroup>,
    /// All buffers of `memories`, and of `records`.
    memory_buffers: Vec<Raw>,
    uniforms: [Raw; 2],
    vulkan: Arc<Vulkan>,
    device: wgpu::Device,
}

struct Ready {
    kernel: &'static str,
    pipeline: Arc<Owned<vulkan::ComputePipeline>>,
    /// Number of its memory.
    memory: usize,
    jobs: u32,
    groups: [u32; 3],
    set: Option<usize>,
    time: usize,
}

impl Drop for Overlapping {
    fn drop(&mut self) {
        finish(&self.device);
    }
}

impl Overlapping {
    /// Nothing where something of it is not to be had; wgpu may do, or say what is wrong.
    pub(super) fn new(
        gpu: &GpuDevice,
        recording: &Recording,
        jobs: &wgpu::Buffer,
        buffers: &Buffers,
        sets: &[Arc<ResidentImages>],
    ) -> Option<Self> {
        let vulkan = Arc::clone(gpu.vulkan.as_ref()?);
        let pipelines = vulkan.pipelines(&recording.sources)?;
        let raw = |memory: &DeviceMemory| match memory {
            DeviceMemory::Buffer(buffer) => Raw::new(buffer),
            DeviceMemory::Texture(..) => None,
        };
        // The state comes first.
        let mut memory_buffers = vec![raw(&buffers.state)?];
        let mut numbers: HashMap<Page, usize> = HashMap::new();
        let mut memories = Vec::new();
        let mut known: HashMap<Vec<usize>, usize> = HashMap::new();
        let mut dispatches = Vec::with_capacity(recording.dispatches.len());
        for dispatch in &recording.dispatches {
            let source = &recording.sources[dispatch.grouping.source];
            let mut bound = vec![0];
            for (_, page) in all_bound(buffers, source.format(), &dispatch.grouping.pages) {
                let number = if let Some(&number) = numbers.get(&page) {
                    number
                } else {
                    memory_buffers.push(match page {
                        Page::Lanes(page) => raw(&buffers.lanes[page].1)?,
                        Page::Words(page) => raw(&buffers.words[page])?,
                        Page::Images { set, page } => Raw::new(&sets[set][page])?,
                        Page::Unused => raw(&buffers.words[0])?,
                    });
                    numbers.insert(page, memory_buffers.len() - 1);
                    memory_buffers.len() - 1
                };
                bound.push(number);
            }
            let memory = if let Some(&memory) = known.get(&bound) {
                memory
            } else {
                let all: Vec<_> = bound
                    .iter()
                    .map(|&number| Bound { buffer: &memory_buffers[number], bytes: None })
                    .collect();
                memories.push(vulkan.bind_memory(&all)?);
                known.insert(bound, memories.len() - 1);
                memories.len() - 1
            };
            dispatches.push(Ready {
                kernel: source.kernel(),
                pipeline: Arc::clone(pipelines.get(dispatch.grouping.source)?),
                memory,
                jobs: dispatch.jobs,
                groups: dispatch.groups,
                set: dispatch.grouping.set,
                time: dispatch.time,
            });
        }
        let uniforms = [Raw::new(&buffers.steps)?, Raw::new(jobs)?];
        let records = vulkan.bind_records(&[
            Bound { buffer: &uniforms[0], bytes: Some(STEP_STRIDE) },
            Bound { buffer: &uniforms[1], bytes: Some(JOB_WINDOW) },
        ])?;
        #[cfg(test)]
        if gpu.turned {
            dispatches.chunk_by_mut(|a, b| a.time == b.time).for_each(<[Ready]>::reverse);
        }
        let device = gpu.device.clone();
        Some(Self { dispatches, memories, records, memory_buffers, uniforms, vulkan, device })
    }

    pub(super) fn dispatches(&self) -> usize {
        self.dispatches.len()
    }

    /// What was written before, by copies of wgpu or by other replays, is seen. wgpu knows nothing of what is recorded here.
    fn begin(&self, encoder: &mut RawEncoder) {
        let before = wgpu::BufferUses::COPY_DST | wgpu::BufferUses::COPY_SRC;
        let written = wgpu::BufferUses::STORAGE_READ_WRITE;
        barrier(encoder, &self.memory_buffers, before | written, written);
        barrier(encoder, &self.uniforms, before, wgpu::BufferUses::UNIFORM);
    }

    /// What was written here is seen by what comes after.
    fn end(&self, encoder: &mut RawEncoder) {
        let after = wgpu::BufferUses::COPY_DST | wgpu::BufferUses::COPY_SRC;
        let written = wgpu::BufferUses::STORAGE_READ_WRITE;
        barrier(encoder, &self.memory_buffers, written, after | written);
        barrier(encoder, &self.uniforms, wgpu::BufferUses::UNIFORM, after);
    }

    /// One run for trainings whose images come from `sets`. Under a stopwatch no two dispatches overlap.
    fn encode(
        &self,
        encoder: &mut RawEncoder,
        step: u32,
        sets: &[usize],
        mut stopwatch: Option<&mut Stopwatch>,
    ) {
        let descriptor = hal::ComputePassDescriptor { label: None, timestamp_writes: None };
        // SAFETY: the encoder records, and no pass of it is open.
        unsafe { encoder.begin_compute_pass(&descriptor) };
        let (mut time, mut pipeline, mut memory) = (None, None, None);
        if let Some(stopwatch) = stopwatch.as_deref_mut() {
            stopwatch.begin_raw(encoder);
        }
        for ready in &self.dispatches {
            if ready.set.is_some_and(|own| !sets.contains(&own)) {
                continue;
            }
            if time != Some(ready.time) || stopwatch.is_some() {
                let written = wgpu::BufferUses::STORAGE_READ_WRITE;
                barrier(encoder, &self.memory_buffers, written, written);
                time = Some(ready.time);
            }
            // SAFETY: a pass is open; pipeline, layout and groups are of the encoder's device and fit each other, offsets are
            // multiples of 256 that leave whole windows inside of the buffers, and all of it lives until the device is done.
            unsafe {
                if pipeline.is_none_or(|set| !Arc::ptr_eq(set, &ready.pipeline)) {
                    encoder.set_compute_pipeline(&ready.pipeline);
                    pipeline = Some(&ready.pipeline);
                }
                if memory != Some(ready.memory) {
                    encoder.set_bind_group(&self.vulkan.layout, 0, &self.memories[ready.memory], &[]);
                    memory = Some(ready.memory);
                }
                let offsets = [step * STEP_STRIDE as u32, ready.jobs];
                encoder.set_bind_group(&self.vulkan.layout, 1, &self.records, &offsets);
                encoder.dispatch_workgroups(ready.groups);
            }
            if let Some(stopwatch) = stopwatch.as_deref_mut() {
                stopwatch.lap_raw(encoder, ready.kernel);
            }
        }
        // SAFETY: it was begun above.
        unsafe { encoder.end_compute_pass() };
    }
}

/// Records programs one after the other, each with the row of its step records. Under a stopwatch there is one.
pub(super) fn record(
    gpu: &GpuDevice,
    encoder: &mut wgpu::CommandEncoder,
    programs: &[(&Overlapping, u32)],
    sets: &[usize],
    mut stopwatch: Option<&mut Stopwatch>,
) -> Result<(), Error> {
    // Programs of a submission repeat.
    let mut distinct: Vec<&Overlapping> = Vec::new();
    for (program, _) in programs {
        if !distinct.iter().any(|known| std::ptr::eq(*known, *program)) {
            distinct.push(program);
        }
    }
    let record = |encoder: Option<&mut RawEncoder>| {
        let Some(encoder) = encoder else { return false };
        for program in &distinct {
            program.begin(encoder);
        }
        if let Some(stopwatch) = stopwatch.as_deref_mut() {
            stopwatch.reset_raw(encoder);
        }
        for (program, row) in programs {
            program.encode(encoder, *row, sets, stopwatch.as_deref_mut());
        }
        for program in &distinct {
            program.end(encoder);
        }
        if let Some(stopwatch) = stopwatch {
            stopwatch.resolve_raw(encoder);
        }
        true
    };
    // SAFETY: the encoder is of this device, is used for nothing else while this records, and left open.
    if unsafe { encoder.as_hal_mut::<Api, _, _>(record) } {
        return Ok(());
    }
    gpu.check()?;
    Err(gpu.failed("it takes no commands"))
}

/// What comes after waits for what came before, and sees what that wrote.
fn barrier(encoder: &mut RawEncoder, buffers: &[Raw], from: wgpu::BufferUses, to: wgpu::BufferUses) {
    let barriers = buffers
        .iter()
        .map(|raw| hal::BufferBarrier { buffer: &raw.buffer, usage: hal::StateTransition { from, to } });
    // SAFETY: the encoder records, and the buffers are of its device and alive.
    unsafe { encoder.transition_buffers(barriers) }
}
