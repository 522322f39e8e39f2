//! `config show`: the whole configuration with where each value comes from, as a file that means the same.

use crate::sandbox::Sandbox;

#[test]
fn what_is_shown_is_read_again_to_the_same_run() {
    let sandbox = Sandbox::new();
    let given = ["--config", "tiny.toml", "--set", "mip.lambda=0.25", "--set", "search.seed=7"];
    let shown = sandbox.program(&[&["config", "show"][..], &given].concat()).succeeded();
    assert_eq!(shown.stderr, "");
    let line = |start: &str| {
        let mut lines = shown.stdout.lines().filter(|line| line.starts_with(start));
        lines.next().unwrap_or_else(|| panic!("{start} is not in\n{}", shown.stdout)).to_owned()
    };
    assert!(line("lambda = 0.25 ").ends_with("# --set mip.lambda=0.25"), "{}", shown.stdout);
    // The second line of the file is the section's heading.
    assert!(line("train_images = 400").ends_with("# tiny.toml, line 3"), "{}", shown.stdout);
    assert!(line("weight_decay = 0.0003").ends_with("# profile quick"), "{}", shown.stdout);
    assert!(line("baseline_decay = 0.9").ends_with("# default"), "{}", shown.stdout);
    assert!(shown.stdout.starts_with("[data]\nset = \"embedded\""), "{}", shown.stdout);

    sandbox.write("shown.toml", &shown.stdout);
    // From another profile too: no value is left to it.
    for profile in ["quick", "laptop"] {
        let again = ["--config", "shown.toml", "--profile", profile];
        let run = |settings: &[&str]| {
            let command =
                [&["run", "--target", "nas-search", "--device", "cpu", "--json"], settings].concat();
            sandbox.program(&command).summary()
        };
        let first = run(&given);
        let second = run(&again);
        assert_eq!((second.run, second.result), (0, first.result), "{profile}");
        let plan =
            |settings: &[&str]| sandbox.program(&[&["plan", "--json"], settings].concat()).succeeded().stdout;
        assert_eq!(plan(&again), plan(&given));
        let nodes = |run: &str| {
            let log = sandbox.program(&["log", run, "--json"]).succeeded().json();
            log["nodes"].as_array().unwrap().iter().map(|node| node["key"].clone()).collect::<Vec<_>>()
        };
        let runs = sandbox.program(&["log", "--json"]).json()["runs"].clone();
        let id = |place: usize| runs[place]["run"].as_str().unwrap().to_owned();
        assert_eq!(nodes(&id(0)), nodes(&id(1)));
    }
}

#[test]
fn names_of_files_and_values_of_people_end_no_comment_and_no_line() {
    let sandbox = Sandbox::new();
    let name = "a\n[mip] # \u{1b}.toml";
    sandbox.write(name, "[data]\nset = \"folder\"\npath = \"a\\nb # 'c' \\\"d\\\" \\u001b\"\n");
    let shown = sandbox.program(&["config", "show", "--config", name, "--json"]).succeeded().json();
    assert!(shown["problem"].is_null(), "{shown}");
    let text = sandbox.program(&["config", "show", "--config", name]).succeeded().stdout;
    assert!(!text.contains('\u{1b}'), "{text}");
    sandbox.write("again.toml", &text);
    let again = sandbox.program(&["config", "show", "--config", "again.toml", "--json"]).succeeded().json();
    let values = |shown: &serde_json::Value| {
        let settings = shown["settings"].as_array().unwrap().iter();
        settings.map(|setting| (setting["key"].clone(), setting["value"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(values(&again), values(&shown));
    assert!(values(&again).contains(&("path".into(), "a\nb # 'c' \"d\" \u{1b}".into())));
}

#[test]
fn a_configuration_that_a_run_refuses_is_shown_with_the_reason() {
    let sandbox = Sandbox::new();
    let shown = sandbox.program(&["config", "show", "--profile", "paper"]).succeeded();
    assert!(shown.stdout.contains("set = \"cifar10\""), "{}", shown.stdout);
    assert!(
        shown.stderr.starts_with("warning: a run would refuse this configuration: ")
            && shown.stderr.contains("data.path"),
        "{}",
        shown.stderr
    );
    let json = sandbox.program(&["config", "show", "--set", "mip.lambda=2", "--json"]).succeeded().json();
    assert!(json["problem"].as_str().unwrap().contains("--set mip.lambda=2"), "{}", json["problem"]);
}
