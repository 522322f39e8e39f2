//! What a node's output was made from: how many trainings, and where they ran. Kept in the provenance of its record, so
//! that a run that finds the output can say it without looking at a single training.

use std::collections::{BTreeMap, BTreeSet};

use cache::Record;
use stages::stage::TrainingLog;

const TRAININGS: &str = "trainings";
const DIVERGED: &str = "diverged";
const DEVICES: &str = "devices";
const ELAPSED_MS: &str = "trainings_elapsed_ms";
/// A line for each training that the stage asked for: whether it ran, its place in the order of arrival, its milliseconds.
const LOG: &str = "training_log";

/// The trainings behind an output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Basis {
    /// Distinct ones.
    pub(crate) trainings: u64,
    /// How many of them diverged.
    pub(crate) diverged: u64,
    /// The hardware that they ran on, however many threads of it.
    pub(crate) devices: BTreeSet<String>,
    /// How long they took, one after the other. None in records of earlier versions.
    pub(crate) elapsed_ms: Option<u64>,
    /// How each came about, in the order in which the stage asked for them; for stages that want it.
    pub(crate) log: Vec<TrainingLog>,
}

impl Basis {
    /// What a node's record says.
    pub(super) fn of(record: &Record) -> Self {
        let count = |name| record.provenance.get(name).and_then(|count| count.parse().ok()).unwrap_or(0);
        let devices = record.provenance.get(DEVICES).into_iter().flat_map(|devices| devices.lines());
        Self {
            trainings: count(TRAININGS),
            diverged: count(DIVERGED),
            devices: devices.map(str::to_owned).collect(),
            elapsed_ms: record.provenance.get(ELAPSED_MS).and_then(|elapsed| elapsed.parse().ok()),
            log: record
                .provenance
                .get(LOG)
                .and_then(|log| log.lines().map(read).collect())
                .unwrap_or_default(),
        }
    }

    pub(super) fn add_to(&self, provenance: &mut BTreeMap<String, String>) {
        provenance.insert(TRAININGS.into(), self.trainings.to_string());
        provenance.insert(DIVERGED.into(), self.diverged.to_string());
        let devices: Vec<&str> = self.devices.iter().map(String::as_str).collect();
        provenance.insert(DEVICES.into(), devices.join("\n"));
        if let Some(elapsed_ms) = self.elapsed_ms {
            provenance.insert(ELAPSED_MS.into(), elapsed_ms.to_string());
        }
        if !self.log.is_empty() {
            provenance.insert(LOG.into(), self.log.iter().map(written).collect::<Vec<_>>().join("\n"));
        }
    }
}

fn written(TrainingLog { ran, arrival, elapsed_ms }: &TrainingLog) -> String {
    format!("{} {arrival} {elapsed_ms}", u8::from(*ran))
}

fn read(line: &str) -> Option<TrainingLog> {
    let mut numbers = line.split(' ').map(|number| number.parse::<u64>().ok());
    let mut next = || numbers.next().flatten();
    Some(TrainingLog { ran: next()? != 0, arrival: next()?, elapsed_ms: next()? })
}
