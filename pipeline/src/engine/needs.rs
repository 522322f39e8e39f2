//! What runs need of a cache folder: the outputs of their nodes, and the trainings behind those. All else can be computed
//! again, and be deleted by whoever needs the room.

use std::collections::{BTreeMap, HashSet};

use cache::{Digest, Kind, Record, Store};

use super::manifest::{Ending, Manifest};
use crate::error::Error;

/// The place in the provenance of a node's record of the keys of the trainings that the node asked for, one after the other.
const TRAINING_KEYS: &str = "training_keys";
/// Digits of a digest.
const DIGITS: usize = 64;

/// Adds the keys of the trainings that a node asked for to what its record says.
pub(super) fn add_to(provenance: &mut BTreeMap<String, String>, met: HashSet<Digest>) {
    let mut keys: Vec<Digest> = met.into_iter().collect();
    keys.sort_unstable();
    provenance.insert(TRAINING_KEYS.into(), keys.iter().map(Digest::to_string).collect());
}

/// The keys of the trainings behind a node's output; none where its record does not say it, as those of earlier versions.
fn trainings(record: &Record) -> Option<Vec<Digest>> {
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
    /// Of these runs, and of what is pinned.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn of<'a>(
        store: &Store,
        runs: impl Iterator<Item = &'a Manifest>,
        pinned: impl Iterator<Item = Digest>,
    ) -> Result<Self, Error> {
        let mut needs = Self { digests: pinned.collect(), ..Self::default() };
        for run in runs {
            needs.digests.extend(run.id);
            if run.ending != Ending::Finished {
                let since = needs.unfinished_since_unix_ms.get_or_insert(run.started_unix_ms);
                *since = run.started_unix_ms.min(*since);
            }
            for entry in &run.nodes {
                let Some(key) = entry.key else { continue };
                if !needs.digests.insert(key) {
                    continue;
                }
                let Some(record) = store.get_digest(Kind::NodeOutput, &key)? else { continue };
                match trainings(&record) {
                    Some(trainings) => needs.digests.extend(trainings),
                    None => needs.all_trainings = true,
                }
            }
        }
        Ok(needs)
    }

    /// Whether a record is needed.
    pub(crate) fn contain(&self, record: &Record) -> bool {
        self.digests.contains(record.key.digest())
            || self.all_trainings && record.key.kind() == Kind::Training
            || self.unfinished_since_unix_ms.is_some_and(|since| record.created_unix_ms >= since)
    }

    /// Whether nothing is known of the trainings behind some of the outputs.
    pub(crate) fn all_trainings(&self) -> bool {
        self.all_trainings
    }
}
