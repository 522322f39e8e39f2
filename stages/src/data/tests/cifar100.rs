//! CIFAR-100 in its binary version.

use std::fs;

use tempfile::TempDir;

use super::load;

const RECORD: usize = 2 + 3 * 1024;

/// The official layout with made-up images: image i has the coarse label i % 20, the fine one i % 100, and red pixels i % 251.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let inner = folder.path().join("cifar-100-binary");
    fs::create_dir(&inner).unwrap();
    for (name, count) in [("train.bin", 50_000), ("test.bin", 10_000)] {
        let mut bytes = vec![7; count * RECORD];
        for (image, record) in bytes.chunks_exact_mut(RECORD).enumerate() {
            record[..2].copy_from_slice(&[(image % 20) as u8, (image % 100) as u8]);
            record[2..1026].fill((image % 251) as u8);
        }
        fs::write(inner.join(name), bytes).unwrap();
    }
    let names: Vec<String> = (0..100).map(|class| format!("class_{class}")).collect();
    fs::write(inner.join("fine_label_names.txt"), names.join("\n")).unwrap();
    folder
}

#[test]
fn cifar100_has_its_fine_labels_and_damage_is_named() {
    let folder = folder();
    let inner = folder.path().join("cifar-100-binary");
    let data = load(folder.path().to_str().unwrap()).unwrap();
    assert_eq!((data.name.as_str(), data.channels, data.height, data.width), ("cifar100", 3, 32, 32));
    assert_eq!((data.train.count, data.test.count, data.classes.len()), (50_000, 10_000, 100));
    assert_eq!(data.classes[99], "class_99");
    assert_eq!((data.train.labels[123], data.test.labels[9_999]), (23, 99));
    assert_eq!((data.train.pixels[260 * 3072], data.train.pixels[260 * 3072 + 1024]), (9, 7));
    assert_eq!((data.mean[0], data.std[2]), (0.5071, 0.2761));
    assert_eq!(load(&format!("cifar100:{}", inner.display())).unwrap().digest, data.digest);

    let refused = |name: &str, bytes: &[u8], message: &str| {
        let path = inner.join(name);
        let good = fs::read(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        let error = load(&format!("cifar100:{}", folder.path().display())).unwrap_err();
        assert!(
            error.starts_with(path.to_str().unwrap()) && error.contains(message),
            "{error}\nshould say: {message}"
        );
        fs::write(&path, good).unwrap();
    };
    refused("fine_label_names.txt", b"apple\npear\n", "2 names of classes, expected 100");
    refused("test.bin", &[0; 100], "100 bytes, expected 30740000 (10,000 records)");
    let mut bytes = fs::read(inner.join("train.bin")).unwrap();
    bytes[RECORD * 42 + 1] = 100;
    refused("train.bin", &bytes, "record 42 has the label 100, expected 0 to 99");
}

#[test]
fn the_python_version_is_told_from_the_binary_one() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("cifar-100-python")).unwrap();
    let error = load(folder.path().to_str().unwrap()).unwrap_err();
    assert!(error.contains("that is CIFAR-100's Python version; unpack the binary version"), "{error}");
}
