//! Where pictures lie, and what their sets are.

use std::fs;
use std::os::unix::fs::symlink;

use super::super::super::Limits;
use super::*;
use crate::data::{FolderCheck, ReadingObserver, ReadingStep, Unreadable};

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
    let error = read(folder.path(), &Reading { test_share: 0.0, ..small() }).unwrap_err();
    assert!(
        error.contains("there is no table val.csv of test images; move a share of train.csv's"),
        "{error}"
    );
    let error = read(folder.path(), &small()).unwrap_err();
    assert!(error.contains("no class has two pictures, of which one could be a test image"), "{error}");
    write("train.csv", "path,label\ntrain/apple/0.png,10\ntrain/apple/1.png,10\nval/night sky/0.png, 9\n");
    let data = read(folder.path(), &small()).unwrap();
    assert_eq!((&data.train.labels[..], &data.test.labels[..]), (&[0, 1][..], &[1][..]));
    assert_eq!(data.notes[0], "classes without test images: 9");
    assert!(data.notes[1].starts_with("there is no table val.csv; 1 of 3 pictures are test images: 20%"));
}

#[test]
fn where_no_test_images_are_a_share_of_each_class_is_drawn_by_name() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    fs::remove_dir_all(path("val")).unwrap();
    for (class, red) in [("apple", 200), ("night sky", 20)] {
        for number in 3..10_u8 {
            picture(&path(&format!("train/{class}/{number}.png")), (12, 12), [red, 10 * number, 90]);
        }
    }
    let with = |test_share: f64| Reading { test_share, ..small() };
    let error = read(folder.path(), &with(0.0)).unwrap_err();
    assert!(
        error.contains("there is no folder val with test images; move a share of train/CLASS"),
        "{error}"
    );
    assert!(error.contains("have a share drawn (data.test_share)"), "{error}");
    let data = read(folder.path(), &small()).unwrap();
    assert_eq!((data.name.as_str(), data.train.count), ("folder-8x8-16", 16));
    assert_eq!(data.test.labels[..], [0, 1, 0, 1]);
    assert_eq!(
        data.notes,
        [
            "there is no folder val; 4 of 20 pictures are test images: 20% of the pictures of each class, drawn by a hash of \
          their names (data.test_share)"
        ]
    );
    assert_eq!(data.drawn_test.unwrap().share, 0.2);

    // The same ones wherever the folder lies, and with a larger share the same and more.
    let bytes =
        |data: &Dataset| -> Vec<Vec<u8>> { data.test.pixels.chunks(192).map(<[u8]>::to_vec).collect() };
    let half = read(folder.path(), &with(0.5)).unwrap();
    assert_eq!((half.train.count, half.test.count), (10, 10));
    assert!(bytes(&data).iter().all(|image| bytes(&half).contains(image)));
    assert!(bytes(&data).iter().all(|image| data.train.pixels.chunks(192).all(|other| other != image)));
    assert_ne!((half.digest, half.name), (data.digest, data.name.clone()));
    let streamed = [0.2, 0.5].map(|share| stream(folder.path(), &with(share)).unwrap());
    assert_ne!(streamed[0].digest, streamed[1].digest);
    assert_eq!(streamed[0].drawn_test, data.drawn_test);
    let moved = TempDir::new().unwrap();
    fs::rename(path("train"), moved.path().join("train")).unwrap();
    let again = read(moved.path(), &small()).unwrap();
    assert_eq!((again.digest, again.name), (data.digest, data.name));
    // Of a single picture none is taken: it is trained on.
    picture(&moved.path().join("train/pear/0.png"), (9, 9), [7; 3]);
    let data = read(moved.path(), &small()).unwrap();
    assert_eq!((data.train.count, data.test.count), (17, 4));
    assert_eq!(data.notes[0], "classes without test images: pear");
}

/// Counts what is told of each step.
#[derive(Default)]
struct Counted(std::sync::Mutex<Vec<(ReadingStep, Option<u64>, u64)>>);

impl ReadingObserver for Counted {
    fn begun(&self, step: ReadingStep, pictures: Option<u64>) {
        self.0.lock().unwrap().push((step, pictures, 0));
    }

    fn picture(&self) {
        self.0.lock().unwrap().last_mut().unwrap().2 += 1;
    }
}

#[test]
fn whoever_reads_hears_of_every_picture_in_every_step() {
    let folder = folder();
    let index = TempDir::new().unwrap();
    let reading = Reading { index: Some(index.path().to_path_buf()), ..small() };
    for (source, step) in [
        (Source::Folder(folder.path().into()), ReadingStep::Decoding),
        (Source::Stream(folder.path().into()), ReadingStep::Hashing),
        // What is known of files from before counts as well.
        (Source::Stream(folder.path().into()), ReadingStep::Hashing),
    ] {
        let counted = Counted::default();
        source.load_observed(&reading, &counted).unwrap();
        let steps = [(ReadingStep::Listing, None, 10), (step, Some(10), 10)];
        assert_eq!(counted.0.into_inner().unwrap(), steps);
    }
}

#[test]
fn a_check_decodes_every_picture_and_names_what_is_odd() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("train/apple/text.jpg"), "text").unwrap();
    fs::write(path("val/apple/note.txt"), "text").unwrap();
    fs::copy(path("train/night sky/0.png"), path("val/night sky/same.png")).unwrap();
    let counted = Counted::default();
    let check = FolderCheck::new(folder.path(), &small(), &counted).unwrap();
    let steps = [(ReadingStep::Listing, None, 12), (ReadingStep::Decoding, Some(12), 12)];
    assert_eq!(counted.0.into_inner().unwrap(), steps);
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
