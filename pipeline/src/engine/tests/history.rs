//! Runs of the past, also those that an earlier version of the program wrote.

use cache::{Fields, Record};
use stages::stage::{Evaluate, Rank, Stage, VERSIONS};

use super::fake::{Bench, FakeExecutor, Map, budget};
use super::nas_search;
use crate::engine::manifest::{Ending, History, TrainingCount};
use crate::engine::node::Dag;
use crate::engine::recorded::Recorded;
use crate::error::Error;
use crate::report::Report;

/// A run of the target `sample` by version 0.1.0, before manifests had a version in their key: its record as it was stored.
const OF_THE_FIRST_VERSION: &[u8] = include_bytes!("../../../goldens/manifest-1.bin");

fn dag() -> Dag {
    let mut dag = Dag::default();
    dag.add("map", Map { architectures: 0..2, budget: budget(3) });
    dag
}

#[test]
fn runs_of_the_first_version_are_still_read() {
    let bench = Bench::new();
    bench.store.put(&Record::from_bytes(OF_THE_FIRST_VERSION).unwrap()).unwrap();
    bench.run(&dag(), "map", &FakeExecutor::default());
    let history = History::load(&bench.store).unwrap();
    let [new, old] = history.manifests() else { panic!("two runs") };
    assert_eq!((new.target.as_str(), new.device.as_deref()), ("map", Some("made up")));
    assert_eq!((old.target.as_str(), old.ending, old.device.as_deref()), ("sample", Ending::Finished, None));
    assert_eq!(old.trainings, TrainingCount::default());
    let node = old.node("sample").unwrap();
    let fields = node.fields.as_ref().unwrap();
    assert_eq!(fields.get("architectures.count").unwrap().to_string(), "2");
    assert!(node.key.is_some() && node.output.is_some());
}

#[test]
fn a_run_is_found_by_the_first_digits_of_its_id() {
    let bench = Bench::new();
    // Ids are hashes of random bits: of seventeen runs, two share their first digit.
    for _ in 0..17 {
        bench.run(&dag(), "map", &FakeExecutor::default());
    }
    let history = History::load(&bench.store).unwrap();
    for run in history.manifests() {
        let id = run.id.unwrap().to_string();
        assert!(id.starts_with(&run.short_id()));
        assert_eq!(history.find(&id).unwrap().id, run.id);
        assert_eq!(history.find(&id[..12].to_ascii_uppercase()).unwrap().id, run.id);
    }
    let shared = "0123456789abcdef".chars().map(|digit| history.find(&digit.to_string()));
    let ambiguous = shared.filter_map(Result::err).filter(|error| matches!(error, Error::Ambiguous { .. }));
    assert!(ambiguous.count() > 0);
    let unknown = history.find("0123456789abcdef").unwrap_err();
    assert!(matches!(unknown, Error::UnknownRun { .. }) && unknown.exit_code() == 2, "{unknown}");
}

#[test]
fn outputs_of_another_version_are_named_and_not_read() {
    let bench = Bench::new();
    let mut run = bench.run(&nas_search::dag(&[]), "rank@1", &FakeExecutor::default()).manifest;
    let recorded = Recorded::of(&bench.store, run.clone()).unwrap();
    assert!(recorded.unreadable().is_empty() && recorded.output::<Rank>("rank@1").is_some());
    let ranked = run.nodes.iter_mut().find(|node| node.name == "rank@1").unwrap();
    let before = u64::from(<Rank as Stage>::VERSION) - 1;
    ranked.fields = Some(Fields::new().with("version", before).unwrap());
    let recorded = Recorded::of(&bench.store, run).unwrap();
    assert_eq!((recorded.unreadable(), recorded.lost()), (vec!["rank@1"], vec![]));
    assert!(
        recorded.output::<Rank>("rank@1").is_none() && recorded.output::<Evaluate>("evaluate@1").is_some()
    );
    let missing = Report::of_run(&recorded, serde_json::Value::Null).unwrap().missing;
    assert!(missing[0].starts_with("The outputs of rank@1 are of another version"), "{missing:?}");
}

#[test]
fn every_stage_is_among_those_whose_versions_are_known() {
    for node in nas_search::dag(&[("mip.cost", "seconds"), ("search.budget", "BPE-1")]).nodes() {
        assert!(VERSIONS.contains(&(node.stage.name(), node.stage.version())), "{}", node.name);
    }
}
