//! `report`, and `replay --report`: pages as a browser shows them, number by number against the JSON of the same report.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::browser::{Seen, seen};
use crate::sandbox::{Random, Sandbox};

/// What prose says with digits that is no result.
const PHRASES: [&str; 8] =
    ["95%", "Table 1", "Table 2", "Table 4", "Fig. 3", "Fig. 4", "0 in it", "0 and 1 are"];

fn number(text: &str) -> Option<(f64, f64)> {
    let text = text.replace(',', "");
    let (text, percent) = text.strip_suffix('%').map_or((text.as_str(), false), |text| (text, true));
    let (digits, scale) = match text.split_once(' ') {
        None => (text, 1.0),
        Some((digits, unit)) => {
            let prefixes = [("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12), ("P", 1e15), ("E", 1e18)];
            let prefix = prefixes.iter().find(|(prefix, _)| {
                unit == *prefix
                    || unit.starts_with(&format!("{prefix}F"))
                    || unit.starts_with(&format!("{prefix} "))
            });
            // Of times there is a test elsewhere.
            let is_plain = unit == "FLOPs" || unit == "parameters" || unit == "multiply-adds";
            (digits, prefix.map_or(if is_plain { 1.0 } else { f64::NAN }, |(_, scale)| *scale))
        }
    };
    let decimals = digits.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let unit = scale * 10_f64.powi(-(decimals as i32)) / if percent { 100.0 } else { 1.0 };
    let value: f64 = digits.trim_start_matches('+').parse().ok()?;
    let value = value * scale / if percent { 100.0 } else { 1.0 };
    (!value.is_nan()).then_some((value, unit))
}

/// Whether a number is this text, rounded: where the text says percent, of one or of a hundred.
fn is_text_of(value: f64, text: &str) -> bool {
    let Some((said, unit)) = number(text) else { return text.ends_with(" s") || text.contains(" min") };
    let is = |value: f64| (said - value).abs() <= unit * 0.500_001;
    is(value) || text.ends_with('%') && is(value / 100.0)
}

/// Marks of a plot lie where their numbers say: on straight or logarithmic axes, one for all.
fn lie_straight(marks: &[[f64; 4]], place: usize) -> bool {
    let pairs: Vec<(f64, f64)> = marks.iter().map(|mark| (mark[place + 2], mark[place])).collect();
    let fits = |pairs: &[(f64, f64)]| {
        let ends = |a: &&(f64, f64), b: &&(f64, f64)| a.0.total_cmp(&b.0);
        let (Some(low), Some(high)) = (pairs.iter().min_by(ends), pairs.iter().max_by(ends)) else {
            return true;
        };
        let slope = if high.0 > low.0 { (high.1 - low.1) / (high.0 - low.0) } else { 0.0 };
        pairs.iter().all(|(value, at)| (low.1 + (value - low.0) * slope - at).abs() < 0.2)
    };
    let logarithms: Vec<(f64, f64)> = pairs.iter().map(|(value, at)| (value.ln(), *at)).collect();
    fits(&pairs) || (pairs.iter().all(|(value, _)| *value > 0.0) && fits(&logarithms))
}

/// Everything that a page must be: whatever the browser, the width and the colours.
pub(crate) fn check(page: &Path, json: &Value) -> Seen {
    let text = fs::read_to_string(page).unwrap();
    assert!(!text.contains("http://") && !text.contains("https://"), "{}", page.display());
    for (width, is_dark) in [(400, true), (1400, false)] {
        let seen = seen(page, width, is_dark);
        assert!(seen.content <= seen.window, "{} wider than {}", seen.content, seen.window);
        assert!(seen.errors.is_empty() && seen.faults.is_empty(), "{:?} {:?}", seen.errors, seen.faults);
        assert!(seen.numbers.len() > 20, "{seen:?}");
        for (value, at, text) in &seen.numbers {
            let said = json.pointer(at).unwrap_or_else(|| panic!("{at} of {text} is not in the JSON"));
            match said {
                Value::String(said) => assert_eq!((value, text), (said, said), "{at}"),
                said => {
                    let said = said.as_f64().unwrap_or_else(|| panic!("{at}: {said}"));
                    assert_eq!(value.parse::<f64>().unwrap(), said, "{at}");
                    assert!(is_text_of(said, text), "{at}: {said} is not {text}");
                }
            }
        }
        for stray in &seen.strays {
            let left = PHRASES.iter().fold(stray.clone(), |left, phrase| left.replace(phrase, ""));
            assert!(
                !left.contains(|c: char| c.is_ascii_digit()),
                "{stray:?} has a number that is not checked"
            );
        }
        for marks in &seen.plots {
            assert!(lie_straight(marks, 0) && lie_straight(marks, 1), "{marks:?}");
        }
        let [ascending, descending] = &seen.sorted;
        let has_budgets = text.contains("id=\"budget-table\"");
        assert!(ascending.is_sorted() && (ascending.len() > 1) == has_budgets, "{ascending:?}");
        assert!(descending.iter().rev().eq(ascending), "{descending:?}");
        assert!(seen.hot > 0, "nothing lights up");
        if width == 1400 {
            return seen;
        }
    }
    unreachable!()
}

pub(crate) fn reported(sandbox: &Sandbox, run: &str) -> (PathBuf, Value) {
    let place = sandbox.path("report.html");
    let ran = sandbox.program(&["report", run, "--out", place.to_str().unwrap()]).succeeded();
    assert_eq!(ran.stdout.trim_end(), place.to_str().unwrap());
    (place, sandbox.program(&["report", run, "--json"]).json())
}

/// The checked page of the last two runs, its JSON, and what these are called, the earlier one first.
pub(crate) fn reported_together(sandbox: &Sandbox) -> (PathBuf, Value, [String; 2]) {
    let runs = sandbox.program(&["log", "--json"]).json();
    let both = [1, 0].map(|place: usize| runs["runs"][place]["run"].as_str().unwrap().to_owned());
    let page = sandbox.path("two.html");
    let compare = ["report", "--compare", &both[0], &both[1]];
    sandbox.program(&[&compare[..], &["--out", page.to_str().unwrap()]].concat()).succeeded();
    let json = sandbox.program(&[&compare[..], &["--json"]].concat()).json();
    let seen = check(&page, &json);
    assert!(seen.headings.iter().any(|heading| heading == "Budgets that both tried"), "{:?}", seen.headings);
    (page, json, both)
}

#[test]
fn the_report_of_a_run_says_what_the_run_said() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&[
        "--set=search.strategy=evolution",
        "--set=search.samples=6",
        "--set=mip.confirm=3",
        "--set=architectures.repeat_full=2",
        "--set",
        "mip.lambda=0.2",
    ]);
    // The images are not needed.
    let (page, json) = reported(&sandbox, "last");
    assert_eq!(json["result"], run.json["result"]);
    for (name, value) in run.json["trainings"].as_object().unwrap() {
        assert_eq!(&json["about"]["trainings"][name], value);
    }
    assert_eq!(json["about"]["conditions"]["data"], run.json["data"]);
    let seen = check(&page, &json);
    for heading in
        ["Budget against full training", "Searches", "Pruning, round by round", "When the trainings ran"]
    {
        assert!(seen.headings.iter().any(|known| known == heading), "{:?}", seen.headings);
    }
    let text = fs::read_to_string(&page).unwrap();
    for tile in ["r_s on architectures that no choice has seen", "noise ceiling"] {
        assert!(text.contains(tile), "{tile}");
    }
    // Full trainings have learning curves, others not.
    let nodes: BTreeSet<&str> = json["curves"]["shown"]
        .as_array()
        .unwrap()
        .iter()
        .map(|curve| curve["node"].as_str().unwrap())
        .collect();
    assert!(nodes.contains("train@full") && nodes.contains("train@fresh-full"), "{nodes:?}");
    assert!(!nodes.contains("train@fresh") && !nodes.contains("train@confirm"), "{nodes:?}");
    // Rounds as `rank` has them, each budget once.
    let ranked =
        sandbox.run(&["--target=rank@1", "--set=search.strategy=evolution", "--set", "mip.lambda=0.2"]);
    for (place, ranked) in ranked.json["result"].as_array().unwrap().iter().enumerate() {
        for field in ["spearman", "interval", "kendall", "top"] {
            assert_eq!(json["study"]["budgets"][place][field], ranked[field], "{field} of budget {place}");
        }
    }
    // The command repeats the run, which trains nothing.
    let command = json["about"]["command"].as_str().unwrap();
    let words: Vec<&str> = command.split(' ').skip(1).map(|word| word.trim_matches('"')).collect();
    assert!(
        words.contains(&"mip.lambda=0.2") && words[..3] == ["run", "--target", "nas-search"],
        "{command}"
    );
}

#[test]
fn budgets_are_drawn_by_what_they_were_chosen_for() {
    let sandbox = Sandbox::new();
    sandbox.run(&["--set=mip.objective=regret"]);
    let (page, json) = reported(&sandbox, "last");
    check(&page, &json);
    assert!(fs::read_to_string(&page).unwrap().contains("<h3>Cost against -regret</h3>"));
    let study = &json["study"];
    assert_eq!(study["objective"], "regret");
    let budgets = study["budgets"].as_array().unwrap();
    let of = |budget: &Value, at: &str| budget.pointer(at).and_then(Value::as_f64).unwrap();
    for budget in budgets {
        assert_eq!(of(budget, "/agreement"), 0.0 - of(budget, "/top/regret"));
    }
    // None off the front is both as cheap and better than one of it, and each dearer one of it is better.
    let front: Vec<&Value> = study["front"].as_array().unwrap().iter().collect();
    let front: Vec<&Value> =
        front.iter().map(|place| &budgets[usize::try_from(place.as_u64().unwrap()).unwrap()]).collect();
    let place = |budget: &Value| (of(budget, "/cost"), of(budget, "/top/regret"));
    assert!(front.iter().map(|one| place(one)).is_sorted_by(|a, b| a.0 < b.0 && a.1 > b.1), "{front:?}");
    for budget in budgets {
        let (cost, regret) = place(budget);
        assert!(
            front.iter().map(|one| place(one)).any(|best| best.0 <= cost && best.1 <= regret),
            "{budget}"
        );
    }
}

#[test]
fn a_run_says_where_its_report_is_and_one_like_it_has_the_same() {
    let sandbox = Sandbox::new();
    let place = || {
        let ran = sandbox.program(&["run", "--config", "tiny.toml"]).succeeded();
        let last = ran.stderr.lines().last().unwrap();
        let place = last.strip_prefix("report: ").unwrap_or_else(|| panic!("{}", ran.stderr)).to_owned();
        assert!(!ran.stdout.contains(&place));
        place
    };
    let first = place();
    let text = fs::read_to_string(&first).unwrap();
    assert!(text.starts_with("<!DOCTYPE html>") && text.contains("nas-search on fashion-mnist-subset-5000"));
    assert_eq!((place(), fs::read_to_string(&first).unwrap()), (first.clone(), text));
    // `report` without a place writes the same file.
    fs::remove_file(&first).unwrap();
    assert_eq!(sandbox.program(&["report"]).succeeded().stdout.trim_end(), first);
    assert!(Path::new(&first).is_file());
}

#[test]
fn a_search_by_several_numbers_is_drawn_by_its_mean_places() {
    let sandbox = Sandbox::new();
    let run =
        sandbox.run(&["--set=search.combine=[\"skips\", \"BPE-1,epochs=1\"]", "--set=search.samples=6"]);
    let (page, json) = reported(&sandbox, "last");
    assert_eq!(json["result"], run.json["result"]);
    check(&page, &json);
    let text = fs::read_to_string(&page).unwrap();
    assert!(text.contains("best mean place so far (%)") && !text.contains("best score so far (%)"));
    assert!(text.contains("chose by more than the score") && !text.contains("by which it chooses"));
    let search = &run.json["result"]["search"];
    let story = &json["searches"][0];
    assert_eq!(story["combination"], search["combination"]);
    let (mut most, mut best) = (f64::MIN, &Value::Null);
    for (place, one) in search["evaluations"].as_array().unwrap().iter().enumerate() {
        let combined = &one["combined"];
        if combined["told"].as_f64().unwrap() > most {
            (most, best) = (combined["told"].as_f64().unwrap(), &combined["mean_place"]);
        }
        let drawn = &story["evaluations"][place];
        assert_eq!((&drawn["mean_place"], &drawn["best"]), (&combined["mean_place"], best));
    }
    assert_eq!(*best, search["best"]["combined"]["mean_place"]);
}

#[test]
fn searches_of_every_kind_and_what_they_found_are_drawn() {
    let sandbox = Sandbox::new();
    let strategies = "--set=compare.strategies=[\"random\", \"reinforcement\", \"darts\", \"pc-darts\"]";
    let run = sandbox.run(&[
        "--target=compare-searches",
        "--set=compare.seeds=2",
        "--set=search.samples=4",
        strategies,
    ]);
    let (page, json) = reported(&sandbox, "last");
    assert_eq!(json["result"], run.json["result"]);
    let seen = check(&page, &json);
    for heading in [
        "Strategies beside each other",
        "Searches",
        "Supernets: the weight of each operation, epoch by epoch",
    ] {
        assert!(seen.headings.iter().any(|known| known == heading), "{:?}", seen.headings);
    }
    let supernets =
        json["searches"].as_array().unwrap().iter().filter(|search| !search["supernet"].is_null());
    for search in supernets {
        for weights in search["supernet"]["normal"][0].as_array().unwrap() {
            let sum: f64 = weights.as_array().unwrap().iter().map(|weight| weight.as_f64().unwrap()).sum();
            assert!((sum - 1.0).abs() < 1e-9, "{weights}");
        }
    }
    let incumbents = json["searches"][0]["evaluations"].as_array().unwrap();
    let best: Vec<f64> = incumbents.iter().map(|one| one["best"].as_f64().unwrap()).collect();
    assert!(best.is_sorted() && !best.is_empty());
}

#[test]
fn a_replay_of_a_thousand_architectures_is_a_page() {
    let sandbox = Sandbox::new();
    let mut random = Random(3);
    let (mut truth, mut accuracies) = ("arch,test_acc\n".to_owned(), "arch".to_owned());
    let mut trials = "trial,epochs,optimizer,gpu_hours\n".to_owned();
    for budget in 0..20 {
        let _ = write!(accuracies, ",b{budget}");
        let _ =
            writeln!(trials, "b{budget},{},{},{}", 1 + budget / 4, ["sgd", "<adam>"][budget % 2], 1 + budget);
    }
    for architecture in 0..1000_u64 {
        let _ = writeln!(truth, "g{architecture},{}", 9000 + architecture);
        let _ = write!(accuracies, "\ng{architecture}");
        for budget in 0..20 {
            let _ = write!(accuracies, ",{}", 5000 + architecture + random.below(3000 / (budget + 1)));
        }
    }
    for (name, text) in [("truth.csv", truth), ("trials.csv", trials), ("accuracies.csv", accuracies + "\n")]
    {
        sandbox.write(name, &text);
    }
    let replay = |place: &Path| {
        let tables = ["--truth", "truth.csv", "--trials", "trials.csv", "--accuracies", "accuracies.csv"];
        let report =
            ["replay", "--json", "--bootstrap=10", "--trees=50", "--report", place.to_str().unwrap()];
        sandbox.program(&[&report[..], &tables[..]].concat()).json()
    };
    let (page, numbers) = (sandbox.path("replay.html"), sandbox.path("replay.json"));
    let found = replay(&page);
    assert_eq!(found, replay(&numbers));
    let json: Value = serde_json::from_str(&fs::read_to_string(numbers).unwrap()).unwrap();
    assert_eq!(json["result"], found);
    assert!(fs::metadata(&page).unwrap().len() < 5_000_000);
    let seen = check(&page, &json);
    assert_eq!(seen.filtered.1, 1000);
    assert!((1..1000).contains(&seen.filtered.0), "{:?}", seen.filtered);
    assert_eq!(seen.plots[0].len(), 1000);
}

#[test]
fn two_runs_are_a_page_with_what_differs() {
    let sandbox = Sandbox::new();
    sandbox.run(&[]);
    sandbox.run(&["--set=mip.lambda=0.5", "--set=search.seed=9"]);
    let (_, json, [one, other]) = reported_together(&sandbox);
    let changed: Vec<&str> =
        json["changes"].as_array().unwrap().iter().map(|change| change["field"].as_str().unwrap()).collect();
    assert_eq!(changed, ["mip.lambda", "search.seed"]);
    assert_eq!((&json["one"]["about"]["run"], &json["other"]["about"]["run"]), (&one.into(), &other.into()));
}

#[test]
fn baselines_that_cost_no_training_stand_beside_the_budget() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&["--target=baselines"]);
    let (page, json) = reported(&sandbox, "last");
    assert_eq!(json["result"], run.json["result"]);
    let seen = check(&page, &json);
    assert!(
        seen.headings.iter().any(|heading| heading == "What costs no training ranks, too"),
        "{:?}",
        seen.headings
    );
}

#[test]
fn a_run_goes_through_the_whole_method_again_without_a_training() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&[]);
    let trainings = sandbox.trainings().len();
    let replayed = sandbox.program(&["replay", "--run", "last", "--lambda", "0.5", "--json"]).json();
    let (_, report) = reported(&sandbox, "last");
    let budgets = report["study"]["budgets"].as_array().unwrap();
    assert_eq!(replayed["budgets"].as_array().unwrap().len(), budgets.len());
    for (ours, theirs) in replayed["budgets"].as_array().unwrap().iter().zip(budgets) {
        assert_eq!((&ours["budget"], &ours["cost"]), (&theirs["name"], &theirs["cost"]));
        for field in ["spearman", "kendall", "architectures"] {
            assert_eq!(ours[field], theirs[field], "{field} of {ours}");
        }
    }
    let found = replayed["budgets"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["budget"] == run.json["result"]["budget"]);
    assert!(found.is_none_or(|found| found["spearman"] == run.json["result"]["spearman"]));
    assert_eq!(replayed["pruning"]["full_cost"], 1.0);
    let compared =
        sandbox.program(&["compare", "--run", "last", "--seeds", "3", "--ground-truth", "2", "--json"]);
    assert_eq!(compared.succeeded().json()["full_cost"], 1.0);
    assert_eq!(sandbox.trainings().len(), trainings);
    crate::nonsense::refused(&sandbox, &["replay", "--run", "last", "--truth", "t.csv"], &["--truth"]);
    sandbox.run(&["--target", "evaluate@full"]);
    crate::nonsense::refused(&sandbox, &["replay", "--run", "last"], &["--run", "ranked no budget"]);
}

#[test]
fn what_is_gone_is_said_and_nonsense_refused() {
    let sandbox = Sandbox::new();
    crate::nonsense::refused(&sandbox, &["report"], &["no run"]);
    sandbox.run(&["--target", "evaluate@full"]);
    crate::nonsense::refused(
        &sandbox,
        &["report", "0123456789abcdef"],
        &["0123456789abcdef", "evaluate@full"],
    );
    let key = sandbox.trainings().into_keys().next().unwrap();
    sandbox.program(&["cache", "rm", &key]).succeeded();
    let (page, json) = reported(&sandbox, "last");
    let missing = json["missing"].as_array().unwrap();
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert!(missing[0].as_str().unwrap().starts_with("1 of the trainings"), "{missing:?}");
    assert!(fs::read_to_string(page).unwrap().contains("1 of the trainings that the run asked for"));
    let nowhere = sandbox.path("tiny.toml").join("report.html");
    let ran = sandbox.program(&["report", "--out", nowhere.to_str().unwrap()]);
    assert!(ran.code != Some(0) && ran.stderr.contains("cannot write"), "{}", ran.stderr);
}
