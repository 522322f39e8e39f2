//! A set whose pictures stay in their files: each is read, decoded and made what a training sees of it when it is needed.

use std::path::PathBuf;
use std::sync::Arc;

use cache::Digest;

use super::augment::View;
use super::decode::{DECODING, decode};
use super::digest_of;
use super::files::{File, Files};
use crate::Error;
use crate::data::{Dataset, Images, hash_labels};

/// Evaluation images are resized so that the shorter side is 256/224 of what the network reads, and the middle is taken.
const EVALUATED: (usize, usize) = (256, 224);

/// The shorter side of an evaluation image before the `size` pixels in the middle of both sides are taken.
pub fn evaluation_side(size: usize) -> usize {
    (size * EVALUATED.0).div_ceil(EVALUATED.1).max(size)
}

/// How training images of a streamed set are augmented; part of the keys of its trainings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Augmentation {
    /// What is done.
    pub name: &'static str,
    /// Version of what comes out, and of how epochs are cut into windows.
    pub version: u64,
}

/// The one that there is.
const AUGMENTATION: Augmentation = Augmentation { name: "random-resized-crop, flip, jitter", version: 1 };

/// The pictures of a streamed set.
#[derive(Debug)]
pub struct Streamed {
    train: Vec<Picture>,
    test: Vec<Picture>,
}

#[derive(Debug)]
struct Picture {
    path: PathBuf,
    /// Of the bytes of its file, when the set was looked at.
    digest: Digest,
}

/// Which picture, and how a network should see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A training image, as it is drawn for an epoch.
    Augmented {
        /// Seed of the training.
        seed: u64,
        /// Epoch, from 0.
        epoch: u32,
    },
    /// A training image in its middle.
    Train,
    /// A test image in its middle.
    Test,
}

impl Streamed {
    /// How training images are augmented.
    pub fn augmentation(&self) -> Augmentation {
        AUGMENTATION
    }

    /// Reads an image and writes its planes of `size` × `size` pixels, `[channel][row][column]`.
    ///
    /// # Errors
    /// When the file is another one than when the set was looked at, or cannot be decoded.
    pub fn load(&self, image: u32, seen: Seen, size: usize, planes: &mut [u8]) -> Result<(), Error> {
        let pictures = if seen == Seen::Test { &self.test } else { &self.train };
        let Picture { path, digest } = &pictures[image as usize];
        let error = |problem: String, remedy: &str| Error::Data {
            path: path.clone(),
            problem,
            remedy: remedy.into(),
        };
        let remedy = "check the disk, and train again";
        let bytes =
            std::fs::read(path).map_err(|source| error(format!("cannot be read ({source})"), remedy))?;
        if digest_of(&bytes) != *digest {
            return Err(error("has changed since the training began".into(), "train again with it as it is"));
        }
        let made = decode(&bytes).and_then(|picture| match seen {
            Seen::Augmented { seed, epoch } => {
                View::draw(seed, epoch, image, (picture.height, picture.width)).of(&picture, size)
            }
            Seen::Train | Seen::Test => picture.centre(evaluation_side(size), size),
        });
        let remedy = "remove or replace it, or skip what cannot be decoded (data.unreadable = \"skip\")";
        made.map(|seen| seen.write_planes(planes)).map_err(|problem| error(problem, remedy))
    }
}

/// The set of pictures whose files have these digests, training and test images.
pub(super) fn dataset(
    name: String,
    files: Files,
    digests: [Vec<Digest>; 2],
    (mean, std): ([f32; 3], [f32; 3]),
) -> Dataset {
    let Files { classes, train, test, drawn_test, notes } = files;
    let [train_digests, test_digests] = digests;
    let parts = [(&train, &train_digests), (&test, &test_digests)];
    let digest = digest(&classes, (&mean, &std), parts);
    let images = |files: &[File]| Images::new(Vec::new(), files.iter().map(|file| file.label).collect());
    let (train_images, test_images) = (images(&train), images(&test));
    let pictures = |files: Vec<File>, digests: Vec<Digest>| {
        let both = files.into_iter().zip(digests);
        both.map(|(file, digest)| Picture { path: file.path, digest }).collect()
    };
    let streamed = Streamed { train: pictures(train, train_digests), test: pictures(test, test_digests) };
    Dataset {
        name,
        channels: mean.len(),
        height: 0,
        width: 0,
        classes,
        mean: mean.to_vec(),
        std: std.to_vec(),
        train: train_images,
        test: test_images,
        digest,
        streamed: Some(Arc::new(streamed)),
        drawn_test,
        notes,
    }
}

/// The digest of all that a training reads: how files are decoded, normalisation, classes, and of each image in its order
/// name, label and bytes. Augmentation has its own fields in keys.
fn digest(
    classes: &[String],
    (mean, std): (&[f32], &[f32]),
    parts: [(&Vec<File>, &Vec<Digest>); 2],
) -> Digest {
    let mut hasher = cache::Hasher::new("nas-pipeline image folder 1");
    let text = |hasher: &mut cache::Hasher, text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    };
    hasher.update(&DECODING.to_le_bytes());
    for value in mean.iter().chain(std) {
        hasher.update(&value.to_bits().to_le_bytes());
    }
    hasher.update(&(classes.len() as u64).to_le_bytes());
    for class in classes {
        text(&mut hasher, class);
    }
    for (files, digests) in parts {
        hasher.update(&(files.len() as u64).to_le_bytes());
        let labels: Vec<u16> = files.iter().map(|file| file.label).collect();
        hash_labels(&mut hasher, &labels, classes.len());
        for (file, digest) in files.iter().zip(digests) {
            text(&mut hasher, &file.name);
            hasher.update(&digest.0);
        }
    }
    hasher.finalize()
}
