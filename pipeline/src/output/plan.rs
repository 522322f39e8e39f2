//! A plan as a table, and as JSON.

use serde::Serialize;

use super::format;
use super::table::{Align, Table};
use crate::engine::explain::{Change, StaleReason};
use crate::engine::plan::{Bound, Plan, PlannedNode};
use crate::error::Error;

/// Trainings as a number and whether it is exact.
#[derive(Serialize)]
struct BoundJson {
    at_most: u64,
    exact: bool,
}

impl From<Bound> for BoundJson {
    fn from(bound: Bound) -> Self {
        Self { at_most: bound.most(), exact: matches!(bound, Bound::Exactly(_)) }
    }
}

#[derive(Serialize)]
struct PlanJson<'a> {
    target: &'a str,
    trainings: BoundJson,
    nodes: Vec<NodeJson<'a>>,
}

#[derive(Serialize)]
struct NodeJson<'a> {
    node: &'a str,
    stage: &'a str,
    state: &'static str,
    reason: Option<String>,
    changes: &'a [Change],
    trainings: BoundJson,
    cached: u64,
}

/// Whether a node's output is in the cache, in words.
pub(crate) fn state(node: &PlannedNode) -> &'static str {
    if node.reason.is_none() { "cached" } else { "would run" }
}

impl<'a> NodeJson<'a> {
    fn of(node: &'a PlannedNode) -> Self {
        let changes = match &node.reason {
            Some(StaleReason::Changed(changes)) => changes.as_slice(),
            _ => &[],
        };
        Self {
            node: &node.name,
            stage: node.stage,
            state: state(node),
            reason: node.reason.as_ref().map(ToString::to_string),
            changes,
            trainings: node.run.into(),
            cached: node.cached,
        }
    }
}

/// Prints a plan.
pub(crate) fn print(plan: &Plan, target: &str, json: bool) -> Result<(), Error> {
    if json {
        let nodes = plan.nodes.iter().map(NodeJson::of).collect();
        return super::json(&PlanJson { target, trainings: plan.trainings().into(), nodes });
    }
    let mut table = Table::new(
        &[
            ("node", Align::Left),
            ("", Align::Left),
            ("to train", Align::Right),
            ("cached", Align::Right),
            ("why", Align::Left),
        ],
        0,
    );
    for node in &plan.nodes {
        let shown = |count: u64| if count == 0 { String::new() } else { format::count(count) };
        let run = match node.run {
            Bound::Exactly(count) => shown(count),
            Bound::AtMost(count) => format!("at most {}", format::count(count)),
        };
        table.row(vec![
            node.name.clone(),
            state(node).to_owned(),
            run,
            shown(node.cached),
            node.reason.as_ref().map_or_else(String::new, ToString::to_string),
        ]);
    }
    super::result(&format!("{table}\n{}\n", summary(plan)))
}

/// One sentence about the whole.
pub(crate) fn summary(plan: &Plan) -> String {
    if plan.stale() == 0 {
        return "Everything is in the cache: a run would compute nothing.".to_owned();
    }
    let trainings = match plan.trainings() {
        Bound::Exactly(0) => "no trainings".to_owned(),
        Bound::Exactly(count) => format::plural(count, "training"),
        Bound::AtMost(count) => {
            let known = plan.nodes.iter().filter(|node| matches!(node.run, Bound::Exactly(_)));
            let known: u64 = known.map(|node| node.run.most()).sum();
            format!("at least {} and at most {}", format::count(known), format::plural(count, "training"))
        }
    };
    format!("{} of {} nodes would run: {trainings}.", plan.stale(), plan.nodes.len())
}
