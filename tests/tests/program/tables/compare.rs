//! `compare`: whether a choice of a budget is worth what it costs, on tables that people bring.

use serde_json::{Value, json};

use super::json_of;
use super::replay::tables;
use crate::nonsense::refused;
use crate::sandbox::Sandbox;

const COMPARE: [&str; 7] =
    ["compare", "--truth", "truth.csv", "--trials", "trials.csv", "--accuracies", "accuracies.csv"];

fn compared(sandbox: &Sandbox, more: &[&str]) -> Value {
    json_of(sandbox, &[&COMPARE[..], &["--seeds", "20", "--trees", "10"], more].concat())
}

#[test]
fn the_answer_comes_first_and_every_way_spends_no_more_than_there_is() {
    let sandbox = Sandbox::new();
    tables().write(&sandbox);
    let asked = ["--ground-truth", "3", "--total", "5,7", "--searched", "9,5", "--full-cost", "20"];
    let found = compared(&sandbox, &asked);
    assert!(!sandbox.cache().exists(), "no cache folder is needed, and none is made");
    assert_eq!((&found["architectures"], &found["ground_truth"]), (&json!(12), &json!(3)));
    let cells = found["compared"].as_array().unwrap();
    let cell =
        |place: usize| (cells[place]["total"].as_u64().unwrap(), cells[place]["searched"].as_u64().unwrap());
    assert_eq!((0..cells.len()).map(cell).collect::<Vec<_>>(), [(5, 5), (5, 9), (7, 5), (7, 9)]);
    for cell in cells {
        let ways = cell["ways"].as_array().unwrap();
        for name in [
            "random_search",
            "mip",
            "random_choice",
            "grid_choice",
            "tpe",
            "random_budget",
            "oracle",
            "fixed",
        ] {
            assert!(ways.iter().any(|way| way["way"] == name), "{name}");
        }
        for way in ways {
            let spent = way["spent_max"].as_f64().unwrap();
            assert!(spent <= cell["total"].as_f64().unwrap() + 1e-6, "{way}");
            assert!(way["regret"]["mean"].as_f64().unwrap() >= 0.0, "{way}");
        }
    }
    // Of the dearest, b6 is the first; b7 differs from it in its optimizer, and what costs less in its epochs.
    let alone = cells[3]["ways"].as_array().unwrap().iter().filter(|way| way["way"] == "one_hyperparameter");
    let alone: Vec<&Value> = alone.map(|way| &way["hyperparameter"]).collect();
    assert_eq!(alone, [&json!("epochs"), &json!("optimizer")]);
    let impossible = found["not_possible"].as_array().unwrap();
    assert!(impossible[0]["way"].as_str().unwrap().starts_with("successive halving"), "{impossible:?}");
    assert!(impossible[1]["way"].as_str().unwrap().ends_with(": momentum"), "{impossible:?}");

    let text =
        sandbox.program(&[&COMPARE[..], &["--seeds", "20", "--trees", "10"], &asked].concat()).succeeded();
    let first = text.stdout.lines().next().unwrap();
    assert_eq!(first, found["verdict"]["text"].as_str().unwrap());
    assert!(first.starts_with("It is "), "{first}");
    for part in
        ["budget chosen by MIP", "(the best fixed budget: b", "At the cost of 7 full trainings, 9 searched"]
    {
        assert!(text.stdout.contains(part), "{part}: {}", text.stdout);
    }
    assert_eq!(compared(&sandbox, &asked), found, "the same for one seed");
    assert_ne!(compared(&sandbox, &[&asked[..], &["--seed", "1"]].concat())["compared"], found["compared"]);
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let sandbox = Sandbox::new();
    let good = tables();
    good.write(&sandbox);
    for (more, parts) in [
        (&["--ground-truth", "12"][..], &["--ground-truth", "of 12"][..]),
        (&["--ground-truth", "18446744073709551615"], &["--ground-truth", "no architecture to search"]),
        (&["--ground-truth", "1"], &["--ground-truth"]),
        (&["--ground-truth", "4", "--searched", "9"], &["--searched", "more than the 8 architectures"]),
        (&["--ground-truth", "4", "--total", "4"], &["--total", "no more than the 4 full trainings"]),
        (&["--total", "many"], &["--total"]),
        (&["--seeds", "1"], &["--seeds"]),
        (&["--full-cost", "0"], &["--full-cost", "above 0"]),
    ] {
        refused(&sandbox, &[&COMPARE, more].concat(), parts);
    }
    // Cells are refused as `replay` does, with their line and column.
    sandbox.write("accuracies.csv", good.accuracies.replacen("\ng10,", "\ng10,n/a", 1));
    refused(&sandbox, &COMPARE, &["accuracies.csv", "line 3", "b0"]);
    good.write(&sandbox);
    sandbox.write("trials.csv", "trial,epochs\nb0,1\nb1,2\n");
    refused(&sandbox, &COMPARE, &["trials.csv", "--cost"]);
    sandbox.write("trials.csv", "trial,epochs,gpu_hours\nb0,1,0\nb1,2,0\n");
    refused(&sandbox, &COMPARE, &["trials.csv", "--full-cost"]);
    sandbox.write("trials.csv", "trial,epochs,gpu_hours\nb0,1,\nb1,2,\n");
    refused(&sandbox, &COMPARE, &["trials.csv"]);
    good.write(&sandbox);
    sandbox.write("truth.csv", "arch,test_acc\ng0,1\ng1,2\n");
    refused(&sandbox, &COMPARE, &["--ground-truth 2", "of 2"]);
}
