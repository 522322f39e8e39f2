//! Tables that people bring to `rank`, `importance`, `replay` and `compare`: whatever they hold, the answer is right or refused,
//! and what was compared with what is said.

mod compare;
mod importance;
mod rank;
mod replay;

use std::fmt::Write as _;

use serde_json::Value;

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
fn help_says_what_is_missing_and_what_is_refused() {
    let sandbox = Sandbox::new();
    for command in ["rank", "importance", "replay"] {
        let help = sandbox.program(&[command, "--help"]).succeeded().stdout;
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in ["an empty cell", "NaN", "NA, `<NA>`, null or None", "(91.2%, n/a, inf) is refused"] {
            assert!(help.contains(part), "{part}\n{help}");
        }
    }
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
