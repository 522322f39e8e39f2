//! Drawing the scales.

use super::DrawDropPath;
use crate::reference::{Batch, Kernel, Memory, Reference};
use crate::rng::{Purpose, random, unit};

impl Kernel for DrawDropPath {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, batch: Batch<'_>) {
        let seed = reference.settings.seed;
        for (edge, scales) in memory.drop_scales.iter_mut().enumerate() {
            for (scale, &image) in scales.iter_mut().zip(batch.images) {
                let words = random(seed, Purpose::DropPath, edge as u32, batch.epoch, image);
                let keep = unit(words[0]) >= batch.drop_path;
                *scale = if keep { 1.0 / (1.0 - f64::from(batch.drop_path)) } else { 0.0 };
            }
        }
    }
}
