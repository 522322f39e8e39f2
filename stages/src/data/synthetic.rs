//! Images that mean nothing, for measuring speed: that does not depend on what they show.

use super::{Dataset, Images, Limits, Raw};
use crate::random::Random;

/// Classes, as many as CIFAR-10 has.
const CLASSES: usize = 10;
/// Channels, height and width, those of CIFAR-10.
const SHAPE: [usize; 3] = [3, 32, 32];

impl Dataset {
    /// So many random training images with random labels, of the shape of CIFAR-10's, and one test image.
    pub fn synthetic(count: usize) -> Self {
        let mut random = Random::new(0, "synthetic images", 0);
        let image_bytes = SHAPE.iter().product::<usize>();
        let mut images = |count: usize| {
            let pixels = (0..count * image_bytes).map(|_| random.below(256) as u8).collect();
            let labels = (0..count).map(|_| random.below(CLASSES as u64) as u16).collect();
            Images::new(pixels, labels)
        };
        let (train, test) = (images(count), images(1));
        let classes = (0..CLASSES).map(|class| class.to_string()).collect();
        let raw = Raw { name: "synthetic".into(), shape: SHAPE, classes, normalisation: None, train, test };
        Self::new(raw, Limits::default())
    }
}
