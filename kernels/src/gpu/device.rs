//! Adapters, and one opened device with what trainings on it share: compiled pipelines and resident images.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rayon::prelude::*;

use super::images::ResidentImages;
use super::source::Source;
use crate::device::DeviceInfo;
use crate::error::Error;
use crate::preprocess::Images;

/// What to do when there is no adapter.
const INSTALL: &str = "no such adapter was found; install a Vulkan driver (Debian and Ubuntu: `apt-get install \
                       mesa-vulkan-drivers` for hardware drivers and the software implementation lavapipe)";

/// Storage slots of a kernel beside the state; with the state all eight that every device binds.
pub(super) const SLOTS: usize = 7;

/// Bytes of the window of job records that a dispatch sees.
pub(super) const JOB_WINDOW: u64 = 16 * 1024;

/// Most trainings that share dispatches.
pub const PACKED: usize = 16;

/// Bytes of the records of one step, one of 48 bytes for each training: a multiple of 256, the offset alignment of uniform
/// buffers.
pub(super) const STEP_STRIDE: u64 = 48 * PACKED as u64;

/// How long after the device is done a read-back may take to be answered.
const READ_BACK_TIMEOUT: Duration = Duration::from_secs(30);

/// Pixels on the host, and the same on the device.
type Resident = (Weak<[u8]>, Arc<ResidentImages>);

#[derive(Clone)]
pub(crate) struct GpuDevice {
    name: String,
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) layout: wgpu::BindGroupLayout,
    /// Largest size of one page of memory, in bytes.
    pub(super) page_bytes: u64,
    /// Whether kernels of one family are one shader in packs: fewer dispatches, which hardware waits for; a processor waits
    /// for none, and would go through all that its shader does not choose.
    pub(super) merged: bool,
    pipeline_layout: wgpu::PipelineLayout,
    pipelines: Arc<Mutex<HashMap<Source, wgpu::ComputePipeline>>>,
    images: Arc<Mutex<Vec<Resident>>>,
    failure: Arc<Mutex<Option<String>>>,
}

fn adapters() -> Vec<wgpu::Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL;
    let instance = wgpu::Instance::new(descriptor);
    pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()))
}

fn is_software(adapter: &wgpu::Adapter) -> bool {
    adapter.get_info().device_type == wgpu::DeviceType::Cpu
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl GpuDevice {
    /// The n-th adapter that is hardware.
    pub(crate) fn hardware(index: usize) -> Result<Self, Error> {
        let adapter = adapters().into_iter().filter(|adapter| !is_software(adapter)).nth(index);
        let missing = || Error::Device { device: format!("gpu:{index}"), problem: INSTALL.into() };
        Self::open(&adapter.ok_or_else(missing)?)
    }

    /// The first adapter that is software.
    pub(crate) fn software() -> Result<Self, Error> {
        let adapter = adapters().into_iter().find(is_software);
        let missing = || Error::Device { device: "software".into(), problem: INSTALL.into() };
        Self::open(&adapter.ok_or_else(missing)?)
    }

    /// Hardware name, driver and backend.
    pub(crate) fn name(&self) -> String {
        self.name.clone()
    }

    /// All adapters, hardware first.
    pub(crate) fn list() -> Vec<DeviceInfo> {
        let (software, hardware): (Vec<_>, Vec<_>) = adapters().into_iter().partition(is_software);
        let describe = |adapter: &wgpu::Adapter, choice: String| {
            let info = adapter.get_info();
            let backend = format!("{} ({} {})", info.backend, info.driver, info.driver_info);
            DeviceInfo { choice, name: info.name, backend }
        };
        let hardware = hardware.iter().enumerate().map(|(index, a)| describe(a, format!("gpu:{index}")));
        let software = software.iter().take(1).map(|adapter| describe(adapter, "software".into()));
        hardware.chain(software).collect()
    }

    fn open(adapter: &wgpu::Adapter) -> Result<Self, Error> {
        let info = adapter.get_info();
        let name = format!("{} ({} {}, {})", info.name, info.driver, info.driver_info, info.backend);
        let available = adapter.limits();
        // Shaders work within the default limits; only the sizes of buffers are taken as large as they come.
        let required_limits = wgpu::Limits {
            max_storage_buffer_binding_size: available.max_storage_buffer_binding_size,
            max_buffer_size: available.max_buffer_size,
            ..wgpu::Limits::default()
        };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("training"),
            required_limits: required_limits.clone(),
            ..wgpu::DeviceDescriptor::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|error| Error::Device { device: name.clone(), problem: error.to_string() })?;
        let failure = Arc::new(Mutex::new(None));
        let note = |failure: &Arc<Mutex<Option<String>>>| {
            let failure = Arc::clone(failure);
            move |problem: String| {
                lock(&failure).get_or_insert(problem);
            }
        };
        let uncaptured = note(&failure);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| uncaptured(error.to_string())));
        let lost = note(&failure);
        device.set_device_lost_callback(move |reason, message| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                lost(format!("the device was lost ({message}); start the training again"));
            }
        });
        let layout = bind_group_layout(&device);
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        // A page ends at a whole block of 256 bytes.
        let page_bytes = required_limits
            .max_storage_buffer_binding_size
            .min(required_limits.max_buffer_size)
            .min(u64::from(u32::MAX))
            / 256
            * 256;
        Ok(Self {
            name,
            device,
            queue,
            layout,
            page_bytes,
            merged: !is_software(adapter),
            pipeline_layout,
            pipelines: Arc::default(),
            images: Arc::default(),
            failure,
        })
    }

    /// The software device as tests need it: with smaller pages, so that they see a split arena, or with shaders merged as on
    /// hardware.
    #[cfg(test)]
    pub(super) fn software_with(page_bytes: u64, merged: bool) -> Result<Self, Error> {
        let software = Self::software()?;
        Ok(Self { page_bytes: page_bytes.min(software.page_bytes), merged, ..software })
    }

    /// The first thing that went wrong, as an error: of every training on the device from then on, since it is not
    /// known whose results it spoiled.
    pub(super) fn check(&self) -> Result<(), Error> {
        match lock(&self.failure).clone() {
            None => Ok(()),
            Some(problem) => Err(Error::Device { device: self.name.clone(), problem }),
        }
    }

    /// Waits until a submission, or all, is done.
    pub(super) fn wait(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<(), Error> {
        let outcome = self.device.poll(wgpu::PollType::Wait { submission_index: submission, timeout: None });
        self.check()?;
        let failed =
            |error: wgpu::PollError| Error::Device { device: self.name.clone(), problem: error.to_string() };
        outcome.map(|_| ()).map_err(failed)
    }

    /// Buffers of `sizes` bytes for `usage`; a refusal names what all of them need.
    pub(super) fn buffers(
        &self,
        sizes: &[u64],
        usage: wgpu::BufferUsages,
    ) -> Result<Vec<wgpu::Buffer>, Error> {
        let total = sizes.iter().sum::<u64>();
        let limit = self.device.limits().max_buffer_size;
        let refused = || Error::OutOfMemory {
            device: self.name.clone(),
            needed_mib: total.div_ceil(1 << 20),
            available_mib: limit >> 20,
        };
        if sizes.iter().any(|&size| size > limit) {
            return Err(refused());
        }
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let create = |&size: &u64| {
            let size = size.next_multiple_of(256).max(256);
            self.device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size,
                usage,
                mapped_at_creation: false,
            })
        };
        let buffers = sizes.iter().map(create).collect();
        match pollster::block_on(scope.pop()) {
            Some(_) => Err(refused()),
            None => Ok(buffers),
        }
    }

    /// Bytes of a buffer, read back.
    pub(super) fn read(&self, buffer: &wgpu::Buffer, offset: u64, bytes: u64) -> Result<Vec<u8>, Error> {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging = self.buffers(&[bytes], usage)?.remove(0);
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer, offset, &staging, 0, bytes);
        self.queue.submit([encoder.finish()]);
        let (sender, receiver) = std::sync::mpsc::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |mapped| drop(sender.send(mapped)));
        self.wait(None)?;
        let failed = |problem: String| Error::Device { device: self.name.clone(), problem };
        // Another training's wait may have taken the callback along and be about to run it.
        match receiver.recv_timeout(READ_BACK_TIMEOUT) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(failed(error.to_string())),
            Err(_) => return Err(failed("a read-back was not answered".into())),
        }
        let view = staging.get_mapped_range(..).map_err(|error| failed(error.to_string()))?;
        Ok(view[..bytes as usize].to_vec())
    }

    /// Compiled pipelines of `sources`, in their order; each is compiled once a device, several at a time.
    pub(super) fn pipelines(&self, sources: &[Source]) -> Result<Vec<wgpu::ComputePipeline>, Error> {
        let known = lock(&self.pipelines).clone();
        let missing: Vec<&Source> = sources.iter().filter(|source| !known.contains_key(*source)).collect();
        let compiled: Vec<_> =
            missing.into_par_iter().map(|source| (source.clone(), self.compile(source))).collect();
        self.check()?;
        let mut pipelines = lock(&self.pipelines);
        pipelines.extend(compiled);
        Ok(sources.iter().filter_map(|source| pipelines.get(source).cloned()).collect())
    }

    fn compile(&self, source: &Source) -> wgpu::ComputePipeline {
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(source.kernel()),
            source: wgpu::ShaderSource::Wgsl(source.text().into()),
        };
        let checks = if cfg!(debug_assertions) {
            wgpu::ShaderRuntimeChecks::checked()
        } else {
            wgpu::ShaderRuntimeChecks::unchecked()
        };
        // SAFETY: the shaders are this crate's own. Every index is made from the place of an invocation, which each kernel
        // compares with the extents that its memory was planned for, every loop ends at a constant or such an extent, and
        // divisors are constants above 0; tests compare their results with the reference on both kinds of devices.
        let module = unsafe { self.device.create_shader_module_trusted(descriptor, checks) };
        self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(source.kernel()),
            layout: Some(&self.pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..wgpu::PipelineCompilationOptions::default()
            },
            cache: None,
        })
    }

    /// The pixels of a set on the device, uploaded once for all trainings that share them.
    pub(super) fn resident(&self, set: &Images) -> Result<Arc<ResidentImages>, Error> {
        let mut known = lock(&self.images);
        known.retain(|(pixels, _)| pixels.strong_count() > 0);
        for (pixels, resident) in known.iter() {
            if pixels.upgrade().is_some_and(|pixels| Arc::ptr_eq(&pixels, set.pixels())) {
                return Ok(Arc::clone(resident));
            }
        }
        let resident = Arc::new(ResidentImages::upload(self, set)?);
        known.push((Arc::downgrade(set.pixels()), Arc::clone(&resident)));
        Ok(resident)
    }
}

/// The one layout of all kernels: the step's record, the window of job records, the state, and the slots.
fn bind_group_layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    let entry =
        |binding: u32, ty: wgpu::BufferBindingType, has_dynamic_offset: bool| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
            count: None,
        };
    let storage = wgpu::BufferBindingType::Storage { read_only: false };
    let mut entries = vec![
        entry(0, wgpu::BufferBindingType::Uniform, true),
        entry(1, wgpu::BufferBindingType::Uniform, true),
    ];
    entries.extend((0..=SLOTS as u32).map(|slot| entry(2 + slot, storage, false)));
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries })
}
