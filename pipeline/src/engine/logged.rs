//! The trainings of a run as its manifest and the records in the cache tell of them. Knows neither data sets nor
//! configurations, so that a run can be read where its images are not.

use std::collections::HashMap;

use cache::{Digest, FieldValue, Kind, Record, Store};
use stages::hyperparameter::{COUNT, HYPERPARAMETERS};
use stages::supernet::SupernetResult;
use stages::supernet::one_shot::OneShotResult;
use stages::train::TrainingResult;

use super::manifest::{Manifest, NodeEntry, NodeState};
use super::needs;
use super::trainings::DEVICE;
use crate::error::Error;
use crate::person::PERSON;

/// The job of a record that does not name one: to train one network.
const NETWORK: &str = "network";
/// Scores without a training.
const BASELINES: &str = "baselines";

/// What is known of a run's trainings.
#[derive(Default)]
pub(crate) struct RunTrainings {
    /// In the order of the nodes that asked for them, and of one node in that of their keys.
    pub(crate) trainings: Vec<LoggedTraining>,
    /// How many of them are not in the cache, or cannot be read.
    pub(crate) missing: u64,
    /// Nodes that do not say which they asked for: their outputs are gone, or are of an earlier version.
    pub(crate) silent: Vec<String>,
}

/// One training: what its key says that it is, what its result says that came of it, and what else its record says.
pub(crate) struct LoggedTraining {
    /// The nodes of the run that asked for it; none where several did not end, for these tell it only together.
    pub(crate) nodes: Vec<String>,
    /// What kind of job it is: `network`, `supernet`, `one-shot`, `sub-networks` or `baselines`.
    pub(crate) job: String,
    /// The architecture; none of a supernet.
    pub(crate) architecture: Option<String>,
    /// The budget's values, in the order of the table of hyper-parameters.
    pub(crate) budget: [Option<FieldValue>; COUNT],
    pub(crate) seed: Option<u64>,
    pub(crate) result: LoggedResult,
    pub(crate) training_flops: u64,
    pub(crate) elapsed_ms: u64,
    pub(crate) images_per_second: Option<f64>,
    pub(crate) device: Option<String>,
    pub(crate) person: Option<String>,
    /// The public key that its record was signed with.
    pub(crate) producer: Option<String>,
    /// The share or bundle that it was found in.
    pub(crate) found_in: Option<String>,
    /// When its record was made: when it ended.
    pub(crate) created_unix_ms: u64,
    pub(crate) key: Digest,
}

/// What came of a training, as far as jobs of its kind have it.
#[derive(Default)]
pub(crate) struct LoggedResult {
    /// In percent; 0 when it diverged.
    pub(crate) score: Option<f64>,
    /// In percent; none when it diverged.
    pub(crate) test_accuracy: Option<f64>,
    /// Step at which the loss stopped being a number.
    pub(crate) diverged_at: Option<u64>,
    pub(crate) parameters: Option<u64>,
    pub(crate) mult_adds: Option<u64>,
    pub(crate) epochs: Vec<LoggedEpoch>,
}

/// One epoch.
pub(crate) struct LoggedEpoch {
    pub(crate) loss: f64,
    /// In percent, on the images that give scores; none where it was not evaluated.
    pub(crate) score_accuracy: Option<f64>,
}

impl RunTrainings {
    /// The trainings of a run.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn of(store: &Store, run: &Manifest) -> Result<Self, Error> {
        let mut found = Self::default();
        let mut order: Vec<(Digest, Vec<String>)> = Vec::new();
        let mut places: HashMap<Digest, usize> = HashMap::new();
        let mut add = |keys: Vec<Digest>, node: Option<&str>| {
            for key in keys {
                let place = *places.entry(key).or_insert_with(|| {
                    order.push((key, Vec::new()));
                    order.len() - 1
                });
                order[place].1.extend(node.map(str::to_owned));
            }
        };
        for entry in &run.nodes {
            let (true, Some(key)) = (has_output(entry), entry.key) else { continue };
            match store.get_digest(Kind::NodeOutput, &key)?.as_ref().and_then(needs::trainings) {
                Some(keys) => add(keys, Some(&entry.name)),
                None => found.silent.push(entry.name.clone()),
            }
        }
        // What nodes that did not end had asked for is told by the run itself.
        let manifest = run.id.map(|id| store.get_digest(Kind::Manifest, &id)).transpose()?.flatten();
        if let Some(keys) = manifest.as_ref().and_then(needs::trainings) {
            let mut failed = run.nodes.iter().filter(|entry| entry.state == NodeState::Failed);
            let only = failed.next().filter(|_| failed.next().is_none());
            add(keys, only.map(|entry| entry.name.as_str()));
        }
        for (key, nodes) in order {
            let record = store.get_digest(Kind::Training, &key)?;
            match record.and_then(|record| LoggedTraining::read(&record, nodes)) {
                Some(training) => found.trainings.push(training),
                None => found.missing += 1,
            }
        }
        Ok(found)
    }
}

fn has_output(entry: &NodeEntry) -> bool {
    matches!(entry.state, NodeState::Cached | NodeState::Ran)
}

impl LoggedTraining {
    /// What a record says; none where its result is of a version or a kind that this program does not know.
    fn read(record: &Record, nodes: Vec<String>) -> Option<Self> {
        let fields = record.key.fields();
        let text = |name| match fields.get(name) {
            Some(FieldValue::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let said = |name: &str| record.provenance.get(name).cloned();
        let job = text("job").unwrap_or_else(|| NETWORK.to_owned());
        Some(Self {
            nodes,
            architecture: text("genotype")
                .or_else(|| text("architecture"))
                .filter(|_| [NETWORK, BASELINES].contains(&&*job)),
            budget: HYPERPARAMETERS.each_ref().map(|row| fields.get(row.name).cloned()),
            seed: match fields.get("seed") {
                Some(FieldValue::Uint(seed)) => Some(*seed),
                _ => None,
            },
            result: LoggedResult::read(record, &job)?,
            job,
            training_flops: record.cost.flops,
            elapsed_ms: record.cost.elapsed_ms,
            images_per_second: said("images_per_second").and_then(|speed| speed.parse().ok()),
            device: said(DEVICE),
            person: said(PERSON),
            producer: said(cache::PRODUCER),
            found_in: said(cache::FOUND_IN),
            created_unix_ms: record.created_unix_ms,
            key: *record.key.digest(),
        })
    }
}

impl LoggedResult {
    fn read(record: &Record, job: &str) -> Option<Self> {
        let epoch = |loss, score_accuracy| LoggedEpoch { loss, score_accuracy };
        match job {
            NETWORK => record.value::<TrainingResult>().ok().map(|result| Self {
                score: Some(result.score),
                test_accuracy: result.diverged_at.is_none().then_some(result.test_accuracy),
                diverged_at: result.diverged_at,
                parameters: Some(result.parameters),
                mult_adds: Some(result.mult_adds),
                epochs: result.epochs.iter().map(|e| epoch(e.loss, Some(e.score_accuracy))).collect(),
            }),
            "supernet" => record.value::<SupernetResult>().ok().map(|result| Self {
                diverged_at: result.diverged_at,
                parameters: Some(result.parameters),
                mult_adds: Some(result.mult_adds),
                epochs: result.epochs.iter().map(|e| epoch(e.loss, Some(e.score_accuracy))).collect(),
                ..Self::default()
            }),
            "one-shot" => record.value::<OneShotResult>().ok().map(|result| Self {
                diverged_at: result.diverged_at,
                epochs: result.epochs.iter().map(|e| epoch(e.loss, None)).collect(),
                ..Self::default()
            }),
            // An evaluation, of whose accuracies none is its own; scores, which count parameters of another size than the
            // budget's.
            "sub-networks" | BASELINES => Some(Self::default()),
            _ => None,
        }
    }
}
