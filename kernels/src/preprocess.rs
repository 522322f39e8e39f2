//! Images as they come, and what is done to them before the network sees them.
//!
//! Order (training): random crop of the image padded by zeros, horizontal flip, resize to `image_size`
//! (antialiased bilinear), scale to [0, 1], normalise, cutout. Evaluation: resize and normalise only. All
//! randomness is a function of (seed, purpose, epoch, number of the image), so that neither batches nor
//! devices change it.

use std::sync::Arc;

use crate::error::Error;
use crate::rng::{Purpose, below, random};
use crate::shape::Shape;

/// A set of 8-bit images with labels.
#[derive(Clone, Debug)]
pub struct ImageSet {
    pixels: Arc<[u8]>,
    labels: Arc<[u16]>,
    shape: Shape,
}

impl ImageSet {
    /// Images of `shape`, `pixels` in `[image][channel][row][column]`, a label each.
    ///
    /// # Errors
    /// When the numbers of pixels and labels do not fit, or a label is not below `classes`.
    pub fn new(shape: Shape, pixels: Arc<[u8]>, labels: Arc<[u16]>, classes: usize) -> Result<Self, Error> {
        if pixels.len() != labels.len() * shape.elements() {
            let problem =
                format!("{} pixels are not those of {} images of {shape}", pixels.len(), labels.len());
            return Err(Error::Images { problem });
        }
        if let Some(index) = labels.iter().position(|&label| usize::from(label) >= classes) {
            let problem = format!("label {} of image {index} is not below {classes}", labels[index]);
            return Err(Error::Images { problem });
        }
        Ok(Self { pixels, labels, shape })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Bytes of its pixels and labels.
    pub(crate) fn bytes(&self) -> u64 {
        (self.pixels.len() + size_of_val(self.labels())) as u64
    }

    /// Shape of one image as it is stored.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Its pixels alone, so that their memory can be used again.
    pub fn into_pixels(self) -> Arc<[u8]> {
        self.pixels
    }

    /// All pixels, `[image][channel][row][column]`.
    pub(crate) fn pixels(&self) -> &Arc<[u8]> {
        &self.pixels
    }

    /// Label of each image.
    pub(crate) fn labels(&self) -> &[u16] {
        &self.labels
    }

    pub(crate) fn image(&self, index: usize) -> &[u8] {
        let elements = self.shape.elements();
        &self.pixels[index * elements..][..elements]
    }
}

/// What is done to an image before the network sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocess {
    /// Height and width the network reads, in pixels.
    pub image_size: usize,
    /// Mean of each channel, on the scale [0, 1].
    pub mean: Vec<f32>,
    /// Standard deviation of each channel, on the scale [0, 1].
    pub std: Vec<f32>,
    /// Random crop and flip in training.
    pub augment: bool,
    /// Side of the square set to zero in training, in resized pixels; 0 for none.
    pub cutout: usize,
}

/// Zero pixels on every side of an image before it is cropped.
pub(crate) const CROP_PADDING: usize = 4;

/// What is drawn for one image in one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Augmentation {
    /// First row and column of the crop in the padded image; the image itself begins at (`CROP_PADDING`,
    /// `CROP_PADDING`).
    pub(crate) crop: (usize, usize),
    pub(crate) flip: bool,
    /// Centre of the cutout square, in resized pixels.
    pub(crate) cutout: Option<(usize, usize)>,
}

impl Augmentation {
    /// The image as it is.
    pub(crate) const NONE: Self = Self { crop: (CROP_PADDING, CROP_PADDING), flip: false, cutout: None };

    /// Draws for image `image` in `epoch`.
    pub(crate) fn draw(preprocess: &Preprocess, seed: u64, epoch: u32, image: u32) -> Self {
        let mut drawn = Self::NONE;
        if preprocess.augment {
            let words = random(seed, Purpose::Crop, 0, epoch, image);
            let offsets = 2 * CROP_PADDING as u32 + 1;
            drawn.crop = (below(words[0], offsets) as usize, below(words[1], offsets) as usize);
            drawn.flip = words[2] >> 31 == 1;
        }
        if preprocess.cutout > 0 {
            let words = random(seed, Purpose::Cutout, 0, epoch, image);
            let size = preprocess.image_size as u32;
            drawn.cutout = Some((below(words[0], size) as usize, below(words[1], size) as usize));
        }
        drawn
    }
}

/// Weights of an antialiased bilinear resize along one side: output `i` is
/// `Σ weights[i][k] · input[first[i] + k]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resize {
    pub(crate) first: Vec<usize>,
    /// Weights of all outputs, `taps` each (zeros behind the last).
    pub(crate) weights: Vec<f32>,
    pub(crate) taps: usize,
}

impl Resize {
    /// From `input` to `output` pixels: a triangle of half-width max(1, input/output) around each output's
    /// centre, normalised over the pixels inside the image.
    pub(crate) fn new(input: usize, output: usize) -> Self {
        let scale = input as f64 / output as f64;
        let support = scale.max(1.0);
        let mut rows: Vec<(usize, Vec<f64>)> = Vec::with_capacity(output);
        for i in 0..output {
            let center = scale * (i as f64 + 0.5);
            let first = ((center - support + 0.5) as i64).max(0) as usize;
            let last = ((center + support + 0.5) as usize).min(input);
            let mut weights: Vec<f64> =
                (first..last).map(|k| (1.0 - ((k as f64 + 0.5 - center) / support).abs()).max(0.0)).collect();
            let sum: f64 = weights.iter().sum();
            for weight in &mut weights {
                *weight /= sum;
            }
            rows.push((first, weights));
        }
        let taps = rows.iter().map(|row| row.1.len()).max().unwrap_or(0);
        let mut resize = Self { first: Vec::new(), weights: Vec::new(), taps };
        for (first, weights) in rows {
            // The window is moved back from the border so that all taps lie inside the image.
            let start = first.min(input.saturating_sub(taps));
            let mut padded = vec![0.0; taps];
            weights.iter().enumerate().for_each(|(k, &w)| padded[first - start + k] = w as f32);
            resize.first.push(start);
            resize.weights.extend(padded);
        }
        resize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_uses_the_kernel_1_3_3_1() {
        let resize = Resize::new(32, 16);
        assert_eq!(resize.taps, 4);
        assert_eq!(resize.first[5], 9);
        assert_eq!(&resize.weights[20..24], &[0.125, 0.375, 0.375, 0.125]);
        // At the border the outer tap is missing and the others are renormalised.
        assert_eq!(resize.first[0], 0);
        let edge: Vec<f32> = [3.0, 3.0, 1.0, 0.0].iter().map(|w| w / 7.0).collect();
        resize.weights[..4].iter().zip(edge).for_each(|(a, b)| assert!((a - b).abs() < 1e-6));
    }

    #[test]
    fn the_same_size_changes_nothing() {
        let resize = Resize::new(28, 28);
        for i in 0..28 {
            let weights = &resize.weights[i * resize.taps..][..resize.taps];
            assert!((weights[i - resize.first[i]] - 1.0).abs() < 1e-6, "{weights:?}");
        }
    }

    /// Images of the goldens, as `tests/reference/generator.py` defines them.
    fn pixels(stream: &str, count: usize) -> Vec<f32> {
        let seed = stream.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        });
        let byte = |index: u64| {
            let z = seed.wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 56) as f32
        };
        (1..=count as u64).map(byte).collect()
    }

    #[test]
    fn resizing_is_that_of_the_reference() {
        let text = std::fs::read_to_string("../tests/goldens/resize.json").unwrap();
        let golden: serde_json::Value = serde_json::from_str(&text).unwrap();
        let cases = golden["cases"].as_array().unwrap();
        assert!(!cases.is_empty());
        for case in cases {
            let [from, to] = ["from", "to"].map(|side| case[side].as_u64().unwrap() as usize);
            let image = pixels(&format!("resize/{from}"), from * from);
            let resize = Resize::new(from, to);
            let taps = |i: usize| {
                let weights = &resize.weights[i * resize.taps..][..resize.taps];
                let first = resize.first[i];
                weights.iter().enumerate().map(move |(tap, weight)| (first + tap, weight))
            };
            for (index, expected) in case["pixels"].as_array().unwrap().iter().enumerate() {
                let row = |y: usize| taps(index % to).map(|(x, w)| w * image[y * from + x]).sum::<f32>();
                let found: f32 = taps(index / to).map(|(y, w)| w * row(y)).sum();
                let error = (f64::from(found) - expected.as_f64().unwrap()).abs();
                assert!(error < 1e-4, "{from} to {to}, pixel {index}: off by {error}");
            }
        }
    }
}
