//! Searches by every strategy: to their ends, from the cache, killed, interrupted, and compared with each other.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::nonsense::refused;
use crate::sandbox::{CHECKPOINTS, Random, Sandbox, Summary, signal};

/// Every strategy that `pipeline strategies` lists.
fn strategies(sandbox: &Sandbox) -> Vec<String> {
    let listed = sandbox.program(&["strategies", "--json"]).json();
    let strategies = listed["strategies"].as_array().unwrap();
    strategies.iter().map(|strategy| strategy["name"].as_str().unwrap().to_owned()).collect()
}

/// What a search met, in order: architectures and scores.
fn history(run: &Summary) -> Vec<(Value, Value)> {
    let evaluations = run.json["result"]["evaluations"].as_array().unwrap();
    evaluations.iter().map(|one| (one["genotype"].clone(), one["score"].clone())).collect()
}

#[test]
fn strategies_are_listed_with_a_line_and_a_source_each() {
    let sandbox = Sandbox::new();
    let text = sandbox.program(&["strategies"]).succeeded().stdout;
    let listed = sandbox.program(&["strategies", "--json"]).json();
    for strategy in listed["strategies"].as_array().unwrap() {
        for part in ["name", "line", "source"] {
            assert!(text.contains(strategy[part].as_str().unwrap()), "{strategy}");
        }
    }
}

#[test]
fn every_strategy_ends_and_again_from_the_cache_with_the_same_bytes() {
    let sandbox = Sandbox::new();
    for strategy in strategies(&sandbox) {
        let chosen = format!("--set=search.strategy={strategy}");
        // Some have several stages, of an epoch or more.
        let arguments = [&chosen, "--set=search.samples=6", "--set=space.epochs=[1, 3]"];
        let run = sandbox.run(&arguments);
        let search = &run.json["result"]["search"];
        assert_eq!(search["strategy"], strategy.as_str());
        let evaluations = search["evaluations"].as_array().unwrap();
        assert!(!evaluations.is_empty());
        for evaluation in evaluations {
            assert!(
                evaluation["score"].is_number() && evaluation["flops"].as_u64() > Some(0),
                "{evaluation}"
            );
            assert!(["run", "cached"].contains(&evaluation["origin"].as_str().unwrap()), "{evaluation}");
            assert!(evaluation["seconds"].is_number(), "{evaluation}");
        }
        let mut arrivals: Vec<u64> =
            evaluations.iter().map(|evaluation| evaluation["arrival"].as_u64().unwrap()).collect();
        arrivals.sort_unstable();
        assert!(arrivals.windows(2).all(|pair| pair[0] < pair[1]), "{arrivals:?}");
        let cost = &search["cost"];
        assert!(cost["flops"].as_u64() > Some(0) && cost["seconds"].is_number(), "{cost}");
        assert_eq!(search["best"]["genotype"], run.json["result"]["best"]["genotype"]);
        let again = sandbox.run(&arguments);
        assert_eq!((again.run, &again.bytes), (0, &run.bytes), "{strategy}");
    }
}

#[test]
fn a_search_meets_in_the_cache_what_another_has_trained() {
    let sandbox = Sandbox::new();
    let chosen = |samples| {
        sandbox.run(&[
            "--target=search",
            "--set=search.strategy=evolution",
            "--set=search.evolution.population=4",
            "--set=search.evolution.tournament=2",
            samples,
        ])
    };
    let short = chosen("--set=search.samples=8");
    // With the same seed a longer search of the same population begins as the shorter one did.
    let long = chosen("--set=search.samples=12");
    let evaluations = long.json["result"]["evaluations"].as_array().unwrap();
    assert_eq!(history(&long)[..8], history(&short)[..8]);
    assert!(evaluations[..8].iter().all(|evaluation| evaluation["origin"] == "cached"));
}

#[test]
fn killed_ten_times_a_search_has_the_history_of_one_that_was_not() {
    let slow = [
        "--target=search",
        "--set=search.samples=8",
        "--set=search.budget=BPE-1,epochs=3,layers=3,channels=4,image_size=8",
        "--set=data.train_images=400",
        CHECKPOINTS,
    ];
    let listed = strategies(&Sandbox::new());
    for strategy in listed {
        let chosen = format!("--set=search.strategy={strategy}");
        let arguments = [&slow[..], &[&chosen]].concat();
        let clean = Sandbox::new();
        let begun = Instant::now();
        let expected = clean.run(&arguments);
        let whole_ms = begun.elapsed().as_millis() as u64;
        let sandbox = Sandbox::new();
        let mut random = Random(7);
        for death in 0..12 {
            let mut child = sandbox.start(&arguments);
            thread::sleep(Duration::from_millis(random.below((whole_ms / 3).max(2))));
            let is_interrupted = death >= 10;
            if is_interrupted {
                signal(&child, "INT");
            } else {
                child.kill().unwrap();
            }
            let code = child.wait_with_output().unwrap().status.code();
            // One that had less left to do may have ended before, and one that had just begun dies of an interrupt.
            let may_be = if is_interrupted { [None, Some(0), Some(130)] } else { [None, Some(0), None] };
            assert!(may_be.contains(&code), "{strategy}: {code:?}");
        }
        let last = sandbox.run(&arguments);
        assert_eq!(history(&last), history(&expected), "{strategy}");
        assert_eq!(last.result, expected.result, "{strategy}");
        sandbox.assert_verified();
    }
}

#[test]
fn a_killed_supernet_goes_on_from_its_last_epoch() {
    let arguments = [
        "--target=search",
        "--set=search.strategy=darts",
        "--set=search.budget=BPE-1,epochs=5,layers=3,channels=4,image_size=8",
        "--set=data.train_images=1000",
    ];
    let last = Sandbox::new().killed_behind_a_checkpoint(&arguments);
    let epochs = last.json["result"]["supernet"]["epochs"].as_array().unwrap();
    assert_eq!(epochs.len(), 5);
    for epoch in epochs {
        let numbers = |name: &str| epoch[name].as_array().unwrap().len();
        assert_eq!((numbers("normal"), numbers("reduce")), (14 * 8, 14 * 8));
        assert!(epoch["loss"].is_number() && epoch["score_accuracy"].is_number(), "{epoch}");
    }
}

#[test]
fn strategies_are_compared() {
    let sandbox = Sandbox::new();
    let listed = strategies(&sandbox);
    let chosen = format!("--set=compare.strategies={}", Value::from(listed.clone()));
    let arguments = ["--target=compare-searches", &chosen, "--set=search.samples=4", "--set=compare.seeds=2"];
    let run = sandbox.run(&arguments);
    let rows = run.json["result"]["strategies"].as_array().unwrap();
    let names: Vec<Option<&str>> = rows.iter().map(|row| row["strategy"].as_str()).collect();
    assert_eq!(names, listed.iter().map(|name| Some(name.as_str())).chain([None]).collect::<Vec<_>>());
    for row in rows {
        assert!(row["test_error"].is_number() && row["test_error_deviation"].is_number(), "{row}");
        assert_eq!(row["found"].as_array().unwrap().len(), 2);
        if row["strategy"].is_string() {
            let ratio = run.json["result"]["full_ratio"].as_f64().unwrap();
            let [found, full] = ["search_flops", "full_search_flops"].map(|name| row[name].as_f64().unwrap());
            assert!(found > 0.0 && (full / found - ratio).abs() < 1e-9 * ratio, "{row}");
            assert!(row["search_seconds"].is_number() && row["full_search_seconds"].is_number(), "{row}");
        }
    }
    let again = sandbox.run(&arguments);
    assert_eq!((again.run, again.bytes), (0, run.bytes));
    let text = ["run", "--config", "tiny.toml", "--device=cpu"];
    let text = sandbox.program(&[&text[..], &arguments].concat()).succeeded().stdout;
    assert!(names.iter().flatten().all(|name| text.contains(name)), "{text}");
}

#[test]
fn budgets_are_judged_by_what_a_supernet_finds_with_them() {
    let sandbox = Sandbox::new();
    let arguments = ["--target=budget-quality", "--set=quality.budgets=3"];
    let run = sandbox.run(&arguments);
    let budgets = run.json["result"]["budgets"].as_array().unwrap();
    assert_eq!(budgets.len(), 3);
    for budget in budgets {
        assert!(budget["spearman"].is_number() && budget["accuracy"].is_number(), "{budget}");
        assert!(budget["search_flops"].as_u64() > Some(0), "{budget}");
        assert!(budget["kendall"].is_number() && budget["top"]["precision"].is_number(), "{budget}");
    }
    // The budget with the highest r_s is the last; what its architecture lacks to the best is the regret of the choice.
    let accuracy = |budget: &serde_json::Value| budget["accuracy"].as_f64().unwrap();
    let (r_s, best) = (&budgets[2]["spearman"], budgets.iter().map(accuracy).fold(0.0, f64::max));
    let equals: Vec<f64> = budgets.iter().filter(|one| one["spearman"] == *r_s).map(accuracy).collect();
    let regret = run.json["result"]["ranking"]["top"]["regret"].as_f64().unwrap();
    assert!((regret - (best - equals.iter().sum::<f64>() / equals.len() as f64)).abs() < 1e-9, "{budgets:?}");
    let again = sandbox.run(&arguments);
    assert_eq!((again.run, again.bytes), (0, run.bytes));
}

#[test]
fn settings_of_searches_that_make_no_sense_are_refused_by_name() {
    let sandbox = Sandbox::new();
    for (set, parts) in [
        ("search.strategy=evolutoin", &["search.strategy", "did you mean `evolution`"][..]),
        ("search.samples=0", &["search.samples"]),
        ("search.combine=nwot", &["search.combine", "must be a list"]),
        ("search.combine=[1]", &["search.combine", "a list of texts"]),
        ("search.combine=[\"nwott\"]", &["search.combine", "did you mean `nwot`"]),
        ("search.combine=[\"nwot\", \"nwot\"]", &["search.combine", "twice"]),
        ("search.combine=[\"BPE-1,epochs=0\"]", &["search.combine", "epochs"]),
        ("search.combine=[\"BPE-1,image_size=4000\"]", &["search.combine"]),
        ("search.evolution.population=1", &["search.evolution.population", "from 2"]),
        ("search.evolution.tournament=60", &["search.evolution.tournament", "population of 50"]),
        ("search.evolution.tournament=0", &["search.evolution.tournament"]),
        ("search.evolution.at_once=0", &["search.evolution.at_once"]),
        ("search.evolution.size=3", &["unknown key `size` in [search.evolution]"]),
        ("search.evoluton.population=3", &["unknown section [search.evoluton]", "search.evolution"]),
        ("search.reinforcement.learning_rate=0", &["search.reinforcement.learning_rate"]),
        ("search.reinforcement.baseline_decay=1", &["search.reinforcement.baseline_decay"]),
        ("compare.strategies=[]", &["compare.strategies", "empty"]),
        ("compare.strategies=[\"random\", \"random\"]", &["compare.strategies", "twice"]),
        ("compare.strategies=[\"rondam\"]", &["compare.strategies", "did you mean `random`"]),
        ("compare.strategies=[1]", &["compare.strategies", "a list of texts"]),
        ("compare.seeds=0", &["compare.seeds"]),
        ("quality.budgets=1", &["quality.budgets", "from 2"]),
        ("search.darts.order=third", &["search.darts.order", "first"]),
        ("search.darts.learning_rate=-1", &["search.darts.learning_rate"]),
        ("search.darts.beta1=1", &["search.darts.beta1"]),
        ("search.gdas.first_temperature=0", &["search.gdas.first_temperature", "above 0"]),
        ("search.pc-darts.channel_parts=0", &["search.pc-darts.channel_parts"]),
        ("search.p-darts.operations=[8, 5]", &["search.p-darts.operations", "a list of 3"]),
        ("search.p-darts.operations=[8, 5, 9]", &["search.p-darts.operations", "from 2 to 8"]),
        ("search.p-darts.skip_dropout=[0.0, 0.4, 1.0]", &["search.p-darts.skip_dropout"]),
        ("search.drnas.operations=[8]", &["search.drnas.operations", "a list of 2"]),
        ("search.drnas.channel_parts=[6, 0]", &["search.drnas.channel_parts", "from 1"]),
        ("search.drnas.divergence=-1", &["search.drnas.divergence", "not below 0"]),
        ("search.budget=BPE-9", &["search.budget"]),
        ("search.budget=BPE-1,epochs=0", &["search.budget", "epochs"]),
        ("search.budget=BPE-1,layers=3,image_size=4000", &["search.budget"]),
    ] {
        refused(&sandbox, &["run", "--set", set], parts);
    }
    let stages = ["run", "--set=search.strategy=drnas", "--set=search.budget=BPE-1,epochs=1"];
    refused(&sandbox, &stages, &["search.budget", "1 epochs", "drnas has 2 stages"]);
    let combined = "--set=search.combine=[\"nwot\", \"BPE-1\"]";
    let parts =
        ["search.combine", "darts (search.strategy) trains a supernet", "random, evolution or reinforcement"];
    refused(&sandbox, &["run", combined, "--set=search.strategy=darts"], &parts);
    let parts = ["search.combine", "the budget of the search (search.budget)"];
    refused(&sandbox, &["run", combined, "--set=search.budget=BPE-1,epochs=10"], &parts);
    // A set whose images are all of one class.
    for (name, count) in [("train", 20_u8), ("t10k", 5)] {
        let pixels = vec![7; usize::from(count) * 64];
        let images = [&[0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 8, 0, 0, 0, 8][..], &pixels].concat();
        let labels = [&[0, 0, 8, 1, 0, 0, 0, count][..], &vec![0; usize::from(count)]].concat();
        sandbox.write(&format!("one/{name}-images-idx3-ubyte"), images);
        sandbox.write(&format!("one/{name}-labels-idx1-ubyte"), labels);
    }
    let arguments = ["run", "--set=data.set=idx", "--set=data.path=one", "--set=search.strategy=darts"];
    refused(&sandbox, &arguments, &["data.set", "one class"]);
    let file = sandbox.write("wrong.toml", "[search]\nsamples = 3\n[search.evolution]\npopulation = 1\n");
    refused(
        &sandbox,
        &["run", "--config", file.to_str().unwrap()],
        &["wrong.toml, line 4", "search.evolution.population"],
    );
    let file = sandbox.write("wrong.toml", "[search]\nevolution = 3\n");
    refused(&sandbox, &["run", "--config", file.to_str().unwrap()], &["wrong.toml, line 2", "evolution"]);
}
