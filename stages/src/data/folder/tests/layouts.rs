//! Where pictures lie, and what their sets are.

use std::fs;
use std::os::unix::fs::symlink;

use super::super::super::Limits;
use super::*;
use crate::data::{FolderCheck, Unreadable};

#[test]
fn classes_are_folders_in_any_depth_and_every_first_part_holds_all_alike() {
    let folder = folder();
    let train = folder.path().join("train");
    fs::rename(train.join("apple/1.png"), train.join("apple/1.PNG")).unwrap();
    fs::create_dir(train.join("apple/more")).unwrap();
    fs::rename(train.join("apple/2.png"), train.join("apple/more/2.png")).unwrap();
    let data = read(folder.path(), &small()).unwrap();
    assert_eq!((data.name.as_str(), data.channels, data.height, data.width), ("folder-8x8-6", 3, 8, 8));
    assert_eq!(data.classes, ["apple", "night sky"]);
    assert_eq!((&data.train.labels[..], &data.test.labels[..]), (&[0, 1, 0, 1, 0, 1][..], &[0, 1, 0, 1][..]));
    assert_eq!((data.mean[0], data.std[2]), (0.485, 0.225));
    // Red at the bottom of the first two images of each class, and green of the third of them.
    let bottom = |image: usize, channel: usize| data.train.pixels[image * 192 + channel * 64 + 63];
    assert_eq!([bottom(0, 0), bottom(1, 0), bottom(4, 1), bottom(5, 2)], [200, 20, 20, 90]);
    assert!(data.notes.is_empty() && data.streamed.is_none(), "{:?}", data.notes);
    // Found from above, and told by its layout.
    let text = folder.path().parent().unwrap().join(folder.path().file_name().unwrap());
    assert_eq!(text.to_str().unwrap().parse::<Source>().unwrap(), Source::Folder(text));

    let first = Reading { limits: Limits { train: Some(2), test: None }, ..small() };
    let part = read(folder.path(), &first).unwrap();
    assert_eq!((part.name.as_str(), &part.train.labels[..]), ("folder-8x8-first-2-4", &[0, 1][..]));
    assert_eq!(part.train.pixels[..], data.train.pixels[..384]);
    assert_ne!(part.digest, data.digest);
}

#[test]
fn links_are_followed_and_circles_end() {
    let folder = folder();
    let apple = folder.path().join("train/apple");
    let before = read(folder.path(), &small()).unwrap();
    symlink(".", apple.join("circle")).unwrap();
    symlink(&apple, apple.join("itself")).unwrap();
    assert_eq!(read(folder.path(), &small()).unwrap().digest, before.digest);
    let elsewhere = TempDir::new().unwrap();
    picture(&elsewhere.path().join("x.png"), (9, 9), [1, 2, 3]);
    symlink(elsewhere.path(), apple.join("linked")).unwrap();
    assert_eq!(read(folder.path(), &small()).unwrap().train.count, 7);
    symlink("/no/such/file.png", apple.join("nowhere.png")).unwrap();
    let error = read(folder.path(), &small()).unwrap_err();
    assert!(error.contains("nowhere.png: cannot be read"), "{error}");
}

#[test]
fn what_else_lies_there_is_left_out_and_said() {
    let folder = folder();
    let path = |name: &str| folder.path().join("train").join(name);
    for name in ["apple/readme.txt", "apple/.hidden.png", "notes.md"] {
        fs::write(path(name), "no picture").unwrap();
    }
    picture(&path("stray.png"), (5, 5), [0; 3]);
    let data = read(folder.path(), &small()).unwrap();
    assert_eq!(data.train.count, 6);
    let notes = data.notes.join("\n");
    assert!(notes.contains("not called like pictures are left out: train/apple/readme.txt"), "{notes}");
    assert!(notes.contains("outside of the folders of classes are left out: train/stray.png"), "{notes}");
    assert!(!notes.contains("hidden"), "{notes}");
}

#[test]
fn folders_without_what_a_set_needs_say_what_to_do() {
    let without = |change: &dyn Fn(&Path), message: &str| {
        let folder = folder();
        change(folder.path());
        let error = read(folder.path(), &small()).unwrap_err();
        assert!(error.contains(message), "{error}\nshould say: {message}");
        assert_eq!(stream(folder.path(), &small()).unwrap_err(), error);
    };
    without(
        &|path| fs::remove_dir_all(path.join("val")).unwrap(),
        "there is no folder val with test images; move a share of train/CLASS of each class to val/CLASS",
    );
    without(
        &|path| fs::create_dir(path.join("train/empty")).unwrap(),
        "train/empty: holds no picture; put pictures of the class there, or remove the folder",
    );
    without(
        &|path| picture(&path.join("val/new\u{1b}[31m/0.png"), (3, 3), [1; 3]),
        "holds classes that no training image has: new\\u{1b}[31m; name the folders of both parts alike",
    );
    let folder = folder();
    fs::remove_dir_all(folder.path().join("val/apple")).unwrap();
    let data = read(folder.path(), &small()).unwrap();
    assert_eq!(data.notes, ["classes without test images: apple"]);
}

#[test]
fn what_cannot_be_decoded_is_refused_or_skipped_by_choice() {
    let folder = folder();
    let path = |name: &str| folder.path().join("train").join(name);
    let cut = fs::read(path("apple/0.png")).unwrap();
    fs::write(path("apple/bad.png"), &cut[..cut.len() / 2]).unwrap();
    fs::write(path("night sky/text.jpg"), "text").unwrap();
    let error = read(folder.path(), &small()).unwrap_err();
    assert!(
        error.contains("2 pictures cannot be used: train/apple/bad.png (it cannot be decoded"),
        "{error}"
    );
    assert!(error.contains("train/night sky/text.jpg (it is no JPEG"), "{error}");
    assert!(error.contains("data.unreadable = \"skip\""), "{error}");
    let skip = Reading { unreadable: Unreadable::Skip, ..small() };
    for data in [read(folder.path(), &skip).unwrap(), stream(folder.path(), &skip).unwrap()] {
        assert_eq!((data.train.count, &data.train.labels[..]), (6, &[0, 1, 0, 1, 0, 1][..]));
        assert!(
            data.notes[0].starts_with("skipped: 2 pictures cannot be used: train/apple/bad.png"),
            "{:?}",
            data.notes
        );
    }
    // As if they had never been there.
    let skipped = read(folder.path(), &skip).unwrap();
    fs::remove_file(path("apple/bad.png")).unwrap();
    fs::remove_file(path("night sky/text.jpg")).unwrap();
    assert_eq!(read(folder.path(), &small()).unwrap().digest, skipped.digest);
    for number in 0..3 {
        fs::write(path(&format!("apple/{number}.png")), "text").unwrap();
    }
    let error = read(folder.path(), &skip).unwrap_err();
    assert!(
        error.contains("of the class apple no training image is left; 3 pictures cannot be used"),
        "{error}"
    );
}

#[test]
fn more_than_memory_may_hold_is_to_be_streamed() {
    let folder = folder();
    let reading = Reading { resolution: 500, memory_mib: 7, ..small() };
    let error = read(folder.path(), &reading).unwrap_err();
    let message = "its pictures take 8 MiB at 500 × 500 pixels, more than 7; stream them (`stream:DIR`";
    assert!(error.contains(message), "{error}");
    assert!(read(folder.path(), &Reading { memory_mib: 8, ..reading }).is_ok());
}

#[test]
fn lists_name_pictures_and_classes() {
    let folder = folder();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("train.csv", "\u{feff}Path, label\ntrain/apple/0.png,10\n\"train/night sky/0.png\", 9\n");
    write("val.csv", "label,path\n9,val/night sky/1.png\n");
    let data = read(folder.path(), &small()).unwrap();
    assert_eq!(data.classes, ["9", "10"]);
    assert_eq!((&data.train.labels[..], &data.test.labels[..]), (&[0, 1][..], &[0][..]));
    assert_eq!(data.train.pixels[63], 20);
    for (name, text, message) in [
        (
            "val.csv",
            "path,label\nval/apple/0.png,11\n",
            "the class 11 of val/apple/0.png has no training image",
        ),
        ("val.csv", "path,label\ntrain/apple/0.png,10\n", "train/apple/0.png is listed twice"),
        ("val.csv", "path,label\nval/apple/7.png,10\n", "val/apple/7.png is no file"),
        ("val.csv", "path,class\nval/apple/0.png,10\n", "has no column label"),
        ("val.csv", "path,label\nval/apple/0.png,\n", "line 2 has no path or no label"),
        ("val.csv", "path,label\n", "has no rows"),
    ] {
        write(name, text);
        let error = read(folder.path(), &small()).unwrap_err();
        assert!(error.contains(message), "{error}\nshould say: {message}");
    }
    fs::remove_file(folder.path().join("val.csv")).unwrap();
    let error = read(folder.path(), &small()).unwrap_err();
    assert!(error.contains("there is no table val.csv of test images"), "{error}");
}

#[test]
fn a_check_decodes_every_picture_and_names_what_is_odd() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("train/apple/text.jpg"), "text").unwrap();
    fs::write(path("val/apple/note.txt"), "text").unwrap();
    fs::copy(path("train/night sky/0.png"), path("val/night sky/same.png")).unwrap();
    let told = std::sync::atomic::AtomicU64::new(0);
    let tell = |count: u64| {
        assert_eq!(count, 12);
        told.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    };
    let check = FolderCheck::new(folder.path(), &tell).unwrap();
    assert_eq!(told.into_inner(), 12);
    assert_eq!(check.classes, [("apple".to_owned(), 3, 2), ("night sky".to_owned(), 3, 3)]);
    assert_eq!(check.unreadable.len(), 1);
    assert_eq!(check.unreadable[0].0, "train/apple/text.jpg");
    // The first images of both parts are alike too.
    let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
    assert!(check.duplicates.contains(&pair("val/night sky/same.png", "train/night sky/0.png")), "{check:?}");
    assert_eq!(check.duplicates.len(), 5);
    assert_eq!(check.shorter_sides, Some((12, 12)));
    assert!(check.notes[0].contains("val/apple/note.txt"), "{:?}", check.notes);
}
