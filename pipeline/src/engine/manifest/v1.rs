//! Manifests as the first version of the program wrote them: without a device, and without a count of what diverged.

use cache::{Digest, Fields};
use serde::Deserialize;

use super::{Ending, Hits, Manifest, NodeEntry, NodeState, TrainingCount};

#[derive(Deserialize)]
pub(super) struct ManifestV1 {
    program: String,
    target: String,
    started_unix_ms: u64,
    elapsed_ms: u64,
    ending: Ending,
    trainings: TrainingCountV1,
    nodes: Vec<NodeEntryV1>,
}

#[derive(Deserialize)]
struct TrainingCountV1 {
    run: u64,
    cached: u64,
}

#[derive(Deserialize)]
struct NodeEntryV1 {
    name: String,
    stage: String,
    inputs: Vec<(String, String)>,
    state: NodeState,
    key: Option<Digest>,
    fields: Option<Fields>,
    output: Option<Digest>,
    trainings: TrainingCountV1,
    elapsed_ms: u64,
}

impl From<ManifestV1> for Manifest {
    fn from(old: ManifestV1) -> Self {
        let ManifestV1 { program, target, started_unix_ms, elapsed_ms, ending, trainings, nodes } = old;
        Self {
            program,
            target,
            started_unix_ms,
            elapsed_ms,
            ending,
            trainings: trainings.into(),
            device: None,
            nodes: nodes.into_iter().map(NodeEntry::from).collect(),
            id: None,
            person: None,
            is_foreign: false,
        }
    }
}

impl From<TrainingCountV1> for TrainingCount {
    fn from(TrainingCountV1 { run, cached }: TrainingCountV1) -> Self {
        Self { run, cached, diverged: 0 }
    }
}

impl From<NodeEntryV1> for NodeEntry {
    fn from(old: NodeEntryV1) -> Self {
        let NodeEntryV1 { name, stage, inputs, state, key, fields, output, trainings, elapsed_ms } = old;
        let (trainings, hits) = (trainings.into(), Hits::default());
        Self { name, stage, inputs, state, key, fields, output, trainings, hits, elapsed_ms }
    }
}
