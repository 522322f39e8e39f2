//! What is said of searches: what they cost, and whether they collapsed.
#![allow(clippy::unwrap_used)]

use cache::Digest;
use stages::search::SupernetStrategy;
use stages::stage::{
    ComparedSearch, ComparedStrategy, Evaluation, FoundArchitecture, SearchComparison, TrainingSummary,
};
use stages::supernet::Method;
use stages::train::TrainingResult;

use super::*;

fn training(number: u8) -> TrainingSummary {
    let result = TrainingResult {
        score: f64::from(number),
        epochs: Vec::new(),
        test_accuracy: 0.0,
        diverged_at: None,
        parameters: 1,
        mult_adds: 1,
        training_flops: 100,
    };
    TrainingSummary::new(Digest::of("test", &[number]), &result)
}

/// A cell whose nodes have so many skip connections among their eight edges.
fn genotype(skips: usize) -> Genotype {
    let edge = |place: usize| if place < skips { "skip_connect" } else { "sep_conv_3x3" };
    let nodes: Vec<String> =
        (0..4).map(|node| format!("('{}', 0), ('{}', 1)", edge(2 * node), edge(2 * node + 1))).collect();
    let cell = format!("[{}]", nodes.join(", "));
    format!("Genotype(normal={cell}, normal_concat=range(2, 6), reduce={cell}, reduce_concat=range(2, 6))")
        .parse()
        .unwrap()
}

fn outcome(best: Genotype, last: Option<Genotype>) -> SearchOutcome {
    let (_, method) = Method::NAMED[0];
    let supernet = last.map(|last| SupernetResult {
        epochs: Vec::new(),
        best: best.clone(),
        last,
        diverged_at: None,
        parameters: 1,
        mult_adds: 1,
        training_flops: 1000,
    });
    let strategy = SupernetStrategy { method, architecture: method.architecture_recipe() };
    SearchOutcome {
        strategy: Strategy::Supernet(strategy),
        shrunk: vec!["something shrank".to_owned()],
        combination: None,
        best: Some(Evaluation { genotype: best, training: training(1), combined: None }),
        evaluations: Vec::new(),
        asked: 0,
        supernet,
        diverged: Vec::new(),
    }
}

#[test]
fn a_search_that_collapsed_and_a_supernet_that_did_are_named() {
    assert!(!has_collapsed(&genotype(3)) && has_collapsed(&genotype(4)));
    for (best, last, said) in [
        (2, Some(3), None),
        (2, None, None),
        (4, Some(8), Some("the search has collapsed: 50% of")),
        (4, None, Some("the search has collapsed: 50% of")),
        (2, Some(6), Some("the supernet has collapsed: in the end 75% of")),
    ] {
        let outcome = outcome(genotype(best), last.map(genotype));
        let remarks = remarks(&outcome);
        assert!(remarks.starts_with("  something shrank\n"), "{remarks}");
        assert_eq!(remarks.lines().count(), 1 + usize::from(said.is_some()), "{remarks}");
        assert!(said.is_none_or(|said| remarks.contains(said)), "{remarks}");
        let json = serde_json::to_value(SearchJson::of(&outcome, None)).unwrap();
        assert_eq!(json["best"]["collapsed"], best >= 4);
        if let Some(last) = last {
            assert_eq!(json["supernet"]["collapsed"], last >= 4);
        }
    }
}

#[test]
fn a_training_that_is_met_twice_counts_once() {
    let mut outcome = outcome(genotype(0), None);
    let evaluation =
        |number| Evaluation { genotype: genotype(0), training: training(number), combined: None };
    outcome.evaluations = vec![evaluation(1), evaluation(1), evaluation(2), evaluation(1), evaluation(3)];
    let log = |ran, arrival| TrainingLog { ran, arrival, elapsed_ms: 1 };
    // The first batch met one architecture twice; the second found one of the first, and one of another search.
    let log = vec![log(true, 0), log(true, 0), log(true, 1), log(false, 2), log(false, 3)];
    let basis = Basis { log, ..Basis::default() };
    let json = serde_json::to_value(SearchJson::of(&outcome, Some(&basis))).unwrap();
    assert_eq!((&json["cost"]["run"], &json["cost"]["cached"]), (&2.into(), &1.into()));
    assert_eq!(json["cost"]["flops"], 300);
    assert_eq!(json["evaluations"][3]["origin"], "cached");
}

#[test]
fn a_search_that_diverged_says_so_and_is_a_row_of_a_comparison() {
    let mut lost = outcome(genotype(0), Some(genotype(0)));
    lost.best = None;
    lost.supernet.as_mut().unwrap().diverged_at = Some(7);
    let said = remarks(&lost);
    assert!(
        said.contains("warning: ")
            && said.contains("the supernet of darts diverged")
            && said.contains("step 7"),
        "{said}"
    );
    let json = serde_json::to_value(SearchJson::of(&lost, None)).unwrap();
    assert_eq!((&json["best"], &json["supernet"]["diverged_at"]), (&serde_json::Value::Null, &7.into()));

    let found = FoundArchitecture { genotype: genotype(1), trained: training(3), skips: 0.125 };
    let search = |found, seed| ComparedSearch {
        found,
        evaluations: 1,
        search_flops: 10,
        full_search_flops: 100,
        seed,
    };
    let row = |searches| ComparedStrategy { strategy: Some("darts".into()), shrunk: Vec::new(), searches };
    let rows = vec![row(vec![search(Some(found), 1), search(None, 2)]), row(vec![search(None, 1)])];
    let budget = stages::Budget::NAMED[0].1;
    let comparison = SearchComparison { budget, full_ratio: 10.0, rows, diverged: Vec::new() };
    let took = Took { full_ratio: Some(10.0), searches_ms: vec![Some(1e3); 2] };
    let text = comparison_text(&comparison, &took);
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("  darts")).collect();
    assert!(lines.len() == 2 && lines.iter().all(|line| line.contains("diverged")), "{text}");
    assert!(lines[0].contains("12%") && lines.iter().all(|line| line.contains("10 FLOPs")), "{text}");
    assert!(text.contains("1 of 2 searches of darts diverged and found nothing"), "{text}");
    let json = serde_json::to_value(ComparisonJson::of(&comparison, &took)).unwrap();
    assert_eq!(json["strategies"][0]["skips"], 0.125);
    assert_eq!(
        (&json["strategies"][1]["skips"], &json["strategies"][1]["diverged"]),
        (&serde_json::Value::Null, &1.into())
    );
    assert_eq!(json["strategies"][0]["found"][1]["genotype"], serde_json::Value::Null);
}
