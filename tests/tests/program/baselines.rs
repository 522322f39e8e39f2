//! Baselines that cost no training: as a table, beside a budget, from the cache, and refused.

use serde_json::Value;

use crate::nonsense::refused;
use crate::sandbox::Sandbox;

const SIZE: &str = "BPE-1,batch_size=32,layers=3,channels=2,image_size=8";

const NAMES: [&str; 7] = ["parameters", "mult_adds", "skips", "nwot", "synflow", "zico", "swap"];

/// Architectures by name, under a heading of their own.
const TABLE: &str = "\
net,id,genotype,test_acc
deep,3,DARTS_V2,97.2
flat,5,PC_DARTS,97.4
third,9,GDAS,97.1
";

fn baselines(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let all = [&["baselines", "nets.csv", "--budget", SIZE, "--json"], arguments].concat();
    sandbox.program(&all).succeeded().json()
}

#[test]
fn a_table_of_architectures_is_scored_once_and_ranked() {
    let sandbox = Sandbox::new();
    sandbox.write("nets.csv", TABLE);
    let first = baselines(&sandbox, &[]);
    let rows = first["architectures"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    for row in rows {
        for name in NAMES {
            assert!(row[name].as_f64().is_some_and(f64::is_finite), "{name}: {row}");
        }
    }
    let of = |name: &str| rows.iter().map(|row| row[name].as_f64().unwrap()).collect::<Vec<_>>();
    // Of DARTS_V2 two skips in the normal cell and three in the reduction cell.
    assert_eq!(of("skips")[0], 5.0);
    assert!(NAMES.iter().all(|name| of(name)[0] != of(name)[1] || *name == "skips"), "{rows:?}");
    assert_eq!(baselines(&sandbox, &[]), first, "from the cache");
    let other = baselines(&sandbox, &["--seed", "1"]);
    let same = |name: &str| other["architectures"][0][name] == first["architectures"][0][name];
    assert_eq!(NAMES.map(same), [true, true, true, false, false, false, false]);

    let out = ["baselines", "nets.csv", "--budget", SIZE, "--out", "scores.csv"];
    let ran = sandbox.program(&out).succeeded();
    assert_eq!((ran.stdout.as_str(), ran.stderr.contains("3 architectures in scores.csv")), ("", true));
    let ranked = sandbox.program(&["rank", "scores.csv", "nets.csv", "--json"]).succeeded().json();
    assert_eq!((&ranked["joined_by"], &ranked["truth"]), (&"genotype".into(), &"test_acc".into()));
    let judged: Vec<&str> = ranked["correlations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["column"].as_str().unwrap())
        .collect();
    assert_eq!(judged, NAMES);
}

#[test]
fn what_cannot_be_scored_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("nets.csv", TABLE.replace("PC_DARTS", "nothing"));
    refused(&sandbox, &["baselines", "nets.csv"], &["nets.csv: line 3, column genotype", "is no genotype"]);
    sandbox.write("nets.csv", TABLE);
    let small = ["baselines", "nets.csv", "--budget", "BPE-1,image_size=6"];
    refused(&sandbox, &small, &["image_size"]);
    refused(&sandbox, &["baselines", "missing.csv"], &["missing.csv"]);
}

#[test]
fn a_run_ranks_them_beside_its_budget() {
    let sandbox = Sandbox::new();
    let size = format!("--set=baselines.budget={SIZE}");
    let arguments = ["--target=baselines", size.as_str()];
    let first = sandbox.run(&arguments);
    let result = &first.json["result"];
    let names: Vec<&str> =
        result["baselines"].as_array().unwrap().iter().map(|row| row["baseline"].as_str().unwrap()).collect();
    assert_eq!(names, NAMES);
    assert!(result["budget"]["architectures"].as_u64() > Some(1), "{result}");
    let again = sandbox.run(&arguments);
    assert_eq!((again.run, &again.bytes), (0, &first.bytes));
}
