//! What a run leaves behind about itself: which nodes it met, under which keys, with which outputs, and how long it took.

mod v1;

use std::collections::HashSet;
use std::time::{SystemTime, UNIX_EPOCH};

use cache::{Cost, Digest, FieldValue, Fields, Key, Kind, Record, Store};
use serde::{Deserialize, Serialize};
use stages::echo::shown;

use self::v1::ManifestV1;
use super::sources::Hits;
use crate::error::Error;
use crate::person::{PERSON, person};

/// Version of a manifest's layout, in its key. Manifests of the first version have none there.
const VERSION: u64 = 2;
/// The name of that field.
const VERSION_FIELD: &str = "version";

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
    /// What it trained on, if it trained.
    pub(crate) device: Option<String>,
    /// The nodes of the target's cone, in the order in which they were met.
    pub(crate) nodes: Vec<NodeEntry>,
    /// Digest of the key that it is stored under, by which people name the run.
    #[serde(skip)]
    pub(crate) id: Option<Digest>,
    /// Who ran it, as its record says; none in those of earlier versions.
    #[serde(skip)]
    pub(crate) person: Option<String>,
    /// Whether it is not of this cache folder: its record was found in a share or a bundle.
    #[serde(skip)]
    pub(crate) is_foreign: bool,
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

/// Trainings of a run or of one node: how many ran, how many were remembered, and how many of both diverged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TrainingCount {
    pub(crate) run: u64,
    pub(crate) cached: u64,
    pub(crate) diverged: u64,
}

impl std::ops::AddAssign for TrainingCount {
    fn add_assign(&mut self, other: Self) {
        self.run += other.run;
        self.cached += other.cached;
        self.diverged += other.diverged;
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
    /// Where what it found came from: its output, or else the trainings that it needed. Told by the run itself alone.
    #[serde(skip)]
    pub(crate) hits: Hits,
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
        fields.insert(VERSION_FIELD, VERSION)?;
        let mut record = Record::of(Key::new(Kind::Manifest, fields), self)?;
        record.cost = Cost { flops: 0, elapsed_ms: self.elapsed_ms };
        record.provenance.insert(PERSON.into(), person().into());
        Ok(record)
    }

    /// The manifest in a record, of this version or an earlier one; none where it is of a later one.
    pub(super) fn read(record: &Record) -> Option<Self> {
        let manifest: Self = match record.key.fields().get(VERSION_FIELD) {
            None => record.value::<ManifestV1>().ok()?.into(),
            Some(FieldValue::Uint(VERSION)) => record.value().ok()?,
            Some(_) => return None,
        };
        let person = record.provenance.get(PERSON).cloned();
        let is_foreign = record.provenance.contains_key(cache::FOUND_IN);
        Some(Self { id: Some(*record.key.digest()), person, is_foreign, ..manifest })
    }

    /// The first digits of its id: enough to tell the runs of a folder apart, and to name one by.
    pub(crate) fn short_id(&self) -> String {
        self.id.map_or_else(String::new, |id| id.to_string().chars().take(RUN_DIGITS).collect())
    }

    pub(crate) fn node(&self, name: &str) -> Option<&NodeEntry> {
        self.nodes.iter().find(|node| node.name == name)
    }
}

/// Digits of a run's id that lists show.
const RUN_DIGITS: usize = 8;
/// Names the last run in the place of its id, whose digits hold no such letters.
const LAST: &str = "last";
/// How many runs a message names.
const NAMED: usize = 3;

/// How many runs back questions are answered: enough for a person, and read in milliseconds.
pub(crate) const MANIFESTS_MAX: usize = 200;
/// How many are looked through for them, where colleagues' runs lie between.
const READ_MAX: usize = 2000;

/// The latest manifests of a cache folder, the newest first.
#[derive(Default)]
pub(crate) struct History {
    manifests: Vec<Manifest>,
}

impl History {
    /// Reads the latest manifests; those that this version of the program cannot read are left out.
    pub(crate) fn load(store: &Store) -> Result<Self, Error> {
        // Colleagues' runs that were pulled push out none of one's own.
        let mut counts = [0; 2];
        let mut is_shown = |run: &Manifest| {
            let count = &mut counts[usize::from(run.is_foreign)];
            *count += 1;
            *count <= MANIFESTS_MAX
        };
        let records = store.manifests(READ_MAX)?;
        let runs = records.iter().filter_map(Manifest::read);
        Ok(Self { manifests: runs.filter(|run| is_shown(run)).collect() })
    }

    /// Takes in the runs that the shares have and the folder has not.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(crate) fn fetch(store: &Store) -> Result<(), Error> {
        let own: HashSet<Digest> = store.digests(Kind::Manifest, "")?.into_iter().collect();
        let mut found = 0;
        for id in store.shared_digests(Kind::Manifest, "").iter().filter(|id| !own.contains(id)) {
            // One that is found is kept.
            found += usize::from(store.get_digest(Kind::Manifest, id)?.is_some());
            if found == READ_MAX {
                break;
            }
        }
        Ok(())
    }

    pub(crate) fn manifests(&self) -> &[Manifest] {
        &self.manifests
    }

    /// The last run of this cache folder.
    pub(crate) fn last(&self) -> Option<&Manifest> {
        self.manifests.iter().find(|run| !run.is_foreign)
    }

    /// The one run whose id begins with `digits`, or the last one of this folder where these are [`LAST`].
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub(crate) fn find(&self, digits: &str) -> Result<&Manifest, Error> {
        if digits == LAST {
            return self.last().ok_or(Error::NoRuns);
        }
        let digits = digits.to_ascii_lowercase();
        let ids = self.manifests.iter().filter_map(|run| Some((run.id?.to_string(), run)));
        let found: Vec<(String, &Manifest)> = ids.filter(|(id, _)| id.starts_with(&digits)).collect();
        match found.as_slice() {
            [(_, run)] => Ok(run),
            [] => Err(Error::UnknownRun { name: digits, known: self.known() }),
            [(one, _), (other, _), ..] => {
                Err(Error::ambiguous(&digits, found.len(), &format!("run {one}"), &format!("run {other}")))
            }
        }
    }

    /// The newest runs, as messages name them.
    fn known(&self) -> String {
        let run = |run: &Manifest| format!("{} ({})", run.short_id(), shown(&run.target));
        self.manifests.iter().take(NAMED).map(run).collect::<Vec<_>>().join(", ")
    }

    /// As [`History::find`], and looks into the shares for a run that is not here.
    ///
    /// # Errors
    /// As [`History::find`].
    pub(crate) fn find_with_team(&self, store: &Store, digits: &str) -> Result<Manifest, Error> {
        let unknown = match self.find(digits) {
            Ok(run) => return Ok(run.clone()),
            Err(unknown @ Error::UnknownRun { .. }) => unknown,
            Err(error) => return Err(error),
        };
        let digits = &digits.to_ascii_lowercase();
        let mut found = store.digests(Kind::Manifest, digits)?;
        found.extend(store.shared_digests(Kind::Manifest, digits));
        found.sort_unstable();
        found.dedup();
        match found.as_slice() {
            [] => Err(unknown),
            [id] => store.get_digest(Kind::Manifest, id)?.as_ref().and_then(Manifest::read).ok_or(unknown),
            [one, other, ..] => {
                Err(Error::ambiguous(digits, found.len(), &format!("run {one}"), &format!("run {other}")))
            }
        }
    }

    /// The newest entry for a node whose key was known, and the run that it is from: one of this folder, where there is one.
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
        // What a colleague ran last is nothing that this folder has changed since.
        let of = move |is_foreign| self.manifests.iter().filter(move |run| run.is_foreign == is_foreign);
        of(false).chain(of(true)).filter_map(move |manifest| {
            let entry = manifest.node(node)?;
            entry.key.is_some().then_some((manifest, entry))
        })
    }
}

/// When a run begins, in milliseconds since 1970: for manifests only, never part of a key that a result depends on.
pub(super) fn begin_unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as u64)
}
