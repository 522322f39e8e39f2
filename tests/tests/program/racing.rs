//! `mip.race`: budgets that are dropped before they are tried on all architectures, from the trainings to the page.

use std::fs;

use serde_json::Value;

use crate::report::{check, reported, reported_together};
use crate::sandbox::Sandbox;

/// Enough architectures for two looks, and hardly any confidence, so that something is dropped at each.
const RACE: [&str; 3] =
    ["--set=architectures.count=18", "--set=mip.race=0.5", "--set=mip.budgets_per_round=3"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&RACE[..], more].concat()
}

/// What racing dropped, of a list of ranked budgets.
fn dropped(ranked: &Value) -> Vec<&Value> {
    ranked.as_array().unwrap().iter().filter(|budget| budget.get("dropped_after").is_some()).collect()
}

#[test]
fn a_race_saves_trainings_and_says_so_wherever_budgets_are_told() {
    let sandbox = Sandbox::new();
    let planned = sandbox
        .program(&[&["plan", "--config", "tiny.toml", "--target", "mip", "--json"], &RACE[..]].concat());
    let planned = planned.succeeded().json();
    let first = planned["nodes"].as_array().unwrap().iter().find(|node| node["node"] == "train@1").unwrap();
    assert_eq!(
        (first["trainings"]["at_most"].as_u64(), first["trainings"]["exact"].as_bool()),
        (Some(54), Some(false))
    );

    let run = sandbox.run(&with(&[]));
    let race = &run.json["result"]["race"];
    let count = |name: &str| race[name].as_u64().unwrap();
    assert_eq!(race["confidence"], 0.5);
    assert!(count("dropped") > 0 && count("trainings") < count("trainings_of_all"), "{race}");
    assert_eq!(count("trainings_of_all") % 18, 0);
    assert_eq!(run.json["result"]["architectures"], 18);
    assert!(
        run.json["result"].get("dropped_after").is_none()
            && dropped(&run.json["result"]["pareto"]).is_empty()
    );
    // Again, and with another weight of the cost, nothing is trained.
    let again = sandbox.run(&with(&[]));
    assert_eq!((again.run, again.bytes), (0, run.bytes));
    assert_eq!(sandbox.run(&with(&["--target=mip", "--set=mip.lambda=0.9"])).run, 0);

    // Words.
    let words = |target: &str| {
        let command = [&["run", "--config", "tiny.toml", "--target", target], &RACE[..]].concat();
        sandbox.program(&command).succeeded().stdout
    };
    let saved = 1.0 - count("trainings") as f64 / count("trainings_of_all") as f64;
    let told = words("mip");
    let line =
        told.lines().find(|line| line.contains("racing (mip.race)")).unwrap_or_else(|| panic!("{told}"));
    assert!(
        line.contains(&format!("dropped {} of {} budgets", count("dropped"), count("trainings_of_all") / 18)),
        "{line}"
    );
    let numbers =
        format!("{} of {} trainings, {:.0}%", count("trainings"), count("trainings_of_all"), 100.0 * saved);
    assert!(line.contains(&numbers), "{line}: {numbers}");
    let mut all = 0;
    for round in 1..=2 {
        let target = format!("rank@{round}");
        let ranked = sandbox.run(&with(&["--target", &target])).json["result"].clone();
        for budget in dropped(&ranked) {
            assert_eq!(budget["dropped_after"], budget["architectures"]);
            assert!(
                words(&target).contains(&format!("dropped after {} architectures", budget["architectures"]))
            );
        }
        all += dropped(&ranked).len() as u64;
    }
    // A budget that both rounds drew stands in both.
    assert!(all >= count("dropped"));

    // The page, where holes are holes.
    sandbox.run(&with(&[]));
    let (page, json) = reported(&sandbox, "last");
    check(&page, &json);
    assert_eq!(json["study"]["race"], *race);
    let text = fs::read_to_string(&page).unwrap();
    assert!(text.contains("Grey: dropped by racing") && text.contains("dropped after architectures"));
    let mut names = Vec::new();
    for budget in json["study"]["budgets"].as_array().unwrap() {
        let scores = budget["scores"].as_array().unwrap();
        let tried = scores.iter().filter(|score| !score.is_null()).count();
        assert_eq!((scores.len(), Some(tried as u64)), (18, budget["architectures"].as_u64()));
        assert_eq!(tried < 18, budget.get("dropped_after").is_some(), "{budget}");
        names.extend(budget.get("dropped_after").map(|_| budget["name"].clone()));
    }
    assert_eq!(names.len() as u64, count("dropped"));

    // Tables of a run are of what was tried on all, and say what is not.
    for command in
        [&["replay", "--run", "last", "--json"][..], &["compare", "--run", "last", "--seeds=2", "--json"]]
    {
        let found = sandbox.program(command).succeeded().json();
        let left_out = found["left_out"].as_array().unwrap();
        let racing =
            left_out.iter().find(|left| left["why"].as_str().unwrap().starts_with("dropped by racing"));
        assert_eq!(racing.unwrap()["names"], Value::Array(names.clone()), "{command:?}");
        assert_eq!(found["architectures"], 18, "{command:?}");
    }
}

#[test]
fn a_run_without_races_has_no_word_of_them() {
    let sandbox = Sandbox::new();
    let plain = sandbox.run(&[]);
    assert!(!plain.json.to_string().contains("race") && !plain.json.to_string().contains("dropped"));
    let (_, json) = reported(&sandbox, "last");
    assert!(json["study"].get("race").is_none() && !json["study"].to_string().contains("dropped_after"));
    let pruned = sandbox.run(&["--target=prune@1"]).json["result"].to_string();
    assert!(!pruned.contains("dropped_after"), "{pruned}");
    // Off is off, however it is said, and with too few architectures for a look nothing is dropped.
    let off = sandbox.run(&["--set=mip.race=0"]);
    assert_eq!((off.run, off.bytes), (0, plain.bytes));
    let few = sandbox.run(&["--set=mip.race=0.5"]);
    let race = &few.json["result"]["race"];
    assert_eq!((few.run, race["dropped"].as_u64()), (0, Some(0)));
    assert_eq!(race["trainings"], race["trainings_of_all"]);
    assert_eq!(few.json["result"]["best"], plain.json["result"]["best"]);
}

#[test]
fn what_was_dropped_is_marked_beside_what_was_not() {
    let sandbox = Sandbox::new();
    let plain = sandbox.run(&["--target=mip", RACE[0], RACE[2]]);
    assert!(plain.json["result"].get("race").is_none());
    sandbox.run(&with(&["--target=mip"]));
    let (page, json, _) = reported_together(&sandbox);
    assert!(fs::read_to_string(&page).unwrap().contains("Grey: dropped by racing in one of them"));
    let changes = json["changes"].as_array().unwrap();
    assert!(changes.iter().any(|change| change["field"] == "mip.race"), "{changes:?}");

    // Searches under budgets that were tried, the worst of them too.
    let quality = ["--target=budget-quality", "--set=quality.budgets=6"];
    let run = sandbox.run(&with(&quality));
    let searched = &run.json["result"]["budgets"];
    assert!(!dropped(searched).is_empty(), "{searched}");
    for budget in searched.as_array().unwrap() {
        let fewer = budget["architectures"].as_u64().filter(|count| *count < 18);
        assert_eq!(budget.get("dropped_after").and_then(Value::as_u64), fewer, "{budget}");
    }
    let command = [&["run", "--config", "tiny.toml"][..], &quality, &RACE].concat();
    let told = sandbox.program(&command).succeeded().stdout;
    assert_eq!(told.matches("dropped after").count(), dropped(searched).len(), "{told}");
}
