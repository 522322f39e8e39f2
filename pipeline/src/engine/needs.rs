//! What runs need of a cache folder: the outputs of their nodes, and the trainings behind those; of runs that did not finish,
//! what they had asked for and all that was made since they began. All else can be computed again, and be deleted by whoever
//! needs the room.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use cache::{Digest, FieldValue, Kind, Record, Store};

use super::manifest::{Ending, Manifest};
use crate::error::Error;

/// The place in the provenance of a node's record of the keys of the trainings that the node asked for, one after the other.
const TRAINING_KEYS: &str = "training_keys";
/// Digits of a digest.
const DIGITS: usize = 64;

/// Adds the keys of the trainings that a node asked for to what its record says; for a run, those of nodes that did not end.
pub(super) fn add_to(provenance: &mut BTreeMap<String, String>, met: HashSet<Digest>) {
    let mut keys: Vec<Digest> = met.into_iter().collect();
    keys.sort_unstable();
    provenance.insert(TRAINING_KEYS.into(), keys.iter().map(Digest::to_string).collect());
}

/// The keys of the trainings behind a node's output; none where its record does not say it, as those of earlier versions.
pub(super) fn trainings(record: &Record) -> Option<Vec<Digest>> {
    let keys = record.provenance.get(TRAINING_KEYS)?;
    let key = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse().ok();
    keys.as_bytes().chunks(DIGITS).map(key).collect()
}

/// What some runs need.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    /// Of records of any kind.
    digests: HashSet<Digest>,
    /// Whether a node that is needed does not say which trainings it was made from: then all are needed.
    all_trainings: bool,
    /// When the earliest of these runs that did not finish began: what was made since then it may go on from.
    unfinished_since_unix_ms: Option<u64>,
}

impl Needs {
    /// Of the last runs of a folder, so many of them, and of what is pinned there.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn of(store: &Store, runs: usize, pins: &BTreeSet<Digest>) -> Result<Self, Error> {
        // What waits for a share is not there yet.
        let digests = pins.iter().copied().chain(store.outgoing()).collect();
        let mut needs = Self { digests, ..Self::default() };
        // Those that left a manifest, and those that were killed.
        let manifests = store.manifests(usize::MAX)?;
        let mut last: Vec<(u64, Option<(Manifest, &Record)>)> = Vec::new();
        for record in &manifests {
            // One of a later version of this program is known by its record alone.
            needs.digests.extend(pins.get(record.key.digest()));
            let Some(manifest) = Manifest::read(record) else { continue };
            if pins.contains(record.key.digest()) {
                needs.add_run(store, &manifest, record)?;
            } else if !manifest.is_foreign {
                last.push((manifest.started_unix_ms, Some((manifest, record))));
            }
        }
        last.extend(store.begun_runs()?.iter().map(|run| (run.started_unix_ms, None)));
        last.sort_by_key(|(started, _)| std::cmp::Reverse(*started));
        for (started, run) in last.into_iter().take(runs) {
            match run {
                Some((manifest, record)) => needs.add_run(store, &manifest, record)?,
                None => needs.add_unfinished(started),
            }
        }
        Ok(needs)
    }

    fn add_run(&mut self, store: &Store, run: &Manifest, record: &Record) -> Result<(), Error> {
        self.digests.extend(run.id);
        if run.ending != Ending::Finished {
            self.add_unfinished(run.started_unix_ms);
            self.digests.extend(trainings(record).unwrap_or_default());
        }
        for entry in &run.nodes {
            let Some(key) = entry.key else { continue };
            if !self.digests.insert(key) {
                continue;
            }
            let Some(output) = store.get_digest(Kind::NodeOutput, &key)? else { continue };
            match trainings(&output) {
                Some(trainings) => self.digests.extend(trainings),
                None => self.all_trainings = true,
            }
        }
        Ok(())
    }

    /// Of a run that began then and did not finish.
    fn add_unfinished(&mut self, started_unix_ms: u64) {
        let since = self.unfinished_since_unix_ms.get_or_insert(started_unix_ms);
        *since = started_unix_ms.min(*since);
    }

    /// Whether a record is needed.
    pub(crate) fn contain(&self, record: &Record) -> bool {
        let beside = match record.key.fields().get("training") {
            // What a training keeps beside its record.
            Some(FieldValue::Digest(training)) => self.digests.contains(training),
            _ => false,
        };
        beside
            || self.digests.contains(record.key.digest())
            || self.all_trainings && record.key.kind() == Kind::Training
            || self.unfinished_since_unix_ms.is_some_and(|since| record.kept_unix_ms() >= since)
    }

    /// Whether weights are needed for themselves: since they wait for a share.
    pub(crate) fn contain_weights(&self, digest: &Digest) -> bool {
        self.digests.contains(digest)
    }

    /// Whether nothing is known of the trainings behind some of the outputs.
    pub(crate) fn all_trainings(&self) -> bool {
        self.all_trainings
    }

    /// When the earliest of these runs that did not finish began.
    pub(crate) fn unfinished_since_unix_ms(&self) -> Option<u64> {
        self.unfinished_since_unix_ms
    }
}
