//! The one-shot analysis: to its end, from the cache, killed, with damaged weights, and refused.

use std::fs;

use serde_json::Value;

use crate::nonsense::refused;
use crate::sandbox::{Sandbox, Summary};

const BUDGET: &str =
    "epochs=1,batch_size=64,learning_rate=0.03,layers=3,channels=2,image_size=8,cutout=0,float_bits=32";

/// A supernet of two epochs, and few sub-networks.
fn arguments(epochs: u32) -> Vec<String> {
    vec![
        "--target=one-shot-analysis".to_owned(),
        format!("--set=one_shot.supernet_budget={}", BUDGET.replace("epochs=1", &format!("epochs={epochs}"))),
        format!("--set=one_shot.budget={BUDGET}"),
        format!("--set=one_shot.epochs=[1, {epochs}]"),
        "--set=one_shot.sub_networks=3".to_owned(),
    ]
}

fn run(sandbox: &Sandbox, epochs: u32) -> Summary {
    let arguments = arguments(epochs);
    sandbox.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn one_shot_supernets_are_judged_globally_and_locally_and_again_from_the_cache() {
    let sandbox = Sandbox::new();
    let first = run(&sandbox, 2);
    let schedules = first.json["result"]["schedules"].as_array().unwrap();
    let names: Vec<&str> = schedules.iter().map(|row| row["label"].as_str().unwrap()).collect();
    assert_eq!(names, ["fair", "random", "random_10%"]);
    for row in schedules {
        assert!(row["diverged_at"].is_null() && row["training_flops"].as_u64() > Some(0), "{row}");
        let epochs = row["epochs"].as_array().unwrap();
        assert_eq!(epochs.iter().map(|epoch| epoch["epoch"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
        for epoch in epochs {
            assert!(epoch["loss"].as_f64().unwrap() > 0.0, "{epoch}");
            assert_eq!((&epoch["global"]["count"], &epoch["local"]["count"]), (&3.into(), &3.into()));
            for kind in ["global", "local"] {
                let found = &epoch[kind];
                assert!((0.0..=100.0).contains(&found["mean_accuracy"].as_f64().unwrap()), "{found}");
                assert!(
                    found["spearman"].is_null() || found["spearman"].as_f64().unwrap().abs() <= 1.0,
                    "{found}"
                );
                assert_eq!(found["spearman"].is_null(), found["interval"].is_null(), "{found}");
                assert_eq!(found["spearman"].is_null(), found["kendall"].is_null(), "{found}");
                assert_eq!((&found["top"]["k"], &found["architectures"]), (&1.into(), &3.into()));
                assert!(found["top"]["regret"].as_f64().unwrap() >= 0.0, "{found}");
            }
        }
    }
    // Three supernets, two lists of sub-networks after each of two epochs, three sub-networks of each alone (which two
    // supernets can have in common), and the fully trained set.
    assert!((3 + 12 + 10..=3 + 12 + 18 + 3).contains(&first.run), "{}", first.run);
    assert_eq!(sandbox.files("weights").len(), 6);
    let again = run(&sandbox, 2);
    assert_eq!((again.run, &again.bytes), (0, &first.bytes));
    let arguments = arguments(2);
    let mut text = vec!["run", "--config", "tiny.toml", "--device=cpu"];
    text.extend(arguments.iter().map(String::as_str));
    let text = sandbox.program(&text).succeeded().stdout;
    for part in [
        "fair",
        "random_10%",
        "global r_s",
        "local r_s",
        "epoch 2",
        "95% interval",
        "Global: the whole ranking, and its top",
        "Local: the whole ranking, and its top",
        "top-1 precision",
    ] {
        assert!(text.contains(part), "{text}");
    }

    // Without its weights a training is not trusted: those of one supernet are damaged, those of another gone.
    let weights = sandbox.files("weights");
    let kept: Vec<Vec<u8>> = weights.iter().map(|path| fs::read(path).unwrap()).collect();
    let mut damaged = kept[0].clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&weights[0], damaged).unwrap();
    let verified = sandbox.program(&["cache", "verify", "--json"]);
    assert_eq!(verified.code, Some(1));
    assert_eq!(verified.json()["damaged_weights"].as_array().unwrap().len(), 1);
    fs::remove_file(&weights[1]).unwrap();
    // The output is there, and no file of weights is needed for it.
    assert_eq!(run(&sandbox, 2).run, 0);
    let mut forced = arguments.iter().map(String::as_str).collect::<Vec<_>>();
    // Another setting of the stage asks for the supernets again, and then the two that lack their weights are trained
    // again.
    forced.push("--set=mip.seed=5");
    let third = sandbox.run(&forced);
    assert!([1, 2].contains(&third.run), "{}", third.run);
    for (path, bytes) in weights.iter().zip(&kept) {
        assert_eq!(&fs::read(path).unwrap(), bytes);
    }
    sandbox.assert_verified();
}

#[test]
fn one_shot_a_killed_analysis_goes_on_from_its_last_epoch() {
    let sandbox = Sandbox::new();
    let arguments = arguments(6);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    sandbox.killed_behind_a_checkpoint(&arguments);
    assert_eq!(sandbox.files("weights").len(), 6);
}

#[test]
fn one_shot_settings_that_make_no_sense_are_refused_by_name() {
    let sandbox = Sandbox::new();
    for (set, parts) in [
        ("one_shot.epochs=[]", &["one_shot.epochs", "empty"][..]),
        ("one_shot.epochs=[2, 1]", &["one_shot.epochs", "ascend"]),
        ("one_shot.epochs=[1, 1]", &["one_shot.epochs", "ascend"]),
        ("one_shot.epochs=[0, 1]", &["one_shot.epochs", "from 1"]),
        ("one_shot.epochs=[1, 1000]", &["one_shot.epochs", "one_shot.supernet_budget"]),
        ("one_shot.epochs=[\"a\"]", &["one_shot.epochs", "whole numbers"]),
        ("one_shot.share=0", &["one_shot.share", "above 0"]),
        ("one_shot.share=1.5", &["one_shot.share", "up to 1"]),
        ("one_shot.sub_networks=2", &["one_shot.sub_networks", "from 3"]),
        ("one_shot.budget=BPE-3", &["one_shot.budget", "did you mean"]),
        ("one_shot.supernet_budget=epochs=3", &["one_shot.supernet_budget", "batch_size"]),
        ("one_shot.seed=-1", &["one_shot.seed"]),
        ("one_shot.shere=0.1", &["unknown key `shere` in [one_shot]", "share"]),
    ] {
        refused(&sandbox, &["run", "--set", set], parts);
    }
    let listed: Value =
        sandbox.program(&["plan", "--config=tiny.toml", "--target=one-shot-analysis", "--json"]).json();
    assert!(listed.to_string().contains("one-shot-analysis"));
}
