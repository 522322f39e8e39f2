//! `pipeline train`: one architecture under one budget, its files of tensors, and its memory.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::SafeTensors;

use crate::sandbox::{Sandbox, names};

const CELL: &str = "[('skip_connect', 0), ('skip_connect', 1)], [('max_pool_3x3', 0), ('skip_connect', 2)], \
                    [('sep_conv_3x3', 3), ('skip_connect', 1)]";
const BUDGET: &str = "BPE-1,epochs=1,layers=3,channels=2,image_size=8,batch_size=512";

/// The cell that is used for both, beginning with this node.
fn genotype(first: &str) -> String {
    let cell = format!("[{first}, {CELL}]");
    format!("Genotype(normal={cell}, normal_concat=range(2, 6), reduce={cell}, reduce_concat=range(2, 6))")
}

const ONE_ORDER: &str = "[('avg_pool_3x3', 0), ('dil_conv_5x5', 1)]";
const OTHER_ORDER: &str = "[('dil_conv_5x5', 1), ('avg_pool_3x3', 0)]";

fn train(genotype: &str, more: &[&str]) -> Vec<String> {
    let arguments = ["train", "--genotype", genotype, "--budget", BUDGET, "--device", "cpu", "--json"];
    arguments.iter().chain(more).map(ToString::to_string).collect()
}

impl Sandbox {
    fn train(&self, genotype: &str, more: &[&str]) -> serde_json::Value {
        let arguments = train(genotype, more);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.program(&arguments).succeeded().json()
    }
}

type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

fn tensors(path: &Path) -> Tensors {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let float = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
    let tensor = |(name, view): (&str, safetensors::tensor::TensorView<'_>)| {
        let values = view.data().chunks_exact(4).map(float).collect();
        (name.to_owned(), (view.shape().to_vec(), values))
    };
    file.iter().map(tensor).collect()
}

/// Trainings of other seeds scatter by a point.
#[test]
fn whole_trainings_with_16_bits_are_as_accurate_as_with_32() {
    let sandbox = Sandbox::new();
    let mean = |bits: u32| {
        let accuracy = |seed: u32| {
            let budget = format!("BPE-1,layers=4,channels=6,epochs=4,float_bits={bits}");
            let arguments =
                ["train", "--genotype", "DARTS_V2", "--budget", &budget, "--device", "cpu", "--json"];
            let seed = format!("--seed={seed}");
            let arguments: Vec<&str> = arguments.into_iter().chain([seed.as_str()]).collect();
            sandbox.program(&arguments).succeeded().json()["accuracy"].as_f64().unwrap()
        };
        (1..=2).map(accuracy).sum::<f64>() / 2.0
    };
    let [single, half] = [32, 16].map(mean);
    assert!(half > 70.0 && (single - half).abs() < 2.0, "{half} % with 16 bits, {single} % with 32");
}

#[test]
fn a_training_is_remembered_whatever_the_order_of_its_text() {
    let sandbox = Sandbox::new();
    let first = sandbox.train(&genotype(ONE_ORDER), &[]);
    let result = [
        "accuracy",
        "best_score_before",
        "diverged_at",
        "diverged_in_epoch",
        "last_checkpoint",
        "loss",
        "mult_adds",
        "parameters",
        "score",
        "steps",
    ];
    let beside = [
        "cached",
        "data",
        "device",
        "first_step_seconds",
        "images_per_second",
        "key",
        "origin",
        "scoring",
        "waited_seconds",
    ];
    assert_eq!(names(&first), [&result[..], &beside].concat().into_iter().collect());
    assert_eq!(sandbox.trainings().keys().next().map(String::as_str), first["key"].as_str());
    assert_eq!(first["scoring"]["holdout_fraction"], 0.1);
    assert_eq!(first["data"]["name"], "fashion-mnist-subset-5000");
    assert_eq!(first["cached"], false);
    assert!(first["first_step_seconds"].as_f64().unwrap() > 0.0, "{first}");
    assert_eq!(first["loss"].as_array().unwrap().len() as u64, first["steps"].as_u64().unwrap());
    for text in [ONE_ORDER, OTHER_ORDER] {
        let mut again = sandbox.train(&genotype(text), &[]);
        assert_eq!(again["cached"], true);
        assert!(again["first_step_seconds"].is_null(), "{again}");
        assert!(again["origin"]["found_in"].is_null() && again["origin"]["person"].is_string(), "{again}");
        // The record keeps the speed in whole images.
        for field in ["cached", "first_step_seconds", "images_per_second", "origin"] {
            again[field] = first[field].clone();
        }
        assert_eq!(again, first);
    }
    assert_eq!(sandbox.train(&genotype(ONE_ORDER), &["--seed", "1"])["cached"], false);
    assert_eq!(sandbox.train(&genotype(ONE_ORDER), &["--no-augment"])["cached"], false);
    assert_eq!(sandbox.trainings().len(), 3);
}

#[test]
fn saved_tensors_are_named_in_the_order_of_the_text() {
    let sandbox = Sandbox::new();
    let save = |text, file| {
        sandbox.train(&genotype(text), &["--save", file, "--max-steps", "2"]);
        tensors(&sandbox.path(file))
    };
    let (one, other) = (save(ONE_ORDER, "one"), save(OTHER_ORDER, "other"));
    assert_eq!(one["cells.0.dag.0.1.0.net.1.weight"].0, [2, 1, 5, 5]);
    assert_eq!(other["cells.0.dag.0.0.0.net.1.weight"].0, [2, 1, 5, 5]);
    assert_eq!(one["stem.0.weight"].0, [6, 1, 3, 3]);
    assert_eq!(one["cells.2.preproc0.conv1.weight"].0, [4, 8, 1, 1]);
    for name in
        ["stem.1.running_mean", "cells.0.dag.0.0.0.bn.bias", "aux_head.net.2.weight", "aux_head.linear.bias"]
    {
        assert!(one.contains_key(name), "{name}");
    }
    // Another order of the text is the same training, to the last bit.
    let renamed = |(name, tensor): (String, _)| {
        let mut parts: Vec<String> = name.split('.').map(str::to_owned).collect();
        if parts.len() > 4 && parts[2] == "dag" && parts[3] == "0" {
            parts[4] = if parts[4] == "0" { "1".to_owned() } else { "0".to_owned() };
        }
        (parts.join("."), tensor)
    };
    assert_eq!(other.into_iter().map(renamed).collect::<Tensors>(), one);
}

#[test]
fn what_was_saved_is_what_is_started_from() {
    let sandbox = Sandbox::new();
    let genotype = genotype(ONE_ORDER);
    sandbox.train(&genotype, &["--save", "saved", "--max-steps", "3"]);
    let saved = tensors(&sandbox.path("saved"));
    let arguments =
        ["--init-from", "saved", "--save", "again", "--dump-gradients", "gradients", "--max-steps", "1"];
    let mut still = train(&genotype, &arguments);
    let place = still.iter().position(|text| text == BUDGET).unwrap();
    // A step so small that no weight of binary32 moves.
    still[place] = format!("{BUDGET},learning_rate=1e-30");
    let still: Vec<&str> = still.iter().map(String::as_str).collect();
    let trained = sandbox.program(&still).succeeded().json();
    assert_eq!(trained["steps"], 1);
    let (again, gradients) = (tensors(&sandbox.path("again")), tensors(&sandbox.path("gradients")));
    assert!(again.keys().eq(saved.keys()));
    let is_statistic = |name: &str| name.contains(".running_");
    assert!(gradients.keys().eq(saved.keys().filter(|name| !is_statistic(name))));
    for (name, tensor) in &saved {
        assert_eq!(&again[name] == tensor, !is_statistic(name), "{name}");
    }
    for (name, (shape, values)) in &gradients {
        assert_eq!(shape, &saved[name].0);
        assert!(values.iter().all(|value| value.is_finite()), "{name}");
    }
    assert_eq!(sandbox.trainings().len(), 0, "trainings that their key does not describe are not kept");
}

#[test]
fn a_sequential_training_is_the_same_on_both_devices() {
    let sandbox = Sandbox::new();
    let first_losses = ["cpu", "software"].map(|device| {
        let mut arguments =
            train(&genotype(ONE_ORDER), &["--max-steps", "2", "--order", "sequential", "--no-augment"]);
        let place = arguments.iter().position(|text| text == "cpu").unwrap();
        arguments[place] = device.to_owned();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let losses = sandbox.program(&arguments).succeeded().json()["loss"].clone();
        losses.as_array().unwrap().iter().map(|loss| loss.as_f64().unwrap()).collect::<Vec<_>>()
    });
    let [native, vulkan] = first_losses;
    assert_eq!(native.len(), 2);
    for (native, vulkan) in native.iter().zip(&vulkan) {
        assert!((native - vulkan).abs() < 1e-4, "{native} and {vulkan}");
    }
}

#[test]
fn a_training_of_a_run_is_asked_for_by_the_command_that_explain_gives() {
    let sandbox = Sandbox::new();
    sandbox.run(&[]);
    let trainings = sandbox.trainings();
    assert!(trainings.len() > 10);
    // Under the settings of the run, and under others that have the same images: what differs is part of the command then.
    let images = ["--set", "data.train_images=400", "--set", "data.test_images=100"];
    let others = [&["--set", "train.momentum=0.5", "--set", "train.seed=7"], &images[..]].concat();
    for (place, key) in trainings.keys().enumerate() {
        // The winner's last training is the only one on all images.
        let settings = if place % 2 == 0 { &["--config", "tiny.toml"][..] } else { &others };
        sandbox.assert_asked_again(key, settings);
    }
    assert_eq!(sandbox.trainings(), trainings, "nothing new was trained");
}

#[test]
fn a_prefix_is_enough_for_a_key_where_it_is_unique() {
    let sandbox = Sandbox::new();
    sandbox.run(&[]);
    let keys: Vec<String> = sandbox.trainings().into_keys().collect();
    let unique =
        (1..=64).find(|&digits| keys[1..].iter().all(|other| other[..digits] != keys[0][..digits])).unwrap();
    // Nodes have keys too; six digits tell a few dozen apart.
    let digits = &keys[0][..unique.max(6)];
    let found = sandbox.program(&["explain", &digits.to_uppercase(), "--json"]).succeeded().json();
    assert_eq!(found["explanations"][0]["key"].as_str(), Some(keys[0].as_str()));
    // Of more than sixteen keys two begin with the same digit.
    let refused = (0..16).filter_map(|digit| {
        let ran = sandbox.program(&["explain", &format!("{digit:x}")]);
        (ran.code == Some(2) && ran.stderr.contains("begin with these digits")).then_some(())
    });
    assert!(refused.count() > 0);
    let node =
        sandbox.program(&["log", "--json"]).json()["runs"][0]["run"].as_str().unwrap()[..10].to_owned();
    let node = sandbox.program(&["log", &node, "--json"]).json()["nodes"][1].clone();
    let key = node["key"].as_str().unwrap();
    let found = sandbox.program(&["explain", &key[..12], "--json"]).succeeded().json();
    assert_eq!(
        (found["explanations"][0]["name"].as_str(), found["explanations"][0]["key"].as_str()),
        (Some("train@full"), Some(key))
    );
}

#[test]
fn flags_come_after_settings() {
    let sandbox = Sandbox::new();
    let key = |more: &[&str]| {
        let budget = "BPE-1,epochs=1,layers=3,channels=2,image_size=8";
        let arguments = ["train", "--genotype", "DARTS_V2", "--budget", budget, "--device", "cpu", "--json"];
        let found =
            sandbox.program(&[&arguments[..], &["--config", "tiny.toml"], more].concat()).succeeded().json();
        found["key"].as_str().unwrap().to_owned()
    };
    let settings =
        key(&["--set", "train.seed=3", "--set", "train.bn_init=uniform", "--set", "train.scoring=published"]);
    let flags = key(&["--seed", "3", "--bn-init", "uniform", "--scoring", "published"]);
    assert_eq!(settings, flags);
    // The share that is held out is the settings', not the one without settings.
    let held_out = ["--set", "train.holdout_fraction=0.25"];
    assert_eq!(key(&held_out), key(&[&held_out[..], &["--scoring", "holdout"]].concat()));
    assert_ne!(key(&held_out), key(&[]));
}
