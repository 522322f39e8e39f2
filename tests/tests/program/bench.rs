//! `pipeline bench`: what it measures, that it keeps nothing, and how it ends.

use std::io::{BufRead, BufReader};

use serde_json::Value;

use crate::sandbox::{Ran, Sandbox, names, signal};

const TINY: &str = "BPE-1,layers=3,channels=2,image_size=8,batch_size=32";

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn speeds_shares_and_kernels_fit_together() {
    let sandbox = Sandbox::new();
    let larger = format!("{TINY},channels=4").replace("channels=2,", "");
    let arguments =
        ["bench", "--device", "cpu", "--seconds", "0.02", "--json", "--budget", TINY, "--budget", &larger];
    let found = sandbox.program(&arguments).succeeded().json();
    let fields = ["budgets", "control", "data", "device", "genotype", "operations", "paper"];
    assert_eq!(names(&found), fields.into());
    let control = &found["control"];
    assert!(number(&control["flops_per_second"]) > 1e8 && number(&control["copied_bytes_per_second"]) > 1e7);
    let threads = number(&control["threads"]);
    let rows = found["budgets"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    for row in rows {
        let rate = number(&row["images_per_second"]);
        assert!(rate > 0.0 && number(&row["steps"]) >= 1.0, "{row}");
        let flops = number(&row["flops_per_second"]);
        assert!((flops / rate / number(&row["flops_per_image"]) - 1.0).abs() < 1e-9, "{row}");
        let share = number(&row["share_of_peak"]);
        assert!(share > 0.0 && share < 1.0, "{row}");
        let seconds = number(&row["trainings_seconds"]) / number(&row["trainings"]);
        // Ten epochs of what CIFAR-10 has left when a tenth is held out.
        assert!((seconds * rate / (10.0 * 45_000.0) - 1.0).abs() < 1e-9, "{row}");
        let kernels = &row["kernels"];
        let kinds = kernels["kinds"].as_array().unwrap();
        let ms = |name: &str| {
            kinds.iter().find(|kind| kind["kind"] == name).map_or(0.0, |kind| number(&kind["ms"]))
        };
        for kind in ["dense convolution", "separable convolution: backward", "update"] {
            assert!(ms(kind) > 0.0, "{kind}: {row}");
        }
        let all = kinds.iter().map(|kind| number(&kind["ms"])).sum::<f64>() + number(&kernels["between_ms"]);
        assert!((all / threads / number(&kernels["step_ms"]) - 1.0).abs() < 1e-6, "{row}");
    }
    assert!(number(&rows[1]["flops_per_image"]) > number(&rows[0]["flops_per_image"]));
    assert_eq!(found["operations"], Value::Array(Vec::new()), "only budgets were asked for");
    let paper = &found["paper"];
    assert_eq!(number(&paper["trainings"]), 100.0 * (1.0 + number(&paper["drawn_budgets"])));
    assert!(number(&paper["seconds"]) > number(&rows[0]["trainings_seconds"]));
    assert!(!sandbox.cache().exists(), "a measurement has nothing to do with the cache");
}

#[test]
fn what_takes_too_long_is_left_out_and_named() {
    let sandbox = Sandbox::new();
    let ran = sandbox.program(&["bench", "--device", "cpu", "--seconds", "0.001"]).succeeded();
    for part in ["multiply-adds", "images/s", "BPE-1", "full: left out", "--budget full measures it", "7,100"]
    {
        assert!(ran.stdout.contains(part), "{part:?} is not in\n{}", ran.stdout);
    }
    for operation in ["convolution 3×3", "linear", "batch normalisation", "mixture of two", "update"] {
        // Kernels of a step have the same names, and end in milliseconds.
        let is_it = |line: &str| line.trim_start().starts_with(operation) && line.ends_with('%');
        assert!(ran.stdout.lines().any(is_it), "{operation} has no share in\n{}", ran.stdout);
    }
}

#[test]
fn every_operation_has_its_time_and_its_shares() {
    let sandbox = Sandbox::new();
    let bench = ["bench", "--device", "cpu", "--seconds", "0.001", "--json"];
    let found = sandbox.program(&bench).succeeded().json();
    let (control, operations) = (&found["control"], found["operations"].as_array().unwrap());
    assert!(operations.len() > 20, "{operations:?}");
    let ratio = |row: &Value, rate: &str, share: &str, bound: f64| {
        if row[rate].is_null() {
            assert_eq!(row[share], Value::Null, "{row}");
            return false;
        }
        let (rate, share) = (number(&row[rate]), number(&row[share]));
        assert!(rate > 0.0 && (share * bound / rate - 1.0).abs() < 1e-9, "{row}");
        true
    };
    let peak = number(&control["flops_per_second_one_thread"]);
    let copies = 2.0 * number(&control["copied_bytes_per_second"]);
    for row in operations {
        assert!(number(&row["ms"]) > 0.0, "{row}");
        let computes = ratio(row, "flops_per_second", "share_of_peak", peak);
        let moves = ratio(row, "bytes_per_second", "share_of_copy", copies);
        assert!(computes || moves || row["name"] == "drop path", "{row}");
    }
}

#[test]
fn a_gpu_is_measured_beside_its_copies() {
    let sandbox = Sandbox::new();
    let bench = |more: &[&str]| {
        let arguments =
            ["bench", "--device", "software", "--data", "embedded", "--seconds", "0.001", "--budget", TINY];
        sandbox.program(&[&arguments[..], more].concat()).succeeded()
    };
    let found = bench(&["--json"]).json();
    assert!(number(&found["control"]["copied_bytes_per_second"]) > 1e7);
    let row = &found["budgets"][0];
    assert_eq!(row["share_of_peak"], Value::Null);
    let kinds = row["kernels"]["kinds"].as_array().unwrap();
    let named = |name: &str| kinds.iter().any(|kind| kind["kind"] == name && number(&kind["ms"]) > 0.0);
    assert!(named("convolve") && named("update"), "{kinds:?}");
    assert!(number(&row["images_per_second"]) > 0.0);
    assert_eq!(found["data"], "fashion-mnist-subset-5000");
    let text = bench(&[]).stdout;
    assert!(text.contains("copies") && text.contains("Kernels of a step: share of all kernels"), "{text}");
}

#[test]
fn an_interrupted_measurement_ends_at_once_and_prints_nothing() {
    let sandbox = Sandbox::new();
    let arguments = ["bench", "--device", "cpu", "--seconds", "3000", "--budget", TINY, "--json"];
    let mut child = sandbox.command(&arguments).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("control"));
    signal(&child, "INT");
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(rest.iter().any(|line| line.starts_with("pipeline: interrupted")), "{rest:?}");
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(130), ""));
}
