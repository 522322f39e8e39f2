//! Scores of which units of a network are active for which images: a unit is a number that an operation reads through a ReLU,
//! and active where it is above 0.

use std::collections::HashSet;

use kernels::Rectified;

/// Which units are active for each image of a batch.
pub(super) struct Codes {
    /// A bit for each unit, by image, one value of the network after the other; a value begins at a word.
    words: Vec<Vec<u64>>,
    units: usize,
}

impl Codes {
    /// Codes of no units.
    pub(super) fn new(images: usize) -> Self {
        Self { words: vec![Vec::new(); images], units: 0 }
    }

    /// Adds the units of a value.
    pub(super) fn add(&mut self, Rectified { shape, values }: Rectified<'_>) {
        let elements = shape.elements();
        self.units += elements;
        for (words, image) in self.words.iter_mut().zip(values.chunks_exact(elements)) {
            let pack = |units: &[f32]| {
                units.iter().enumerate().fold(0, |word, (bit, value)| word | u64::from(*value > 0.0) << bit)
            };
            words.extend(image.chunks(64).map(pack));
        }
    }

    /// `ln |det K|`, where K of two images is the number of units that are alike; none where K is singular.
    pub(super) fn log_determinant(&self) -> Option<f64> {
        let alike = |one: &Vec<u64>, other: &Vec<u64>| {
            let differ: u64 = one.iter().zip(other).map(|(a, b)| u64::from((a ^ b).count_ones())).sum();
            (self.units as u64 - differ) as f64
        };
        let row = |one| self.words.iter().map(|other| alike(one, other)).collect();
        let kernel = self.words.iter().map(row).collect();
        log_determinant(kernel)
    }
}

/// `ln |det|` of a symmetric matrix, by elimination with the largest pivot; none where it is singular.
fn log_determinant(mut matrix: Vec<Vec<f64>>) -> Option<f64> {
    let size = matrix.len();
    let mut sum = 0.0;
    for step in 0..size {
        let largest =
            (step..size).max_by(|&a, &b| matrix[a][step].abs().total_cmp(&matrix[b][step].abs()))?;
        matrix.swap(step, largest);
        let pivot = matrix[step][step].abs();
        if !pivot.is_normal() {
            return None;
        }
        sum += crate::portable::ln(pivot);
        let (done, rest) = matrix.split_at_mut(step + 1);
        let above = &done[step];
        for row in rest {
            let factor = row[step] / above[step];
            for (value, above) in row[step..].iter_mut().zip(&above[step..]) {
                *value -= factor * above;
            }
        }
    }
    Some(sum)
}

/// Patterns of units over the images of a batch.
#[derive(Default)]
pub(super) struct Patterns(HashSet<u64>);

/// Most images of a pattern.
pub(super) const PATTERN_IMAGES: usize = 64;

impl Patterns {
    /// Adds those of a value's units.
    pub(super) fn add(&mut self, Rectified { shape, values }: Rectified<'_>) {
        let elements = shape.elements();
        for unit in 0..elements {
            let images = values[unit..].iter().step_by(elements).enumerate();
            self.0.insert(images.fold(0, |word, (image, value)| word | u64::from(*value > 0.0) << image));
        }
    }

    /// How many are distinct.
    pub(super) fn count(&self) -> u64 {
        self.0.len() as u64
    }
}
