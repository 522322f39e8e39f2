//! `compare`: whether a choice of a budget is worth what it costs, on tables that people bring.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::replay::tables;
use super::{json_of, reasons};
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
    assert_eq!(impossible[2]["way"], "rankings without a training");
    assert_eq!((&found["curves"], &found["verdict"]["cheaper"]), (&Value::Null, &Value::Null));

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

/// Curves of three epochs that rank as the truth does, the last epoch first; a score that does, and one that says
/// nothing of one architecture.
fn curves_and_scores() -> (String, String) {
    let mut curves = "epoch_3,arch,note,Epoch 1,epoch_2\n".to_owned();
    let mut scores = "arch,size,luck\nx99,4,4\n".to_owned();
    for architecture in 0..12 {
        let _ = writeln!(curves, "{0},g{architecture},,{0}.25,{0}.5", architecture + 50);
        let luck = if architecture == 11 { String::new() } else { (architecture * 5 % 7).to_string() };
        let _ = writeln!(scores, "g{architecture},{architecture},{luck}");
    }
    (curves, scores)
}

fn way<'a>(cell: &'a Value, name: &str, score: Option<&str>) -> &'a Value {
    let is = |way: &&Value| way["way"] == name && way["score"].as_str() == score;
    cell["ways"].as_array().unwrap().iter().find(is).unwrap()
}

#[test]
fn ways_without_a_ground_truth_are_played_with_curves_and_scores() {
    let sandbox = Sandbox::new();
    tables().write(&sandbox);
    let (curves, scores) = curves_and_scores();
    sandbox.write("curves.csv", &curves);
    sandbox.write("scores.csv", &scores);
    let asked = ["--ground-truth", "3", "--total", "5,8", "--searched", "4,9"];
    let more = ["--curves", "curves.csv", "--with", "scores.csv"];
    let before = compared(&sandbox, &asked);
    let found = compared(&sandbox, &[&asked[..], &more].concat());
    assert_eq!(found["curves"], json!({ "epochs": 3, "rungs": [1, 3] }));
    for (cell, before) in
        found["compared"].as_array().unwrap().iter().zip(before["compared"].as_array().unwrap())
    {
        for (name, score) in [
            ("one_epoch", None),
            ("successive_halving", None),
            ("hyperband", None),
            ("baseline", Some("size")),
            ("baseline", Some("luck")),
        ] {
            let played = way(cell, name, score);
            assert!(
                played["spent_max"].as_f64().unwrap() <= cell["total"].as_f64().unwrap() + 1e-6,
                "{played}"
            );
            assert_eq!((&played["tried"], &played["is_reference"]), (&json!(0.0), &json!(false)));
        }
        let size = way(cell, "baseline", Some("size"));
        let most = cell["total"].as_f64().unwrap().min(3.0 + cell["searched"].as_f64().unwrap());
        assert_eq!((&size["regret"]["mean"], &size["full_trainings"]), (&json!(0.0), &json!(most)));
        for row in before["ways"].as_array().unwrap() {
            assert!(cell["ways"].as_array().unwrap().contains(row), "others stay as they were: {row}");
        }
    }
    // With 8 full trainings, 24 epochs, all 12 are trained for one, and 6 of them for two more.
    let one = way(&found["compared"][3], "one_epoch", None);
    assert_eq!((&one["full_trainings"], &one["regret"]["mean"]), (&json!(6.0), &json!(0.0)));
    let left_out = reasons(&found, "left_out", "names");
    assert!(left_out.contains(&(&json!(["g11"]), "without luck, which ranks them last")), "{left_out:?}");
    assert!(left_out.contains(&(&json!(["x99"]), "only in scores.csv")), "{left_out:?}");
    assert_eq!(reasons(&found, "not_taken", "column").last(), Some(&(&json!("note"), "no epoch")));
    let impossible: Vec<&Value> =
        found["not_possible"].as_array().unwrap().iter().map(|one| &one["way"]).collect();
    assert_eq!(impossible, ["one hyper-parameter alone: momentum"]);
    let cheaper = &found["verdict"]["cheaper"];
    assert_eq!(cheaper["ways"], 5);

    let arguments = [&COMPARE[..], &["--seeds", "20", "--trees", "10"], &asked, &more].concat();
    let text = sandbox.program(&arguments).succeeded().stdout;
    for part in [
        "\n  learning curves: 3 epochs of full training, rungs at 1, 3\n",
        "\none epoch of full training ",
        "\nsuccessive halving ",
        "\nHyperband ",
        "\nsize, without a training ",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    assert_eq!(text.lines().next(), found["verdict"]["text"].as_str());
    assert_eq!(text.lines().nth(1).filter(|line| !line.is_empty()), cheaper["text"].as_str());

    // Two epochs have no rung before the last; an architecture without a whole curve is left out, and named.
    let rows = curves.lines().map(|line| line.split_once(',').unwrap().1);
    let short = rows.collect::<Vec<_>>().join("\n").replace("g4,,54.25", "g4,,NaN");
    sandbox.write("curves.csv", short);
    let found = compared(&sandbox, &[&asked[..4], &more].concat());
    assert_eq!((&found["architectures"], &found["curves"]["rungs"]), (&json!(11), &json!([2])));
    let why = "without an accuracy after every epoch in curves.csv";
    assert!(reasons(&found, "left_out", "names").contains(&(&json!(["g4"]), why)), "{found}");
    let why = "full training has 2 epochs, and a third of them is none";
    let way_of_two = json!({ "way": "successive halving, Hyperband", "why": why });
    assert_eq!(found["not_possible"][0], way_of_two);
    way(&found["compared"][0], "one_epoch", None);
}

#[test]
fn scores_that_come_with_the_program_are_compared_by_name() {
    let sandbox = Sandbox::new();
    let known = |table: &str| format!("known:cifar10-bpe-1/{table}.csv");
    let (truth, trials, accuracies, scores) =
        (known("truth"), known("trials"), known("accuracies"), known("baselines"));
    let tables = ["--truth", &truth, "--trials", &trials, "--accuracies", &accuracies, "--with", &scores];
    let asked = ["--full-cost", "14400", "--seeds", "3", "--trees", "5", "--searched", "80", "--total", "30"];
    let found = json_of(&sandbox, &[&["compare"], &tables[..], &asked].concat());
    assert_eq!((&found["architectures"], &found["left_out"]), (&json!(100), &json!([])));
    for name in ["parameters", "mult_adds", "skips", "nwot", "synflow", "zico", "swap"] {
        assert_eq!(way(&found["compared"][0], "baseline", Some(name))["full_trainings"], 30.0);
    }
    assert!(found["not_possible"][0]["why"].as_str().unwrap().contains("--curves"), "{found}");
}

#[test]
fn a_run_has_the_curves_of_its_full_trainings_and_the_scores_of_its_cache() {
    let sandbox = Sandbox::new();
    let settings = ["--set=full.epochs=3", "--set=architectures.count=4"];
    let first = sandbox.run(&[&settings[..], &["--target=mip"]].concat());
    let compare = ["compare", "--run", "last", "--seeds", "5", "--ground-truth", "2", "--trees", "5"];
    let found = json_of(&sandbox, &compare);
    assert_eq!(found["curves"], json!({ "epochs": 3, "rungs": [1, 3] }));
    let epochs = way(&found["compared"][0], "one_epoch", None);
    assert!(epochs["full_trainings"].as_f64().unwrap() > 1.0, "{epochs}");
    let last = found["not_possible"].as_array().unwrap().last().unwrap();
    assert!(last["why"].as_str().unwrap().contains("--target baselines"), "{last}");

    let size = "--set=baselines.budget=BPE-1,batch_size=32,layers=3,channels=2,image_size=8";
    sandbox.run(&[&settings[..], &["--target=baselines", size]].concat());
    for run in [first.json["run"].as_str().unwrap(), "last"] {
        let mut again = compare;
        again[2] = run;
        let scored = json_of(&sandbox, &again);
        let ways = scored["compared"][0]["ways"].as_array().unwrap();
        assert_eq!(ways.iter().filter(|way| way["way"] == "baseline").count(), 7, "{run}");
        for row in found["compared"][0]["ways"].as_array().unwrap() {
            assert!(ways.contains(row), "{run}: {row}");
        }
    }
    sandbox.write("curves.csv", "arch,epoch_1\na,1\n");
    refused(&sandbox, &["compare", "--run", "last", "--curves", "curves.csv"], &["--curves", "--run"]);
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
    let (curves, scores) = curves_and_scores();
    let with = |text: &str, from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    for (text, parts) in [
        (with(&curves, "g2,,52.25", "g2,,52%"), &["curves.csv: line 4, column Epoch 1", "percent"][..]),
        (with(&curves, "epoch_2", "epoch_4"), &["curves.csv: no column epoch_2 before epoch_3"]),
        (with(&curves, "epoch_2", "epoch_3 "), &["curves.csv: line 1", "both called epoch_3"]),
        (with(&curves, ",arch,", ",net,"), &["curves.csv", "a column `arch`"]),
        (curves.replace("poch", "age"), &["curves.csv: no column is called epoch_1", "eage_3"]),
        (curves.replace(",g", ",h"), &["no arch is in curves.csv as well"]),
    ] {
        sandbox.write("curves.csv", text);
        refused(&sandbox, &[&COMPARE[..], &["--curves", "curves.csv"]].concat(), parts);
    }
    sandbox.write("scores.csv", &scores);
    sandbox.write("odd.csv", with(&scores, "g3,3,", "g3,many,"));
    for (more, parts) in [
        (
            &["--with", "scores.csv", "--with", "scores.csv"][..],
            &["scores.csv: column size ranks already"][..],
        ),
        (&["--with", "odd.csv"], &["odd.csv: line 6, column size", "not a number"]),
        (&["--with", "missing.csv"], &["missing.csv"]),
        (&["--curves", "missing.csv"], &["missing.csv"]),
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
