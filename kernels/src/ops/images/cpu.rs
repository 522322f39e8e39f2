//! Loading the images of one block.

use super::LoadImages;
use crate::cpu::{Context, Element, Kernel, Portable, Simd, Sizes, Unit};
use crate::preprocess::{Augmentation, CROP_PADDING, Resize};
use crate::program::{Mode, Tensor};
use crate::shape::{BLOCK, Shape};

impl Kernel for LoadImages {
    fn scratch_floats(&self, sizes: &Sizes<'_>) -> usize {
        sizes.sources.iter().map(|&source| load_scratch_floats(self.output, source)).max().unwrap_or(0)
    }

    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, scratch: *mut f32) {
        if let Unit::Block(block) = unit {
            // SAFETY: the caller's promise.
            unsafe { load_images::<E>(cx, self.output, block.number, scratch) }
        }
    }
}

/// Elements of scratch memory that loading needs: an image, cropped, and the same resized vertically, and a
/// block.
fn load_scratch_floats(output: Tensor, input: Shape) -> usize {
    let doubles = input.pixels() + output.shape.height * input.width;
    doubles * (size_of::<f64>() / size_of::<f32>()) + output.shape.elements() * BLOCK
}

/// Loads the images of a block, preprocessed (and augmented in training); idle lanes are zero. Computed in binary64
/// and rounded once: it costs next to nothing, and the less inputs stray, the fewer values fall on the other side of a
/// ReLU's kink than in another implementation.
///
/// # Safety
/// `scratch` must have `load_scratch_floats` elements and no other thread touch the block.
unsafe fn load_images<E: Element>(cx: &Context<'_>, output: Tensor, block: usize, scratch: *mut f32) {
    let source = cx.images.shape();
    let size = output.shape.height;
    // SAFETY: the caller's promise.
    let (crop, rows, lanes) = unsafe {
        // Scratch memory begins at a cache line.
        #[allow(clippy::cast_ptr_alignment)]
        let doubles = scratch.cast::<f64>();
        let crop = std::slice::from_raw_parts_mut(doubles, source.pixels());
        let rows = std::slice::from_raw_parts_mut(doubles.add(crop.len()), size * source.width);
        let lanes = doubles.add(crop.len() + rows.len()).cast::<f32>();
        (crop, rows, std::slice::from_raw_parts_mut(lanes, output.shape.elements() * BLOCK))
    };
    lanes.fill(0.0);
    for lane in 0..cx.valid(block) {
        let index = cx.batch[block * BLOCK + lane];
        let drawn = match cx.mode {
            Mode::Train => Augmentation::draw(&cx.settings.preprocess, cx.settings.seed, cx.epoch, index),
            Mode::Evaluate => Augmentation::NONE,
        };
        let image = cx.images.image(index as usize);
        for channel in 0..source.channels {
            let plane = &image[channel * source.pixels()..][..source.pixels()];
            crop_plane(plane, source.width, drawn, crop);
            resize_rows(crop, source.width, &cx.resize[0], rows);
            let (mean, std) = (
                f64::from(cx.settings.preprocess.mean[channel]),
                f64::from(cx.settings.preprocess.std[channel]),
            );
            let horizontal = &cx.resize[1];
            for y in 0..size {
                let row = &rows[y * source.width..][..source.width];
                for x in 0..size {
                    let weights = &horizontal.weights[x * horizontal.taps..][..horizontal.taps];
                    let from = &row[horizontal.first[x]..][..horizontal.taps];
                    let value: f64 =
                        weights.iter().zip(from).fold(0.0, |sum, (&w, v)| sum + f64::from(w) * v);
                    let value = (value / 255.0 - mean) / std;
                    lanes[((channel * size + y) * size + x) * BLOCK + lane] = value as f32;
                }
            }
        }
        if let Some((y, x)) = drawn.cutout {
            let side = cx.settings.preprocess.cutout;
            let span = |center: usize| {
                let first = center as isize - (side / 2) as isize;
                first.max(0) as usize..((first + side as isize).max(0) as usize).min(size)
            };
            for channel in 0..source.channels {
                for y in span(y) {
                    for x in span(x) {
                        lanes[((channel * size + y) * size + x) * BLOCK + lane] = 0.0;
                    }
                }
            }
        }
    }
    let to: *mut E = cx.memory.tensor(output, block);
    for (pixel, values) in lanes.chunks_exact(BLOCK).enumerate() {
        // SAFETY: the block has as many pixels; portable vectors need no instructions.
        unsafe { E::store(Portable::load(values.as_ptr()), to.add(pixel * BLOCK)) }
    }
}

/// The crop of one plane of the image with zeros around it, flipped when drawn so.
fn crop_plane(plane: &[u8], width: usize, drawn: Augmentation, to: &mut [f64]) {
    let height = plane.len() / width;
    let (dy, dx) =
        (drawn.crop.0 as isize - CROP_PADDING as isize, drawn.crop.1 as isize - CROP_PADDING as isize);
    for (y, row) in to.chunks_exact_mut(width).enumerate() {
        let y = y as isize + dy;
        if y < 0 || y >= height as isize {
            row.fill(0.0);
            continue;
        }
        let from = &plane[y as usize * width..][..width];
        for (x, value) in row.iter_mut().enumerate() {
            let x = x as isize + dx;
            let inside = x >= 0 && x < width as isize;
            *value = if inside { f64::from(from[x as usize]) } else { 0.0 };
        }
        if drawn.flip {
            row.reverse();
        }
    }
}

fn resize_rows(from: &[f64], width: usize, resize: &Resize, to: &mut [f64]) {
    for (y, row) in to.chunks_exact_mut(width).enumerate() {
        row.fill(0.0);
        for (k, &weight) in resize.weights[y * resize.taps..][..resize.taps].iter().enumerate() {
            let from = &from[(resize.first[y] + k) * width..][..width];
            row.iter_mut().zip(from).for_each(|(sum, value)| *sum += f64::from(weight) * value);
        }
    }
}
