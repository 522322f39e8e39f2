//! Memory that shaders read and write: a buffer, or a texture where the device's style wants one.

use super::binding_layout::{SLOTS, slot_bindings};
use super::device::GpuDevice;
use super::format::{Format, Holds, ROW, SlotKind};
use super::record::Page;
use crate::error::Error;
use crate::limits::Limit;

/// Memory on a device, as shaders bind it.
pub(crate) enum DeviceMemory {
    Buffer(wgpu::Buffer),
    Texture(wgpu::Texture, wgpu::TextureView),
}

impl DeviceMemory {
    pub(crate) fn binding(&self) -> wgpu::BindingResource<'_> {
        match self {
            Self::Buffer(buffer) => buffer.as_entire_binding(),
            Self::Texture(_, view) => wgpu::BindingResource::TextureView(view),
        }
    }

    /// Writes `words` from word `offset` on, before what is submitted next.
    pub(crate) fn write(&self, gpu: &GpuDevice, offset: usize, words: &[u32]) {
        if words.is_empty() {
            return;
        }
        let texture = match self {
            Self::Buffer(buffer) => {
                return gpu.queue.write_buffer(buffer, 4 * offset as u64, bytemuck::cast_slice(words));
            }
            Self::Texture(texture, _) => texture,
        };
        let (row, mut offset, mut words) = (ROW as usize, offset, words);
        while !words.is_empty() {
            // The rest of a row, or as many whole rows as there are.
            let (x, y) = (offset % row, offset / row);
            let whole = if x == 0 { words.len() / row } else { 0 };
            let (width, height) = if whole > 0 { (row, whole) } else { (words.len().min(row - x), 1) };
            let (these, rest) = words.split_at(width * height);
            gpu.queue.write_texture(
                at(texture, x as u32, y as u32),
                bytemuck::cast_slice(these),
                rows(width as u32),
                extent(width as u32, height as u32),
            );
            offset += these.len();
            words = rest;
        }
    }

    /// `count` words from word `offset` on, read back.
    pub(crate) fn read(&self, gpu: &GpuDevice, offset: usize, count: usize) -> Result<Vec<u32>, Error> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let (bytes, skipped) = match self {
            Self::Buffer(buffer) => {
                let bytes = gpu.read(4 * count as u64, |encoder, staging| {
                    encoder.copy_buffer_to_buffer(buffer, 4 * offset as u64, staging, 0, 4 * count as u64);
                })?;
                (bytes, 0)
            }
            // Copies from textures are whole rows.
            Self::Texture(texture, _) => {
                let row = ROW as usize;
                let first = offset / row;
                let height = (offset + count).div_ceil(row) - first;
                let bytes = gpu.read((4 * height * row) as u64, |encoder, staging| {
                    encoder.copy_texture_to_buffer(
                        at(texture, 0, first as u32),
                        wgpu::TexelCopyBufferInfo { buffer: staging, layout: rows(ROW) },
                        extent(ROW, height as u32),
                    );
                })?;
                (bytes, offset % row)
            }
        };
        Ok(bytemuck::pod_collect_to_vec(&bytes[4 * skipped..4 * (skipped + count)]))
    }
}

impl GpuDevice {
    /// Memory for what shaders read and write, of so many bytes each; textures where that suits what it holds.
    pub(super) fn allocate(&self, sizes: &[(Holds, u64)]) -> Result<Vec<DeviceMemory>, Error> {
        let is_texture = |holds: Holds| self.style.textured && holds != Holds::Words;
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let buffers: Vec<u64> =
            sizes.iter().filter(|(holds, _)| !is_texture(*holds)).map(|&(_, bytes)| bytes).collect();
        let mut buffers = self.buffers(&buffers, usage)?.into_iter();
        let total = sizes.iter().map(|&(_, bytes)| bytes).sum::<u64>();
        let refused = || Error::OutOfMemory {
            device: self.name(),
            needed_mib: total.div_ceil(1 << 20),
            available_mib: self.page_bytes >> 20,
            limit: Limit::Device,
        };
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let create = |&(holds, bytes): &(Holds, u64)| {
            if !is_texture(holds) {
                return buffers.next().map(DeviceMemory::Buffer);
            }
            let rows = bytes.div_ceil(u64::from(ROW) * holds.texel_bytes()).max(1);
            let texture = self.device.create_texture(&wgpu::TextureDescriptor {
                label: None,
                size: wgpu::Extent3d { width: ROW, height: rows as u32, depth_or_array_layers: 1 },
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format: holds.texel(),
                usage: wgpu::TextureUsages::STORAGE_BINDING
                    | wgpu::TextureUsages::COPY_DST
                    | wgpu::TextureUsages::COPY_SRC,
                view_formats: &[],
            });
            let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
            Some(DeviceMemory::Texture(texture, view))
        };
        let memories: Option<Vec<DeviceMemory>> = sizes.iter().map(create).collect();
        match (pollster::block_on(scope.pop()), memories) {
            (None, Some(memories)) => {
                if self.vulkan.is_some() {
                    self.clear(memories.iter().filter_map(|memory| match memory {
                        DeviceMemory::Buffer(buffer) => Some(buffer),
                        DeviceMemory::Texture(..) => None,
                    }));
                }
                Ok(memories)
            }
            _ => Err(refused()),
        }
    }
}

/// Buffers of a pack of trainings.
pub(super) struct Buffers {
    pub(super) state: DeviceMemory,
    pub(super) words: Vec<DeviceMemory>,
    /// With whether they are of half precision.
    pub(super) lanes: Vec<(bool, DeviceMemory)>,
    pub(super) steps: wgpu::Buffer,
}

/// The page of every binding of the layout: of `pages` or, where a kernel uses none, some page of the right kind, always the
/// same one, so that dispatches differ in what they bind as little as can be.
pub(super) fn all_bound(buffers: &Buffers, format: Format, pages: &[Page; SLOTS]) -> Vec<(u32, Page)> {
    let lanes = buffers.lanes.iter().position(|(half_precision, _)| *half_precision == format.half_precision);
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

fn at(texture: &wgpu::Texture, x: u32, y: u32) -> wgpu::TexelCopyTextureInfo<'_> {
    let origin = wgpu::Origin3d { x, y, z: 0 };
    wgpu::TexelCopyTextureInfo { texture, mip_level: 0, origin, aspect: wgpu::TextureAspect::All }
}

/// Rows of words, one after the other.
fn rows(words: u32) -> wgpu::TexelCopyBufferLayout {
    wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(4 * words), rows_per_image: None }
}

fn extent(width: u32, height: u32) -> wgpu::Extent3d {
    wgpu::Extent3d { width, height, depth_or_array_layers: 1 }
}
