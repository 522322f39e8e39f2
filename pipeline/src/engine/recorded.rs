//! The outputs of a run as the records in the cache have them. Knows neither data sets nor configurations, so that a run
//! can be read where its images are not.

use std::collections::BTreeMap;

use cache::{FieldValue, Kind, Store};
use stages::stage::{Stage, VERSIONS, decode};

use super::basis::Basis;
use super::logged::RunTrainings;
use super::manifest::{Manifest, NodeEntry};
use crate::error::Error;

/// A run with what its nodes gave.
pub(crate) struct Recorded {
    pub(crate) run: Manifest,
    pub(crate) trainings: RunTrainings,
    outputs: BTreeMap<String, (Vec<u8>, Basis)>,
    /// What else the run's record says, by name.
    said: BTreeMap<String, String>,
}

impl Recorded {
    /// A run of this folder, or one of a colleague's that was found here.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn of(store: &Store, run: Manifest) -> Result<Self, Error> {
        let trainings = RunTrainings::of(store, &run)?;
        let mut outputs = BTreeMap::new();
        for entry in run.nodes.iter().filter(|entry| entry.output.is_some()) {
            let Some(key) = entry.key else { continue };
            if let Some(record) = store.get_digest(Kind::NodeOutput, &key)? {
                let basis = Basis::of(&record);
                outputs.insert(entry.name.clone(), (record.payload, basis));
            }
        }
        let record = run.id.map(|id| store.get_digest(Kind::Manifest, &id)).transpose()?.flatten();
        let said = record.map_or_else(BTreeMap::new, |record| record.provenance);
        Ok(Self { run, trainings, outputs, said })
    }

    /// The output of a node of stage `S`; none where the run has no such node, it gave nothing, its record is gone, or
    /// is of another version than this program writes.
    pub(crate) fn output<S: Stage>(&self, node: &str) -> Option<S::Output> {
        let entry = self.run.node(node).filter(|entry| entry.stage == S::NAME)?;
        let (bytes, _) = self.outputs.get(node)?;
        (version(entry)? == u64::from(S::VERSION)).then(|| decode(node, bytes).ok()).flatten()
    }

    /// The outputs of all nodes of stage `S` that [`Recorded::output`] can give, with the nodes' names.
    pub(crate) fn of_stage<S: Stage>(&self) -> impl Iterator<Item = (&str, S::Output)> {
        self.nodes::<S>().filter_map(|entry| Some((entry.name.as_str(), self.output::<S>(&entry.name)?)))
    }

    /// The nodes of stage `S`.
    pub(crate) fn nodes<S: Stage>(&self) -> impl Iterator<Item = &NodeEntry> {
        self.run.nodes.iter().filter(|entry| entry.stage == S::NAME)
    }

    /// What is known of the trainings behind a node's output.
    pub(crate) fn basis(&self, node: &str) -> Option<&Basis> {
        self.outputs.get(node).map(|(_, basis)| basis)
    }

    /// A parameter of the first node of stage `S`.
    pub(crate) fn parameter<S: Stage>(&self, name: &str) -> Option<&FieldValue> {
        self.nodes::<S>().find_map(|entry| entry.fields.as_ref()?.get(name))
    }

    /// What else the run's record says under this name.
    pub(crate) fn said(&self, name: &str) -> Option<&str> {
        self.said.get(name).map(String::as_str)
    }

    /// Nodes whose outputs are of another version than this program writes, and so cannot be read.
    pub(crate) fn unreadable(&self) -> Vec<&str> {
        let is_read = |entry: &NodeEntry| {
            VERSIONS.iter().any(|&(name, of)| name == entry.stage && version(entry) == Some(u64::from(of)))
        };
        let there = self.run.nodes.iter().filter(|entry| self.outputs.contains_key(&entry.name));
        there.filter(|entry| !is_read(entry)).map(|entry| entry.name.as_str()).collect()
    }

    /// Nodes that gave something which is not here any more.
    pub(crate) fn lost(&self) -> Vec<&str> {
        let is_lost = |entry: &&NodeEntry| entry.output.is_some() && !self.outputs.contains_key(&entry.name);
        self.run.nodes.iter().filter(is_lost).map(|entry| entry.name.as_str()).collect()
    }
}

/// The version of what a node gave.
fn version(entry: &NodeEntry) -> Option<u64> {
    match entry.fields.as_ref()?.get("version") {
        Some(FieldValue::Uint(version)) => Some(*version),
        _ => None,
    }
}
