//! `pipeline explain`: which field of a key changed, and both its values.

mod runs;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use cache::{Digest, FieldChange, FieldValue, Fields, Key, Kind, Record, Store};
use clap::Args;
use serde::Serialize;
use stages::echo::shown;

use super::Global;
use super::folder::warn;
use super::retrain::command;
use super::selection::{Loaded, Settings};
use crate::engine::explain::{Change, causes, changes, changes_between, short};
use crate::engine::manifest::{History, Manifest, NodeEntry};
use crate::engine::node::NodeIndex;
use crate::engine::plan::{Plan, PlannedNode};
use crate::error::Error;
use crate::output::{self, format};
use crate::person::PERSON;

/// Hexadecimal digits that nobody would type as a word: what begins no key then is told as that, not as an unknown node.
const DIGITS_MIN: usize = 6;

#[derive(Args)]
#[command(after_help = "Examples:
  pipeline explain rank@1
  pipeline explain select-budget --set mip.lambda=0.3
  pipeline explain 3f9a51c2b7
  pipeline explain --runs 3f9a51c2 09bd77a1 --share /mnt/team/nas")]
pub(crate) struct Explain {
    /// A node or stage, or the first digits of the key of a node or a training, as many as tell it from the others
    #[arg(value_name = "NODE|KEY", required_unless_present = "runs")]
    name: Option<String>,
    /// Two runs, by the first digits of their ids: what differs between their nodes. One that is not here is looked for in the
    /// shares
    #[arg(long, value_name = "RUN", num_args = 2, conflicts_with = "name")]
    runs: Vec<String>,
    #[command(flatten)]
    settings: Settings,
}

/// What there is to say about one node or key.
#[derive(Serialize)]
struct Explanation {
    name: String,
    key: Option<String>,
    state: String,
    reason: Option<String>,
    /// When the run began that the changes are against.
    against_unix_ms: Option<u64>,
    changes: Vec<Change>,
    causes: Vec<Cause>,
    fields: BTreeMap<String, String>,
    /// For a training, the command that asks for it.
    command: Option<String>,
}

#[derive(Serialize)]
struct Cause {
    node: String,
    changes: Vec<Change>,
}

#[derive(Serialize)]
struct Explanations {
    explanations: Vec<Explanation>,
}

impl Explain {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        if let [first, second] = self.runs.as_slice() {
            return runs::explain(global, &self.settings.config()?.share, first, second);
        }
        let name = self.name.as_deref().unwrap_or_default();
        let loaded = self.settings.load(global)?;
        let found = loaded.dag.find(name);
        let store = global.open_with(global.sharing(Some(&loaded.share))?)?;
        let history = History::load(&store)?;
        let explanations = match found {
            Ok(targets) => nodes(&loaded, &store, &history, &targets)?,
            Err(unknown) => match key(name, &store, &history)? {
                Some(Found::Node(explanation)) => vec![*explanation],
                Some(Found::Training(digest)) => {
                    vec![training(&digest, &store, |key| command(key, &loaded, &self.settings))?]
                }
                None if name.len() >= DIGITS_MIN && is_hexadecimal(name) => {
                    return Err(Error::UnknownKey { name: name.to_owned() });
                }
                None => return Err(unknown),
            },
        };
        warn(&store);
        if global.json {
            return output::json(&Explanations { explanations });
        }
        let texts: Vec<String> = explanations.iter().map(text).collect();
        output::result(&texts.join("\n"))
    }
}

fn nodes(
    loaded: &Loaded,
    store: &Store,
    history: &History,
    targets: &[NodeIndex],
) -> Result<Vec<Explanation>, Error> {
    let plan = Plan::make(&loaded.dag, store, targets, &BTreeSet::new())?;
    let wanted = plan.nodes.iter().filter(|node| targets.contains(&node.index));
    Ok(wanted.map(|node| explain_node(loaded, &plan, history, node)).collect())
}

fn explain_node(loaded: &Loaded, plan: &Plan, history: &History, node: &PlannedNode) -> Explanation {
    // What is cached was explained when it ran; then what changed before that is of interest.
    let against: Option<(&Manifest, _)> = match &node.key {
        Some(key) => history.latest_other(&node.name, key.digest()).or_else(|| history.latest(&node.name)),
        None => history.latest(&node.name),
    };
    let changes = match (&node.key, against) {
        (Some(key), Some((_, entry))) => changes(&loaded.dag, node.index, key, entry),
        _ => Vec::new(),
    };
    let causes = against.map_or_else(Vec::new, |(run, _)| causes(&loaded.dag, plan, node.index, run));
    Explanation {
        name: node.name.clone(),
        key: node.key.as_ref().map(|key| key.digest().to_string()),
        state: output::plan::state(node).to_owned(),
        reason: node.reason.as_ref().map(ToString::to_string),
        against_unix_ms: against.map(|(run, _)| run.started_unix_ms),
        changes,
        causes: causes.into_iter().map(|(node, changes)| Cause { node, changes }).collect(),
        fields: node.key.as_ref().map_or_else(BTreeMap::new, |key| texts(key.fields())),
        command: None,
    }
}

/// Whether a text may be the beginning of a key.
pub(super) fn is_hexadecimal(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|digit| digit.is_ascii_hexdigit())
}

/// What a key names.
enum Found {
    Node(Box<Explanation>),
    Training(Digest),
}

/// The one node or training whose key begins with these digits.
///
/// # Errors
/// When there is more than one.
fn key(digits: &str, store: &Store, history: &History) -> Result<Option<Found>, Error> {
    if !is_hexadecimal(digits) {
        return Ok(None);
    }
    let digits = digits.to_ascii_lowercase();
    let mut nodes: BTreeMap<Digest, (&Manifest, &NodeEntry)> = BTreeMap::new();
    for run in history.manifests() {
        for entry in &run.nodes {
            if let Some(key) = entry.key.filter(|key| key.to_string().starts_with(&digits)) {
                nodes.entry(key).or_insert((run, entry));
            }
        }
    }
    let trainings = store.digests(Kind::Training, &digits)?;
    let mut named = nodes.iter().map(|(key, (_, entry))| format!("{} of {}", key, entry.name));
    let mut named = named.by_ref().chain(trainings.iter().map(|key| format!("{key} of a training")));
    if let (Some(one), Some(other)) = (named.next(), named.next()) {
        return Err(Error::ambiguous(&digits, nodes.len() + trainings.len(), &one, &other));
    }
    drop(named);
    if let Some((key, (run, entry))) = nodes.pop_first() {
        return Ok(Some(Found::Node(Box::new(explain_entry(&key, run, entry, history)))));
    }
    Ok(trainings.first().map(|key| Found::Training(*key)))
}

/// A node of a past run.
fn explain_entry(key: &Digest, run: &Manifest, entry: &NodeEntry, history: &History) -> Explanation {
    let older = history.latest_other(&entry.name, key);
    Explanation {
        name: entry.name.clone(),
        key: Some(key.to_string()),
        state: format!("node of run {} of {} UTC", run.short_id(), format::moment(run.started_unix_ms)),
        reason: None,
        against_unix_ms: older.map(|(run, _)| run.started_unix_ms),
        changes: older.map_or_else(Vec::new, |(_, older)| changes_between(older, entry)),
        causes: Vec::new(),
        fields: entry.fields.as_ref().map_or_else(BTreeMap::new, texts),
        command: None,
    }
}

/// The training with this key, beside the one that differs from it least. The trainings are gone through one by one, so that
/// of a large folder no more than two are in memory.
fn training(
    digest: &Digest,
    store: &Store,
    command: impl Fn(&Key) -> Option<String>,
) -> Result<Explanation, Error> {
    let unknown = || Error::UnknownKey { name: digest.to_string() };
    let Record { key, provenance, cost, .. } =
        store.get_digest(Kind::Training, digest)?.ok_or_else(unknown)?;
    let device = provenance.get("device").map_or_else(|| "an unknown device".to_owned(), shown);
    let mut state = format!("training of {}, on {device}", format::duration(cost.elapsed_ms));
    for (word, name) in [("by", PERSON), ("found in", cache::FOUND_IN)] {
        if let Some(said) = provenance.get(name) {
            let _ = write!(state, ", {word} {}", shown(said));
        }
    }
    let mut nearest: Option<(Key, Vec<FieldChange>)> = None;
    for record in store.iter(Kind::Training)? {
        let other = record?.key;
        let changes = other.fields().diff(key.fields());
        let rank = (changes.len(), *other.digest());
        let is_nearer = nearest.as_ref().is_none_or(|(before, least)| rank < (least.len(), *before.digest()));
        if other != key && is_nearer {
            nearest = Some((other, changes));
        }
    }
    let value = |value: Option<FieldValue>| value.as_ref().map(ToString::to_string);
    let (reason, changes) = nearest.map_or((None, Vec::new()), |(other, changes)| {
        let reason = format!("nearest other training: {}", short(other.digest()));
        let change = |change: FieldChange| Change {
            field: change.name,
            node: None,
            old: value(change.old),
            new: value(change.new),
        };
        (Some(reason), changes.into_iter().map(change).collect())
    });
    Ok(Explanation {
        name: "training".to_owned(),
        key: Some(key.digest().to_string()),
        state,
        reason,
        against_unix_ms: None,
        changes,
        causes: Vec::new(),
        fields: texts(key.fields()),
        command: command(&key),
    })
}

fn texts(fields: &Fields) -> BTreeMap<String, String> {
    fields.iter().map(|(name, value)| (name.to_owned(), value.to_string())).collect()
}

fn text(explanation: &Explanation) -> String {
    let mut text = format!("{}: {}", output::heading(&explanation.name), explanation.state);
    if let Some(reason) = &explanation.reason {
        let _ = write!(text, " ({reason})");
    }
    text.push('\n');
    match explanation.against_unix_ms {
        Some(run) if explanation.changes.is_empty() && explanation.causes.is_empty() => {
            let _ = writeln!(text, "nothing known has changed since the run of {} UTC", format::moment(run));
        }
        Some(run) if explanation.changes.is_empty() && explanation.key.is_some() => {
            let run = format::moment(run);
            let _ = writeln!(
                text,
                "its key is as in the run of {run} UTC; before it these changed and led to the same outputs:"
            );
        }
        Some(run) => {
            let _ = writeln!(text, "changed since the run of {} UTC:", format::moment(run));
        }
        None if explanation.changes.is_empty() => text.push_str("no run has had another key for it\n"),
        None => {}
    }
    for change in &explanation.changes {
        let _ = writeln!(text, "  {change}");
    }
    for cause in explanation.causes.iter().filter(|cause| cause.node != explanation.name) {
        for change in &cause.changes {
            let _ = writeln!(text, "  setting of {}: {change}", cause.node);
        }
    }
    if let Some(key) = &explanation.key {
        let _ = writeln!(text, "key {key}, made from");
        let width = explanation.fields.keys().map(String::len).max().unwrap_or(0);
        for (name, value) in &explanation.fields {
            let _ = writeln!(text, "  {name:<width$}  {value}");
        }
    }
    if let Some(command) = &explanation.command {
        let _ = writeln!(text, "asked for by\n  {command}");
    }
    text
}
