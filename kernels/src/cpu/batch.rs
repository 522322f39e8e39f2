//! What begins and ends a step on one block: loading images, drawing drop path, and the loss.

use super::context::Context;
use super::simd::{Element, Portable, Vector};
use crate::graph::{DropId, Head, Tensor};
use crate::preprocess::{Augmentation, CROP_PADDING};
use crate::program::Mode;
use crate::rng::{Purpose, random, unit};
use crate::shape::BLOCK;

/// Elements of scratch memory that loading needs: an image, cropped, and the same resized vertically, and a
/// block.
pub(crate) fn load_scratch_floats(output: Tensor, input: crate::Shape) -> usize {
    let doubles = input.pixels() + output.shape.height * input.width;
    doubles * (size_of::<f64>() / size_of::<f32>()) + output.shape.elements() * BLOCK
}

/// Loads the images of a block, preprocessed (and augmented in training); idle lanes are zero. Computed in binary64
/// and rounded once: it costs next to nothing, and the less inputs stray, the fewer values fall on the other side of a
/// ReLU's kink than in another implementation.
///
/// # Safety
/// `scratch` must have `load_scratch_floats` elements and no other thread touch the block.
pub(crate) unsafe fn load_images<E: Element>(
    cx: &Context<'_>,
    output: Tensor,
    block: usize,
    scratch: *mut f32,
) {
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
            Mode::Train => Augmentation::draw(cx.preprocess, cx.seed, cx.epoch, index),
            Mode::Evaluate => Augmentation::NONE,
        };
        let image = cx.images.image(index as usize);
        for channel in 0..source.channels {
            let plane = &image[channel * source.pixels()..][..source.pixels()];
            crop_plane(plane, source.width, drawn, crop);
            resize_rows(crop, source.width, &cx.resize[0], rows);
            let (mean, std) = (f64::from(cx.preprocess.mean[channel]), f64::from(cx.preprocess.std[channel]));
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
            let side = cx.preprocess.cutout;
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

fn resize_rows(from: &[f64], width: usize, resize: &crate::preprocess::Resize, to: &mut [f64]) {
    for (y, row) in to.chunks_exact_mut(width).enumerate() {
        row.fill(0.0);
        for (k, &weight) in resize.weights[y * resize.taps..][..resize.taps].iter().enumerate() {
            let from = &from[(resize.first[y] + k) * width..][..width];
            row.iter_mut().zip(from).for_each(|(sum, value)| *sum += f64::from(weight) * value);
        }
    }
}

/// Draws the drop-path scale of every edge for the images of a block: 0, or 1 / keep probability.
///
/// # Safety
/// No other thread may touch the block's scales.
pub(crate) unsafe fn draw_drop_path(cx: &Context<'_>, drops: usize, block: usize) {
    let kept = 1.0 / (1.0 - cx.drop_path);
    for drop in 0..drops {
        let to = cx.memory.drop_scale(DropId(drop), block);
        for lane in 0..BLOCK {
            let scale = match cx.batch.get(block * BLOCK + lane) {
                Some(&image) => {
                    let word = random(cx.seed, Purpose::DropPath, drop as u32, cx.epoch, image)[0];
                    if unit(word) < cx.drop_path { 0.0 } else { kept }
                }
                None => 0.0,
            };
            // SAFETY: the block's 16 scales of this edge.
            unsafe { *to.add(lane) = scale }
        }
    }
}

/// Elements of scratch memory that a loss needs: logits and their gradients of a block.
pub(crate) fn loss_scratch_floats(head: Head) -> usize {
    2 * head.logits.shape.channels * BLOCK
}

/// Cross-entropy of a head on a block: adds to the images' losses, and in training leaves the gradient of the
/// logits.
///
/// # Safety
/// The logits must be written, the images' metrics cleared, `scratch` have `loss_scratch_floats` elements, and no
/// other thread touch this block.
pub(crate) unsafe fn cross_entropy<E: Element>(
    cx: &Context<'_>,
    head: Head,
    gradient: Option<Tensor>,
    block: usize,
    scratch: *mut f32,
) {
    let classes = head.logits.shape.channels;
    let from: *const E = cx.memory.tensor(head.logits, block);
    let metrics = cx.metrics.pointer::<f32>();
    let images = cx.batch.len();
    let smoothing = f64::from(cx.label_smoothing);
    let uniform = smoothing / classes as f64;
    // SAFETY: the caller's promise; portable vectors need no instructions.
    unsafe {
        let lanes = scratch.cast::<[f32; BLOCK]>();
        let logits = std::slice::from_raw_parts_mut(lanes, classes);
        let gradients = std::slice::from_raw_parts_mut(lanes.add(classes), classes);
        gradients.fill([0.0; BLOCK]);
        for (class, lanes) in logits.iter_mut().enumerate() {
            E::load::<Portable>(from.add(class * BLOCK)).store(lanes.as_mut_ptr());
        }
        for lane in 0..cx.valid(block) {
            let position = block * BLOCK + lane;
            let label = usize::from(cx.images.labels()[cx.batch[position] as usize]);
            let best =
                (0..classes).fold(0, |best, c| if logits[c][lane] > logits[best][lane] { c } else { best });
            let largest = f64::from(logits[best][lane]);
            let sum: f64 = logits.iter().map(|l| (f64::from(l[lane]) - largest).exp()).sum();
            let log_sum = largest + sum.ln();
            let target = |class: usize| uniform + if class == label { 1.0 - smoothing } else { 0.0 };
            let mut loss = 0.0;
            for class in 0..classes {
                let logit = f64::from(logits[class][lane]);
                loss += target(class) * (log_sum - logit);
                let slope = (logit - log_sum).exp() - target(class);
                gradients[class][lane] = (slope * f64::from(head.weight) / images as f64) as f32;
            }
            *metrics.add(2 * position) += (loss * f64::from(head.weight)) as f32;
            if !head.training_only {
                let is_hit = best == label && !logits[best][lane].is_nan();
                *metrics.add(2 * position + 1) = if is_hit { 1.0 } else { 0.0 };
            }
        }
        if let Some(gradient) = gradient {
            let to: *mut E = cx.memory.tensor(gradient, block);
            for (class, lanes) in gradients.iter().enumerate() {
                E::store(Portable::load(lanes.as_ptr()), to.add(class * BLOCK));
            }
        }
    }
}
