//! A whole run: its result, and the same again.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::sandbox::{Sandbox, Summary, names};

const BUDGET: [&str; 8] =
    ["batch_size", "channels", "cutout", "epochs", "float_bits", "image_size", "layers", "learning_rate"];

#[test]
fn what_is_said_of_the_images_is_what_the_trainings_of_the_target_did_with_them() {
    let sandbox = Sandbox::new();
    let chosen = "360 images to train on, 40 held out for scores (split seed 0), ";
    for (target, expected) in [
        ("sample", "400 training images, 100 test images"),
        ("evaluate@full", &*format!("{chosen}100 test images")),
        ("train@best", &*format!("{chosen}all 400 for final trainings, 100 test images")),
        ("train@unsearched.1", "400 images to train on, none held out, 100 test images"),
    ] {
        let run = ["run", "--config", "tiny.toml", "--device", "cpu", "--target", target];
        let text = sandbox.program(&run).succeeded().stdout;
        let footer = text.lines().last().unwrap();
        let said = footer.split_once("first-400-100: ").unwrap().1;
        assert_eq!(said.split("; trained on").next().unwrap(), expected, "{target}: {text}");
    }
}

#[test]
fn a_run_prints_one_object_and_the_next_run_the_same_at_once() {
    let sandbox = Sandbox::new();
    let first = sandbox.run(&[]);
    let fields = [
        "data",
        "device",
        "devices",
        "elapsed_ms",
        "nodes",
        "result",
        "run",
        "scoring",
        "target",
        "trainings",
    ];
    assert_eq!(names(&first.json), fields.into());
    assert_eq!(names(&first.json["nodes"][0]), ["hits", "node", "state", "trainings"].into());
    assert_eq!(names(&first.json["trainings"]), ["cached", "diverged", "run"].into());
    assert_eq!(first.json["target"], "nas-search");
    assert!(first.run > 3, "{}", first.json);

    let result = &first.json["result"];
    let found = [
        "architectures",
        "budget",
        "cost_ratio",
        "diverged",
        "interval",
        "kendall",
        "kendall_interval",
        "spearman",
        "top",
    ];
    let mip = [
        "cost_in",
        "diverged_fully",
        "diverged_trainings",
        "importances",
        "noise_ceiling",
        "objective",
        "pareto",
    ];
    let others = [&mip[..], &["best", "confirmed", "confirmed_on_fresh", "search"]].concat();
    assert_eq!(names(result), [&found[..], &others].concat().into_iter().collect());
    assert_eq!(names(&result["budget"]), BUDGET.into());
    assert_eq!(names(&result["importances"]), BUDGET.into());
    let fields = ["accuracy", "diverged_at", "genotype", "mult_adds", "parameters", "score", "unseen"];
    assert_eq!(names(&result["best"]), fields.into());
    let importances = result["importances"].as_object().unwrap();
    let sum: f64 = importances.values().filter_map(Value::as_f64).sum();
    assert!((sum - 1.0).abs() < 1e-9 || sum == 0.0, "{result}");
    for fixed in ["cutout", "epochs", "float_bits", "image_size", "layers"] {
        assert!(importances[fixed].is_null(), "what has no choice is not observed: {result}");
    }
    let pareto = result["pareto"].as_array().unwrap();
    assert!(!pareto.is_empty());
    let costs: Vec<f64> = pareto.iter().map(|pick| pick["cost_ratio"].as_f64().unwrap()).collect();
    assert!(costs.is_sorted(), "{costs:?}");
    let genotype = result["best"]["genotype"].as_str().unwrap();
    assert!(genotype.parse::<stages::Genotype>().is_ok(), "{genotype}");

    let begun = Instant::now();
    let second = sandbox.run(&[]);
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(second.bytes, first.bytes);
    // The second trained nothing, and still knows where the trainings behind its result ran.
    assert!(first.json["device"].is_string() && second.json["device"].is_null(), "{}", second.json);
    assert_eq!(second.json["devices"], serde_json::json!([first.json["device"]]));
    assert_eq!((second.run, second.cached), (0, first.run + first.cached));
    assert_eq!(second.stderr, "", "nothing happened, so there is nothing to tell");
    assert_eq!(sandbox.trainings().len() as u64, first.run);
    sandbox.assert_verified();
}

#[test]
fn text_says_what_the_object_says() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&[]);
    let text = sandbox.program(&["run", "--config", "tiny.toml"]).succeeded().stdout;
    assert!(text.contains("\n0 trainings run"), "{text}");
    let result = &run.json["result"];
    let best = &result["best"];
    let number = |value: &Value| value.as_f64().unwrap();
    let mut said = vec![
        best["genotype"].as_str().unwrap().to_owned(),
        format!("{:.2}% of the test images", number(&best["accuracy"])),
        format!(
            "  {}\n  ranks architectures like full training with r_s {:.3}",
            written(&result["budget"]),
            number(&result["spearman"])
        ),
        format!("\n  Kendall's tau-b {:.3} (95% interval ", number(&result["kendall"])),
        format!("), top-1 precision {:.3} (", number(&result["top"]["precision"])),
    ];
    for pick in result["pareto"].as_array().unwrap() {
        let [low, high] = [0, 1].map(|end| number(&pick["interval"][end]));
        said.push(format!("{:.3}  {low:.3} to {high:.3}", number(&pick["spearman"])));
        said.push(format!("  {}\n", written(&pick["budget"])));
    }
    for part in said {
        assert!(text.contains(&part), "{part:?} is not in\n{text}");
    }
    for hyperparameter in ["batch_size", "learning_rate", "channels"] {
        let row = text.lines().find(|line| line.trim_start().starts_with(hyperparameter)).unwrap();
        let last = match &result["importances"][hyperparameter] {
            Value::Null => "not observed".to_owned(),
            share => format!("{:.3}", number(share)),
        };
        // Two rounds, and the second has the last word.
        let cells: Vec<&str> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        assert_eq!(cells[2], last, "{row}");
    }
}

/// A budget as the program writes it.
fn written(budget: &Value) -> String {
    let names =
        ["epochs", "batch_size", "learning_rate", "layers", "channels", "image_size", "cutout", "float_bits"];
    names.map(|name| format!("{name}={}", budget[name])).join(",")
}

#[test]
fn trainings_at_once_change_no_byte() {
    let results = ["1", "2"].map(|jobs| Sandbox::new().run(&["--jobs", jobs]).result);
    assert_eq!(results[0], results[1]);
}

#[test]
fn vulkan_without_a_gpu_does_the_whole_run() {
    let sandbox = Sandbox::new();
    let arguments = ["run", "--config", "tiny.toml", "--device", "software", "--json"];
    let vulkan = sandbox.program(&arguments).summary();
    let device = vulkan.json["device"].clone();
    let native = Sandbox::new();
    let run = native.run(&[]);
    assert_eq!(vulkan.run + vulkan.cached, run.run + run.cached);
    assert!(device.is_string() && device != run.json["device"], "{device}");
    // Its trainings were packed: alone they give the same.
    let full = ["--target", "evaluate@full"];
    let packed = sandbox.program(&[&arguments[..], &full].concat()).summary();
    // Rounding tells the devices apart, by an image or two of the forty that are held out.
    let scores = |run: &Summary| {
        let scores = run.json["result"][0]["scores"].as_array().unwrap();
        scores.iter().map(|score| score.as_f64().unwrap()).collect::<Vec<_>>()
    };
    let other = ["run", "--config", "tiny.toml", "--device", "cpu", "--json"];
    let other = native.program(&[&other[..], &full].concat()).summary();
    let (vulkan, native) = (scores(&packed), scores(&other));
    assert_eq!(vulkan.len(), 3);
    assert!(vulkan.iter().zip(&native).all(|(a, b)| (a - b).abs() <= 5.0), "{vulkan:?} and {native:?}");
    let alone = Sandbox::new().program(&[&arguments[..], &full, &["--jobs", "1"]].concat()).summary();
    assert_eq!((packed.run, packed.result), (0, alone.result));
    // Where it was trained is no part of what was asked for, and is said.
    let cached = sandbox.run(&[]);
    assert_eq!(cached.run, 0);
    assert_eq!(cached.json["devices"], serde_json::json!([device]));
}

#[test]
fn parts_of_the_run_are_targets_too() {
    let sandbox = Sandbox::new();
    let target =
        |target| sandbox.program(&["run", "--target", target, "--config", "tiny.toml", "--json"]).summary();
    assert_eq!(target("sample").json["result"].as_array().unwrap().len(), 3);
    let full = target("evaluate@full");
    assert_eq!(full.run, 3);
    let all = target("nas-search");
    assert_eq!(sandbox.trainings().len() as u64, full.run + all.run);
}

#[test]
fn the_other_commands_answer_in_text_and_in_json() {
    let sandbox = Sandbox::new();
    sandbox.run(&[]);
    for arguments in [
        &["plan", "--config", "tiny.toml"][..],
        &["graph", "--config", "tiny.toml"],
        &["status", "--config", "tiny.toml"],
        &["explain", "rank@1", "--config", "tiny.toml"],
        &["log"],
        &["cache", "stats"],
        &["cache", "verify"],
        &["devices"],
        &["data"],
    ] {
        let text = sandbox.program(arguments).succeeded();
        assert!(!text.stdout.is_empty() && text.stderr.is_empty(), "{arguments:?}: {}", text.stderr);
        sandbox.program(&[arguments, &["--json"]].concat()).succeeded().json();
    }
    let log = sandbox.program(&["log", "--json"]).json();
    assert_eq!(log["runs"].as_array().unwrap().len(), 1);
    let run = &log["runs"][0];
    assert_eq!(run["ending"], "finished");
    assert!(run["device"].is_string(), "{run}");

    // A run is named by the first digits of its id.
    let id = run["run"].as_str().unwrap();
    let one = sandbox.program(&["log", &id[..8], "--json"]).succeeded().json();
    assert_eq!((&one["run"], one["nodes"].as_array().unwrap().len()), (&run["run"], 24));
    let text = sandbox.program(&["log", &id[..8]]).succeeded().stdout;
    let key = &one["nodes"][1]["key"].as_str().unwrap()[..12];
    assert!(text.lines().any(|line| line.starts_with("train@full") && line.ends_with(key)), "{text}");
    let status = sandbox.program(&["status", &id[..8], "--config", "tiny.toml"]).succeeded().stdout;
    assert!(status.starts_with(&format!("Run    {} nas-search", &id[..8])), "{status}");
}

#[test]
fn a_run_that_keeps_going_tells_every_failure() {
    let sandbox = Sandbox::new();
    // Fits a network, and no machine: terabytes of activations.
    let huge = ["full", "space"].map(|section| {
        let value = |size: &str| if section == "full" { size.to_owned() } else { format!("[{size}]") };
        [format!("{section}.batch_size={}", value("65536")), format!("{section}.image_size={}", value("256"))]
    });
    let mut arguments = Sandbox::run_arguments(&["--keep-going"]);
    for setting in huge.as_flattened() {
        arguments.extend(["--set", setting]);
    }
    let ran = sandbox.program(&arguments);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{}", ran.stderr);
    let (_, told) =
        ran.stderr.split_once("pipeline: 2 nodes failed:\n").unwrap_or_else(|| panic!("{}", ran.stderr));
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 2, "{told}");
    for (line, node) in lines.iter().zip(["train@full", "train@1"]) {
        assert!(line.trim_start().starts_with(&format!("node {node} failed: ")), "{line}");
        assert!(line.contains("batch_size=65536") && line.contains("lower the batch size"), "{line}");
    }
    let stopped = sandbox
        .program(&arguments.iter().copied().filter(|flag| *flag != "--keep-going").collect::<Vec<_>>());
    assert_eq!(stopped.code, Some(1));
    assert!(stopped.stderr.contains("pipeline: node train@full failed"), "{}", stopped.stderr);
    assert!(!stopped.stderr.contains("train@1"), "{}", stopped.stderr);
}

#[test]
fn what_is_forced_is_trained_again_and_nothing_else() {
    let sandbox = Sandbox::new();
    let first = sandbox.run(&[]);
    let plan = sandbox.program(&Sandbox::run_arguments(&["-n", "--force", "train@full"])).succeeded().json();
    assert_eq!(plan["trainings"], serde_json::json!({ "at_most": 3, "exact": true }), "{plan}");
    let trainings = sandbox.trainings();
    let forced = sandbox.run(&["--force", "train@full", "-k", "-j", "2"]);
    assert_eq!((forced.run, &forced.result), (3, &first.result));
    let nodes: Vec<&str> =
        forced.stderr.lines().filter_map(|line| line.split_once("] ")).map(|(_, node)| node).collect();
    assert!(
        !nodes.is_empty() && nodes.iter().all(|node| node.starts_with("train@full: ")),
        "{}",
        forced.stderr
    );
    // Forced by its stage: every node of it that the target needs.
    let all = [
        "run",
        "--config",
        "tiny.toml",
        "--device",
        "cpu",
        "--json",
        "--target",
        "rank@1",
        "--force",
        "train",
    ];
    let all = sandbox.program(&all).summary();
    assert_eq!(all.run, 3 + 6, "three architectures fully and under two budgets");
    assert_eq!(sandbox.trainings(), trainings);
    let next = sandbox.run(&[]);
    assert_eq!((next.run, next.result), (0, first.result));
    sandbox.assert_verified();
}
