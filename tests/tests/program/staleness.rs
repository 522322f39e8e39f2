//! What a change makes stale, and what the program says about it.

use crate::sandbox::{Sandbox, TINY};

#[test]
fn another_weight_of_the_cost_trains_nothing() {
    let sandbox = Sandbox::new();
    let first = sandbox.run(&[]);
    let trainings = sandbox.trainings();
    for lambda in ["mip.lambda=0", "mip.lambda=0.5", "mip.lambda=0.99"] {
        let arguments = ["run", "--config", "tiny.toml", "--target", "mip", "--json", "--set", lambda];
        assert_eq!(sandbox.program(&arguments).summary().run, 0, "{lambda}");
    }
    // The search goes on with the budget that is chosen; here the weight is too near the old one to choose another.
    let near = sandbox.run(&["--set", "mip.lambda=0.11"]);
    assert_eq!((near.run, near.result), (0, first.result));
    assert_eq!(sandbox.trainings(), trainings);
}

#[test]
fn one_more_architecture_trains_only_itself() {
    let sandbox = Sandbox::new();
    sandbox.run(&[]);
    let before = sandbox.trainings();
    let more = sandbox.run(&["--set", "architectures.count=4"]);
    let after = sandbox.trainings();
    assert!(more.run > 0);
    // A pair of architecture and budget that was trained again would count as run and add no record.
    assert_eq!(after.len() as u64, before.len() as u64 + more.run);
    assert!(before.iter().all(|(key, fields)| after.get(key) == Some(fields)));
    let full = sandbox.program(&["run", "--config", "tiny.toml", "--target", "train@full", "--json"]);
    assert_eq!(full.summary().run, 0, "and the way back is free");
}

#[test]
fn architectures_of_a_file_take_the_place_of_random_ones() {
    let sandbox = Sandbox::new();
    sandbox.run(&[]);
    let sample = ["run", "--config", "tiny.toml", "--target", "sample", "--json"];
    let drawn = sandbox.program(&sample).succeeded().json()["result"].as_array().unwrap().clone();
    // A table: what stands around a genotype is passed over.
    let row = |(number, genotype): (usize, &serde_json::Value)| format!("{number},{genotype},9{number}.5\n");
    let table = "arch,genotype,accuracy\n".to_owned()
        + &drawn.iter().enumerate().map(row).collect::<Vec<_>>().concat();
    sandbox.write("table.csv", &table);
    let run = |more: &[&str]| {
        let set = ["--set=architectures.file=table.csv", "--set=search.samples=2"];
        sandbox.program(&Sandbox::run_arguments(&[&set, more].concat()))
    };
    // The same ones are not trained again.
    let same = run(&["--target=evaluate@full"]).summary();
    assert_eq!((same.run, same.cached), (0, 3));
    assert!(same.stderr.contains("3 architectures of table.csv"), "{}", same.stderr);
    let last = table.trim_end().rfind('\n').unwrap();
    sandbox.write("table.csv", &table[..=last]);
    let two = run(&["--target=train@full"]).summary();
    assert_eq!((two.run, two.cached), (0, 2));
    let other = drawn[0].as_str().unwrap().replace("_3x3', 0)", "_5x5', 0)").replace("pool_5x5", "pool_3x3");
    sandbox.write("table.csv", format!("{}9,{other}\n", &table[..=last]));
    let more = run(&["--target=train@full"]).summary();
    assert_eq!((more.run, more.cached), (1, 2), "{other}");
    for (text, said) in [
        (&*table.repeat(2), "each architecture once"),
        ("arch,genotype\n", "expected `Genotype("),
        ("DARTS_V2", "a ranking takes 2 at least"),
    ] {
        sandbox.write("table.csv", text);
        let ran = run(&[]);
        assert!(ran.code == Some(2) && ran.stderr.contains(said), "{}", ran.stderr);
        assert!(ran.stderr.contains("table.csv"), "{}", ran.stderr);
    }
}

#[test]
fn comments_and_order_change_nothing() {
    let sandbox = Sandbox::new();
    let first = sandbox.run(&[]);
    let mut sections: Vec<&str> = TINY.split("\n\n").collect();
    sections.reverse();
    let reordered = sections.join("\n\n# another comment\n").replace(" = ", "=");
    sandbox.write("tiny.toml", reordered);
    let second = sandbox.run(&[]);
    assert_eq!((second.run, &second.result), (0, &first.result));
    assert_eq!(second.stderr, "", "no node ran");
}

#[test]
fn a_dry_run_trains_nothing_and_says_what_and_why() {
    let sandbox = Sandbox::new();
    let plan = sandbox.program(&Sandbox::run_arguments(&["--dry-run"])).succeeded();
    let nodes = plan.json()["nodes"].as_array().unwrap().clone();
    assert_eq!(nodes.len(), 24, "the whole graph, also past what is stale");
    for node in &nodes {
        assert_ne!(node["state"], "cached", "{node}");
        assert!(node["reason"].is_string(), "{node}");
    }
    assert_eq!(sandbox.trainings().len(), 0);
    let log = sandbox.program(&["log", "--json"]).json();
    assert_eq!(log["runs"].as_array().unwrap().len(), 0, "a dry run is no run");

    let run = sandbox.run(&[]);
    assert!(plan.json()["trainings"]["at_most"].as_u64().unwrap() >= run.run);
    let plan = sandbox.program(&Sandbox::run_arguments(&["--dry-run"])).succeeded().json();
    assert!(plan["nodes"].as_array().unwrap().iter().all(|node| node["state"] == "cached"), "{plan}");
    assert_eq!(plan["trainings"]["at_most"], 0);

    let changed = ["--dry-run", "--set", "train.seed=7"];
    let text =
        sandbox.program(&[&["run", "--config", "tiny.toml"], &changed[..]].concat()).succeeded().stdout;
    let line = text.lines().find(|line| line.starts_with("train@full")).unwrap();
    assert!(line.contains("would run") && line.contains("train.seed: 0 -> 7"), "{text}");
    let line = text.lines().find(|line| line.starts_with("nas-search")).unwrap();
    assert!(!line.contains("cached"), "{text}");
}

#[test]
fn explain_names_the_field_and_both_values() {
    let sandbox = Sandbox::new();
    sandbox.run(&[]);
    let explain = |node: &str, set: &str, more: &[&str]| {
        let arguments = ["explain", node, "--config", "tiny.toml", "--set", set];
        sandbox.program(&[&arguments, more].concat()).succeeded()
    };
    for (node, set, field, old, new) in [
        ("select-budget", "mip.lambda=0.5", "mip.lambda", "0.1", "0.5"),
        ("train@full", "train.momentum=0.8", "train.momentum", "0.9", "0.8"),
        ("train@full", "full.epochs=2", "full.epochs", "1", "2"),
        // Not a setting of its own, but of a node before it.
        ("nas-search", "full.learning_rate=0.05", "full.learning_rate", "0.03", "0.05"),
    ] {
        let text = explain(node, set, &[]).stdout;
        assert!(text.contains(&format!("{field}: {old} -> {new}")), "{text}");
        let json = explain(node, set, &["--json"]).json().to_string();
        for part in [field, old, new] {
            assert!(json.contains(&format!("\"{part}\"")), "{part} in {json}");
        }
    }
}
