//! Folders of pictures, good and bad.

mod decoding;
mod layouts;
mod streaming;

use std::fs;
use std::path::Path;

use image::RgbImage;
use tempfile::TempDir;

use super::super::{Dataset, Reading, Source};

/// Writes a picture of one colour, with a dark line on top so that it has an up and a down.
fn picture(path: &Path, (width, height): (u32, u32), colour: [u8; 3]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_fn(width, height, |_, y| image::Rgb(if y == 0 { [0; 3] } else { colour }))
        .save(path)
        .unwrap();
}

/// A folder of two classes, with three training and two test images each.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    for (part, count) in [("train", 3_u8), ("val", 2)] {
        for (class, red) in [("apple", 200), ("night sky", 20)] {
            for number in 0..count {
                let path = folder.path().join(part).join(class).join(format!("{number}.png"));
                picture(&path, (20 + u32::from(number), 12), [red, 10 * number, 90]);
            }
        }
    }
    folder
}

fn read(folder: &Path, reading: &Reading) -> Result<Dataset, String> {
    Source::Folder(folder.into()).load_as(reading).map_err(|error| error.to_string())
}

fn stream(folder: &Path, reading: &Reading) -> Result<Dataset, String> {
    Source::Stream(folder.into()).load_as(reading).map_err(|error| error.to_string())
}

/// Pictures of 8 × 8 pixels.
fn small() -> Reading {
    Reading { resolution: 8, ..Reading::default() }
}
