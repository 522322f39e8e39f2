//! What a run leaves behind about itself: which nodes it met, under which keys, with which outputs, and how long it took.

use std::time::{SystemTime, UNIX_EPOCH};

use cache::{Cost, Digest, Fields, Key, Kind, Record, Store};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Version of the program.
    pub(crate) program: String,
    pub(crate) target: String,
    pub(crate) started_unix_ms: u64,
    pub(crate) elapsed_ms: u64,
    pub(crate) ending: Ending,
    pub(crate) trainings: TrainingCount,
    /// The nodes of the target's cone, in the order in which they were met.
    pub(crate) nodes: Vec<NodeEntry>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Ending {
    Finished,
    Failed,
    Interrupted,
}

impl std::fmt::Display for Ending {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(match self {
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        })
    }
}

/// Trainings of a run or of one node: how many ran, and how many were remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TrainingCount {
    pub(crate) run: u64,
    pub(crate) cached: u64,
}

impl std::ops::AddAssign for TrainingCount {
    fn add_assign(&mut self, other: Self) {
        self.run += other.run;
        self.cached += other.cached;
    }
}

/// One node of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NodeEntry {
    pub(crate) name: String,
    pub(crate) stage: String,
    /// The names of the nodes behind each role, in the order of the graph.
    pub(crate) inputs: Vec<(String, String)>,
    pub(crate) state: NodeState,
    /// Digest of the node's key and the fields it was made from; none when an input had no output.
    pub(crate) key: Option<Digest>,
    pub(crate) fields: Option<Fields>,
    /// Digest of the output; none when there is none.
    pub(crate) output: Option<Digest>,
    pub(crate) trainings: TrainingCount,
    pub(crate) elapsed_ms: u64,
}

/// What became of a node in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NodeState {
    /// Its output was remembered.
    Cached,
    /// Its output was computed.
    Ran,
    /// It could not be computed.
    Failed,
    /// It was not reached, or an input of it failed.
    Skipped,
}

impl std::fmt::Display for NodeState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(match self {
            Self::Cached => "cached",
            Self::Ran => "ran",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        })
    }
}

impl Manifest {
    /// The manifest under a key of its own, whatever machine, container or process the run was in.
    pub(super) fn record(&self) -> Result<Record, Error> {
        let mut fields = Fields::new();
        fields.insert("target", self.target.as_str())?;
        fields.insert("started_unix_ms", self.started_unix_ms)?;
        fields.insert("run", cache::random_token().as_str())?;
        let mut record = Record::of(Key::new(Kind::Manifest, fields), self)?;
        record.cost = Cost { flops: 0, elapsed_ms: self.elapsed_ms };
        Ok(record)
    }

    pub(crate) fn node(&self, name: &str) -> Option<&NodeEntry> {
        self.nodes.iter().find(|node| node.name == name)
    }
}

/// How many runs back questions are answered: enough for a person, and read in milliseconds.
const MANIFESTS_MAX: usize = 200;

/// The latest manifests of a cache folder, the newest first.
#[derive(Default)]
pub(crate) struct History {
    manifests: Vec<Manifest>,
}

impl History {
    /// Reads the latest manifests; those that this version of the program cannot read are left out.
    pub(crate) fn load(store: &Store) -> Result<Self, Error> {
        let records = store.manifests(MANIFESTS_MAX)?;
        Ok(Self { manifests: records.iter().filter_map(|record| record.value().ok()).collect() })
    }

    pub(crate) fn manifests(&self) -> &[Manifest] {
        &self.manifests
    }

    /// The newest entry for a node whose key was known, and the run that it is from.
    pub(crate) fn latest<'a>(&'a self, node: &'a str) -> Option<(&'a Manifest, &'a NodeEntry)> {
        self.entries(node).next()
    }

    /// The newest entry for a node whose key was known and is not `key`.
    pub(crate) fn latest_other<'a>(
        &'a self,
        node: &'a str,
        key: &Digest,
    ) -> Option<(&'a Manifest, &'a NodeEntry)> {
        self.entries(node).find(|(_, entry)| entry.key.as_ref() != Some(key))
    }

    fn entries<'a>(&'a self, node: &'a str) -> impl Iterator<Item = (&'a Manifest, &'a NodeEntry)> {
        self.manifests.iter().filter_map(move |manifest| {
            let entry = manifest.node(node)?;
            entry.key.is_some().then_some((manifest, entry))
        })
    }
}

/// When a run begins, in milliseconds since 1970: for manifests only, never part of a key that a result depends on.
pub(super) fn begin_unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as u64)
}
