//! What a target gave, and what the run that gave it says about itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use cache::ShareReport;
use serde::Serialize;

use super::conditions::Conditions;
use super::format;
use crate::engine::manifest::{Manifest, NodeEntry, NodeState, TrainingCount};
use crate::engine::node::{Dag, Known, NodeIndex};
use crate::engine::run::Output;
use crate::engine::sources::Origin;
use crate::error::Error;

/// What a run says about itself beside its result.
pub(crate) struct RunSummary<'a> {
    pub(crate) manifest: &'a Manifest,
    pub(crate) conditions: &'a Conditions,
    /// Of the whole command.
    pub(crate) elapsed_ms: u64,
    pub(crate) shares: &'a [ShareReport],
}

#[derive(Serialize)]
struct RunJson<'a> {
    /// The run's id; none where its manifest could not be stored.
    run: Option<String>,
    target: &'a str,
    #[serde(flatten)]
    conditions: &'a Conditions,
    /// What it trained on; none where it trained nothing.
    device: Option<&'a str>,
    /// What all trainings behind the result ran on, in this run and before.
    devices: BTreeSet<&'a str>,
    trainings: TrainingCount,
    elapsed_ms: u64,
    nodes: Vec<NodeJson<'a>>,
    /// What came of each share.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shares: Vec<ShareJson<'a>>,
    result: serde_json::Value,
}

/// What became of a node, and where what it found came from: its output, or else the trainings that it needed.
#[derive(Serialize)]
struct NodeJson<'a> {
    node: &'a str,
    state: NodeState,
    trainings: TrainingCount,
    hits: Vec<HitsJson<'a>>,
}

#[derive(Serialize)]
struct HitsJson<'a> {
    records: u64,
    #[serde(flatten)]
    origin: &'a Origin,
}

impl<'a> NodeJson<'a> {
    fn of(entry: &'a NodeEntry) -> Self {
        let hits = |(origin, &records): (&'a Arc<Origin>, &u64)| HitsJson { records, origin };
        Self {
            node: &entry.name,
            state: entry.state,
            trainings: entry.trainings,
            hits: entry.hits.iter().map(hits).collect(),
        }
    }
}

#[derive(Serialize)]
struct ShareJson<'a> {
    place: &'a str,
    /// Records found in it, put into it, and waiting for it; objects in it that were not used.
    found: u64,
    put: u64,
    waiting: u64,
    refused: u64,
}

fn share_json(report: &ShareReport) -> ShareJson<'_> {
    let ShareReport { ref place, found, put, waiting, refused } = *report;
    ShareJson { place, found, put, waiting, refused }
}

/// Prints the outputs of the target's nodes.
pub(crate) fn print(
    dag: &Dag,
    targets: &[NodeIndex],
    outputs: &BTreeMap<NodeIndex, Output>,
    summary: &RunSummary,
    json: bool,
) -> Result<(), Error> {
    let mut shown = Vec::new();
    for &target in targets {
        let node = &dag.nodes()[target];
        let Some(output) = outputs.get(&target) else { continue };
        let known = Known { own: target, outputs };
        shown.push((node, node.stage.show_bytes(&node.name, &output.bytes, &known)?));
    }
    let RunSummary { manifest, conditions, elapsed_ms, shares } = *summary;
    let devices: BTreeSet<&str> =
        outputs.values().flat_map(|output| &output.basis.devices).map(String::as_str).collect();
    if json {
        let result = match shown.as_slice() {
            [(_, one)] => one.json.clone(),
            many => many.iter().map(|(node, shown)| (node.name.clone(), shown.json.clone())).collect(),
        };
        return super::json(&RunJson {
            run: manifest.id.map(|id| id.to_string()),
            target: &manifest.target,
            conditions,
            device: manifest.device.as_deref(),
            devices,
            trainings: manifest.trainings,
            elapsed_ms,
            nodes: manifest.nodes.iter().map(NodeJson::of).collect(),
            shares: shares.iter().map(share_json).collect(),
            result,
        });
    }
    let mut text = String::new();
    for (node, shown) in &shown {
        if !shown.titled {
            let _ = writeln!(text, "{}", super::heading(&node.name));
        }
        let _ = writeln!(text, "{}", shown.text.trim_end_matches('\n'));
        text.push('\n');
    }
    let _ = write!(
        text,
        "{} run, {} from the cache{}, in {}\n{conditions}{}\n",
        format::plural(manifest.trainings.run, "training"),
        format::count(manifest.trainings.cached),
        format::diverged(manifest.trainings.diverged),
        format::duration(elapsed_ms),
        if devices.is_empty() {
            String::new()
        } else {
            format!("; trained on {}", devices.into_iter().collect::<Vec<_>>().join(" and "))
        },
    );
    super::result(&text)
}
