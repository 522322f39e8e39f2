//! Adapters, and one opened device with what trainings on it share: compiled pipelines and resident images.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use rayon::prelude::*;

use super::binding_layout::{self, BindingLayout, LANE_SLOTS};
use super::format::{Format, Holds, ROW};
use super::source::{ShaderSource, runtime_checks};
use super::tiles::Style;
use super::vulkan::Vulkan;
use crate::backend::DeviceInfo;
use crate::error::Error;
use crate::limits::{Limit, address_space_left};
use crate::lock::lock;

/// What to do when there is no adapter.
const INSTALL: &str = "no such adapter was found; install a Vulkan driver (Debian and Ubuntu: `apt-get install \
                       mesa-vulkan-drivers` for hardware drivers and the software implementation lavapipe)";

/// How long after the device is done a read-back may take to be answered.
const READ_BACK_TIMEOUT: Duration = Duration::from_secs(30);

/// Pixels on the host, and pages with the same on the device.
type Resident = (Weak<[u8]>, Arc<Vec<wgpu::Buffer>>);

#[derive(Clone)]
pub(crate) struct GpuDevice {
    name: String,
    /// Whether it is the processor, whose memory it takes.
    pub(super) is_software: bool,
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    /// Of the step's record and the window of job records, which every dispatch binds anew.
    pub(super) records_layout: wgpu::BindGroupLayout,
    /// By whether activations have 16 bits.
    layouts: [BindingLayout; 2],
    /// Largest size of one page of memory, in bytes.
    pub(super) page_bytes: u64,
    /// How it likes its work.
    pub(super) style: Style,
    /// Where dispatches may overlap.
    pub(super) vulkan: Option<Arc<Vulkan>>,
    /// Whether dispatches of one time are recorded from the last to the first, which changes nothing.
    #[cfg(test)]
    pub(super) turned: bool,
    pipelines: Arc<Mutex<HashMap<ShaderSource, wgpu::ComputePipeline>>>,
    pub(super) images: Arc<Mutex<Vec<Resident>>>,
    failure: Arc<Mutex<Option<String>>>,
}

/// Address space that a driver needs, its compiler above all. With less some of them end the process.
const ADDRESS_SPACE_MIN: u64 = 1 << 30;

fn adapters() -> Result<Vec<wgpu::Adapter>, Error> {
    if let Some(left) = address_space_left(Path::new("/")).filter(|&left| left < ADDRESS_SPACE_MIN) {
        let problem = format!(
            "{} MiB of address space are left, a driver needs {} MiB; raise `ulimit -v`",
            left >> 20,
            ADDRESS_SPACE_MIN >> 20
        );
        return Err(Error::Device { device: "Vulkan".into(), problem });
    }
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL;
    let instance = wgpu::Instance::new(descriptor);
    Ok(pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all())))
}

fn is_software(adapter: &wgpu::Adapter) -> bool {
    adapter.get_info().device_type == wgpu::DeviceType::Cpu
}

impl GpuDevice {
    /// The n-th adapter that is hardware.
    pub(crate) fn hardware(index: usize) -> Result<Self, Error> {
        let adapter = adapters()?.into_iter().filter(|adapter| !is_software(adapter)).nth(index);
        let missing = || Error::Device { device: format!("gpu:{index}"), problem: INSTALL.into() };
        Self::open(&adapter.ok_or_else(missing)?)
    }

    /// The first adapter that is software.
    pub(crate) fn software() -> Result<Self, Error> {
        let adapter = adapters()?.into_iter().find(is_software);
        let missing = || Error::Device { device: "software".into(), problem: INSTALL.into() };
        Self::open(&adapter.ok_or_else(missing)?)
    }

    /// Hardware name, driver and backend.
    pub(crate) fn name(&self) -> String {
        self.name.clone()
    }

    /// All adapters, hardware first.
    pub(crate) fn list() -> Vec<DeviceInfo> {
        let (software, hardware): (Vec<_>, Vec<_>) =
            adapters().unwrap_or_default().into_iter().partition(is_software);
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
        let mut style = if is_software(adapter) { Style::SOFTWARE } else { Style::HARDWARE };
        style.textured &= has_textures(adapter);
        // Shaders work within the default limits; only sizes of buffers and textures, and the number of these, are taken as large as they
        // come, and immediates as many as textures take with them.
        let required_limits = wgpu::Limits {
            max_storage_buffer_binding_size: available.max_storage_buffer_binding_size,
            max_buffer_size: available.max_buffer_size,
            max_texture_dimension_2d: available.max_texture_dimension_2d,
            max_storage_textures_per_shader_stage: available.max_storage_textures_per_shader_stage,
            max_immediate_size: binding_layout::immediate_bytes(style.textured),
            ..wgpu::Limits::default()
        };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("training"),
            required_limits: required_limits.clone(),
            required_features: (adapter.features() & TIMESTAMPS)
                | if style.textured { TEXTURES } else { wgpu::Features::empty() },
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
        let records_layout = binding_layout::records(&device);
        let layouts = [false, true]
            .map(|half_precision| BindingLayout::new(&device, &records_layout, style.format(half_precision)));
        let texels = u64::from(ROW) * u64::from(required_limits.max_texture_dimension_2d);
        let texture_bytes = texels * Holds::State.texel_bytes();
        // A page ends at a whole block of 256 bytes.
        let page_bytes = required_limits
            .max_storage_buffer_binding_size
            .min(required_limits.max_buffer_size)
            .min(u64::from(u32::MAX))
            .min(if style.textured { texture_bytes } else { u64::MAX })
            / 256
            * 256;
        let vulkan = overlapping(&device, &mut style);
        Ok(Self {
            name,
            is_software: is_software(adapter),
            device,
            queue,
            records_layout,
            layouts,
            page_bytes,
            style,
            vulkan,
            #[cfg(test)]
            turned: false,
            pipelines: Arc::default(),
            images: Arc::default(),
            failure,
        })
    }

    /// The software device as tests need it: with smaller pages, so that they see a split arena, or with work in the style of
    /// hardware.
    #[cfg(test)]
    pub(super) fn software_with(page_bytes: u64, mut style: Style) -> Result<Self, Error> {
        let software = Self::software()?;
        let layouts = [false, true].map(|half_precision| {
            BindingLayout::new(&software.device, &software.records_layout, style.format(half_precision))
        });
        Ok(Self {
            page_bytes: page_bytes.min(software.page_bytes),
            vulkan: overlapping(&software.device, &mut style),
            style,
            layouts,
            pipelines: Arc::default(),
            ..software
        })
    }

    /// The software device with work in the style of hardware.
    #[cfg(test)]
    pub(crate) fn like_hardware() -> Result<Self, Error> {
        Self::software_with(u64::MAX, Style::HARDWARE)
    }

    /// Whether dispatches can be timed.
    pub(super) fn has_timestamps(&self) -> bool {
        self.device.features().contains(TIMESTAMPS)
    }

    /// The first thing that went wrong, as an error: of every training on the device from then on, since it is not
    /// known whose results it spoiled.
    pub(super) fn check(&self) -> Result<(), Error> {
        match lock(&self.failure).clone() {
            None => Ok(()),
            Some(problem) => Err(self.failed(problem)),
        }
    }

    /// Waits until a submission, or all, is done.
    pub(super) fn wait(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<(), Error> {
        let outcome = self.device.poll(wgpu::PollType::Wait { submission_index: submission, timeout: None });
        self.check()?;
        outcome.map(|_| ()).map_err(|error| self.failed(error.to_string()))
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
            limit: Limit::Device,
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

    /// What kernels of a format bind.
    pub(super) fn layout(&self, format: Format) -> &BindingLayout {
        &self.layouts[usize::from(format.half_precision)]
    }

    /// An error of this device.
    pub(super) fn failed(&self, problem: impl Into<String>) -> Error {
        Error::Device { device: self.name.clone(), problem: problem.into() }
    }

    /// Clears buffers, as wgpu does before it uses them first: it does not see what uses them without it, and would then
    /// clear what that wrote.
    pub(super) fn clear<'a>(&self, buffers: impl IntoIterator<Item = &'a wgpu::Buffer>) {
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        buffers.into_iter().for_each(|buffer| encoder.clear_buffer(buffer, 0, None));
        self.queue.submit([encoder.finish()]);
    }

    /// Bytes that `copy` puts into a buffer of that size, read back.
    pub(super) fn read(
        &self,
        bytes: u64,
        copy: impl FnOnce(&mut wgpu::CommandEncoder, &wgpu::Buffer),
    ) -> Result<Vec<u8>, Error> {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging = self.buffers(&[bytes], usage)?.remove(0);
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        copy(&mut encoder, &staging);
        self.queue.submit([encoder.finish()]);
        let (sender, receiver) = std::sync::mpsc::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |mapped| drop(sender.send(mapped)));
        self.wait(None)?;
        // Another training's wait may have taken the callback along and be about to run it.
        match receiver.recv_timeout(READ_BACK_TIMEOUT) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(self.failed(error.to_string())),
            Err(_) => return Err(self.failed("a read-back was not answered")),
        }
        let view = staging.get_mapped_range(..).map_err(|error| self.failed(error.to_string()))?;
        Ok(view[..bytes as usize].to_vec())
    }

    /// Compiled pipelines of `sources`, in their order; each is compiled once a device, several at a time.
    pub(super) fn pipelines(&self, sources: &[ShaderSource]) -> Result<Vec<wgpu::ComputePipeline>, Error> {
        let known = lock(&self.pipelines).clone();
        let missing: Vec<&ShaderSource> =
            sources.iter().filter(|source| !known.contains_key(*source)).collect();
        let compiled: Vec<_> =
            missing.into_par_iter().map(|source| (source.clone(), self.compile(source))).collect();
        self.check()?;
        let mut pipelines = lock(&self.pipelines);
        pipelines.extend(compiled);
        Ok(sources.iter().filter_map(|source| pipelines.get(source).cloned()).collect())
    }

    fn compile(&self, source: &ShaderSource) -> wgpu::ComputePipeline {
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(source.kernel()),
            source: wgpu::ShaderSource::Wgsl(source.text().into()),
        };
        // SAFETY: the shaders are this crate's own. Every index is made from the place of an invocation, which each kernel
        // compares with the extents that its memory was planned for, every loop ends at a constant or such an extent, and
        // divisors are constants and extents above 0, those of floats exact for as many pixels as images have; tests compare
        // their results with the reference on both kinds of devices.
        let module = unsafe { self.device.create_shader_module_trusted(descriptor, runtime_checks()) };
        self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(source.kernel()),
            layout: Some(&self.layout(source.format()).pipeline),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..wgpu::PipelineCompilationOptions::default()
            },
            cache: None,
        })
    }
}

/// What lets dispatches overlap, if the style and the device are such.
fn overlapping(device: &wgpu::Device, style: &mut Style) -> Option<Arc<Vulkan>> {
    let vulkan = if style.overlaps { Vulkan::new(device).map(Arc::new) } else { None };
    style.overlaps = vulkan.is_some();
    vulkan
}

/// Textures that kernels read and write, and immediates beside them, take more than what every device has.
const TEXTURES: wgpu::Features =
    wgpu::Features::TEXTURE_ADAPTER_SPECIFIC_FORMAT_FEATURES.union(wgpu::Features::IMMEDIATES);

/// Times between the dispatches of one pass.
const TIMESTAMPS: wgpu::Features =
    wgpu::Features::TIMESTAMP_QUERY.union(wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES);

/// Whether all memory of kernels can be textures, with immediates beside them.
fn has_textures(adapter: &wgpu::Adapter) -> bool {
    let can = wgpu::TextureFormatFeatureFlags::STORAGE_READ_WRITE;
    let all = [Holds::State, Holds::Lanes { half_precision: false }, Holds::Lanes { half_precision: true }];
    adapter.features().contains(TEXTURES)
        && all.iter().all(|holds| adapter.get_texture_format_features(holds.texel()).flags.contains(can))
        && adapter.limits().max_storage_textures_per_shader_stage as usize > LANE_SLOTS
        && adapter.limits().max_texture_dimension_2d >= ROW
        && adapter.limits().max_immediate_size >= binding_layout::immediate_bytes(true)
}
