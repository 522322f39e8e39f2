//! Resident 8-bit images: pixels of a set in buffers on the device, split by image where one binding cannot hold them.

use super::device::GpuDevice;
use crate::error::Error;
use crate::preprocess::Images;

/// Buffers that the kernel which loads images binds.
pub(super) const IMAGE_PAGES: usize = 4;

pub(super) struct ResidentImages {
    pub(super) pages: Vec<wgpu::Buffer>,
    pub(super) images_per_page: u32,
}

impl ResidentImages {
    pub(super) fn upload(gpu: &GpuDevice, set: &Images) -> Result<Self, Error> {
        let elements = set.shape().elements();
        // A page is a multiple of four images, so that it begins at a word.
        let images_per_page = (gpu.page_bytes as usize / elements.max(1)).max(4) / 4 * 4;
        let chunks: Vec<&[u8]> = set.pixels().chunks(images_per_page * elements.max(1)).collect();
        if chunks.len() > IMAGE_PAGES {
            return Err(Error::OutOfMemory {
                device: gpu.name(),
                needed_mib: (set.pixels().len() as u64).div_ceil(1 << 20),
                available_mib: (IMAGE_PAGES as u64 * gpu.page_bytes) >> 20,
            });
        }
        let sizes: Vec<u64> = chunks.iter().map(|chunk| chunk.len() as u64).collect();
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
        let pages = gpu.buffers(&sizes, usage)?;
        for (page, chunk) in pages.iter().zip(chunks) {
            let (words, rest) = chunk.split_at(chunk.len() / 4 * 4);
            gpu.queue.write_buffer(page, 0, words);
            if !rest.is_empty() {
                let mut last = [0; 4];
                last[..rest.len()].copy_from_slice(rest);
                gpu.queue.write_buffer(page, words.len() as u64, &last);
            }
        }
        gpu.queue.submit([]);
        Ok(Self { pages, images_per_page: images_per_page as u32 })
    }
}
