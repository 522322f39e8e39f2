//! Memory that shaders read and write: a buffer, or a texture where the device's style wants one.

use super::device::GpuDevice;
use crate::error::Error;

/// Texels of a row of a texture.
pub(crate) const ROW: u32 = 4096;

/// How activations lie in memory, and the state with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Format {
    /// Whether activations have 16 bits.
    pub(crate) half: bool,
    /// Whether quads of lanes, and the words of the state, are texels of textures instead of elements of buffers.
    pub(crate) textured: bool,
}

/// What memory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// The words of the state.
    State,
    /// A page of other words.
    Words,
    /// A page of quads of lanes.
    Lanes {
        /// Of 16 bits a lane.
        half: bool,
    },
}

impl Holds {
    /// Format of its texels where it is a texture.
    pub(crate) fn texel(self) -> wgpu::TextureFormat {
        match self {
            Self::State | Self::Words => wgpu::TextureFormat::R32Uint,
            Self::Lanes { half: false } => wgpu::TextureFormat::Rgba32Float,
            Self::Lanes { half: true } => wgpu::TextureFormat::Rg32Uint,
        }
    }

    /// Bytes of such a texel.
    pub(crate) fn texel_bytes(self) -> u64 {
        match self {
            Self::State | Self::Words => 4,
            Self::Lanes { half: true } => 8,
            Self::Lanes { half: false } => 16,
        }
    }
}

/// Memory on a device.
pub(crate) enum Storage {
    Buffer(wgpu::Buffer),
    Texture(wgpu::Texture, wgpu::TextureView),
}

impl Storage {
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
