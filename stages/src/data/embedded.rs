//! The images inside the program: a class-balanced subset of Fashion-MNIST, made by `data/make_embedded.py`. Credits stand
//! in `data/NOTICE`.

use std::path::Path;

use super::{Raw, idx};
use crate::Error;

/// Says that this is a part: results on it are never comparable with results on Fashion-MNIST.
pub(super) const NAME: &str = "fashion-mnist-subset-5000";

/// Class names of Fashion-MNIST, by label.
pub(super) const CLASSES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

macro_rules! embedded {
    ($file:literal) => {
        (Path::new(concat!("embedded ", $file)), include_bytes!(concat!("../../data/", $file)).as_slice())
    };
}

/// Unpacks the embedded images.
pub(super) fn read() -> Result<Raw, Error> {
    let (shape, train) = idx::images_of(embedded!("train-images.idx.gz"), embedded!("train-labels.idx.gz"))?;
    let (_, test) = idx::images_of(embedded!("test-images.idx.gz"), embedded!("test-labels.idx.gz"))?;
    let classes = CLASSES.map(str::to_owned).to_vec();
    Ok(Raw { name: NAME.into(), shape, classes, normalisation: None, train, test })
}
