//! Why a node runs: the field of its key that is not what it was, and both values.

use std::collections::BTreeMap;

use cache::{Digest, FieldChange, FieldValue, Key};
use serde::Serialize;

use super::manifest::{History, Manifest, NodeEntry};
use super::node::{Dag, NodeIndex, input_field};
use super::plan::Plan;
use super::run::Output;

/// How many nodes a sentence lists.
const NAMED_MAX: usize = 3;

/// How many changes a sentence lists; `explain` lists all.
const CHANGES_MAX: usize = 2;

/// Why a node would run, or runs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum StaleReason {
    /// No manifest knows the node.
    NeverRun,
    /// These fields of its key differ from the newest manifest that knows the node.
    Changed(Vec<Change>),
    /// Its key is as it was, but no output is there: the run did not get to the end of it, or the record is gone.
    OutputMissing,
    /// What comes out of these nodes is not known yet.
    Waits(Vec<String>),
    /// Asked for.
    Forced,
}

/// One field of a key that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Change {
    /// The field: a parameter, named as in the configuration, or `input ROLE`.
    pub(crate) field: String,
    /// The node whose output it is, for an input.
    pub(crate) node: Option<String>,
    pub(crate) old: Option<String>,
    pub(crate) new: Option<String>,
}

impl std::fmt::Display for Change {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let absent = "(none)";
        let old = self.old.as_deref().unwrap_or(absent);
        let new = self.new.as_deref().unwrap_or(absent);
        match &self.node {
            Some(node) => write!(formatter, "output of {node}: {old} -> {new}"),
            None => write!(formatter, "{}: {old} -> {new}", self.field),
        }
    }
}

fn and_more(formatter: &mut std::fmt::Formatter<'_>, more: usize) -> std::fmt::Result {
    if more == 0 { Ok(()) } else { write!(formatter, " and {more} more") }
}

impl std::fmt::Display for StaleReason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NeverRun => formatter.write_str("never run before"),
            Self::Changed(changes) => {
                let shown: Vec<String> = changes.iter().take(CHANGES_MAX).map(ToString::to_string).collect();
                formatter.write_str(&shown.join("; "))?;
                and_more(formatter, changes.len() - shown.len())
            }
            Self::OutputMissing => formatter.write_str("its output is not in the cache"),
            Self::Waits(nodes) => {
                let named = nodes.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
                write!(formatter, "waits for {named}")?;
                and_more(formatter, nodes.len().saturating_sub(NAMED_MAX))
            }
            Self::Forced => formatter.write_str("forced"),
        }
    }
}

/// Why the node with this key has to run, given that its output is not in the cache.
pub(super) fn why(dag: &Dag, index: NodeIndex, key: &Key, history: &History) -> StaleReason {
    let node = &dag.nodes()[index];
    let Some((_, entry)) = history.latest(&node.name) else { return StaleReason::NeverRun };
    if entry.key == Some(*key.digest()) {
        return StaleReason::OutputMissing;
    }
    StaleReason::Changed(changes(dag, index, key, entry))
}

/// Why a node would run whose inputs have no known output yet: what is known to have changed, and what it waits for.
pub(super) fn waits(
    dag: &Dag,
    index: NodeIndex,
    outputs: &BTreeMap<NodeIndex, Output>,
    history: &History,
) -> StaleReason {
    let node = &dag.nodes()[index];
    if history.latest(&node.name).is_none() {
        return StaleReason::NeverRun;
    }
    let unknown = node.inputs.iter().filter(|input| !outputs.contains_key(&input.node));
    StaleReason::Waits(unknown.map(|input| dag.nodes()[input.node].name.clone()).collect())
}

/// The fields of a node's key that differ from those in a manifest's entry for it.
pub(crate) fn changes(dag: &Dag, index: NodeIndex, key: &Key, entry: &NodeEntry) -> Vec<Change> {
    let node = &dag.nodes()[index];
    let sources = node.inputs.iter().map(|input| (input.role, dag.nodes()[input.node].name.as_str()));
    let sources: Vec<(&str, &str)> = sources.collect();
    let Some(old) = &entry.fields else { return Vec::new() };
    entry_changes(&old.diff(key.fields()), &sources)
}

/// The fields that differ between two entries for one node, the older first.
pub(crate) fn changes_between(older: &NodeEntry, newer: &NodeEntry) -> Vec<Change> {
    let (Some(old), Some(new)) = (&older.fields, &newer.fields) else { return Vec::new() };
    let sources: Vec<(&str, &str)> =
        newer.inputs.iter().map(|(role, node)| (role.as_str(), node.as_str())).collect();
    entry_changes(&old.diff(new), &sources)
}

fn entry_changes(fields: &[FieldChange], sources: &[(&str, &str)]) -> Vec<Change> {
    let mut changes = Vec::new();
    for field in fields {
        let nodes: Vec<&str> = sources
            .iter()
            .filter(|(role, _)| input_field(role) == field.name)
            .map(|(_, node)| *node)
            .collect();
        if nodes.is_empty() {
            let text = |value: &Option<FieldValue>| value.as_ref().map(ToString::to_string);
            changes.push(Change {
                field: field.name.clone(),
                node: None,
                old: text(&field.old),
                new: text(&field.new),
            });
            continue;
        }
        let (old, new) = (digests(field.old.as_ref()), digests(field.new.as_ref()));
        for place in 0..old.len().max(new.len()) {
            if old.get(place) != new.get(place) {
                changes.push(Change {
                    field: field.name.clone(),
                    node: Some(
                        nodes.get(place).map_or_else(|| "a node no longer there".into(), |n| (*n).into()),
                    ),
                    old: old.get(place).map(short),
                    new: new.get(place).map(short),
                });
            }
        }
    }
    // What a person set comes before what followed from it.
    changes.sort_by_key(|change| change.node.is_some());
    changes
}

fn digests(value: Option<&FieldValue>) -> Vec<Digest> {
    match value {
        Some(FieldValue::Digest(digest)) => vec![*digest],
        Some(FieldValue::List(list)) => list.iter().flat_map(|value| digests(Some(value))).collect(),
        _ => Vec::new(),
    }
}

/// The first digits of a digest: enough to tell two apart, and enough for `explain` to find it by.
pub(crate) fn short(digest: &Digest) -> String {
    digest.to_string().chars().take(12).collect()
}

/// The settings behind what changed in a node: for it and each node before it, the parameters that differ from what a
/// manifest says. Nodes whose key is not known yet are left out, for nothing is known of them but what they wait for.
pub(crate) fn causes(
    dag: &Dag,
    plan: &Plan,
    index: NodeIndex,
    manifest: &Manifest,
) -> Vec<(String, Vec<Change>)> {
    let cone = dag.cone(&[index]);
    let mut causes = Vec::new();
    for node in plan.nodes.iter().filter(|node| cone.contains(&node.index)) {
        let (Some(key), Some(entry)) = (&node.key, manifest.node(&node.name)) else { continue };
        let mut parameters = changes(dag, node.index, key, entry);
        parameters.retain(|change| change.node.is_none());
        if !parameters.is_empty() {
            causes.push((node.name.clone(), parameters));
        }
    }
    causes
}
