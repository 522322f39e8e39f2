//! Pictures from their files to what a network sees of them, on one thread.
//!
//! `NAS_IMAGES` names a folder of pictures (`train/CLASS`, `val/CLASS`), which `peers/images.py` measures too; else some are made.

#![allow(missing_docs, clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use benches::{copy, criterion};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use image::RgbImage;
use stages::data::{Limits, Seen, Source};
use tempfile::TempDir;

/// Pictures of an iteration.
const PICTURES: usize = 40;
/// Pixels of a side that the network reads.
const SIZE: usize = 224;

/// Writes pictures of the usual size of ImageNet's.
fn make(folder: &Path) {
    for (part, count) in [("train", PICTURES), ("val", 1)] {
        for class in ["a", "b"] {
            let class = folder.join(part).join(class);
            std::fs::create_dir_all(&class).unwrap();
            for number in 0..=count as u32 / 2 {
                let wave =
                    |x: u32, y: u32| ((x * (number + 3) + y * y / 50) % 251) as u8 ^ (x * y) as u8 >> 4;
                let picture =
                    RgbImage::from_fn(500, 375, |x, y| image::Rgb([wave(x, y), (y / 2) as u8, wave(y, x)]));
                picture.save(class.join(format!("{number}.jpg"))).unwrap();
            }
        }
    }
}

fn images(criterion: &mut Criterion) {
    let made = TempDir::new().unwrap();
    let folder = std::env::var_os("NAS_IMAGES").map_or_else(
        || {
            make(made.path());
            made.path().to_path_buf()
        },
        PathBuf::from,
    );
    let limits = Limits { train: Some(PICTURES), test: None };
    let data = Source::Stream(folder).load(limits).unwrap();
    let streamed = data.streamed.as_ref().unwrap();
    let mut planes = vec![0; 3 * SIZE * SIZE];
    let mut group = criterion.benchmark_group(format!("pictures, {SIZE} pixels"));
    group.throughput(Throughput::Elements(data.train.count as u64));
    for (name, seen) in [
        ("middle", Seen::Train),
        ("random part, flipped, other colours", Seen::Augmented { seed: 0, epoch: 0 }),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for image in 0..data.train.count as u32 {
                    streamed.load(image, seen, SIZE, &mut planes).unwrap();
                }
            });
        });
    }
    group.finish();
}

criterion_group! { name = group; config = criterion(); targets = copy, images }
criterion_main!(group);
