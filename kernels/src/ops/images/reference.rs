//! From a stored 8-bit image to what the network reads.

use super::LoadImages;
use crate::preprocess::{Augmentation, CROP_PADDING, Preprocess, Resize};
use crate::reference::{Array, Batch, Kernel, Memory, Reference};
use crate::shape::Shape;

impl Kernel for LoadImages {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, batch: Batch<'_>) {
        let (images, settings) = (&reference.sets[batch.set], &reference.settings);
        let pixels = |&image: &u32| {
            let drawn = if batch.training {
                Augmentation::draw(&settings.preprocess, settings.seed, batch.epoch, image)
            } else {
                Augmentation::NONE
            };
            preprocess(images.image(image as usize), images.shape(), &settings.preprocess, drawn)
        };
        let values = batch.images.iter().flat_map(pixels).collect();
        let loaded = Array { images: batch.images.len(), shape: self.output.shape, values };
        reference.put(memory, self.output, &loaded);
    }
}

/// Preprocessed pixels of one image, `[channel][row][column]`.
fn preprocess(image: &[u8], stored: Shape, preprocess: &Preprocess, drawn: Augmentation) -> Vec<f64> {
    let size = preprocess.image_size;
    let cropped = |channel: usize, row: usize, column: usize| -> f64 {
        let column = if drawn.flip { stored.width - 1 - column } else { column };
        let y = (row + drawn.crop.0).checked_sub(CROP_PADDING).filter(|&y| y < stored.height);
        let x = (column + drawn.crop.1).checked_sub(CROP_PADDING).filter(|&x| x < stored.width);
        match (y, x) {
            (Some(y), Some(x)) => f64::from(image[(channel * stored.height + y) * stored.width + x]),
            _ => 0.0,
        }
    };
    let (rows, columns) = (Resize::new(stored.height, size), Resize::new(stored.width, size));
    let half = preprocess.cutout / 2;
    let cut = |position: usize, centre: usize| {
        position + half >= centre && position + half < centre + preprocess.cutout
    };
    let mut pixels = Vec::with_capacity(stored.channels * size * size);
    for channel in 0..stored.channels {
        let (mean, std) = (f64::from(preprocess.mean[channel]), f64::from(preprocess.std[channel]));
        for row in 0..size {
            for column in 0..size {
                let mut sum = 0.0;
                for i in 0..rows.taps {
                    for j in 0..columns.taps {
                        let weight = f64::from(rows.weights[row * rows.taps + i])
                            * f64::from(columns.weights[column * columns.taps + j]);
                        sum += weight * cropped(channel, rows.first[row] + i, columns.first[column] + j);
                    }
                }
                let hidden = drawn.cutout.is_some_and(|(y, x)| cut(row, y) && cut(column, x));
                pixels.push(if hidden { 0.0 } else { (sum / 255.0 - mean) / std });
            }
        }
    }
    pixels
}
