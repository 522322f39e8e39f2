//! Reading good and damaged data files of every layout.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use super::*;
use crate::Error;

mod cifar100;

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

/// Writes a set of four training images and two test images of 2×3 pixels under these names: images and labels to
/// train on, then those of the test.
fn write_idx(folder: &Path, names: [&str; 4]) {
    let pixels: Vec<u8> = (0..24).collect();
    let files = [
        idx_file(&[4, 2, 3], &pixels),
        idx_file(&[4], &[0, 1, 2, 1]),
        idx_file(&[2, 2, 3], &pixels[..12]),
        idx_file(&[2], &[2, 0]),
    ];
    fs::create_dir_all(folder).unwrap();
    for (name, file) in names.iter().zip(files) {
        let file = if name.contains(".gz") { gzip(&file) } else { file };
        fs::write(folder.join(name), file).unwrap();
    }
}

/// Names of a set, some of them packed.
const NAMES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte",
];

/// A folder with such a set.
fn idx_folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    write_idx(folder.path(), NAMES);
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
    let balanced = |labels: &[u16], each: usize| {
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
fn labels_that_fit_a_byte_are_hashed_as_one() {
    let digest = |classes: usize, labels: &[u16]| {
        let images = Images::new(vec![7; labels.len()], labels.to_vec());
        super::digest([1, 1, 1], classes, None, &images, &images)
    };
    let mut first = cache::Hasher::new("nas-pipeline dataset 1");
    for number in [1u64, 1, 1, 256, 2, 2] {
        first.update(&number.to_le_bytes());
    }
    for _ in 0..2 {
        first.update(&[255, 3]).update(&[7, 7]);
    }
    assert_eq!(digest(256, &[255, 3]), first.finalize());
    let many = [[1, 2], [257, 2], [1, 258]].map(|labels| digest(1000, &labels));
    assert!(many[0] != many[1] && many[0] != many[2] && many[1] != many[2]);
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
        (
            "t10k-labels-idx1-ubyte",
            &idx_file(&[2], &[0, 9]),
            "a test label 9, but the training labels end at 2",
        ),
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
    assert!(error.contains("train-labels-idx1-ubyte: no such file; a set is four files"), "{error}");
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
        error.contains("no data files that are known; it is empty; give `embedded`, or a folder"),
        "{error}"
    );
    for text in
        ["/no/such/folder", "idx:/no/such/folder", "cifar10:/no/such/folder", "/no/such/folder/emnist"]
    {
        assert!(load(text).unwrap_err().contains("no such folder"), "{text}");
    }
    for (name, message) in [
        ("cifar-10-python.tar.gz", "there are cifar-10-python.tar.gz; that is CIFAR-10's Python version"),
        ("mnist.zip", "there are mnist.zip; unpack the archive"),
        ("x.png", "there are x.png; give `embedded`"),
    ] {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join(name), "").unwrap();
        let error = load(folder.path().to_str().unwrap()).unwrap_err();
        assert!(error.contains(message), "{error}\nshould say: {message}");
        let error = load(folder.path().join(name).to_str().unwrap()).unwrap_err();
        assert!(error.contains("is a file; give the folder that holds"), "{error}");
    }
    let many = TempDir::new().unwrap();
    for number in 0..20 {
        fs::create_dir(many.path().join(format!("class{number:02}"))).unwrap();
    }
    let error = load(many.path().to_str().unwrap()).unwrap_err();
    assert!(
        error.contains("there are class00/, class01/, ") && error.contains("class07/ and 12 more;"),
        "{error}"
    );
}

#[test]
fn sources_are_written_as_they_are_read() {
    for text in ["embedded", "cifar10:/a b/c", "idx:d"] {
        assert_eq!(text.parse::<Source>().unwrap().to_string(), text);
    }
}

#[test]
fn sets_have_the_names_of_their_relatives() {
    let usual = idx_folder();
    let expected = load(usual.path().to_str().unwrap()).unwrap();
    for names in [
        [
            "train-images.idx3-ubyte",
            "train-labels.idx1-ubyte",
            "t10k-images.idx3-ubyte",
            "t10k-labels.idx1-ubyte",
        ],
        ["train-images.idx.gz", "train-labels.idx", "test-images.idx", "test-labels.idx.gz"],
        [
            "emnist-letters-train-images-idx3-ubyte.gz",
            "emnist-letters-train-labels-idx1-ubyte.gz",
            "emnist-letters-test-images-idx3-ubyte.gz",
            "emnist-letters-test-labels-idx1-ubyte.gz",
        ],
    ] {
        let folder = TempDir::new().unwrap();
        write_idx(folder.path(), names);
        let data = load(folder.path().to_str().unwrap()).unwrap();
        assert_eq!((data.digest, data.name), (expected.digest, expected.name.clone()), "{names:?}");
        fs::remove_file(folder.path().join(names[3])).unwrap();
        let error = load(folder.path().to_str().unwrap()).unwrap_err();
        assert!(error.contains("t10k-labels-idx1-ubyte: no such file"), "{error}");
    }
    // One file plain and packed is one file; two spellings are two.
    let folder = idx_folder();
    fs::write(folder.path().join("train-images-idx3-ubyte.gz"), "not looked at").unwrap();
    assert_eq!(load(folder.path().to_str().unwrap()).unwrap().digest, expected.digest);
    fs::write(folder.path().join("train-images.idx3-ubyte"), "").unwrap();
    let error = load(folder.path().to_str().unwrap()).unwrap_err();
    let message = "train-images-idx3-ubyte and train-images.idx3-ubyte may each be meant; leave one of them";
    assert!(error.contains(message), "{error}");
}

#[test]
fn a_set_is_found_where_other_libraries_leave_it_and_never_guessed() {
    let root = TempDir::new().unwrap();
    let path = |inner: &str| root.path().join(inner).to_str().unwrap().to_owned();
    write_idx(root.path().join("FashionMNIST/raw").as_path(), NAMES);
    let expected = load(&path("FashionMNIST/raw")).unwrap().digest;
    for text in
        [path("FashionMNIST"), path(""), format!("idx:{}", path("")), format!("idx:{}", path("FashionMNIST"))]
    {
        assert_eq!(load(&text).unwrap().digest, expected, "{text}");
        let found = text.parse::<Source>().unwrap().found().unwrap();
        assert_eq!(found, Source::Idx(path("FashionMNIST/raw").into()), "{text}");
    }
    assert!(load(&format!("cifar10:{}", path(""))).unwrap_err().contains("there are FashionMNIST/"));
    write_idx(root.path().join("MNIST/raw").as_path(), NAMES);
    let error = load(&path("")).unwrap_err();
    let message = format!(
        "holds 2 sets: idx:{}, idx:{}; give one of them",
        path("FashionMNIST/raw"),
        path("MNIST/raw")
    );
    assert!(error.contains(&message), "{error}\nshould say: {message}");
    // What lies nearer is meant.
    write_idx(root.path().join("mine").as_path(), NAMES);
    assert_eq!(path("").parse::<Source>().unwrap(), Source::Idx(path("mine").into()));

    // EMNIST comes as six sets in one folder.
    let names = |set: &str| {
        [("train", "images-idx3"), ("train", "labels-idx1"), ("test", "images-idx3"), ("test", "labels-idx1")]
            .map(|(part, kind)| format!("emnist-{set}-{part}-{kind}-ubyte"))
    };
    for set in ["digits", "letters"] {
        write_idx(root.path().join("EMNIST/gzip").as_path(), names(set).each_ref().map(String::as_str));
    }
    let error = load(&path("EMNIST")).unwrap_err();
    assert!(error.contains(&format!("holds 2 sets: idx:{}, ", path("EMNIST/gzip/emnist-digits"))), "{error}");
    for text in [path("EMNIST/gzip/emnist-letters"), format!("idx:{}", path("EMNIST/gzip/emnist-letters"))] {
        assert_eq!(load(&text).unwrap().digest, expected);
    }
    assert!(load(&path("EMNIST/gzip/emnist-bymerge")).unwrap_err().contains("no such folder"));
    write_idx(root.path().join("EMNIST/gzip").as_path(), NAMES);
    assert_eq!(load(&path("EMNIST/gzip")).unwrap().digest, expected, "MNIST's names are the folder's own");
}

#[test]
fn a_digest_covers_the_normalisation() {
    let raw = |shape: [usize; 3], normalisation| {
        let image_bytes = shape.iter().product::<usize>();
        let images = |count: usize| {
            let pixels = (0..count * image_bytes).map(|place| (place * 7 % 251) as u8).collect();
            Images::new(pixels, (0..count).map(|image| (image % 3) as u16).collect())
        };
        let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
        Raw { name: "x".into(), shape, classes, normalisation, train: images(6), test: images(3) }
    };
    let set = |shape, normalisation| Dataset::new(raw(shape, normalisation), Limits::default());
    for (shape, digest) in [
        // As the first version of the digest gave them.
        ([1, 4, 5], "a61beeb43ce10a38d3eb20463b607838ca784a297d73afa4e7bbb4b8d9ba82af"),
        ([3, 4, 5], "7df2201eba6d851e5e2532b963d865168cc0c6c893fbafe4e0a613de83a5f106"),
    ] {
        let channels = shape[0];
        let first = if channels == 3 { Some(cifar::NORMALISATION) } else { None };
        let usual = set(shape, first);
        assert_eq!(usual.digest.to_string(), digest);
        let array = |values: &[f32]| std::array::from_fn(|channel| values[channel.min(channels - 1)]);
        let (mean, std): ([f32; 3], [f32; 3]) = (array(&usual.mean), array(&usual.std));
        let mut digests = vec![usual.digest];
        let mut another = mean;
        another[0] = f32::from_bits(mean[0].to_bits() + 1);
        for normalisation in [
            (another, std),
            (mean, another),
            ([0.5; 3], [0.25; 3]),
            ([0.0; 3], [1.0; 3]),
            ([-0.0; 3], [1.0; 3]),
        ] {
            let other = set(shape, Some(normalisation));
            assert!(!digests.contains(&other.digest), "{normalisation:?}");
            digests.push(other.digest);
        }
    }
    let computed = set([3, 4, 5], None);
    assert_ne!(computed.digest, set([3, 4, 5], Some(cifar::NORMALISATION)).digest);
    assert_eq!(computed.digest, set([3, 4, 5], None).digest);
}
