//! `rank`: what was compared with what, and what was not.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{ESTIMATES, TRUTH, json_of, judged, reasons, spearman};
use crate::nonsense::refused;
use crate::sandbox::Sandbox;

#[test]
fn what_was_compared_is_said_in_the_first_line() {
    let sandbox = Sandbox::new();
    sandbox.write("estimates.csv", ESTIMATES);
    sandbox.write("truth.csv", TRUTH);
    let ran = sandbox.program(&["rank", "estimates.csv", "truth.csv"]).succeeded();
    assert_eq!(
        ran.stdout.lines().next().unwrap(),
        "Against final_acc of truth.csv (called like an accuracy), joined by arch: 6 architectures"
    );
    assert_eq!(ran.stderr, "");
    let found = json_of(&sandbox, &["rank", "estimates.csv", "truth.csv"]);
    assert_eq!((&found["truth"], &found["joined_by"]), (&json!("final_acc"), &json!("arch")));
    assert_eq!((spearman(&found, "half_epochs"), spearman(&found, "worst")), (1.0, -1.0));
    // The reversed order puts the worst first.
    let best = &judged(&found, "half_epochs")["top"];
    let of = |name: &str| best[name].as_f64().unwrap();
    assert_eq!((&best["k"], of("precision"), of("regret")), (&json!(1), 1.0, 0.0));
    assert!(of("over_random") > 0.0 && best["over_random_interval"][0].is_number(), "{best}");
    assert_eq!(["half_epochs", "worst"].map(|column| judged(&found, column)["kendall"].clone()), [1.0, -1.0]);
    let regret = judged(&found, "worst")["top"]["regret"].as_f64().unwrap();
    assert!((regret - 2.1).abs() < 1e-9, "{regret}");
}

#[test]
fn a_missing_cell_leaves_out_its_pair_and_nothing_else() {
    let sandbox = Sandbox::new();
    sandbox.write("estimates.csv", ESTIMATES);
    for missing in ["", "NaN", "nan", "NA", "null", "None", "<NA>"] {
        sandbox.write("truth.csv", TRUTH.replace("d,13,94.1", &format!("d,13,{missing}")));
        let found = json_of(&sandbox, &["rank", "estimates.csv", "truth.csv"]);
        assert_eq!(found["truth"], "final_acc", "{missing:?}: judged by another column");
        assert_eq!((found["rows"].as_u64(), spearman(&found, "half_epochs")), (Some(5), 1.0), "{missing:?}");
        let left_out = json!([{ "why": "without final_acc", "count": 1, "names": ["d"] }]);
        assert_eq!(found["left_out"], left_out, "{missing:?}");
    }
    let ran = sandbox.program(&["rank", "estimates.csv", "truth.csv"]).succeeded();
    assert!(ran.stdout.contains("\n  left out: 1 without final_acc (d)\n"), "{}", ran.stdout);

    // A missing estimate leaves out a pair of its own column only.
    sandbox.write("truth.csv", TRUTH);
    sandbox.write("holes.csv", ESTIMATES.replace("51.0", "").replace("57.2", "nan"));
    let found = json_of(&sandbox, &["rank", "holes.csv", "truth.csv"]);
    let counts = ["half_epochs", "worst"].map(|column| judged(&found, column)["architectures"].clone());
    assert_eq!(counts, [json!(4), json!(6)]);
    assert_eq!((spearman(&found, "half_epochs"), spearman(&found, "worst")), (1.0, -1.0));
    assert_eq!(reasons(&found, "left_out", "count"), [(&json!(2), "without half_epochs")]);

    // Architectures that only one table has.
    sandbox.write("fewer.csv", "arch,final_acc\nx,1\nb,93.2\nc,93.7\nd,94.1\n");
    let found = json_of(&sandbox, &["rank", "estimates.csv", "fewer.csv"]);
    assert_eq!(found["rows"], 3);
    assert_eq!(
        reasons(&found, "left_out", "names"),
        [(&json!(["a", "e", "f"]), "only in estimates.csv"), (&json!(["x"]), "only in fewer.csv")]
    );
}

#[test]
fn a_cell_that_is_no_number_is_refused_with_its_place() {
    let sandbox = Sandbox::new();
    for cell in ["91.2%", "n/a", "x", "-", "inf", "1e999", "\"94,1\"", "#DIV/0!"] {
        sandbox.write("estimates.csv", ESTIMATES);
        sandbox.write("truth.csv", TRUTH.replace("94.1", cell));
        let place = ["truth.csv: line 4, column final_acc: ", "not a number"];
        refused(&sandbox, &["rank", "estimates.csv", "truth.csv"], &place);
        refused(&sandbox, &["rank", "estimates.csv", "truth.csv", "--json"], &place);
        sandbox.write("truth.csv", TRUTH);
        sandbox.write("estimates.csv", ESTIMATES.replace("53.1", cell));
        let place = ["estimates.csv: line 4, column half_epochs: ", "not a number"];
        refused(&sandbox, &["rank", "estimates.csv", "truth.csv"], &place);
        // A column that is not asked for may hold anything.
        let worst = json_of(&sandbox, &["rank", "estimates.csv", "truth.csv", "--column", "worst"]);
        assert_eq!(spearman(&worst, "worst"), -1.0);
    }
}

#[test]
fn an_architecture_or_a_heading_that_occurs_twice_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("estimates.csv", ESTIMATES);
    sandbox.write("truth.csv", TRUTH);
    sandbox.write("twice.csv", format!("{ESTIMATES}b,0.1,0,0\n"));
    sandbox.write("truth_twice.csv", format!("{TRUTH}b,0,0.1\n"));
    let line = "\"b\" is in line 3 as well";
    refused(&sandbox, &["rank", "twice.csv", "truth.csv"], &["twice.csv: line 8, column arch", line]);
    let line = "\"b\" is in line 6 as well";
    refused(&sandbox, &["rank", "estimates.csv", "truth_twice.csv"], &["line 8, column arch", line]);
    let one_table = ["rank", "truth_twice.csv", "--column", "flops", "--truth-column", "final_acc"];
    refused(&sandbox, &one_table, &["line 8, column arch", line]);
    sandbox.write("headings.csv", ESTIMATES.replace("worst", "half_epochs"));
    let columns = "columns 2 and 3 are both called half_epochs";
    refused(&sandbox, &["rank", "headings.csv", "truth.csv"], &["headings.csv: line 1", columns]);
    refused(&sandbox, &["importance", "headings.csv"], &["headings.csv: line 1", columns]);
}

/// The table as pandas writes it: a nameless column that counts rows.
fn with_index(table: &str, heading: &str) -> String {
    let mut lines = table.lines();
    let mut text = format!("{heading},{}\n", lines.next().unwrap());
    for (row, line) in lines.enumerate() {
        let _ = writeln!(text, "{row},{line}");
    }
    text
}

#[test]
fn tables_are_joined_by_what_names_architectures_and_nothing_else() {
    let sandbox = Sandbox::new();
    for (heading, why) in [("", "no heading"), ("Unnamed: 0", "pandas' index")] {
        sandbox.write("estimates.csv", with_index(ESTIMATES, heading));
        sandbox.write("truth.csv", with_index(TRUTH, heading));
        let found = json_of(&sandbox, &["rank", "estimates.csv", "truth.csv"]);
        assert_eq!((&found["joined_by"], spearman(&found, "half_epochs")), (&json!("arch"), 1.0));
        assert_eq!(reasons(&found, "not_taken", "column"), [(&json!(heading), why)]);
        let estimates = with_index(ESTIMATES, heading).replace("arch", "net");
        sandbox.write("estimates.csv", estimates);
        sandbox.write("truth.csv", with_index(TRUTH, heading).replace("arch", "net"));
        let advice = ["--key \"net\"", "--by-place"];
        refused(&sandbox, &["rank", "estimates.csv", "truth.csv"], &advice);
        let found = json_of(&sandbox, &["rank", "estimates.csv", "truth.csv", "--key", "net"]);
        assert_eq!((&found["joined_by"], spearman(&found, "half_epochs")), (&json!("net"), 1.0));
    }
    sandbox.write("a.csv", "estimate\n1\n2\n3\n");
    sandbox.write("b.csv", "accuracy\n3\n2\n1\n");
    refused(&sandbox, &["rank", "a.csv", "b.csv"], &["nothing to join it to b.csv by", "--by-place"]);
    let ran = sandbox.program(&["rank", "a.csv", "b.csv", "--by-place"]).succeeded();
    assert!(ran.stdout.starts_with("Against accuracy of b.csv"), "{}", ran.stdout);
    assert!(ran.stdout.contains(", paired by place: 3 architectures\n"), "{}", ran.stdout);
    assert_eq!(spearman(&json_of(&sandbox, &["rank", "a.csv", "b.csv", "--by-place"]), "estimate"), -1.0);
    sandbox.write("b.csv", "accuracy\n3\n2\n");
    refused(&sandbox, &["rank", "a.csv", "b.csv", "--by-place"], &["3 rows, but b.csv has 2"]);
    refused(&sandbox, &["rank", "a.csv", "b.csv", "--by-place", "--key", "x"], &["--by-place"]);
    sandbox.write("c.csv", "arch,accuracy\nx,3\n");
    sandbox.write("d.csv", "arch,estimate\ny,3\n");
    refused(&sandbox, &["rank", "d.csv", "c.csv"], &["no arch is in c.csv", "\"y\"", "\"x\""]);
    refused(
        &sandbox,
        &["rank", "d.csv", "c.csv", "--column", "arch", "--by-place"],
        &["\"y\" is not a number"],
    );
}

#[test]
fn the_truth_is_never_guessed_among_several() {
    let sandbox = Sandbox::new();
    sandbox.write("estimates.csv", ESTIMATES);
    sandbox.write("truth.csv", TRUTH.replace("flops", "train_acc"));
    let both = ["2 columns are called like an accuracy: train_acc, final_acc", "--truth-column"];
    refused(&sandbox, &["rank", "estimates.csv", "truth.csv"], &both);
    sandbox.write("truth.csv", TRUTH.replace("final_acc", "result"));
    let none = ["no column is called like an accuracy", "--truth-column", "arch, flops, result"];
    refused(&sandbox, &["rank", "estimates.csv", "truth.csv"], &none);
    let named = ["rank", "estimates.csv", "truth.csv", "--truth-column", "result"];
    let found = json_of(&sandbox, &named);
    assert_eq!((&found["truth"], &found["truth_is"]), (&json!("result"), &json!("named")));
    // One table: the truth is not judged by itself, nor texts by numbers.
    sandbox.write("one.csv", "id,gpu,quick,val_acc,\nx,v100,1,2,\ny,p100,2,3,\n");
    let found = json_of(&sandbox, &["rank", "one.csv"]);
    assert_eq!((found["correlations"].as_array().unwrap().len(), spearman(&found, "quick")), (1, 1.0));
    assert_eq!(
        reasons(&found, "not_taken", "column"),
        [(&json!("gpu"), "no number"), (&json!(""), "no heading")]
    );
    assert_eq!(json_of(&sandbox, &["rank", "one.csv", "one.csv"]), found);
    refused(&sandbox, &["rank", "one.csv", "--column", "gpu"], &["line 2, column gpu: \"v100\""]);
    refused(&sandbox, &["rank", "one.csv", "--column", "id"], &["id names architectures"]);
}

#[test]
fn tables_without_an_order_say_undefined() {
    let sandbox = Sandbox::new();
    for text in
        ["arch,quick,acc\nx,1,2\n", "arch,quick,acc\nx,1,2\ny,2,2\n", "arch,quick,acc\nx,5,2\ny,5,3\n"]
    {
        sandbox.write("t.csv", text);
        let ran = sandbox.program(&["rank", "t.csv"]).succeeded();
        assert!(ran.stdout.contains("undefined: fewer than two architectures"), "{}", ran.stdout);
        assert_eq!(judged(&json_of(&sandbox, &["rank", "t.csv"]), "quick")["spearman"], Value::Null);
    }
    sandbox.write("t.csv", "arch,quick,acc\nx,1,\ny,2,nan\n");
    refused(&sandbox, &["rank", "t.csv"], &["t.csv: column acc has no number"]);
}

#[test]
fn columns_are_judged_together_also_those_of_other_tables() {
    let sandbox = Sandbox::new();
    sandbox.write("estimates.csv", ESTIMATES);
    sandbox.write("truth.csv", TRUTH);
    // Without c, and with a name that is no estimate.
    sandbox.write("more.csv", "genotype,arch,nwot\nG,b,1\nG,a,2\nG,d,3\nG,e,4\nG,f,5\n");
    let with = ["rank", "estimates.csv", "truth.csv", "--with", "more.csv"];
    let combined =
        [&with[..], &["--combine", "half_epochs,nwot", "--combine", "half_epochs, worst"]].concat();
    let found = json_of(&sandbox, &combined);
    let rows: Vec<&str> =
        found["correlations"].as_array().unwrap().iter().map(|row| row["column"].as_str().unwrap()).collect();
    let columns = ["half_epochs", "worst", "params_k", "nwot"];
    assert_eq!(rows, [&columns[..], &["half_epochs + nwot", "half_epochs + worst"]].concat());
    assert!((spearman(&found, "nwot") - 0.9).abs() < 1e-12);
    // Ranks 1 to 5 without c, and 2, 1, 3, 4, 5: the first two share a place.
    assert!((spearman(&found, "half_epochs + nwot") - 9.5 / (10.0_f64 * 9.5).sqrt()).abs() < 1e-12);
    assert_eq!(judged(&found, "half_epochs + worst")["spearman"], Value::Null);
    assert_eq!(judged(&found, "half_epochs + nwot")["architectures"], 5);
    assert_eq!(reasons(&found, "left_out", "names"), [(&json!(["c"]), "without nwot")]);
    assert_eq!(reasons(&found, "not_taken", "column"), [(&json!("genotype"), "a name")]);
    assert_eq!(found.get("halves"), None);
    for (names, message) in [
        ("half_epochs", "name two columns at least"),
        (
            "half_epochs,nothing",
            "no column \"nothing\" is judged; there are half_epochs, worst, params_k, nwot",
        ),
        ("worst,worst", "worst is named twice"),
    ] {
        refused(&sandbox, &[&with[..], &["--combine", names]].concat(), &["--combine", message]);
    }
    let twice = ["rank", "estimates.csv", "truth.csv", "--with", "estimates.csv"];
    refused(&sandbox, &twice, &["column half_epochs is judged already"]);
    refused(&sandbox, &[&with[..], &["--by-place"]].concat(), &["--by-place"]);
}

#[test]
fn a_choice_is_judged_on_the_half_that_it_has_not_seen() {
    let sandbox = Sandbox::new();
    sandbox.write("truth.csv", TRUTH);
    sandbox.write("estimates.csv", ESTIMATES);
    let halves = ["rank", "estimates.csv", "truth.csv", "--halves"];
    let found = &json_of(&sandbox, &halves)["halves"];
    assert_eq!(
        (&found["alone"]["most_often"], &found["alone"]["unseen"]),
        (&json!(["half_epochs"]), &json!(1.0))
    );
    assert_eq!(found["splits"], found["alone"]["times"]);
    assert!(found["gain"].as_f64().unwrap() <= 0.0, "{found}");
    let ran = sandbox.program(&halves).succeeded();
    assert!(
        ran.stdout.contains("Chosen on one half of the architectures, judged on the other"),
        "{}",
        ran.stdout
    );
    // Two architectures have no halves with an order.
    sandbox.write("two.csv", "arch,quick,slow,acc\nx,1,2,3\ny,2,3,4\n");
    assert_eq!(json_of(&sandbox, &["rank", "two.csv", "--halves"])["halves"], Value::Null);
}
