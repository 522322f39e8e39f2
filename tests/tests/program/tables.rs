//! Tables that people bring to `rank` and `importance`: whatever they hold, the answer is right or refused, and what was
//! compared with what is said.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::nonsense::refused;
use crate::sandbox::{Random, Sandbox};

/// Architectures, an estimate that orders them as the truth does, one that reverses them, their parameters.
const ESTIMATES: &str = "\
arch,half_epochs,worst,params_k
a,51.0,9,66.4
b,52.5,8,40.0
c,53.1,7,59.2
d,55.9,6,44.7
e,56.0,5,61.3
f,57.2,4,48.1
";
const TRUTH: &str = "\
arch,flops,final_acc
f,11,95.0
e,12,94.5
d,13,94.1
c,14,93.7
b,15,93.2
a,16,92.9
";

fn json_of(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    sandbox.program(&[arguments, &["--json"]].concat()).succeeded().json()
}

/// `r_s` of a column.
fn spearman(ranking: &Value, column: &str) -> f64 {
    judged(ranking, column)["spearman"].as_f64().unwrap()
}

fn judged<'a>(ranking: &'a Value, column: &str) -> &'a Value {
    let rows = ranking["correlations"].as_array().unwrap();
    rows.iter().find(|row| row["column"] == column).unwrap()
}

fn importance(found: &Value, name: &str) -> f64 {
    found["importances"][name].as_f64().unwrap()
}

/// The reasons for which columns or rows are not part of a result.
fn reasons<'a>(found: &'a Value, list: &str, name: &str) -> Vec<(&'a Value, &'a str)> {
    let entries = found[list].as_array().unwrap();
    entries.iter().map(|entry| (&entry[name], entry["why"].as_str().unwrap())).collect()
}

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
    assert_eq!(judged(&found, "half_epochs")["top"], json!({ "k": 1, "precision": 1.0, "regret": 0.0 }));
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

/// Trials whose target is the learning rate and nothing else, with headings of one's own.
fn trials(headings: &str) -> String {
    let mut text = format!("{headings}\n");
    for trial in 0..24 {
        let (rate, channels) = ([0.03, 0.1][trial % 2], [4, 8, 16][trial % 3]);
        let (epochs, batch) = ([1, 2, 4, 8][trial / 2 % 4], [64, 128][trial / 3 % 2]);
        let _ = writeln!(text, "t{trial},{epochs},{rate},{batch},{channels},{},v100", [0.2, 0.6][trial % 2]);
    }
    text
}

#[test]
fn usual_names_are_known_and_what_is_not_taken_is_said() {
    let sandbox = Sandbox::new();
    sandbox.write("full.csv", trials("trial,epochs,learning_rate,batch_size,channels,spearman,gpu"));
    sandbox.write("short.csv", trials("trial,num_epochs,lr,bs,init_channels,r_s,gpu"));
    sandbox.write("other.csv", trials("trial,Epochs,learningRate,Batch Size,init-channels,my_spearman,gpu"));
    let full = json_of(&sandbox, &["importance", "full.csv"]);
    assert_eq!(importance(&full, "learning_rate"), 1.0);
    for file in ["short.csv", "other.csv"] {
        assert_eq!(json_of(&sandbox, &["importance", file])["importances"], full["importances"], "{file}");
    }
    let why = "not called like a hyper-parameter";
    assert_eq!(reasons(&full, "not_taken", "column"), [(&json!("trial"), why), (&json!("gpu"), why)]);
    let ran = sandbox.program(&["importance", "short.csv"]).succeeded();
    assert_eq!(
        ran.stdout.lines().next().unwrap(),
        "For r_s of short.csv (called like a rank correlation), by 4 hyper-parameters in 24 trials"
    );
    assert!(
        ran.stdout.contains("\n  not taken: trial, gpu (not called like a hyper-parameter)\n"),
        "{}",
        ran.stdout
    );
    let row = ran.stdout.lines().find(|line| line.starts_with("learning_rate ")).unwrap();
    assert_eq!(
        row.split_whitespace().collect::<Vec<_>>(),
        ["learning_rate", "lr", "2", "1.000", &"#".repeat(20)]
    );

    // Any column may be one.
    let chosen = json_of(&sandbox, &["importance", "short.csv", "--columns", "bs,trial", "--columns", "gpu"]);
    let names: Vec<&Value> =
        chosen["hyperparameters"].as_array().unwrap().iter().map(|row| &row["name"]).collect();
    assert_eq!(names, ["trial", "batch_size", "gpu"]);
    assert_eq!(chosen["importances"]["gpu"], Value::Null, "one value in all trials is not observed");
    refused(&sandbox, &["importance", "short.csv", "--columns", "lr,nothing"], &["no column \"nothing\""]);
    refused(&sandbox, &["importance", "short.csv", "--columns", "lr,lr"], &["are both learning_rate"]);
    sandbox.write("none.csv", "a,b,spearman\n1,2,3\n");
    refused(&sandbox, &["importance", "none.csv"], &["called like a hyper-parameter", "--columns", "a, b"]);
    sandbox.write("two.csv", "lr,a_spearman,b_spearman\n1,2,3\n");
    refused(&sandbox, &["importance", "two.csv"], &["a_spearman, b_spearman", "--objective"]);
}

#[test]
fn an_export_of_optuna_is_read_as_it_is() {
    let sandbox = Sandbox::new();
    let mut text = "number,value,datetime_start,duration,params_augment,params_lr,params_optimizer,\
                    params_width,user_attrs_note,state\n"
        .to_owned();
    for trial in 0..40_usize {
        let optimizer = ["sgd", "adam", "rmsprop"][trial % 3];
        let (augment, rate) = (["True", "False"][trial / 3 % 2], [0.1, 0.2][trial / 2 % 2]);
        let value = [0.1, 0.5, 0.1][trial % 3] + if augment == "True" { 0.2 } else { 0.0 };
        let (value, state) = match trial {
            7 | 11 => (String::new(), "FAIL"),
            // What a pruned trial had when it was stopped says nothing of the others.
            13 => ("99".to_owned(), "PRUNED"),
            _ => (value.to_string(), "COMPLETE"),
        };
        let width = if trial == 20 { "" } else { "8" };
        let _ = writeln!(
            text,
            "{trial},{value},2026-11-03 13:20:46.379115,0 days 00:00:12,{augment},{rate},{optimizer},{width},,{state}"
        );
    }
    sandbox.write("optuna.csv", &text);
    let found = json_of(&sandbox, &["importance", "optuna.csv"]);
    assert_eq!((found["column"].as_str(), found["trials"].as_u64()), (Some("value"), Some(36)));
    assert_eq!(
        reasons(&found, "left_out", "count"),
        [(&json!(2), "FAIL trials"), (&json!(1), "PRUNED trials"), (&json!(1), "without params_width")]
    );
    assert!(importance(&found, "optimizer") > importance(&found, "augment"), "{found}");
    assert!(importance(&found, "augment") > 0.1 && importance(&found, "learning_rate") < 0.01, "{found}");
    assert_eq!(found["importances"]["width"], Value::Null);
    let sum =
        ["optimizer", "augment", "learning_rate"].map(|name| importance(&found, name)).iter().sum::<f64>();
    assert!((sum - 1.0).abs() < 1e-9, "{sum}");
    let ran = sandbox.program(&["importance", "optuna.csv"]).succeeded();
    for part in [
        "left out: 2 FAIL trials (line 9, line 13); 1 PRUNED trials (line 15); 1 without params_width (line 22)",
        "not taken: number, datetime_start, duration, user_attrs_note (",
        "not observed  8 in every trial",
        "params_optimizer (texts)",
        "params_augment (truth values)",
    ] {
        assert!(ran.stdout.contains(part), "{part}\n{}", ran.stdout);
    }
    sandbox.write("mixed.csv", text.replacen("0.2,rmsprop", "fast,rmsprop", 1));
    refused(&sandbox, &["importance", "mixed.csv"], &["column params_lr: \"fast\" is not a number"]);
    sandbox.write("state.csv", text.replacen("PRUNED", "LOST", 1));
    refused(&sandbox, &["importance", "state.csv"], &["line 15, column state: \"LOST\""]);
    sandbox.write("failed.csv", text.replace("COMPLETE", "FAIL"));
    refused(&sandbox, &["importance", "failed.csv"], &["no trial is left", "39 FAIL trials", "1 PRUNED"]);
}

#[test]
fn lines_are_those_that_an_editor_shows() {
    let sandbox = Sandbox::new();
    for end in ["\n", "\r\n", "\r"] {
        let lines = ["epochs,batch_size,spearman", "1,64,0.5", "2,64,0.6", "", "4,64,0.7", "8,64,high", ""];
        sandbox.write("trials.csv", lines.join(end));
        refused(&sandbox, &["importance", "trials.csv"], &["line 6, column spearman: \"high\""]);
    }
    sandbox.write("open.csv", "epochs,spearman\n1,0.5\n2,\"0.6\n4,0.7\n8,0.8\n");
    refused(&sandbox, &["importance", "open.csv"], &["line 3: a quote is opened and never closed"]);
    sandbox.write("long.csv", "epochs,spearman\n1,0.5\n2,0,6\n");
    refused(&sandbox, &["importance", "long.csv"], &["line 3: 3 cells, but 2 headings"]);
}

#[test]
fn other_delimiters_and_decimal_commas_are_read_and_said() {
    let sandbox = Sandbox::new();
    let english = trials("trial,epochs,lr,bs,channels,spearman,gpu");
    let german = english.replace(',', ";").replace('.', ",").replace('\n', "\r\n");
    sandbox.write("english.csv", &english);
    sandbox.write("german.csv", format!("\u{feff}{german}"));
    sandbox.write("excel.csv", format!("sep=;\r\n{german}"));
    sandbox.write("tabs.tsv", english.replace(',', "\t"));
    let expected = json_of(&sandbox, &["importance", "english.csv"]);
    for (file, dialect) in [
        ("german.csv", "semicolons between cells and decimal commas"),
        ("excel.csv", "semicolons between cells and decimal commas"),
        ("tabs.tsv", "tabs between cells"),
    ] {
        let found = json_of(&sandbox, &["importance", file]);
        for name in ["importances", "hyperparameters", "trials", "left_out", "not_taken"] {
            assert_eq!(found[name], expected[name], "{file}: {name}");
        }
        let text = sandbox.program(&["importance", file]).succeeded().stdout;
        assert!(text.contains(&format!("\n  {file}: {dialect}\n")), "{text}");
    }
    assert_eq!(json_of(&sandbox, &["importance", "german.csv"])["table"]["decimal"], "comma");
    // A point among decimal commas most likely marks thousands.
    sandbox.write("mixed.csv", german.replacen(";16;", ";1.600;", 1));
    refused(
        &sandbox,
        &["importance", "mixed.csv"],
        &["line 4, column channels: \"1.600\"", "decimal commas"],
    );
}

#[test]
fn files_that_are_no_utf_8_tables_are_named() {
    let sandbox = Sandbox::new();
    let utf_16 = TRUTH.encode_utf16().flat_map(u16::to_le_bytes);
    sandbox.write("utf16.csv", [&[0xff, 0xfe][..], &utf_16.collect::<Vec<u8>>()].concat());
    sandbox.write("book.xlsx", b"PK\x03\x04\x14\x00\x06\x00");
    sandbox.write("latin.csv", b"arch,acc\nb\xe9,1\n");
    sandbox.write("empty.csv", "");
    sandbox.write("headless.csv", "1,61.2\n2,63.5\n");
    sandbox.write("headings.csv", "arch,acc\n");
    for (file, part) in [
        ("utf16.csv", "UTF-16"),
        ("book.xlsx", "Excel workbook"),
        ("latin.csv", "line 2: not UTF-8"),
        ("empty.csv", "empty"),
        ("headless.csv", "line 1 has no headings but numbers"),
        ("headings.csv", "no rows below the headings"),
        ("missing.csv", "check that the file is there"),
        (".", "cannot read"),
    ] {
        for command in ["rank", "importance"] {
            refused(&sandbox, &[command, file], &[file, part]);
        }
    }
}

#[test]
fn trials_that_cannot_tell_say_so() {
    let sandbox = Sandbox::new();
    sandbox.write("one.csv", "epochs,lr,spearman\n1,0.1,0.5\n");
    let one = json_of(&sandbox, &["importance", "one.csv"]);
    assert_eq!(one["importances"], json!({ "epochs": null, "learning_rate": null }));
    sandbox.write("flat.csv", "epochs,lr,spearman\n1,0.1,0.5\n2,0.1,0.5\n4,0.1,0.5\n");
    let flat = json_of(&sandbox, &["importance", "flat.csv"]);
    assert_eq!(flat["importances"], json!({ "epochs": null, "learning_rate": null }));
    let text = sandbox.program(&["importance", "flat.csv"]).succeeded().stdout;
    assert!(text.contains("undefined: spearman is the same in all trials"), "{text}");
    assert!(text.contains("not observed  0.1 in every trial"), "{text}");
    sandbox.write("infinite.csv", "epochs,spearman\n1,0.5\n2,-inf\n");
    refused(&sandbox, &["importance", "infinite.csv"], &["line 3, column spearman: \"-inf\""]);
}

#[test]
fn thousands_of_rows_are_no_trouble() {
    let sandbox = Sandbox::new();
    let mut random = Random(1);
    let (mut estimates, mut truth) = ("arch,quick,noise\n".to_owned(), "arch,acc\n".to_owned());
    let mut trials = "lr,epochs,params_x,spearman\n".to_owned();
    for row in 0..4000_u64 {
        let _ = writeln!(estimates, "g{row},{},{}", row * 2, random.below(1000));
        let _ = writeln!(truth, "g{},{}", 3999 - row, 3999 - row);
        let rate = random.below(1_000_000);
        let _ = writeln!(trials, "0.{rate:06},{},{},{rate}", random.below(50), random.below(1_000_000));
    }
    sandbox.write("estimates.csv", estimates);
    sandbox.write("truth.csv", truth);
    sandbox.write("trials.csv", trials);
    let found = json_of(&sandbox, &["rank", "estimates.csv", "truth.csv"]);
    assert_eq!((found["rows"].as_u64(), spearman(&found, "quick")), (Some(4000), 1.0));
    assert!(spearman(&found, "noise").abs() < 0.1);
    assert_eq!(judged(&found, "quick")["top"]["k"], 400);
    let found = json_of(&sandbox, &["importance", "trials.csv", "--trees", "50"]);
    assert!(importance(&found, "learning_rate") > 0.99, "{found}");
}
