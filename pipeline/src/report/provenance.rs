//! Where the numbers of a report come from, and the command that asks for them again.

use serde::Serialize;
use serde_json::Value;

use crate::engine::explain::short;
use crate::engine::manifest::{NodeEntry, TrainingCount};
use crate::engine::recorded::Recorded;

/// What of a run's configuration and images its record says, under these names.
pub(crate) const CONDITIONS: &str = "conditions";
pub(crate) const COMMAND: &str = "command";

/// The subject of a report.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum About {
    Run {
        /// Its id.
        run: String,
        target: String,
        ending: String,
        started_unix_ms: u64,
        elapsed_ms: u64,
        /// Version of the program.
        program: String,
        person: Option<String>,
        /// What it trained on; none where it trained nothing.
        device: Option<String>,
        /// What all trainings behind its nodes ran on, in this run and before.
        devices: Vec<String>,
        trainings: TrainingCount,
        /// FLOPs and time of the distinct trainings behind it, and of those among them that it found and did not run.
        training_flops: u64,
        training_ms: u64,
        saved_ms: u64,
        /// Data set, split and scoring, as the run's own `--json` says; null in runs of earlier versions.
        conditions: Value,
        /// What asks for the run again; none in runs of earlier versions.
        command: Option<String>,
    },
    Replay {
        truth: String,
        trials: String,
        accuracies: String,
        command: String,
        /// What tables hold beside what was taken of them, in sentences.
        remarks: Vec<String>,
    },
}

impl About {
    pub(super) fn of_run(recorded: &Recorded) -> Self {
        let run = &recorded.run;
        let all = &recorded.trainings.trainings;
        let training_ms: u64 = all.iter().map(|training| training.elapsed_ms).sum();
        let is_own = |created: u64| created >= run.started_unix_ms;
        let own_ms: u64 = all
            .iter()
            .filter(|training| training.found_in.is_none() && is_own(training.created_unix_ms))
            .map(|training| training.elapsed_ms)
            .sum();
        let named = all.iter().filter_map(|training| training.device.as_deref());
        let parts = named.flat_map(|device| device.split(stages::checkpoint::THEN));
        let mut devices: Vec<String> = parts.map(kernels::hardware).collect();
        devices.sort();
        devices.dedup();
        let conditions = recorded.said(CONDITIONS).and_then(|said| serde_json::from_str(said).ok());
        Self::Run {
            run: run.id.map(|id| id.to_string()).unwrap_or_default(),
            target: run.target.clone(),
            ending: run.ending.to_string(),
            started_unix_ms: run.started_unix_ms,
            elapsed_ms: run.elapsed_ms,
            program: run.program.clone(),
            person: run.person.clone(),
            device: run.device.clone(),
            devices,
            trainings: run.trainings,
            training_flops: all.iter().map(|training| training.training_flops).sum(),
            training_ms,
            saved_ms: training_ms - own_ms,
            conditions: conditions.unwrap_or(Value::Null),
            command: recorded.said(COMMAND).map(str::to_owned),
        }
    }
}

/// A node of a run.
#[derive(Serialize)]
pub(crate) struct RunNode {
    pub(crate) node: String,
    pub(crate) state: String,
    pub(crate) trainings: TrainingCount,
    pub(crate) elapsed_ms: u64,
    /// The first digits of its key, by which `explain` finds it.
    pub(crate) key: Option<String>,
    pub(crate) inputs: Vec<String>,
}

impl RunNode {
    pub(super) fn all(recorded: &Recorded) -> Vec<Self> {
        let node = |entry: &NodeEntry| Self {
            node: entry.name.clone(),
            state: entry.state.to_string(),
            trainings: entry.trainings,
            elapsed_ms: entry.elapsed_ms,
            key: entry.key.as_ref().map(short),
            inputs: entry.inputs.iter().map(|(_, node)| node.clone()).collect(),
        };
        recorded.run.nodes.iter().map(node).collect()
    }
}
