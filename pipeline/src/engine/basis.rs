//! What a node's output was made from: how many trainings, and where they ran. Kept in the provenance of its record, so
//! that a run that finds the output can say it without looking at a single training.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use cache::Record;

use super::trainings::lock;

const TRAININGS: &str = "trainings";
const DIVERGED: &str = "diverged";
const DEVICES: &str = "devices";

/// The trainings behind an output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Basis {
    /// Distinct ones.
    pub(crate) trainings: u64,
    /// How many of them diverged.
    pub(crate) diverged: u64,
    /// The hardware that they ran on, however many threads of it.
    pub(crate) devices: BTreeSet<String>,
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
        }
    }

    pub(super) fn add_to(&self, provenance: &mut BTreeMap<String, String>) {
        provenance.insert(TRAININGS.into(), self.trainings.to_string());
        provenance.insert(DIVERGED.into(), self.diverged.to_string());
        let devices: Vec<&str> = self.devices.iter().map(String::as_str).collect();
        provenance.insert(DEVICES.into(), devices.join("\n"));
    }
}

/// Collects where trainings ran, from many threads.
#[derive(Default)]
pub(super) struct Devices(Mutex<BTreeSet<String>>);

impl Devices {
    /// Notes the device of a training by its name.
    pub(super) fn note(&self, name: &str) {
        let hardware = kernels::hardware(name);
        if !hardware.is_empty() {
            lock(&self.0).insert(hardware);
        }
    }

    pub(super) fn all(&self) -> BTreeSet<String> {
        lock(&self.0).clone()
    }
}
