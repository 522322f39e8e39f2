//! What is trained on: which device was taken where that was left open, and GPUs that cannot be used.

use crate::sandbox::{Ran, Sandbox};

/// A training of one step.
const TRAIN: [&str; 5] = [
    "train",
    "--genotype=DARTS_V2",
    "--budget=BPE-1,layers=3,channels=2,image_size=8",
    "--max-steps=1",
    "--json",
];

fn train(sandbox: &Sandbox, device: Option<&str>, driver: Option<&str>) -> Ran {
    let device = device.map(|device| format!("--device={device}"));
    let arguments: Vec<&str> = TRAIN.iter().copied().chain(device.as_deref()).collect();
    let mut command = sandbox.command(&arguments);
    if let Some(driver) = driver {
        command.env("VK_DRIVER_FILES", sandbox.path(driver));
    }
    Ran::of(command.output().unwrap())
}

/// The line that says what was taken, and why.
fn choice(ran: &Ran) -> Option<&str> {
    ran.stderr.lines().find(|line| line.starts_with("device: ") && line.contains(", because "))
}

#[test]
fn what_was_left_open_is_said_once_and_what_was_asked_for_is_not() {
    let sandbox = Sandbox::new();
    let open = train(&sandbox, None, None).succeeded();
    let device = open.json()["device"].as_str().unwrap().to_owned();
    assert!(choice(&open).is_some_and(|line| line.contains(&device)), "{}", open.stderr);
    for asked in ["cpu", "software"] {
        let ran = train(&sandbox, Some(asked), None).succeeded();
        assert_eq!(choice(&ran), None, "{}", ran.stderr);
    }
    let run = ["run", "--config=tiny.toml", "--target=rank@1", "--json"];
    let first = sandbox.program(&run).succeeded();
    assert_eq!(first.stderr.matches(", because ").count(), 1, "{}", first.stderr);
    // Where nothing is trained nothing is opened.
    assert_eq!(sandbox.program(&run).succeeded().stderr, "");
}

#[test]
fn a_gpu_that_cannot_be_used_is_said_and_not_passed_over() {
    let sandbox = Sandbox::new();
    let driver = |library: &str| {
        format!(
            r#"{{"file_format_version": "1.0.0", "ICD": {{"library_path": "{library}", "api_version": "1.3.0"}}}}"#
        )
    };
    // A driver whose library is gone, and one that is no driver.
    sandbox.write("gone.json", driver("/nowhere/libvulkan_gone.so"));
    sandbox.write("other.json", driver("libm.so.6"));
    sandbox.write("nonsense.json", "{");
    for name in ["gone.json", "other.json", "nonsense.json", "missing.json"] {
        for device in ["gpu", "software"] {
            let ran = train(&sandbox, Some(device), Some(name));
            assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{name}: {}", ran.stderr);
            let last = ran.stderr.lines().last().unwrap();
            assert!(last.starts_with("pipeline: device ") && last.contains("driver"), "{name}: {last}");
        }
        let ran = train(&sandbox, Some("auto"), Some(name)).succeeded();
        assert!(choice(&ran).is_some_and(|line| line.contains("this system shows")), "{}", ran.stderr);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_driver_that_has_no_room_is_an_error() {
    let sandbox = Sandbox::new();
    let arguments: Vec<&str> = TRAIN.iter().copied().chain(["--device=software"]).collect();
    for mib in [250, 400, 600, 800] {
        let limit = format!("ulimit -v {}", mib * 1024);
        let ran = Ran::of(sandbox.command_after(&limit, &arguments).output().unwrap());
        assert_eq!(ran.code, Some(1), "{mib} MiB: {}", ran.stderr);
        assert!(ran.stderr.contains("ulimit -v"), "{mib} MiB: {}", ran.stderr);
    }
}
