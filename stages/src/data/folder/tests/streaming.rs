//! Sets whose pictures stay in their files.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use super::*;
use crate::data::{Loader, Seen, Wanted};

/// Sets all times of change into the past, as those of a set are that was not just written.
fn age(folder: &Path) {
    let past = SystemTime::now() - Duration::from_secs(1000);
    for entry in walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap) {
        if entry.file_type().is_file() {
            File::options().write(true).open(entry.path()).unwrap().set_modified(past).unwrap();
        }
    }
}

#[test]
fn a_digest_covers_all_that_a_training_reads_and_not_where_it_lies() {
    let folder = folder();
    let data = stream(folder.path(), &small()).unwrap();
    assert_eq!((data.name.as_str(), data.train.count, data.test.count), ("stream-6", 6, 4));
    assert!(data.streamed.is_some() && data.train.pixels.is_empty());
    assert_eq!(data.train.labels[..], [0, 1, 0, 1, 0, 1]);
    let mut digests = BTreeSet::from([data.digest]);
    let path = |name: &str| folder.path().join(name);
    let mut is_new =
        |what: &str| assert!(digests.insert(stream(folder.path(), &small()).unwrap().digest), "{what}");
    picture(&path("train/apple/0.png"), (20, 12), [200, 0, 91]);
    is_new("pixels");
    fs::rename(path("train/apple/0.png"), path("train/apple/00.png")).unwrap();
    is_new("a name");
    fs::rename(path("val/apple/0.png"), path("val/night sky/00.png")).unwrap();
    is_new("a label");
    fs::remove_file(path("val/night sky/0.png")).unwrap();
    is_new("one less");
    fs::rename(path("train/apple"), path("train/apples")).unwrap();
    fs::rename(path("val/apple"), path("val/apples")).unwrap();
    is_new("a class");
    let moved = TempDir::new().unwrap();
    fs::rename(folder.path(), moved.path().join("x")).unwrap();
    assert!(digests.contains(&stream(moved.path(), &small()).unwrap().digest));
}

#[test]
fn what_files_hold_is_remembered_until_they_change() {
    let (folder, index) = (folder(), TempDir::new().unwrap());
    let reading = Reading { index: Some(index.path().join("images")), ..small() };
    age(folder.path());
    let digest = stream(folder.path(), &reading).unwrap().digest;
    assert_eq!(digest, stream(folder.path(), &small()).unwrap().digest);
    // Another file of the same size and time is taken for the one that was read, so it is not read again.
    let path = folder.path().join("train/apple/0.png");
    let (bytes, time) = (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified().unwrap());
    let mut other = bytes.clone();
    let last = other.len() - 1;
    other[last] ^= 1;
    fs::write(&path, &other).unwrap();
    let set_time = |time| File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    set_time(time);
    assert_eq!(stream(folder.path(), &reading).unwrap().digest, digest);
    set_time(time + Duration::from_micros(1));
    let changed = stream(folder.path(), &reading).unwrap().digest;
    assert_ne!(changed, digest);
    // What is not settled is not remembered: here a change to come, which stays one however long this test takes.
    let to_come = SystemTime::now() + Duration::from_secs(24 * 60 * 60);
    set_time(to_come);
    assert_eq!(stream(folder.path(), &reading).unwrap().digest, changed);
    fs::write(&path, &bytes).unwrap();
    set_time(to_come);
    assert_eq!(stream(folder.path(), &reading).unwrap().digest, digest);
    // A damaged index is as good as none.
    let name = fs::read_dir(index.path().join("images")).unwrap().next().unwrap().unwrap().path();
    let mut damaged = fs::read(&name).unwrap();
    damaged[40] ^= 1;
    fs::write(&name, damaged).unwrap();
    assert_eq!(stream(folder.path(), &reading).unwrap().digest, digest);
}

/// Pixels and labels of all windows of two epochs and an evaluation.
fn windows(data: &Dataset, threads: usize) -> Vec<(Vec<u8>, Vec<u16>, usize)> {
    let seen = [
        Seen::Augmented { seed: 3, epoch: 0 },
        Seen::Augmented { seed: 3, epoch: 1 },
        Seen::Train,
        Seen::Test,
    ];
    let wanted = seen.into_iter().map(|seen| {
        let images = if seen == Seen::Test { vec![0, 3] } else { vec![5, 0, 3, 2, 1] };
        Wanted { images, seen }
    });
    let mut loader = Loader::new(data, (16, 2), threads, wanted).unwrap();
    let mut all = Vec::new();
    for _ in 0..10 {
        let window = loader.next().unwrap();
        let used = window.count * 3 * 256;
        all.push((window.pixels[..used].to_vec(), window.labels[..window.count].to_vec(), window.count));
        loader.give_back(window.pixels);
    }
    assert!(loader.next().is_err());
    all
}

#[test]
fn windows_are_the_same_whatever_the_number_of_threads() {
    let folder = folder();
    let data = stream(folder.path(), &small()).unwrap();
    let one = windows(&data, 1);
    let counts: Vec<usize> = one.iter().map(|window| window.2).collect();
    assert_eq!(counts, [2, 2, 1, 2, 2, 1, 2, 2, 1, 2]);
    assert_eq!((one[0].1.as_slice(), one[9].1.as_slice()), (&[1, 0][..], &[0, 1][..]));
    for threads in [2, 3, 8] {
        assert!(windows(&data, threads) == one, "{threads} threads");
    }
    // Epochs see images differently.
    assert_ne!(one[0].0, one[3].0);
}

#[test]
fn a_file_that_changes_or_goes_while_it_is_streamed_is_named() {
    let folder = folder();
    let data = stream(folder.path(), &small()).unwrap();
    let error = || {
        let wanted = std::iter::once(Wanted { images: vec![0, 1, 2, 3, 4, 5], seen: Seen::Train });
        let mut loader = Loader::new(&data, (8, 6), 3, wanted).unwrap();
        loader.next().err().unwrap().to_string()
    };
    let path = |name: &str| folder.path().join("train").join(name);
    picture(&path("night sky/1.png"), (9, 9), [1; 3]);
    fs::remove_file(path("night sky/2.png")).unwrap();
    for _ in 0..20 {
        // The first by place, whichever thread was first.
        let error = error();
        assert!(error.contains("night sky/1.png: has changed since the training began"), "{error}");
    }
    fs::remove_file(path("night sky/1.png")).unwrap();
    assert!(error().contains("night sky/1.png: cannot be read"));
    // A loader that nobody asks ends.
    let wanted = (0..1000).map(|_| Wanted { images: vec![0; 6], seen: Seen::Train });
    drop(Loader::new(&data, (8, 6), 2, wanted).unwrap());
}
