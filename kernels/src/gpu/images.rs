//! Resident 8-bit images: pixels of a set in buffers on the device, split by image where one binding cannot hold them.

use std::sync::Arc;

use super::device::GpuDevice;
use crate::error::Error;
use crate::limits::Limit;
use crate::lock::lock;
use crate::preprocess::ImageSet;

/// Buffers that the kernel which loads images binds.
pub(crate) const IMAGE_PAGES: usize = 4;

/// How the images of a set are split over pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ImageSplit {
    pub(crate) pages: usize,
    pub(crate) images_per_page: usize,
}

impl ImageSplit {
    pub(crate) fn new(set: &ImageSet, page_bytes: u64) -> Self {
        // A multiple of four images, so that a page begins at a whole word.
        let images_per_page = (page_bytes as usize / set.shape().elements().max(1)).max(4) / 4 * 4;
        Self { pages: set.len().div_ceil(images_per_page), images_per_page }
    }
}

/// Pages with the pixels of a set, on a device.
pub(super) type ResidentImages = Vec<wgpu::Buffer>;

impl GpuDevice {
    /// The pixels of a set on the device, uploaded once for all trainings that share them.
    pub(super) fn resident(&self, set: &ImageSet) -> Result<Arc<ResidentImages>, Error> {
        let mut known = lock(&self.images);
        known.retain(|(pixels, _)| pixels.strong_count() > 0);
        for (pixels, resident) in known.iter() {
            if pixels.upgrade().is_some_and(|pixels| Arc::ptr_eq(&pixels, set.pixels())) {
                return Ok(Arc::clone(resident));
            }
        }
        let resident = Arc::new(self.upload(set)?);
        known.push((Arc::downgrade(set.pixels()), Arc::clone(&resident)));
        Ok(resident)
    }

    fn upload(&self, set: &ImageSet) -> Result<ResidentImages, Error> {
        let split = ImageSplit::new(set, self.page_bytes);
        if split.pages > IMAGE_PAGES {
            return Err(Error::OutOfMemory {
                device: self.name(),
                needed_mib: (set.pixels().len() as u64).div_ceil(1 << 20),
                available_mib: (IMAGE_PAGES as u64 * self.page_bytes) >> 20,
                limit: Limit::Device,
            });
        }
        let sizes: Vec<u64> = self.pages_of(set).iter().map(|chunk| chunk.len() as u64).collect();
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
        let pages = self.buffers(&sizes, usage)?;
        self.write_images(set, &pages);
        self.queue.submit([]);
        Ok(pages)
    }

    /// The pixels of a set, page by page. A set without images has one page, which is never read.
    fn pages_of<'a>(&self, set: &'a ImageSet) -> Vec<&'a [u8]> {
        let split = ImageSplit::new(set, self.page_bytes);
        let bytes = (split.images_per_page * set.shape().elements()).max(1);
        if set.is_empty() { vec![&[]] } else { set.pixels().chunks(bytes).collect() }
    }

    /// Writes the pixels of a set into pages that are as large.
    fn write_images(&self, set: &ImageSet, pages: &[wgpu::Buffer]) {
        for (page, chunk) in pages.iter().zip(self.pages_of(set)) {
            let (words, rest) = chunk.split_at(chunk.len() / 4 * 4);
            self.queue.write_buffer(page, 0, words);
            if !rest.is_empty() {
                let mut last = [0; 4];
                last[..rest.len()].copy_from_slice(rest);
                self.queue.write_buffer(page, words.len() as u64, &last);
            }
        }
    }

    /// Writes other images into the pages of a set, which from then on are no other training's. False, and nothing has changed,
    /// where another one reads them.
    pub(super) fn replace(&self, resident: &Arc<ResidentImages>, images: &ImageSet) -> bool {
        let mut known = lock(&self.images);
        let is_known = known.iter().any(|(_, other)| Arc::ptr_eq(other, resident));
        let is_alone = Arc::strong_count(resident) == 1 + usize::from(is_known);
        if is_alone {
            known.retain(|(_, other)| !Arc::ptr_eq(other, resident));
            self.write_images(images, resident);
        }
        is_alone
    }
}
