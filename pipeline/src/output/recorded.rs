//! The result of a run's target out of the records in the cache: what the run's own `--json` gives, without the data set.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use stages::stage::{
    Baselines, BudgetQuality, CompareSearches, EvaluateFinal, Mip, NasSearch, OneShotAnalysis, Rank, Search,
    Stage,
};

use super::final_network::FinalJson;
use super::nas::{MipJson, NasSearchJson, RankedJson};
use super::one_shot::OneShotJson;
use super::quality::QualityJson;
use super::search::{ComparisonJson, SearchJson, Took};
use super::untrained::BaselinesJson;
use crate::engine::recorded::Recorded;
use crate::error::Error;

/// The node that holds the search behind `nas-search`, and those of full and of confirming trainings.
const SEARCH: &str = "search";
const FULL: &str = "train@full";
const CONFIRMING: &str = "train@confirm";

/// The target's result: of one node its own, of several an object by their names. Null for stages that a report says
/// nothing of, and where the run did not come to it.
pub(crate) fn result(recorded: &Recorded) -> Result<Value, Error> {
    let target = recorded.run.target.as_str();
    let nodes: Vec<&str> = recorded
        .run
        .nodes
        .iter()
        .filter(|entry| entry.name == target || entry.stage == target)
        .map(|entry| entry.name.as_str())
        .collect();
    if nodes.contains(&target) || nodes.len() == 1 {
        return of_node(recorded, nodes.iter().find(|node| **node == target).unwrap_or(&nodes[0]));
    }
    let mut all = BTreeMap::new();
    for node in nodes {
        all.insert(node, of_node(recorded, node)?);
    }
    if all.is_empty() { Ok(Value::Null) } else { json(all) }
}

fn json(value: impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|error| Error::Output(error.into()))
}

fn of_node(recorded: &Recorded, node: &str) -> Result<Value, Error> {
    let stage = recorded.run.node(node).map_or("", |entry| entry.stage.as_str());
    match stage {
        NasSearch::NAME => recorded
            .output::<NasSearch>(node)
            .map_or(Ok(Value::Null), |report| json(NasSearchJson::of(&report, recorded.basis(SEARCH)))),
        Baselines::NAME => recorded
            .output::<Baselines>(node)
            .map_or(Ok(Value::Null), |report| json(BaselinesJson::of(&report))),
        Mip::NAME => recorded
            .output::<Mip>(node)
            .map_or(Ok(Value::Null), |report| json(MipJson::of(&report, &report.diverged))),
        Rank::NAME => recorded
            .output::<Rank>(node)
            .map_or(Ok(Value::Null), |ranked| json(ranked.iter().map(RankedJson::of).collect::<Vec<_>>())),
        Search::NAME => recorded
            .output::<Search>(node)
            .map_or(Ok(Value::Null), |outcome| json(SearchJson::of(&outcome, recorded.basis(node)))),
        CompareSearches::NAME => recorded
            .output::<CompareSearches>(node)
            .map_or(Ok(Value::Null), |report| json(ComparisonJson::of(&report, &took(recorded, &report)))),
        BudgetQuality::NAME => recorded
            .output::<BudgetQuality>(node)
            .map_or(Ok(Value::Null), |report| json(QualityJson::of(&report))),
        OneShotAnalysis::NAME => recorded
            .output::<OneShotAnalysis>(node)
            .map_or(Ok(Value::Null), |report| json(OneShotJson::of(&report))),
        EvaluateFinal::NAME => recorded
            .output::<EvaluateFinal>(node)
            .map_or(Ok(Value::Null), |report| json(FinalJson::of(&report))),
        _ => Ok(Value::Null),
    }
}

/// How long searches took, and full training in place of their budget.
fn took(recorded: &Recorded, report: &stages::stage::SearchComparison) -> Took {
    let elapsed_ms = |node: &str| recorded.basis(node)?.elapsed_ms;
    let row = |row: &stages::stage::ComparedStrategy| {
        let name = row.strategy.as_ref()?;
        let of_seed = |number: usize| elapsed_ms(&format!("{SEARCH}@{name}.{number}"));
        (1..=row.searches.len()).map(of_seed).collect::<Option<Vec<u64>>>()
    };
    Took::of(
        (elapsed_ms(FULL), elapsed_ms(CONFIRMING)),
        report.rows.iter().filter(|compared| compared.strategy.is_some()).map(row),
    )
}
