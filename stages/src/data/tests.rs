//! Reading good and damaged data files of every layout.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use super::*;
use crate::Error;

/// An IDX file of unsigned bytes.
fn idx_file(dimensions: &[u32], content: &[u8]) -> Vec<u8> {
    let header = [0, 0, 8, dimensions.len() as u8];
    let sizes = dimensions.iter().flat_map(|size| size.to_be_bytes());
    header.into_iter().chain(sizes).chain(content.iter().copied()).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A folder with a set of four training images and two test images of 2×3 pixels.
fn idx_folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let pixels: Vec<u8> = (0..24).collect();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("train-images-idx3-ubyte", &idx_file(&[4, 2, 3], &pixels));
    write("train-labels-idx1-ubyte.gz", &gzip(&idx_file(&[4], &[0, 1, 2, 1])));
    write("t10k-images-idx3-ubyte.gz", &gzip(&idx_file(&[2, 2, 3], &pixels[..12])));
    write("t10k-labels-idx1-ubyte", &idx_file(&[2], &[2, 0]));
    folder
}

fn load(text: &str) -> Result<Dataset, String> {
    let source: Source = text.parse().map_err(|error: Error| error.to_string())?;
    source.load(Limits::default()).map_err(|error| error.to_string())
}

#[test]
fn the_embedded_set_is_balanced_small_and_says_what_it_is() {
    let data = Source::Embedded.load(Limits::default()).unwrap();
    assert_eq!(data.name, "fashion-mnist-subset-5000");
    assert_eq!((data.channels, data.height, data.width, data.classes.len()), (1, 28, 28, 10));
    assert_eq!((data.train.count, data.test.count), (5000, 1000));
    assert_eq!((data.train.pixels.len(), data.test.pixels.len()), (5000 * 784, 1000 * 784));
    let balanced = |labels: &[u8], each: usize| {
        let mut counts = [0; 10];
        for &label in labels {
            counts[usize::from(label)] += 1;
        }
        counts == [each; 10]
    };
    assert!(balanced(&data.train.labels, 500) && balanced(&data.test.labels, 100));
    assert!(balanced(&data.train.labels[..50], 5), "every prefix is balanced");
    // Close to the full set's published 0.2860 and 0.3530.
    assert!(
        (data.mean[0] - 0.286).abs() < 0.01 && (data.std[0] - 0.353).abs() < 0.01,
        "{:?} {:?}",
        data.mean,
        data.std
    );
    // Recorded trainings belong to these very images.
    assert_eq!(data.digest.to_string(), "70375046b31f04a01f59d4f0b9d5b94844ab96bdf55d0395dadf6ed400a08ec1");
    assert_eq!(data.digest, "embedded".parse::<Source>().unwrap().load(Limits::default()).unwrap().digest);
}

#[test]
fn limits_make_another_data_set() {
    let all = Source::Embedded.load(Limits::default()).unwrap();
    let part = Source::Embedded.load(Limits { train: Some(100), test: None }).unwrap();
    assert_eq!(part.name, "fashion-mnist-subset-5000-first-100-1000");
    assert_eq!((part.train.count, part.train.pixels.len()), (100, 78_400));
    assert_eq!(part.train.pixels[..], all.train.pixels[..78_400]);
    assert_ne!(part.digest, all.digest);
    let more = Source::Embedded.load(Limits { train: Some(1_000_000), test: Some(1000) }).unwrap();
    assert_eq!((more.name, more.digest), (all.name, all.digest));
}

#[test]
fn idx_folders_are_read_plain_and_gzip() {
    let folder = idx_folder();
    let data = load(folder.path().to_str().unwrap()).unwrap();
    assert_eq!((data.name.as_str(), data.channels, data.height, data.width), ("idx-2x3-4", 1, 2, 3));
    assert_eq!(data.classes, ["0", "1", "2"]);
    assert_eq!((&data.train.labels[..], &data.test.labels[..]), (&[0, 1, 2, 1][..], &[2, 0][..]));
    assert_eq!(data.train.pixels[..], (0..24).collect::<Vec<u8>>()[..]);
    assert!((data.mean[0] - 11.5 / 255.0).abs() < 1e-7);
    // The variance of 0..n is (n² - 1) / 12.
    assert!((data.std[0] - (575.0_f32 / 12.0).sqrt() / 255.0).abs() < 1e-7);
    assert_eq!(load(&format!("idx:{}", folder.path().display())).unwrap().digest, data.digest);
}

#[test]
fn damaged_idx_files_are_named() {
    let good = idx_file(&[4, 2, 3], &[0; 24]);
    let cut_gzip = &gzip(&good)[..20];
    for (name, bytes, message) in [
        ("train-images-idx3-ubyte", &good[..30], "14 bytes after the header, but it announces 4 × 2 × 3"),
        ("train-images-idx3-ubyte", &good[..7], "7 bytes, shorter than an IDX header (16)"),
        ("train-images-idx3-ubyte", &[&good[..], &[0]].concat(), "25 bytes after the header"),
        (
            "train-images-idx3-ubyte",
            b"PNG and so on, long enough for it",
            "starts with [50, 4e, 47, 20], expected [00, 00, 08, 03]",
        ),
        ("train-images-idx3-ubyte", cut_gzip, "the gzip data is damaged"),
        ("train-images-idx3-ubyte", &idx_file(&[u32::MAX; 3], &[]), "0 bytes after the header"),
        ("train-images-idx3-ubyte", &idx_file(&[0, 2, 3], &[]), "0 images of 2×3 pixels"),
        (
            "train-images-idx3-ubyte",
            &idx_file(&[4, 3, 2], &[0; 24]),
            "images of 2×3, but the training images are 3×2",
        ),
        ("t10k-labels-idx1-ubyte", &idx_file(&[3], &[0; 3]), "3 labels for 2 images"),
        ("t10k-labels-idx1-ubyte", &idx_file(&[2], &[0, 9]), "a label 9, but the training labels end at 2"),
    ] {
        let folder = idx_folder();
        fs::write(folder.path().join(name), bytes).unwrap();
        let error = load(&format!("idx:{}", folder.path().display())).unwrap_err();
        assert!(error.contains(message), "{error}\nshould say: {message}");
        assert!(error.starts_with(folder.path().to_str().unwrap()), "{error}");
    }
    let folder = idx_folder();
    fs::remove_file(folder.path().join("train-labels-idx1-ubyte.gz")).unwrap();
    let error = load(&format!("idx:{}", folder.path().display())).unwrap_err();
    assert!(error.contains("train-labels-idx1-ubyte: cannot read the file"), "{error}");
}

const CIFAR_BYTES: usize = 10_000 * 3073;

/// The official layout with made-up images: image i of a file has the label i % 10 and pixels that tell plane and file.
fn cifar_folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let inner = folder.path().join("cifar-10-batches-bin");
    fs::create_dir(&inner).unwrap();
    let names = (1..=5).map(|batch| format!("data_batch_{batch}.bin")).chain(["test_batch.bin".to_owned()]);
    for (file, name) in names.enumerate() {
        let mut bytes = Vec::with_capacity(CIFAR_BYTES);
        for image in 0..10_000 {
            bytes.push((image % 10) as u8);
            for plane in 0..3 {
                bytes.extend([(10 * file + plane) as u8; 1024]);
            }
        }
        fs::write(inner.join(name), bytes).unwrap();
    }
    folder
}

#[test]
fn cifar10_is_read_from_its_folder_or_the_parent_and_damage_is_named() {
    let folder = cifar_folder();
    let inner = folder.path().join("cifar-10-batches-bin");
    let data = load(folder.path().to_str().unwrap()).unwrap();
    assert_eq!((data.name.as_str(), data.channels, data.height, data.width), ("cifar10", 3, 32, 32));
    assert_eq!((data.train.count, data.test.count), (50_000, 10_000));
    assert_eq!((data.classes[0].as_str(), data.classes[9].as_str()), ("airplane", "truck"));
    assert_eq!((data.mean[0], data.std[2]), (0.491_399_68, 0.261_587_68));
    let pixel = |image: usize, plane: usize| data.train.pixels[image * 3072 + plane * 1024];
    assert_eq!((pixel(0, 0), pixel(9_999, 2), pixel(10_000, 1), pixel(49_999, 2)), (0, 2, 11, 42));
    assert_eq!((data.train.labels[10_007], data.test.pixels[0]), (7, 50));
    assert_eq!(load(inner.to_str().unwrap()).unwrap().digest, data.digest);

    let refused = |path: &Path, message: &str| {
        let error = load(&format!("cifar10:{}", folder.path().display())).unwrap_err();
        assert!(
            error.starts_with(path.to_str().unwrap()) && error.contains(message),
            "{error}\nshould say: {message}"
        );
    };
    let (third, test) = (inner.join("data_batch_3.bin"), inner.join("test_batch.bin"));
    let mut bytes = fs::read(&test).unwrap();
    bytes[3073 * 42] = 10;
    fs::write(&test, &bytes).unwrap();
    refused(&test, "record 42 has the label 10, expected 0 to 9");
    bytes.push(0);
    fs::write(&third, &bytes).unwrap();
    refused(&third, "30730001 bytes, expected 30730000 (10,000 records)");
    fs::write(&third, &bytes[..100]).unwrap();
    refused(&third, "100 bytes, expected");
    fs::remove_file(&third).unwrap();
    refused(&third, "cannot read the file");
}

#[test]
fn unknown_places_are_explained() {
    let empty = TempDir::new().unwrap();
    let error = load(empty.path().to_str().unwrap()).unwrap_err();
    assert!(
        error.contains("no known data files in this folder; give `embedded`, `cifar10:FOLDER`"),
        "{error}"
    );
    assert!(load("/no/such/folder").unwrap_err().contains("no such folder"));
}

#[test]
fn sources_are_written_as_they_are_read() {
    for text in ["embedded", "cifar10:/a b/c", "idx:d"] {
        assert_eq!(text.parse::<Source>().unwrap().to_string(), text);
    }
}
