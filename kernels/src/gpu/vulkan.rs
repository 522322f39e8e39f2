//! What Vulkan is asked for behind wgpu's back: pipelines and what they bind, so that dispatches can be recorded with barriers
//! where they are needed only. wgpu puts one between any two dispatches that bind the same memory to be written.

use std::borrow::Cow;
use std::collections::HashMap;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use rayon::prelude::*;
use wgpu::hal::api::Vulkan as Api;
use wgpu::hal::{self, CommandEncoder as _, Device as _, vulkan};
use wgpu::naga;

use super::binding_layout;
use super::format::{Format, IN_SET, STAMP_BYTES};
use super::source::{ShaderSource, runtime_checks};
use crate::lock::lock;

/// What records commands that wgpu does not.
pub(super) type RawEncoder = vulkan::CommandEncoder;

/// Something of a device that is destroyed with its owner, who waits until the device is done with it.
pub(super) struct Owned<T: Destroy> {
    device: wgpu::Device,
    object: ManuallyDrop<T>,
}

pub(super) trait Destroy: Sized {
    /// # Safety
    /// The object is of this device, which must be done with it.
    unsafe fn destroy(self, device: &vulkan::Device);
}

macro_rules! destroy {
    ($($object:ident by $destroy:ident;)*) => {
        $(impl Destroy for vulkan::$object {
            unsafe fn destroy(self, device: &vulkan::Device) {
                // SAFETY: as the caller says.
                unsafe { device.$destroy(self) }
            }
        })*
    };
}

destroy! {
    BindGroupLayout by destroy_bind_group_layout;
    PipelineLayout by destroy_pipeline_layout;
    BindGroup by destroy_bind_group;
    ComputePipeline by destroy_compute_pipeline;
    QuerySet by destroy_query_set;
}

impl<T: Destroy> Deref for Owned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.object
    }
}

impl<T: Destroy> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: it is taken once, for nobody has it after this.
        let object = unsafe { ManuallyDrop::take(&mut self.object) };
        // SAFETY: the device is held while this is used, and is not destroyed by it.
        if let Some(device) = unsafe { self.device.as_hal::<Api>() } {
            // SAFETY: the object was made by this device, and owners wait for it before they let go.
            unsafe { object.destroy(&device) }
        }
    }
}

/// A buffer of wgpu, which is kept alive, as Vulkan knows it.
pub(super) struct Raw {
    pub(super) buffer: vulkan::Buffer,
    owner: wgpu::Buffer,
}

impl Raw {
    pub(super) fn new(owner: &wgpu::Buffer) -> Option<Self> {
        // SAFETY: the handle is not destroyed by this, and its owner lives as long; nobody destroys buffers that are in use.
        let buffer = unsafe {
            let held = owner.as_hal::<Api>()?;
            vulkan::Buffer::from_raw(held.raw_handle())
        };
        Some(Self { buffer, owner: owner.clone() })
    }
}

/// Part of a buffer that is bound.
pub(super) struct Bound<'a> {
    pub(super) buffer: &'a Raw,
    /// From its start; `None` for all of it.
    pub(super) bytes: Option<u64>,
}

/// Pipelines of a device, and their layouts.
pub(super) struct Vulkan {
    device: wgpu::Device,
    pipelines: Mutex<HashMap<ShaderSource, Arc<Owned<vulkan::ComputePipeline>>>>,
    pub(super) layout: Owned<vulkan::PipelineLayout>,
    memory: Owned<vulkan::BindGroupLayout>,
    records: Owned<vulkan::BindGroupLayout>,
}

/// Memory of kernels, which is buffers here: of activations of both precisions the same.
const FORMAT: Format = Format { half_precision: false, textured: false };

impl Vulkan {
    /// Of a device that is one of Vulkan.
    pub(super) fn new(device: &wgpu::Device) -> Option<Self> {
        // SAFETY: the device is held while this is used, and is not destroyed by it.
        let raw = unsafe { device.as_hal::<Api>() }?;
        let bindings = |entries: &[wgpu::BindGroupLayoutEntry]| {
            let flags = hal::BindGroupLayoutFlags::empty();
            let descriptor = hal::BindGroupLayoutDescriptor { label: None, flags, entries };
            // SAFETY: the entries are those that wgpu was given, who found them right for this device.
            unsafe { raw.create_bind_group_layout(&descriptor) }.ok().map(|layout| owned(device, layout))
        };
        let memory = bindings(&binding_layout::memory_entries(FORMAT))?;
        let records = bindings(&binding_layout::record_entries())?;
        let descriptor = hal::PipelineLayoutDescriptor {
            label: None,
            flags: hal::PipelineLayoutFlags::empty(),
            bind_group_layouts: &[Some(&*memory), Some(&*records)],
            immediate_size: 0,
        };
        // SAFETY: as above, with layouts of this device.
        let layout = unsafe { raw.create_pipeline_layout(&descriptor) }.ok()?;
        let layout = owned(device, layout);
        Some(Self { device: device.clone(), memory, records, layout, pipelines: Mutex::default() })
    }

    /// Compiled pipelines of `sources`, in their order; each is compiled once a device, several at a time.
    pub(super) fn pipelines(
        &self,
        sources: &[ShaderSource],
    ) -> Option<Vec<Arc<Owned<vulkan::ComputePipeline>>>> {
        let known = lock(&self.pipelines).clone();
        let missing: Vec<&ShaderSource> =
            sources.iter().filter(|source| !known.contains_key(*source)).collect();
        let compiled: Option<Vec<_>> = missing
            .into_par_iter()
            .map(|source| Some((source.clone(), Arc::new(self.compile(source)?))))
            .collect();
        let mut pipelines = lock(&self.pipelines);
        pipelines.extend(compiled?);
        Some(sources.iter().filter_map(|source| pipelines.get(source).cloned()).collect())
    }

    /// As wgpu does it, from the same text with the same checks.
    fn compile(&self, source: &ShaderSource) -> Option<Owned<vulkan::ComputePipeline>> {
        let module = naga::front::wgsl::parse_str(&source.text()).ok()?;
        let capabilities = naga::valid::Capabilities::SHADER_FLOAT16_IN_FLOAT32;
        let mut validator = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), capabilities);
        let info = validator.validate(&module).ok()?;
        let shader = hal::NagaShader { module: Cow::Owned(module), info, debug_source: None };
        let label = Some(source.kernel());
        let descriptor = hal::ShaderModuleDescriptor { label, runtime_checks: runtime_checks() };
        // SAFETY: the device is held while this is used, and is not destroyed by it.
        let raw = unsafe { self.device.as_hal::<Api>() }?;
        // SAFETY: the shader is valid; what `GpuDevice::compile` says of fewer checks holds here too.
        let module = unsafe { raw.create_shader_module(&descriptor, hal::ShaderInput::Naga(shader)) }.ok()?;
        let descriptor = hal::ComputePipelineDescriptor {
            label,
            layout: &*self.layout,
            stage: hal::ProgrammableStage {
                module: &module,
                entry_point: "main",
                constants: &naga::back::PipelineConstants::default(),
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        };
        // SAFETY: every shader has this entry point and binds what the layout has: tests let wgpu check that of the same text.
        let pipeline = unsafe { raw.create_compute_pipeline(&descriptor) };
        // SAFETY: it is of this device, and pipelines need it no more.
        unsafe { raw.destroy_shader_module(module) };
        pipeline.ok().map(|pipeline| owned(&self.device, pipeline))
    }

    /// Binds the state and what the slots of kernels read and write.
    pub(super) fn bind_memory(&self, bound: &[Bound<'_>]) -> Option<Owned<vulkan::BindGroup>> {
        self.bind(&self.memory, bound)
    }

    /// Binds the records of a step and of jobs.
    pub(super) fn bind_records(&self, bound: &[Bound<'_>]) -> Option<Owned<vulkan::BindGroup>> {
        self.bind(&self.records, bound)
    }

    /// Binds buffers in the order of a layout's entries, which are numbered from 0.
    fn bind(
        &self,
        layout: &vulkan::BindGroupLayout,
        bound: &[Bound<'_>],
    ) -> Option<Owned<vulkan::BindGroup>> {
        let buffers: Vec<_> = bound
            .iter()
            .map(|bound| {
                let whole = bound.buffer.owner.size();
                let size = std::num::NonZeroU64::new(bound.bytes.unwrap_or(whole).min(whole));
                hal::BufferBinding::new_unchecked(&bound.buffer.buffer, 0, size)
            })
            .collect();
        let entry = |index: u32| hal::BindGroupEntry { binding: index, resource_index: index, count: 1 };
        let entries: Vec<_> = (0..bound.len() as u32).map(entry).collect();
        let descriptor = hal::BindGroupDescriptor {
            label: None,
            layout,
            buffers: &buffers,
            samplers: &[],
            textures: &[],
            entries: &entries,
            acceleration_structures: &[],
            external_textures: &[],
        };
        // SAFETY: the device is held while this is used, and is not destroyed by it.
        let raw = unsafe { self.device.as_hal::<Api>() }?;
        // SAFETY: layout and buffers are of this device, every binding of the layout is given, and within its buffer.
        let group = unsafe { raw.create_bind_group(&descriptor) }.ok()?;
        Some(owned(&self.device, group))
    }

    /// A set of so many timestamps.
    pub(super) fn timestamps(&self, count: u32) -> Option<Owned<vulkan::QuerySet>> {
        let descriptor = wgpu::QuerySetDescriptor { label: None, ty: wgpu::QueryType::Timestamp, count };
        // SAFETY: the device is held while this is used, and is not destroyed by it.
        let raw = unsafe { self.device.as_hal::<Api>() }?;
        // SAFETY: the count is one that wgpu allows, and timestamps are asked of devices that have them only.
        let set = unsafe { raw.create_query_set(&descriptor) }.ok()?;
        Some(owned(&self.device, set))
    }
}

fn owned<T: Destroy>(device: &wgpu::Device, object: T) -> Owned<T> {
    Owned { device: device.clone(), object: ManuallyDrop::new(object) }
}

/// Waits until all that was submitted is done, before something of it is destroyed. A lost device is done too.
pub(super) fn finish(device: &wgpu::Device) {
    drop(device.poll(wgpu::PollType::Wait { submission_index: None, timeout: None }));
}

/// Timestamps of a stopwatch, and the buffer that they are copied to.
pub(super) struct Stamps {
    sets: Vec<Owned<vulkan::QuerySet>>,
    resolved: Raw,
    device: wgpu::Device,
}

impl Drop for Stamps {
    fn drop(&mut self) {
        finish(&self.device);
    }
}

impl Stamps {
    pub(super) fn new(
        vulkan: &Vulkan,
        device: &wgpu::Device,
        counts: &[u32],
        resolved: &wgpu::Buffer,
    ) -> Option<Self> {
        let sets = counts.iter().map(|&count| vulkan.timestamps(count)).collect::<Option<_>>()?;
        Some(Self { sets, resolved: Raw::new(resolved)?, device: device.clone() })
    }

    /// Before the first of `count` stamps.
    pub(super) fn reset(&self, encoder: &mut RawEncoder, counts: &[u32]) {
        for (set, &count) in self.sets.iter().zip(counts) {
            // SAFETY: the encoder records outside of a pass, and the set has as many.
            unsafe { encoder.reset_queries(set, 0..count) }
        }
    }

    pub(super) fn stamp(&self, encoder: &mut RawEncoder, number: usize) {
        if let Some(set) = self.sets.get(number / IN_SET) {
            // SAFETY: the encoder records, and the set was reset and has this number.
            unsafe { encoder.write_timestamp(set, (number % IN_SET) as u32) }
        }
    }

    /// Copies the first `count` to the buffer.
    pub(super) fn resolve(&self, encoder: &mut RawEncoder, count: usize) {
        let stride = std::num::NonZeroU64::MIN.saturating_add(STAMP_BYTES - 1);
        for (number, set) in self.sets.iter().enumerate() {
            let first = number * IN_SET;
            if first < count {
                let here = IN_SET.min(count - first) as u32;
                let offset = STAMP_BYTES * first as u64;
                // SAFETY: the encoder records outside of a pass, all of these were stamped, and the buffer has room for them.
                unsafe {
                    encoder.copy_query_results(set, 0..here, &self.resolved.buffer, offset, stride);
                }
            }
        }
        let (from, to) = (wgpu::BufferUses::COPY_DST, wgpu::BufferUses::COPY_SRC);
        let usage = hal::StateTransition { from, to };
        let barrier = hal::BufferBarrier { buffer: &self.resolved.buffer, usage };
        // SAFETY: the encoder records outside of a pass, and the buffer is of its device and alive.
        unsafe { encoder.transition_buffers(std::iter::once(barrier)) }
    }
}
