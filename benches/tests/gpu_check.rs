//! The check of a GPU, on the software device: it must find all to agree, print its table, and say what is wrong with it.

#![allow(missing_docs, clippy::unwrap_used)]

use std::process::{Command, Output};

const RECIPE: &str = "imagenet-mobile,layers=3,channels=4,image_size=32,batch_size=32";
const SMALL: &str = "BPE-1,layers=3,channels=4,image_size=8,batch_size=32";

fn gpu_check(arguments: &[&str]) -> (Output, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_gpu-check")).args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    (output, text)
}

#[test]
fn software_agrees_and_is_measured() {
    let numbers = ["--networks", "2", "--steps", "3", "--packs", "3", "--measured", "0.1"];
    let budgets = ["--gpu", "software", "--compared", SMALL, "--budgets", SMALL, "--recipes", RECIPE];
    let (output, text) = gpu_check(&[&budgets[..], &numbers].concat());
    assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text.matches("network ").count(), 2, "{text}");
    assert!(text.contains("3 packed") && text.contains("all have the bits of those alone"), "{text}");
    for trainings in [1, 3] {
        let row = text.lines().find(|line| line.starts_with(&format!("| {SMALL} | {trainings} | ")));
        let images: f64 = row.unwrap().split(" | ").nth(2).unwrap().parse().unwrap();
        assert!(images > 0.0, "{text}");
    }
    let row = text.lines().find(|line| line.starts_with(&format!("| {RECIPE} | 4 | "))).unwrap();
    let cells: Vec<f64> =
        row.split(" | ").skip(2).map(|cell| cell.trim_end_matches(" |").parse().unwrap()).collect();
    assert!(cells.len() == 4 && cells[0] > 0.0 && cells[3] > 0.0, "{text}");
    assert!(text.contains("kernels ") && text.contains("convolve "), "{text}");
}

#[test]
fn what_cannot_be_checked_is_said() {
    for (gpu, message) in [("1000", "vulkan-drivers"), ("best", "a number or `software`")] {
        let (output, _) = gpu_check(&["--gpu", gpu]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && error.contains(message), "{error}");
    }
}
