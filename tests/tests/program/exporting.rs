//! What leaves the program: weights that are evaluated again give what their training said, and exported files are the network
//! that was trained, whole, and nothing else.

use std::collections::BTreeMap;
use std::fs;

use stages::data::{Limits, Source};

use crate::inputs::{BUDGET, plain, train};
use crate::nonsense::refused;
use crate::onnx::{self, Array};
use crate::sandbox::{Ran, Sandbox};
use crate::weights::{as_they_are, rewrite};

const FILES: [&str; 9] = [
    "cells.svg",
    "genotype-flat.txt",
    "genotype-integers.txt",
    "genotype-nas-bench-301.json",
    "genotype.json",
    "genotype.txt",
    "network.onnx",
    "network.py",
    "weights.safetensors",
];

/// A sandbox with the weights of a training of one epoch, and what that said.
fn trained(text: &str) -> (Sandbox, serde_json::Value) {
    let sandbox = Sandbox::new();
    let said = sandbox.program(&train(text, &["--save", "w.safetensors"])).succeeded().json();
    (sandbox, said)
}

fn evaluate<'a>(text: &'a str, weights: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let command =
        ["evaluate", "--weights", weights, "--genotype", text, "--budget", BUDGET, "--device", "cpu"];
    [&command, more].concat()
}

fn export<'a>(text: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["export", "--genotype", text, "--budget", BUDGET], more].concat()
}

/// The files of a folder.
fn files(sandbox: &Sandbox, folder: &str) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(sandbox.path(folder)).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

#[test]
fn weights_that_are_evaluated_give_what_their_training_said() {
    let text = plain();
    let (sandbox, said) = trained(&text);
    let evaluated =
        |arguments: &[&str]| sandbox.program(&evaluate(&text, "w.safetensors", arguments)).succeeded();
    let found = evaluated(&["--json"]);
    assert_eq!(found.stderr, "");
    let found = found.json();
    assert_eq!(found["test"]["accuracy"], said["accuracy"]);
    // Of one epoch, the best is the last.
    assert_eq!(found["held_out"]["accuracy"], said["score"]);
    assert_eq!((&found["parameters"], &found["data"]), (&said["parameters"], &said["data"]));
    assert!(found["test"]["loss"].as_f64().unwrap() > 0.0);
    let text_of = evaluated(&[]).stdout;
    let accuracy = found["test"]["accuracy"].as_f64().unwrap();
    assert!(
        text_of.contains(&format!("{accuracy:.2}% of the 1,000 test images, cross-entropy ")),
        "{text_of}"
    );
    assert!(text_of.contains("held-out images"), "{text_of}");
    // The published trials hold nothing out.
    let published = evaluated(&["--json", "--set", "train.scoring=published"]).json();
    assert_eq!((&published["held_out"], &published["test"]), (&serde_json::Value::Null, &found["test"]));
    // As PyTorch wraps networks.
    rewrite(
        &sandbox.path("w.safetensors"),
        &sandbox.path("wrapped"),
        |n| format!("module._orig_mod.{n}"),
        as_they_are,
    );
    let wrapped = sandbox.program(&evaluate(&text, "wrapped", &["--json"])).succeeded();
    assert_eq!(wrapped.json()["test"], found["test"]);
    for who in ["DataParallel", "torch.compile"] {
        assert!(wrapped.stderr.contains(who), "{}", wrapped.stderr);
    }
}

#[test]
fn an_export_is_whole_and_overwrites_nothing() {
    let text = plain();
    let (sandbox, said) = trained(&text);
    let arguments = export(&text, &["--weights", "w.safetensors", "--out", "out"]);
    let ran = sandbox.program(&arguments).succeeded();
    let exported = files(&sandbox, "out");
    assert_eq!(exported.keys().map(String::as_str).collect::<Vec<_>>(), FILES);
    assert!(FILES.iter().all(|name| ran.stdout.contains(name)), "{}", ran.stdout);
    assert_eq!(exported["weights.safetensors"], fs::read(sandbox.path("w.safetensors")).unwrap());
    let picture = String::from_utf8(exported["cells.svg"].clone()).unwrap();
    assert_eq!(picture.matches("class=\"operation ").count(), 16);
    // Every form is the architecture that was trained.
    for name in FILES.iter().filter(|name| name.starts_with("genotype")) {
        let again = sandbox.program(&train(&format!("@out/{name}"), &[])).succeeded().json();
        assert_eq!((&again["cached"], &again["key"]), (&true.into(), &said["key"]), "{name}");
    }
    refused(&sandbox, &arguments, &["--out out", "is not empty", "give a new folder"]);
    assert_eq!(files(&sandbox, "out"), exported);
    // A part, to a folder that is there and empty.
    fs::create_dir(sandbox.path("part")).unwrap();
    let part = export(&text, &["--out", "part", "--format", "svg,python", "--json"]);
    let said = sandbox.program(&part).succeeded().json();
    assert_eq!(said["files"][0]["name"], "network.py");
    let part = files(&sandbox, "part");
    assert_eq!(part.keys().collect::<Vec<_>>(), ["cells.svg", "network.py"]);
    assert_eq!((&part["cells.svg"], &part["network.py"]), (&exported["cells.svg"], &exported["network.py"]));
}

#[test]
fn the_onnx_file_tells_the_images_as_the_program_does() {
    const IMAGES: usize = 40;
    let text = plain();
    let (sandbox, _) = trained(&text);
    let few = format!("data.test_images={IMAGES}");
    // Of all training images, which the normalisation comes from.
    let set = ["--set", &few];
    let expected = sandbox.program(&evaluate(&text, "w.safetensors", &[&set[..], &["--json"]].concat()));
    let expected = &expected.succeeded().json()["test"];
    let to = ["--weights", "w.safetensors", "--out", "out", "--with-preprocessing", "--format", "onnx"];
    sandbox.program(&export(&text, &to)).succeeded();
    let model = onnx::read(&fs::read(sandbox.path("out/network.onnx")).unwrap());
    let metadata = |key: &str| &model.metadata.iter().find(|entry| entry.key == key).unwrap().value;
    assert_eq!(metadata("data"), "fashion-mnist-subset-5000");
    assert_eq!(serde_json::from_str::<Vec<String>>(metadata("classes")).unwrap().len(), 10);
    let limits = Limits { train: None, test: Some(IMAGES) };
    let data = "embedded".parse::<Source>().unwrap().load(limits).unwrap();
    let numbers = data.test.pixels.iter().map(|&pixel| f64::from(pixel)).collect();
    let logits = model.run(Array { shape: vec![IMAGES, 1, 28, 28], numbers });
    let (mut correct, mut loss) = (0, 0.0);
    for (scores, &label) in logits.numbers.chunks(10).zip(data.test.labels.iter()) {
        let score = scores[usize::from(label)];
        correct += u64::from(scores.iter().all(|&other| other <= score));
        loss += (scores.iter().map(|other| other.exp()).sum::<f64>().ln() - score) / IMAGES as f64;
    }
    assert_eq!(expected["correct"], correct);
    let error = (expected["loss"].as_f64().unwrap() - loss).abs();
    assert!(error < 1e-4, "cross-entropy is off by {error}");
}

#[test]
fn weights_that_are_none_or_of_another_network_are_refused() {
    let text = plain();
    let (sandbox, _) = trained(&text);
    fs::create_dir(sandbox.path("folder")).unwrap();
    sandbox.write("text", "Genotype(normal=…)");
    sandbox.write("pickle", b"PK\x03\x04");
    // A header that claims to be longer than any file.
    sandbox.write("huge", [&u64::MAX.to_le_bytes()[..], b"{}"].concat());
    sandbox.write("long", [&(1_u64 << 40).to_le_bytes()[..], b"{\"a\":"].concat());
    let whole = fs::read(sandbox.path("w.safetensors")).unwrap();
    sandbox.write("cut", &whole[..whole.len() / 2]);
    let other = text.replacen("sep_conv_3x3", "skip_connect", 1);
    for (weights, genotype, parts) in [
        ("nowhere", &text, &["nowhere", "cannot be read", "give a safetensors file"][..]),
        ("folder", &text, &["folder", "cannot be read", "give a safetensors file"]),
        ("text", &text, &["text", "is not a safetensors file", "train --save"]),
        ("pickle", &text, &["pickle", "torch.save", "save_file"]),
        ("huge", &text, &["huge", "is not a safetensors file"]),
        ("long", &text, &["long", "is not a safetensors file"]),
        ("cut", &text, &["cut", "is not a safetensors file"]),
        ("w.safetensors", &other, &["w.safetensors", "tensor `cells.", "check the genotype"]),
    ] {
        refused(&sandbox, &evaluate(genotype, weights, &[]), parts);
        refused(&sandbox, &export(genotype, &["--weights", weights, "--out", "out"]), parts);
    }
    let wider = BUDGET.replace("channels=2", "channels=4");
    let wider = [
        "evaluate",
        "--weights",
        "w.safetensors",
        "--genotype",
        &text,
        "--budget",
        &wider,
        "--device",
        "cpu",
    ];
    refused(&sandbox, &wider, &["is of shape", "expected", "the budget and the data"]);
    // A file without some of its tensors.
    let keep = |name: &str| if name.starts_with("linear") { format!("gone.{name}") } else { name.to_owned() };
    rewrite(&sandbox.path("w.safetensors"), &sandbox.path("less"), keep, as_they_are);
    refused(&sandbox, &evaluate(&text, "less", &[]), &["gone.linear."]);
    assert!(!sandbox.path("out").exists());
}

#[test]
fn exports_that_make_no_sense_are_refused_and_leave_nothing() {
    let text = plain();
    let (sandbox, _) = trained(&text);
    sandbox.write("file", "");
    for (more, parts) in [
        (&["--out", "out"][..], &["--weights", "--format python,genotype,svg"][..]),
        (&["--out", "out", "--format", "onnx"], &["--weights"]),
        (&["--out", "out", "--format", "torch"], &["torch", "safetensors"]),
        (&["--out", "out", "--format", "svg", "--with-preprocessing"], &["--with-preprocessing", "onnx"]),
        (&["--out", "file", "--format", "svg"], &["--out file", "give a new folder"]),
        (&["--out", "no/out", "--format", "svg"], &["--out no/out", "is not there"]),
        (&["--out", "out", "--format", "svg", "--data", "nowhere"], &["nowhere"]),
        (&["--format", "svg"], &["--out"]),
    ] {
        refused(&sandbox, &export(&text, more), parts);
    }
    assert!(!sandbox.path("out").exists() && !sandbox.path("no").exists());
    // A disk that is full.
    let full = "trap '' XFSZ; ulimit -f 8";
    let arguments = export(&text, &["--weights", "w.safetensors", "--out", "out"]);
    let output = sandbox.command_after(full, &arguments).output().unwrap();
    let ran = Ran::of(output);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("cannot write out/weights.safetensors"), "{}", ran.stderr);
    assert!(!sandbox.path("out").exists());
}

#[test]
fn networks_of_any_space_and_by_name_leave_the_program_too() {
    let sandbox = Sandbox::new();
    let images = ["--set", "data.train_images=64", "--set", "data.test_images=20"];
    sandbox.write(
        "recipe.toml",
        "base = \"imagenet-mobile\"\n[budget]\nepochs = 1\nimage_size = 32\nbatch_size = 32\nlayers = 3\nchannels = 4\n\
         mult_adds_max = 0\n[train]\naccumulate = 2\n",
    );
    for (architecture, expected, edges) in [
        (
            "AMOEBANET_B",
            &["cells.svg", "genotype.txt", "network.onnx", "network.py", "weights.safetensors"][..],
            20,
        ),
        ("MobileNetV2", &["network.onnx", "network.py", "weights.safetensors"], 0),
    ] {
        let which = ["--architecture", architecture, "--recipe", "recipe.toml"];
        let command = |name: &str, more: &[&str]| {
            sandbox.program(&[&[name], &which[..], &images, more].concat()).succeeded()
        };
        let said = command("train", &["--device", "cpu", "--save", architecture, "--json"]).json();
        let evaluated = command("evaluate", &["--device", "cpu", "--weights", architecture, "--json"]).json();
        assert_eq!(evaluated["test"]["accuracy"], said["accuracy"], "{architecture}");
        let out = format!("{architecture}-out");
        command("export", &["--weights", architecture, "--out", &out]);
        let exported = files(&sandbox, &out);
        assert_eq!(exported.keys().map(String::as_str).collect::<Vec<_>>(), expected);
        if let Some(picture) = exported.get("cells.svg") {
            let picture = String::from_utf8_lossy(picture);
            assert_eq!(picture.matches("class=\"operation ").count(), edges, "{picture}");
        }
        let module = String::from_utf8_lossy(&exported["network.py"]);
        assert!(
            module.contains("\n    logits = F.linear(") && module.contains("\nIMAGE_SIZE = 32\n"),
            "{module}"
        );
    }
    let picture =
        ["export", "--architecture", "MobileNetV2", "--budget", BUDGET, "--out", "out", "--format", "svg"];
    refused(&sandbox, &picture, &["--format svg", "not made of cells"]);
    let cut = ["train", "--genotype", &plain(), "--budget", BUDGET, "--accumulate", "3"];
    refused(&sandbox, &cut, &["cannot be cut into 3 equal parts", "give a divisor"]);
}
