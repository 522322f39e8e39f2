//! Data sets of 8-bit images, held in memory or streamed from their files, with a digest of their content.

mod cifar;
mod embedded;
mod folder;
mod idx;
mod idx_names;
mod places;
mod progress;
mod source;
mod split;
mod stream;
mod synthetic;

use std::path::PathBuf;
use std::sync::Arc;

pub use folder::{Augmentation, DrawnTest, FolderCheck, Seen, Streamed, evaluation_side};
pub use progress::{ReadingObserver, ReadingStep};
pub use source::Source;
pub use split::{Split, held_out, holdout};

pub(crate) use stream::{Loader, Wanted};

/// Labelled images. Pixels are [N, C, H, W], 8 bits; labels are class numbers. Cloning copies no pixels.
#[derive(Clone, Debug)]
pub struct Images {
    /// `count` × channels × height × width bytes; none where the set is streamed.
    pub pixels: Arc<[u8]>,
    /// `count` class numbers.
    pub labels: Arc<[u16]>,
    /// Number of images.
    pub count: usize,
}

/// A data set that has been checked: every label names a class and every image has the same shape.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Says what the images are and, for a part of a set, how many: `cifar10`, `fashion-mnist-subset-5000`.
    pub name: String,
    /// Colour channels: 1 or 3.
    pub channels: usize,
    /// Pixels from top to bottom; 0 where the set is streamed, whose images have any size.
    pub height: usize,
    /// Pixels from left to right; 0 where the set is streamed.
    pub width: usize,
    /// Class names; labels index them.
    pub classes: Vec<String>,
    /// Per channel the mean of the training pixels, in [0, 1].
    pub mean: Vec<f32>,
    /// Per channel the standard deviation of the training pixels, in [0, 1] units.
    pub std: Vec<f32>,
    /// Images to train on (and to hold some out of for validation).
    pub train: Images,
    /// Images that no choice may depend on, except in published-style scoring.
    pub test: Images,
    /// BLAKE3 of all that a training reads: shape, number of classes, labels and pixels of both parts, and normalisation; where
    /// the set is streamed, of the files.
    pub digest: cache::Digest,
    /// Where the pixels come from, if they are not in memory.
    pub streamed: Option<Arc<Streamed>>,
    /// How the test images were drawn from those to train on, where the set names none.
    pub drawn_test: Option<DrawnTest>,
    /// What a person should know of how it was read: what is left out, and what is odd.
    pub notes: Vec<String>,
}

/// How many images of a set to take, from the front of its files. `None` takes all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Training images.
    pub train: Option<usize>,
    /// Test images.
    pub test: Option<usize>,
}

/// What becomes of pictures that cannot be decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unreadable {
    /// The set is refused.
    #[default]
    Refuse,
    /// They are left out of the set, and named in its notes.
    Skip,
}

/// How a set is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// How many images to take.
    pub limits: Limits,
    /// Pixels of a side that pictures of a folder have in memory.
    pub resolution: usize,
    /// Most MiB that they may take there.
    pub memory_mib: u64,
    /// What becomes of those that cannot be decoded.
    pub unreadable: Unreadable,
    /// Share of the pictures of each class that are test images where a folder names none; 0 to refuse it.
    pub test_share: f64,
    /// Folder in which digests of files are remembered, if any.
    pub index: Option<PathBuf>,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            resolution: 64,
            memory_mib: 1024,
            unreadable: Unreadable::default(),
            test_share: 0.2,
            index: None,
        }
    }
}

/// What a reader hands over: everything that is in the files.
struct Raw {
    name: String,
    shape: [usize; 3],
    classes: Vec<String>,
    /// Published mean and standard deviation per channel, where a set has them.
    normalisation: Option<([f32; 3], [f32; 3])>,
    train: Images,
    test: Images,
}

impl Images {
    fn new(pixels: Vec<u8>, labels: Vec<u16>) -> Self {
        let count = labels.len();
        Self { pixels: pixels.into(), labels: labels.into(), count }
    }

    fn first(self, limit: Option<usize>, image_bytes: usize) -> Self {
        match limit.filter(|&limit| limit < self.count) {
            Some(count) => Self {
                pixels: self.pixels[..count * image_bytes].into(),
                labels: self.labels[..count].into(),
                count,
            },
            None => self,
        }
    }
}

impl Dataset {
    fn new(raw: Raw, limits: Limits) -> Self {
        let [channels, height, width] = raw.shape;
        let image_bytes = channels * height * width;
        let (all_train, all_test) = (raw.train.count, raw.test.count);
        let train = raw.train.first(limits.train, image_bytes);
        let test = raw.test.first(limits.test, image_bytes);
        // A part of a set must never pass for the whole.
        let name = if (train.count, test.count) == (all_train, all_test) {
            raw.name
        } else {
            format!("{}-first-{}-{}", raw.name, train.count, test.count)
        };
        let first = first_normalisation(&train.pixels, raw.shape);
        let (mean, std) = match raw.normalisation {
            Some((mean, std)) => (mean[..channels].to_vec(), std[..channels].to_vec()),
            None if channels == 1 => first.clone(),
            None => all_moments(&train.pixels, raw.shape),
        };
        // The sign of a zero counts, so these are compared as bits.
        let bits = |(mean, std): (&[f32], &[f32])| [mean, std].concat().into_iter().map(f32::to_bits);
        let another = !bits((&mean, &std)).eq(bits((&first.0, &first.1)));
        let normalisation = another.then_some((mean.as_slice(), std.as_slice()));
        let digest = digest(raw.shape, raw.classes.len(), normalisation, &train, &test);
        let classes = raw.classes;
        Self {
            name,
            channels,
            height,
            width,
            classes,
            mean,
            std,
            train,
            test,
            digest,
            streamed: None,
            drawn_test: None,
            notes: Vec::new(),
        }
    }
}

/// Mean and standard deviation of every channel.
fn all_moments(pixels: &[u8], [channels, height, width]: [usize; 3]) -> (Vec<f32>, Vec<f32>) {
    (0..channels).map(|channel| moments(pixels, channels, channel, height * width)).unzip()
}

/// Mean and standard deviation of one channel, in [0, 1] units. Sums are whole numbers, so the order does not matter.
fn moments(pixels: &[u8], channels: usize, channel: usize, plane: usize) -> (f32, f32) {
    let values = pixels.chunks_exact(plane).skip(channel).step_by(channels).flatten();
    let (mut count, mut sum, mut squares) = (0u64, 0u64, 0u64);
    for &value in values {
        count += 1;
        sum += u64::from(value);
        squares += u64::from(value).pow(2);
    }
    let mean = sum as f64 / count as f64;
    let variance = (squares as f64 / count as f64 - mean * mean).max(0.0);
    // A channel of one value only is shifted, not scaled.
    let std = if variance > 0.0 { variance.sqrt() / 255.0 } else { 1.0 };
    ((mean / 255.0) as f32, std as f32)
}

/// The normalisation that a set of these pixels had when digests left it out, being a function of the rest: with three
/// channels CIFAR-10's constants, for no other set that is remembered had three; with one the moments of the training
/// pixels.
fn first_normalisation(pixels: &[u8], shape: [usize; 3]) -> (Vec<f32>, Vec<f32>) {
    if shape[0] == 1 {
        return all_moments(pixels, shape);
    }
    let (mean, std) = cifar::NORMALISATION;
    (mean.to_vec(), std.to_vec())
}

/// The digest of a set. `normalisation` is given where it is another than [`first_normalisation`]: then the same pixels
/// are another set. Without it the digest is that of the first version, so that what was trained on a set stays known.
fn digest(
    [channels, height, width]: [usize; 3],
    classes: usize,
    normalisation: Option<(&[f32], &[f32])>,
    train: &Images,
    test: &Images,
) -> cache::Digest {
    let domain = match normalisation {
        None => "nas-pipeline dataset 1",
        Some(_) => "nas-pipeline dataset 2",
    };
    let mut hasher = cache::Hasher::new(domain);
    for number in [channels, height, width, classes, train.count, test.count] {
        hasher.update(&(number as u64).to_le_bytes());
    }
    if let Some((mean, std)) = normalisation {
        for value in mean.iter().chain(std) {
            hasher.update(&value.to_bits().to_le_bytes());
        }
    }
    for part in [train, test] {
        hash_labels(&mut hasher, &part.labels, classes);
        hasher.update(&part.pixels);
    }
    hasher.finalize()
}

/// Labels are hashed as bytes where each is one, as all were in the first version.
fn hash_labels(hasher: &mut cache::Hasher, labels: &[u16], classes: usize) {
    let one_byte = classes <= 1 << u8::BITS;
    let bytes =
        labels.iter().flat_map(|label| label.to_le_bytes().into_iter().take(if one_byte { 1 } else { 2 }));
    hasher.update(&bytes.collect::<Vec<u8>>());
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
