//! Making room in a cache folder, keeping what is wanted all the same, and taking a cache along in one file.

use std::fs;

use cache::{Kind, Store};
use serde_json::Value;

use crate::sandbox::{Ran, SLOWER, Sandbox};

fn gc(sandbox: &Sandbox, more: &[&str]) -> Value {
    sandbox.program(&[&["cache", "gc", "--json", "--older", "0d"], more].concat()).succeeded().json()
}

fn count(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap()
}

#[test]
fn what_the_last_runs_need_is_kept_and_the_rest_goes_for_good() {
    let sandbox = Sandbox::new();
    let earlier = ["--set=train.seed=1"];
    let (first, last) = (sandbox.run(&earlier), sandbox.run(&[]));
    assert!(first.run > 0 && last.run > 0);
    assert_eq!(count(&gc(&sandbox, &[]), "deleted"), 0, "both runs are among the last ten");
    let young = sandbox.program(&["cache", "gc", "--json", "--keep-runs", "1"]).succeeded().json();
    assert_eq!(count(&young, "deleted"), 0, "all of it was made today");
    let planned = gc(&sandbox, &["--keep-runs", "1", "--dry-run"]);
    assert!(count(&planned, "deleted") > first.run, "trainings, and the outputs made from them: {planned}");
    let rest = sandbox.trainings().len() as u64 - first.run;
    let done = gc(&sandbox, &["--keep-runs", "1"]);
    for name in ["deleted", "deleted_bytes", "kept", "kept_bytes"] {
        assert_eq!(done[name], planned[name], "{name}: {done} {planned}");
    }
    assert_eq!(sandbox.trainings().len() as u64, rest);
    let again = sandbox.run(&[]);
    assert_eq!((again.run, &again.result), (0, &last.result), "what the last run needs is there");
    // Its trainings too, not only its outputs.
    let lambda = sandbox.run(&["--set=mip.lambda=0.7"]);
    assert_eq!(
        lambda.run,
        Sandbox::new().run(&["--set=mip.lambda=0.7"]).run - rest.min(lambda.cached),
        "{}",
        lambda.json
    );
    // What was deleted stays deleted, also when the database is rebuilt from its files.
    fs::write(sandbox.cache().join("db/rebuild-wanted"), "").unwrap();
    let anew = sandbox.run(&earlier);
    assert_eq!((anew.run, &anew.result), (first.run, &first.result));
    sandbox.assert_verified();
}

#[test]
fn what_is_pinned_stays_and_what_is_unfinished_too() {
    let sandbox = Sandbox::new();
    let first = sandbox.run(&["--set=train.seed=1"]);
    let id = first.json["run"].as_str().unwrap().to_owned();
    sandbox.run(&[]);
    let pinned = sandbox.program(&["cache", "pin", &id[..8]]).succeeded().stdout;
    assert!(pinned.contains(&id), "{pinned}");
    let spared = gc(&sandbox, &["--keep-runs", "0"]);
    assert!(count(&spared, "deleted") > 0);
    assert_eq!(sandbox.run(&["--set=train.seed=1"]).run, 0);
    sandbox.program(&["cache", "pin", &id[..8], "--remove"]).succeeded();
    assert!(sandbox.program(&["cache", "pin"]).succeeded().stdout.contains("Nothing is pinned"));

    // Of a run that was interrupted, nothing goes.
    let other = Sandbox::new();
    let child = other.start(&SLOWER);
    while other.trainings().len() < 2 {}
    crate::sandbox::signal(&child, "TERM");
    assert_eq!(Ran::of(child.wait_with_output().unwrap()).code, Some(130));
    let had = other.trainings().len();
    assert!(had >= 2);
    gc(&other, &["--keep-runs", "1"]);
    assert_eq!(other.trainings().len(), had);
    gc(&other, &["--keep-runs", "0"]);
    assert_eq!(other.trainings().len(), 0);
}

#[test]
fn a_size_is_reached_by_deleting_the_oldest_and_no_more() {
    let sandbox = Sandbox::new();
    for seed in 1..4 {
        sandbox.run(&[&format!("--set=train.seed={seed}")]);
    }
    let all = gc(&sandbox, &["--dry-run"]);
    let size = count(&all, "kept_bytes") / 2;
    let done = gc(&sandbox, &["--keep-runs", "0", "--size", &format!("{size}B")]);
    let kept = count(&done, "kept_bytes");
    assert!(kept <= size && kept > size / 2, "{done}");
    // The newest are those that stay; what all three confirm with was made by the first.
    let [third, first] = [3, 1].map(|seed| sandbox.run(&[&format!("--set=train.seed={seed}")]).run);
    assert!(third < first, "{third} of the last run's trainings were gone, {first} of the first's");
    for bad in [&["--size", "much"][..], &["--older", "7 weeks"], &["--keep-runs", "-1"]] {
        assert_eq!(sandbox.program(&[&["cache", "gc"], bad].concat()).code, Some(2), "{bad:?}");
    }
}

#[test]
fn weights_that_records_name_stay_and_others_go() {
    let sandbox = Sandbox::new();
    let one_shot = [
        "--target=one-shot-analysis",
        "--set=one_shot.supernet_budget='BPE-1,epochs=2,layers=3,channels=4,image_size=8'",
        "--set=one_shot.epochs=[1, 2]",
        "--set=one_shot.sub_networks=3",
        "--set=one_shot.budget='BPE-1,epochs=1,layers=3,channels=2,image_size=8'",
    ];
    let first = sandbox.run(&one_shot);
    assert!(first.run > 0);
    let store = Store::open(sandbox.cache()).unwrap();
    let weights = store.stats().unwrap().weights;
    assert!(weights > 0);
    store.keep_weights(b"of a record that is gone").unwrap();
    drop(store);
    let done = gc(&sandbox, &["--keep-runs", "1"]);
    assert_eq!(count(&done, "weights_deleted"), 1, "{done}");
    assert_eq!(Store::open(sandbox.cache()).unwrap().stats().unwrap().weights, weights);
    sandbox.forget_outputs();
    let again = sandbox.run(&one_shot);
    assert_eq!((again.run, &again.result), (0, &first.result));
    gc(&sandbox, &["--keep-runs", "0"]);
    assert_eq!(Store::open(sandbox.cache()).unwrap().stats().unwrap().weights, 0);
}

#[test]
fn what_a_killed_run_made_is_kept_and_colleagues_runs_push_out_nobody() {
    let sandbox = Sandbox::new();
    let mut child = sandbox.start(&SLOWER);
    while sandbox.trainings().len() < 2 {}
    child.kill().unwrap();
    child.wait().unwrap();
    let had = sandbox.trainings().len();
    gc(&sandbox, &["--keep-runs", "1"]);
    assert_eq!(sandbox.trainings().len(), had, "it left no manifest, and may go on");

    let (other, file) = (Sandbox::new(), sandbox.path("runs.tar").display().to_string());
    for seed in 1..4 {
        other.run(&[&format!("--set=train.seed={seed}")]);
    }
    other.program(&["cache", "export", &file]).succeeded();
    let own = sandbox.run(&[]);
    sandbox.program(&["cache", "import", &file]).succeeded();
    let status = sandbox.program(&["status", "--config", "tiny.toml", "--json"]).succeeded().json();
    assert_eq!(status["last"]["run"], own.json["run"]);
    gc(&sandbox, &["--keep-runs", "1"]);
    assert_eq!(sandbox.run(&[]).run, 0);
}

#[test]
fn records_are_deleted_by_who_made_them() {
    let sandbox = Sandbox::new();
    sandbox.run(&[]);
    let store = Store::open(sandbox.cache()).unwrap();
    let record = store.iter(Kind::Training).unwrap().next().unwrap().unwrap();
    let person = record.provenance["person"].clone();
    drop((record, store));
    let all = sandbox.trainings().len();
    let rm = |more: &[&str]| sandbox.program(&[&["cache", "rm", "--json"], more].concat()).succeeded().json();
    assert_eq!(rm(&["--producer", "nobody@nowhere"])["removed"].as_array().unwrap().len(), 0);
    assert_eq!(rm(&["--producer", &person, "--older", "1d"])["removed"].as_array().unwrap().len(), 0);
    assert!(rm(&["--producer", &person, "--dry-run"])["removed"].as_array().unwrap().len() > all);
    assert_eq!(sandbox.trainings().len(), all);
    assert!(rm(&["--producer", &person])["removed"].as_array().unwrap().len() > all);
    assert_eq!(sandbox.trainings().len(), 0);
    assert_eq!(sandbox.program(&["cache", "rm"]).code, Some(2));
}

#[test]
fn a_cache_goes_along_in_one_file() {
    let (ada, ben) = (Sandbox::new(), Sandbox::new());
    let first = ada.run(&[]);
    let file = ada.path("nas.tar").display().to_string();
    let written = ada.program(&["cache", "export", &file]).succeeded().stdout;
    assert!(written.contains("written to"), "{written}");
    let strict = ben.program(&["cache", "import", &file, "--trust", "require"]);
    assert!(strict.code == Some(1) && strict.stderr.contains("it is not signed"), "{}", strict.stderr);
    ben.program(&["cache", "import", &file]).succeeded();
    let second = ben.run(&[]);
    assert_eq!((second.run, &second.result), (0, &first.result));
    // Runs come along too.
    let runs = ben.program(&["log", "--json"]).succeeded().json();
    assert!(runs["runs"].as_array().unwrap().iter().any(|run| run["run"] == first.json["run"]), "{runs}");
    for bad in ["tiny.toml", "no such file", "."] {
        let ran = ben.program(&["cache", "import", bad]);
        assert!(matches!(ran.code, Some(0 | 1)), "{bad}: {}", ran.stderr);
        assert!(ran.code == Some(1) || ran.stdout.contains("0 records"), "{bad}: {}", ran.stdout);
    }
}

#[test]
fn a_sample_is_trained_once_more() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&[]);
    let verify = |percent: &str| {
        let arguments = ["cache", "verify", "--sample", percent, "--config", "tiny.toml", "--device", "cpu"];
        sandbox.program(&arguments)
    };
    let all = verify("100%").succeeded().stdout;
    let said = format!("{0} of {0} trainings trained once more: {0} the same to the last byte", run.run);
    assert!(all.contains(&said) && all.contains("0 found damaged"), "{all}");
    assert!(!all.contains("passed over"), "{all}");
    assert!(verify("30").succeeded().stdout.contains(&format!("of {} trainings", run.run)));
    assert_eq!(sandbox.run(&[]).run, 0, "nothing was stored or lost");
    // A result that somebody made up, under its own digest and all.
    let store = Store::open(sandbox.cache()).unwrap();
    let record = store.iter(Kind::Training).unwrap().map(Result::unwrap).next().unwrap();
    let mut result = record.value::<stages::train::TrainingResult>().unwrap();
    result.score += 20.0;
    let lie = cache::Record { payload: cache::codec::encode(&result).unwrap(), ..record.clone() };
    store.supersede(&lie).unwrap();
    drop(store);
    let found = verify("100");
    assert!(found.code == Some(1) && found.stderr.contains("1 gave another result"), "{}", found.stderr);
    assert!(found.stdout.contains(&record.key.digest().to_string()), "{}", found.stdout);
    assert_eq!(verify("0").code, Some(2));
}

#[test]
fn a_sample_holds_final_networks_and_says_what_cannot_be_trained_once_more() {
    let sandbox = Sandbox::new();
    let recipe = "--set=final.recipe=cifar10-full,epochs=1,batch_size=64,layers=3,channels=4,image_size=32,\
                  skeleton=imagenet,rate=exponential";
    let finals = ["--target=evaluate-final", "--set=final.genotype=NASNET_A", "--set=final.seeds=2", recipe];
    let otherwise = ["--target=train@full", "--set=train.augment=false", "--set=train.momentum=0.8"];
    let budget = "--set=search.budget=BPE-1,epochs=1,layers=3,channels=2,image_size=8";
    let searched = ["--target=search", "--set=search.strategy=darts", budget];
    let of_images = [&finals[..], &otherwise, &searched].map(|more| sandbox.run(more).run);
    let others = sandbox.run(&["--target=train@full", "--set=data.train_images=300"]).run;
    assert_eq!((of_images[0], of_images[1], others), (2, 3, 3));
    let verify = ["cache", "verify", "--sample", "100", "--config", "tiny.toml", "--device", "cpu"];
    let said = sandbox.program(&verify).succeeded().stdout;
    // One is the supernet's.
    let networks = of_images.iter().sum::<u64>() - 1;
    for part in [
        &*format!(
            "{networks} of {networks} trainings trained once more: {networks} the same to the last byte"
        ),
        "passed over: 3 trainings on other images",
        "passed over: 1 training of supernets",
    ] {
        assert!(said.contains(part), "{said}\nshould say: {part}");
    }
}
