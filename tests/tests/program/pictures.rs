//! Folders of pictures: read into memory and streamed, checked, and published sets downloaded.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use stages::data::{Dataset, Images, Limits, Source};

use crate::inputs::{BUDGET, plain, train};
use crate::nonsense::{idx, refused};
use crate::sandbox::Sandbox;
use crate::terminal::shown;

/// Writes some of the program's own images as pictures, eight training and two test images of each class.
fn write_pictures(sandbox: &Sandbox, folder: &str) {
    let Dataset { train, test, classes, .. } = Source::Embedded.load(Limits::default()).unwrap();
    let part = |part: &str, images: &Images, each: usize| {
        for (image, pixels) in images.pixels.chunks_exact(784).take(each * classes.len()).enumerate() {
            // A name of a folder cannot hold the slash of `T-shirt/top`.
            let class = classes[usize::from(images.labels[image])].replace('/', " or ");
            let path = format!("{folder}/{part}/{class}/{image:03}.PGM");
            sandbox.write(&path, [b"P5 28 28 255\n", pixels].concat());
        }
    };
    part("train", &train, 8);
    part("val", &test, 2);
}

#[test]
fn pictures_are_trained_on_in_memory_and_streamed() {
    let sandbox = Sandbox::new();
    write_pictures(&sandbox, "pictures");
    let genotype = plain();
    let streamed = train(&genotype, &["--data", "stream:pictures"]);
    let first = sandbox.program(&streamed).succeeded().json();
    assert_eq!((&first["cached"], &first["data"]["name"]), (&false.into(), &"stream-80".into()));
    assert_eq!(first["data"]["train_images"], 80);
    assert!(first["waited_seconds"].as_f64().unwrap() >= 0.0, "{first}");
    // It is remembered, wherever the pictures lie.
    fs::rename(sandbox.path("pictures"), sandbox.path("moved")).unwrap();
    let again = sandbox.program(&train(&genotype, &["--data", "stream:moved"])).succeeded().json();
    assert_eq!((&again["cached"], &again["key"]), (&true.into(), &first["key"]));
    assert!(again["waited_seconds"].is_null(), "{again}");
    let explained = sandbox.program(&["explain", again["key"].as_str().unwrap()]).succeeded().stdout;
    assert!(explained.contains("augmentation_version  1\n"), "{explained}");
    assert!(explained.contains("--data stream:DIR") && !explained.contains("train.augm"), "{explained}");

    // Its weights are worth on streamed pictures what the training said.
    let save = ["--data", "stream:moved", "--save", "w.safetensors"];
    let saved = sandbox.program(&train(&genotype, &save)).succeeded().json();
    let evaluate = ["evaluate", "--weights", "w.safetensors", "--genotype", &genotype, "--budget", BUDGET];
    let evaluate = [&evaluate[..], &["--data", "stream:moved", "--device", "cpu", "--json"]].concat();
    let evaluated = sandbox.program(&evaluate).succeeded().json();
    assert_eq!((&evaluated["test"]["accuracy"], &saved["key"]), (&saved["accuracy"], &first["key"]));
    assert_eq!(evaluated["test"]["images"], saved["data"]["test_images"]);

    let memory = sandbox.program(&train(&genotype, &["--data", "moved"])).succeeded().json();
    assert_eq!((&memory["cached"], &memory["data"]["name"]), (&false.into(), &"folder-64x64-80".into()));
    assert!(memory["waited_seconds"].is_null() && memory["key"] != first["key"], "{memory}");
    let settings = ["--set=data.set=folder", "--set=data.path=moved", "--set=data.resolution=16"];
    let smaller = sandbox.program(&train(&genotype, &settings)).succeeded().json();
    assert_eq!(smaller["data"]["name"], "folder-16x16-80");
}

#[test]
fn a_run_trains_on_streamed_pictures_and_one_that_needs_a_supernet_is_refused_at_the_start() {
    let sandbox = Sandbox::new();
    write_pictures(&sandbox, "pictures");
    let set =
        ["--set=data.set=stream", "--set=data.path=pictures", "--set=search.strategy=darts", "--target"];
    let supernet = "trains a supernet, which needs its images in memory";
    let strategies = "--set=compare.strategies=[\"random\", \"gdas\"]";
    for (target, parts) in [
        (&["nas-search"][..], ["data.set: search ", "another search.strategy"]),
        (&["one-shot-analysis"], ["one-shot-analysis ", "another --target"]),
        (&["budget-quality"], ["budget-quality ", "another --target"]),
        (&["compare-searches", strategies], ["search@gdas.1 ", "other compare.strategies"]),
    ] {
        let parts = [&parts[..], &[supernet, "data.set = \"folder\", with data.resolution"]].concat();
        refused(&sandbox, &Sandbox::run_arguments(&[&set[..], target].concat()), &parts);
    }
    let untrained = "scores untrained networks, which needs its images in memory";
    let combine = ["--set=search.strategy=random", "--set=search.combine=[\"nwot\"]"];
    for (target, other) in
        [("nas-search", "a search.combine without baselines"), ("baselines", "another --target")]
    {
        let arguments = [&set[..], &[target], &combine].concat();
        refused(&sandbox, &Sandbox::run_arguments(&arguments), &["score-baselines ", untrained, other]);
    }
    assert!(sandbox.trainings().is_empty());
    // What needs no supernet runs, whatever else the settings say.
    let first = sandbox.run(&[&set[..], &["evaluate@full"]].concat());
    assert!(first.run > 0);
    let again = sandbox.run(&[&set[..], &["evaluate@full"]].concat());
    assert_eq!((again.run, again.result), (0, first.result));
}

#[test]
fn pictures_that_cannot_be_decoded_are_named_refused_or_skipped() {
    let sandbox = Sandbox::new();
    write_pictures(&sandbox, "pictures");
    sandbox.write("pictures/train/Bag/broken.jpg", "no picture");
    let genotype = plain();
    for data in ["pictures", "stream:pictures"] {
        let parts = ["1 picture cannot be used: train/Bag/broken.jpg (it is no JPEG", "data.unreadable"];
        refused(&sandbox, &train(&genotype, &["--data", data]), &parts);
    }
    let skip = train(&genotype, &["--data", "stream:pictures", "--set", "data.unreadable=skip"]);
    let skipped = sandbox.program(&skip).succeeded();
    assert!(skipped.stderr.contains("skipped: 1 picture cannot be used"), "{}", skipped.stderr);

    let checked = sandbox.program(&["data", "check", "pictures", "--json"]);
    assert_eq!(checked.code, Some(1), "{}", checked.stderr);
    let json = checked.json();
    assert_eq!(json["unreadable"][0]["name"], "train/Bag/broken.jpg");
    assert_eq!((json["classes"].as_array().unwrap().len(), &json["classes"][0]["train"]), (10, &8.into()));
    fs::remove_file(sandbox.path("pictures/train/Bag/broken.jpg")).unwrap();
    let checked = sandbox.program(&["data", "check", "pictures"]).succeeded().stdout;
    assert!(checked.contains("every image can be read"), "{checked}");
}

#[test]
fn a_folder_without_test_images_has_a_share_of_each_class_drawn_which_is_said_and_chosen() {
    let sandbox = Sandbox::new();
    write_pictures(&sandbox, "pictures");
    fs::remove_dir_all(sandbox.path("pictures/val")).unwrap();
    let drawn = "20% of the pictures of each class, drawn by a hash of their names";
    let data = sandbox.program(&["data", "stream:pictures"]).succeeded();
    assert!(data.stdout.contains("60 training and 20 test images"), "{}", data.stdout);
    assert!(data.stdout.contains(&format!("test   {drawn}\n")), "{}", data.stdout);
    assert!(data.stderr.contains("there is no folder val; 20 of 80 pictures are test"), "{}", data.stderr);
    let json = sandbox.program(&["data", "pictures", "--json"]).succeeded().json();
    assert_eq!((&json["test_share"], &json["classes"][9]["test"]), (&0.2.into(), &2.into()));
    let checked = sandbox.program(&["data", "check", "pictures"]).succeeded().stdout;
    assert!(checked.contains(drawn), "{checked}");

    // It is part of what a training depends on, and said with its result.
    let genotype = plain();
    let key = |share: &str| {
        let set = format!("data.test_share={share}");
        let trained = sandbox.program(&train(&genotype, &["--data", "stream:pictures", "--set", &set]));
        let json = trained.succeeded().json();
        assert_eq!(json["data"]["test_share"].to_string(), share);
        (json["key"].as_str().unwrap().to_owned(), json["data"]["test_images"].as_u64().unwrap())
    };
    let (fifth, half) = (key("0.2"), key("0.5"));
    assert!(fifth.0 != half.0 && fifth.1 == 20 && half.1 == 40, "{fifth:?} {half:?}");
    assert_eq!(key("0.2"), fifth);
    let text: Vec<&str> = train(&genotype, &["--data", "stream:pictures", "--set=data.test_share=0.2"]);
    let text: Vec<&str> = text.into_iter().filter(|argument| *argument != "--json").collect();
    let text = sandbox.program(&text).succeeded().stdout;
    assert!(text.contains("20 test images (20% of each class)"), "{text}");
    let refusing = train(&genotype, &["--data", "pictures", "--set", "data.test_share=0"]);
    refused(&sandbox, &refusing, &["no folder val with test images", "move a share", "data.test_share"]);
    for share in ["1.0", "-0.1"] {
        let set = format!("data.test_share={share}");
        let arguments = train(&genotype, &["--data", "pictures", "--set", &set]);
        refused(&sandbox, &arguments, &["data.test_share", "from 0 up to but not 1"]);
    }
}

#[test]
fn a_terminal_shows_how_far_reading_has_come() {
    let sandbox = Sandbox::new();
    write_pictures(&sandbox, "pictures");
    for (arguments, steps) in [
        (&["data", "stream:pictures"][..], ["listing pictures ", "hashing pictures "]),
        (&["data", "pictures"], ["listing pictures ", "decoding pictures "]),
        (&["data", "check", "pictures"], ["listing pictures ", "decoding pictures "]),
    ] {
        let screen = shown(&sandbox, arguments);
        assert!(steps.iter().all(|step| screen.contains(step)) && screen.contains("/100, "), "{screen:?}");
        // Elsewhere nothing is said of what takes a moment.
        assert_eq!(sandbox.program(arguments).succeeded().stderr, "");
    }
}

#[test]
fn files_of_published_sets_are_told_from_others() {
    let sandbox = Sandbox::new();
    for (part, count) in [("train", 40), ("t10k", 20)] {
        sandbox.write(&format!("set/{part}-images-idx3-ubyte.gz"), idx(&[count, 8, 8], count as usize * 64));
        sandbox.write(&format!("set/{part}-labels-idx1-ubyte.gz"), idx(&[count], count as usize));
    }
    let checked = sandbox.program(&["data", "check", "set"]);
    assert_eq!(checked.code, Some(1), "{}", checked.stderr);
    assert_eq!(checked.stdout.matches("is NOT the published one").count(), 4, "{}", checked.stdout);
    assert!(
        checked.stderr.contains("4 of its files or pictures are not what they should be"),
        "{}",
        checked.stderr
    );
}

#[test]
fn a_set_that_cannot_be_had_or_is_another_one_is_said_with_what_to_do() {
    let sandbox = Sandbox::new();
    refused(&sandbox, &["data", "fetch", "cifar"], &["there are cifar10, cifar100, fashion-mnist, mnist"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let from = format!("http://{}/sets/", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let read = stream.read(&mut request).unwrap();
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nother";
        stream.write_all(answer).unwrap();
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    let fetch = ["data", "fetch", "fashion-mnist", "--to", "sets", "--from", &from];
    let ran = sandbox.program(&fetch);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("is another file: SHA-256 "), "{}", ran.stderr);
    assert!(server.join().unwrap().starts_with("GET /sets/train-images-idx3-ubyte.gz HTTP/1.1"));
    assert_eq!(fs::read_dir(sandbox.path("sets")).unwrap().count(), 0);
    // Nobody listens there any more.
    let ran = sandbox.program(&fetch);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("get the file elsewhere, put it at sets/train-images"), "{}", ran.stderr);
}
