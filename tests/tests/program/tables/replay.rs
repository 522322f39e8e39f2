//! `replay`: the whole method on tables that people bring, whatever they hold.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{json_of, reasons};
use crate::nonsense::refused;
use crate::sandbox::{Random, Sandbox};

const REPLAY: [&str; 7] =
    ["replay", "--truth", "truth.csv", "--trials", "trials.csv", "--accuracies", "accuracies.csv"];

/// Twelve architectures under eight budgets: the more epochs, the better each ranks; the optimizer and the device do
/// nothing, and no trial varies the momentum.
pub(super) struct Tables {
    pub(super) truth: String,
    trials: String,
    pub(super) accuracies: String,
}

pub(super) fn tables() -> Tables {
    let mut random = Random(7);
    let mut truth = "arch,params,test_acc\n".to_owned();
    let mut trials = "trial,epochs,optimizer,momentum,gpu_hours,published_spearman,gpu\n".to_owned();
    let mut accuracies = "arch".to_owned();
    for budget in 0..8 {
        let (epochs, optimizer) = ([1, 2, 4, 8][budget / 2], ["sgd", "adam"][budget % 2]);
        let _ = writeln!(trials, "b{budget},{epochs},{optimizer},0.9,{},0.5,v100", f64::from(epochs) / 2.0);
        let _ = write!(accuracies, ",b{budget}");
    }
    for architecture in 0..12_u64 {
        let _ = writeln!(truth, "g{architecture},{},{}", random.below(100), 90 * 10 + architecture * 5);
        let _ = write!(accuracies, "\ng{}", 11 - architecture);
        for budget in 0..8 {
            let noise = random.below([60, 40, 20, 2][budget / 2]);
            let _ = write!(accuracies, ",{}", 500 + (11 - architecture) * 5 + noise);
        }
    }
    accuracies.push('\n');
    Tables { truth, trials, accuracies }
}

impl Tables {
    pub(super) fn write(&self, sandbox: &Sandbox) {
        sandbox.write("truth.csv", &self.truth);
        sandbox.write("trials.csv", &self.trials);
        sandbox.write("accuracies.csv", &self.accuracies);
    }
}

fn replayed(sandbox: &Sandbox, more: &[&str]) -> Value {
    json_of(sandbox, &[&REPLAY, more].concat())
}

fn budget<'a>(found: &'a Value, name: &str) -> &'a Value {
    found["budgets"].as_array().unwrap().iter().find(|budget| budget["budget"] == name).unwrap()
}

fn hyperparameter<'a>(found: &'a Value, name: &str) -> &'a Value {
    found["hyperparameters"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap()
}

#[test]
fn every_part_of_the_method_is_there_and_nothing_is_trained_or_kept() {
    let sandbox = Sandbox::new();
    tables().write(&sandbox);
    let found = replayed(&sandbox, &[]);
    assert!(!sandbox.cache().exists(), "no cache folder is needed, and none is made");
    assert_eq!((found["architectures"].as_u64(), found["budgets"].as_array().unwrap().len()), (Some(12), 8));
    assert_eq!(found["cost"], json!({ "column": "gpu_hours", "column_is": "called_like_a_cost" }));
    let machine = "a machine";
    assert_eq!(reasons(&found, "not_taken", "column"), [(&json!("gpu"), machine)]);

    // Each ranking is that of `rank`.
    let ranked = json_of(&sandbox, &["rank", "accuracies.csv", "truth.csv", "--top", "2"]);
    for row in ranked["correlations"].as_array().unwrap() {
        let own = budget(&found, row["column"].as_str().unwrap());
        for name in ["spearman", "interval", "kendall", "kendall_interval", "top", "architectures"] {
            assert_eq!(own[name], row[name], "{name}");
        }
        let difference = own["spearman"].as_f64().unwrap() - 0.5;
        assert!((own["difference"].as_f64().unwrap() - difference).abs() < 1e-12);
        assert_eq!(own["differs"], json!(difference.abs() > 0.0005));
    }
    for (name, is_observed) in [("epochs", true), ("optimizer", true), ("momentum", false)] {
        let row = hyperparameter(&found, name);
        for kind in ["importance", "spread", "fanova", "ped_anova"] {
            assert_eq!(row[kind].is_null(), !is_observed, "{row}");
        }
    }
    assert!(hyperparameter(&found, "epochs")["importance"].as_f64().unwrap() > 0.7, "{found}");

    let pruning = &found["pruning"];
    assert_eq!((pruning["tried"].as_u64(), pruning["of"].as_u64()), (Some(8), Some(8)));
    let fixed = &pruning["rounds"][0]["fixed"];
    assert_eq!(fixed[0]["hyperparameter"], "optimizer");
    assert_ne!(fixed[0]["reason"], "cheapest", "both cost the same: {fixed}");
    assert_eq!((&fixed[1]["hyperparameter"], &fixed[1]["reason"]), (&json!("epochs"), &json!("best_budget")));
    assert_eq!(pruning["rounds"][0]["importances"]["momentum"], Value::Null);
    let best = pruning["found"].as_str().unwrap();
    let objective =
        |budget: &Value| budget["spearman"].as_f64().unwrap() - 0.1 * budget["cost"].as_f64().unwrap() / 4.0;
    let most = found["budgets"].as_array().unwrap().iter().map(objective).fold(f64::MIN, f64::max);
    assert!((objective(budget(&found, best)) - most).abs() < 1e-12, "{best}");

    let front: Vec<&Value> = found["pareto"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| budget(&found, name.as_str().unwrap()))
        .collect();
    assert!(front.len() > 1);
    assert!(front.is_sorted_by(|a, b| {
        ["cost", "spearman"].iter().all(|name| a[name].as_f64().unwrap() < b[name].as_f64().unwrap())
    }));
    assert_eq!(found["combinations"]["tried"], 28);
    for combination in found["combinations"]["told"].as_array().unwrap() {
        let members = combination["budgets"].as_array().unwrap();
        let costs =
            members.iter().map(|name| budget(&found, name.as_str().unwrap())["cost"].as_f64().unwrap());
        assert_eq!((members.len(), combination["cost"].as_f64().unwrap()), (2, costs.sum::<f64>()));
    }
    assert_eq!(found, replayed(&sandbox, &[]), "the same bits for the same seed");
    assert_ne!(
        found["budgets"][0]["interval"],
        replayed(&sandbox, &["--seed", "1"])["budgets"][0]["interval"]
    );

    let text = sandbox.program(&REPLAY).succeeded().stdout;
    for part in [
        "Against test_acc of truth.csv (called like an accuracy), joined by arch: 12 architectures, 8 budgets\n",
        "\n  cost: gpu_hours (called like a cost)\n",
        "\n  not taken: gpu (a machine)\n",
        "\nPublished r_s: not those of the data: b0 (published 0.5000, here ",
        "not observed",
        "0.9 in every trial",
        "\nFound by r_s - 0.1 · cost / 4.00: b",
        "Pareto front",
        "Rank sums of budgets: 28 combinations",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

#[test]
fn what_is_in_one_table_only_is_named() {
    let sandbox = Sandbox::new();
    let mut tables = tables();
    tables.truth = tables.truth.replace("g3,", "x3,");
    tables.trials = tables.trials.replace("b5,4,adam,0.9,2,", "other,4,adam,0.9,2,");
    tables.trials = tables.trials.replace("b6,8,sgd,0.9,4,", "b6,,sgd,0.9,4,");
    tables.trials = tables.trials.replace("b7,8,adam,0.9,4,", "b7,8,adam,0.9,,");
    let line = tables.accuracies.lines().find(|line| line.starts_with("g8,")).unwrap().to_owned();
    let (start, _) = line.rsplit_once(',').unwrap();
    tables.accuracies = tables.accuracies.replace(&line, &format!("{start},NaN"));
    tables.write(&sandbox);
    let found = replayed(&sandbox, &[]);
    assert_eq!(
        reasons(&found, "left_out", "names"),
        [
            (&json!(["g3"]), "only in accuracies.csv"),
            (&json!(["x3"]), "only in truth.csv"),
            (&json!(["other"]), "without a column of accuracies.csv"),
            (&json!(["b7"]), "without gpu_hours"),
            (&json!(["g8"]), "without b7"),
            (&json!(["b6"]), "without epochs"),
        ]
    );
    assert_eq!(reasons(&found, "not_taken", "column")[1], (&json!("b5"), "no budget is called so"));
    let counts = ["b0", "b7"].map(|name| budget(&found, name)["architectures"].clone());
    assert_eq!(counts, [json!(11), json!(10)]);
    assert_eq!((&budget(&found, "b7")["cost"], &found["pruning"]["of"]), (&Value::Null, &json!(5)));
    assert!(!found["pareto"].as_array().unwrap().contains(&json!("b7")));
    // Trials that did not end well.
    let mut lines = tables.trials.lines().map(|line| format!("{line},COMPLETE"));
    let heading = lines.next().unwrap().replace("COMPLETE", "state");
    let rows: Vec<String> = lines.collect();
    let rows = rows.join("\n").replacen("COMPLETE", "FAIL", 1);
    sandbox.write("trials.csv", format!("{heading}\n{rows}\n"));
    let found = replayed(&sandbox, &[]);
    assert!(
        reasons(&found, "left_out", "names").contains(&(&json!(["line 2"]), "with state FAIL")),
        "{found}"
    );
    assert!(reasons(&found, "not_taken", "column").contains(&(&json!("b0"), "its trial did not end well")));
}

#[test]
fn what_makes_no_sense_is_refused_with_its_place() {
    let sandbox = Sandbox::new();
    let good = tables();
    let with = |file: &str, from: &str, to: &str| {
        good.write(&sandbox);
        let text = match file {
            "truth.csv" => &good.truth,
            "trials.csv" => &good.trials,
            _ => &good.accuracies,
        };
        assert!(text.contains(from), "{file}: {from}");
        sandbox.write(file, text.replacen(from, to, 1));
    };
    for (file, from, to, parts) in [
        ("truth.csv", "900", "90.0%", &["truth.csv: line 2, column test_acc", "percent"][..]),
        ("truth.csv", "g1,", "g0,", &["truth.csv: line 3, column arch", "is in line 2 as well"]),
        (
            "truth.csv",
            "test_acc",
            "result",
            &["truth.csv: no column is called like an accuracy", "--truth-column"],
        ),
        ("truth.csv", "arch", "net", &["nothing to join it to truth.csv by", "a column `arch`\n"]),
        ("trials.csv", "b1,", "b0,", &["trials.csv: line 3, column trial", "keep one row of each budget"]),
        ("trials.csv", "b1,", ",", &["trials.csv: line 3, column trial", "names no budget"]),
        ("trials.csv", "trial,", "run,", &["trials.csv: no column names the budgets", "--name"]),
        ("trials.csv", ",0.5,0.5,", ",-0.5,0.5,", &["trials.csv: line 2, column gpu_hours", "is no cost"]),
        ("trials.csv", ",0.5,0.5,", ",free,0.5,", &["trials.csv: line 2, column gpu_hours", "not a number"]),
        ("trials.csv", "b2,2,", "b2,two,", &["trials.csv: line 4, column epochs", "not a number"]),
        ("trials.csv", "momentum", "hours", &["2 columns are called like a cost", "--cost"]),
        ("trials.csv", "v100", "v100,1", &["trials.csv: line 2: 8 cells, but 7 headings"]),
        ("accuracies.csv", "b1,", "b0,", &["accuracies.csv: line 1: columns 2 and 3 are both called b0"]),
        ("accuracies.csv", "\ng11,", "\ng11,x", &["accuracies.csv: line 2, column b0", "not a number"]),
    ] {
        with(file, from, to);
        refused(&sandbox, &REPLAY, parts);
    }
    good.write(&sandbox);
    sandbox.write("accuracies.csv", good.accuracies.replace(",b", ",c"));
    refused(
        &sandbox,
        &REPLAY,
        &["accuracies.csv: no column is called like a budget of trials.csv", "\"b0\""],
    );
    good.write(&sandbox);
    for (more, parts) in [
        (&["--lambda", "1"][..], &["--lambda", "from 0 up to but not 1"][..]),
        (&["--full-cost", "0"], &["--full-cost", "above 0"]),
        (&["--cost", "nothing"], &["trials.csv: no column \"nothing\""]),
        (&["--columns", "epochs,gpu_hours", "--cost", "gpu_hours"], &["gpu_hours is asked for twice"]),
        (&["--columns", "epochs,trial"], &["trial is asked for twice"]),
        (&["--combine", "6"], &["--combine"]),
        (&["--best", "1"], &["--best"]),
        (&["--truth", "missing.csv"], &["--truth"]),
    ] {
        refused(&sandbox, &[&REPLAY, more].concat(), parts);
    }
    sandbox.write("trials.csv", "trial,epochs\nb0,1\nb1,2\n");
    refused(
        &sandbox,
        &[&REPLAY[..], &["--lambda", "0.2"]].concat(),
        &["--lambda", "no column of the trials"],
    );
}

#[test]
fn little_is_enough_and_what_it_cannot_tell_is_said() {
    let sandbox = Sandbox::new();
    tables().write(&sandbox);
    // Budgets without anything else: they are ranked.
    sandbox.write("trials.csv", "budget\nb0\nb7\n");
    let found = replayed(&sandbox, &[]);
    let nothing = ["cost", "published", "pruning"].map(|name| found[name].clone());
    assert_eq!((nothing, &found["hyperparameters"]), ([Value::Null, Value::Null, Value::Null], &json!([])));
    assert_eq!((&found["pareto"], &found["combinations"]["tried"]), (&json!([]), &json!(1)));
    // One budget, of which nothing is varied.
    sandbox.write("trials.csv", "trial,epochs,hours\nb0,1,2\n");
    let one = replayed(&sandbox, &[]);
    assert_eq!((&one["pruning"]["found"], &one["pruning"]["rounds"]), (&json!("b0"), &json!([])));
    assert_eq!(hyperparameter(&one, "epochs")["importance"], Value::Null);
    // Two architectures, of which one budget tells nothing.
    sandbox.write("truth.csv", "arch,acc\nx,1\ny,2\n");
    sandbox.write("accuracies.csv", "arch,b0,b1,b2\nx,5,1,2\ny,5,2,1\n");
    sandbox.write("trials.csv", "trial,epochs\nb0,1\nb1,2\nb2,3\n");
    let two = replayed(&sandbox, &[]);
    let spearmans = ["b0", "b1", "b2"].map(|name| budget(&two, name)["spearman"].clone());
    assert_eq!(spearmans, [Value::Null, json!(1.0), json!(-1.0)]);
    assert!(reasons(&two, "left_out", "names").contains(&(&json!(["b0"]), "without an r_s")), "{two}");
    let text = sandbox.program(&REPLAY).succeeded().stdout;
    assert!(text.contains("undefined: fewer than two architectures, or one value"), "{text}");
    // Nothing tells anything.
    sandbox.write("truth.csv", "arch,acc\nx,1\ny,1\n");
    let none = replayed(&sandbox, &[]);
    assert_eq!((&none["pruning"], &none["combinations"]["tried"]), (&Value::Null, &json!(0)));
    sandbox.program(&REPLAY).succeeded();
}

#[test]
fn few_budgets_a_round_are_drawn_from_the_table() {
    let sandbox = Sandbox::new();
    tables().write(&sandbox);
    let found = replayed(&sandbox, &["--samples", "3", "--columns", "epochs,optimizer", "--lambda", "0"]);
    let pruning = &found["pruning"];
    assert_eq!(pruning["rounds"][0]["tried"], 3);
    assert!(pruning["tried"].as_u64() < Some(8), "{pruning}");
    assert_eq!(pruning["best"], replayed(&sandbox, &["--lambda", "0"])["pruning"]["found"]);
    assert!(reasons(&found, "not_taken", "column").contains(&(&json!("momentum"), "not asked for")));
}

#[test]
fn what_comes_with_the_program_is_replayed_by_name() {
    let sandbox = Sandbox::new();
    let [truth, trials, accuracies] =
        ["truth", "trials", "accuracies"].map(|file| format!("known:cifar10-bpe-1/{file}.csv"));
    let asked = ["replay", "--truth", &truth, "--trials", &trials, "--accuracies", &accuracies];
    let found = json_of(&sandbox, &asked);
    // Inside of the interval of the published r_s of BPE-1.
    let spearman = |name: &str| budget(&found, name)["spearman"].as_f64().unwrap();
    assert!((0.34..0.66).contains(&spearman("BPE-1")), "{found}");
    assert!(spearman("BPE-1") > spearman("BPE-1-epochs-3"), "{found}");
    refused(&sandbox, &["rank", "known:cifar10", &truth], &["known:cifar10:", "no such table", &trials]);
}

#[test]
fn racing_saves_trainings_and_says_what_it_loses() {
    let sandbox = Sandbox::new();
    tables().write(&sandbox);
    let plain = replayed(&sandbox, &[]);
    assert!(plain["racing"].is_null());
    let found = replayed(&sandbox, &["--race", "0.95"]);
    // Twelve architectures are looked at once, after ten: at most two of twelve are saved.
    let racing = &found["racing"];
    assert_eq!((racing["confidence"].as_f64(), racing["budgets"].as_u64()), (Some(0.95), Some(8)));
    assert_eq!((racing["orders"].as_u64(), racing["architectures"].as_u64()), (Some(200), Some(12)));
    assert_eq!(racing["chosen_by_all"], found["pruning"]["best"]);
    let share = |name: &str| racing[name]["mean"].as_f64().unwrap();
    assert!(share("saved") > 0.0 && share("saved") <= 2.0 / 12.0, "{racing}");
    assert!((0.0..=1.0).contains(&share("differs")) && share("objective_lost") >= 0.0, "{racing}");
    assert_eq!(found["budgets"], plain["budgets"], "and nothing else is changed by it");
    let text = sandbox.program(&[&REPLAY[..], &["--race", "0.95"]].concat()).succeeded().stdout;
    assert!(text.contains("Racing\n8 of 8 budgets over 200 random orders of 12 architectures"), "{text}");

    for (value, parts) in
        [("1", &["--race", "from 0.5 up to but not 1"][..]), ("x", &["--race", "confidence"])]
    {
        refused(&sandbox, &[&REPLAY[..], &["--race", value]].concat(), parts);
    }
    // A budget with a hole does not race, and one alone has nobody to race with.
    let cut = |column: usize| -> String {
        let tables = tables();
        let mut lines: Vec<Vec<String>> =
            tables.accuracies.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect();
        lines[1][1..column].iter_mut().for_each(String::clear);
        lines.iter().map(|cells| cells.join(",") + "\n").collect()
    };
    sandbox.write("accuracies.csv", cut(3));
    let holed = replayed(&sandbox, &["--race", "0.95"]);
    assert_eq!((holed["racing"]["budgets"].as_u64(), holed["racing"]["of"].as_u64()), (Some(6), Some(8)));
    sandbox.write("accuracies.csv", cut(8));
    refused(
        &sandbox,
        &[&REPLAY[..], &["--race", "0.95"]].concat(),
        &["--race", "an accuracy of every architecture"],
    );
}
