//! `pipeline explain`: which field of a key changed, and both its values.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use cache::{FieldValue, Fields, Key, Kind, Record, Store};
use clap::Args;
use serde::Serialize;

use super::Global;
use super::folder::warn;
use super::selection::{Loaded, Settings};
use crate::engine::explain::{Change, causes, changes, changes_between, short};
use crate::engine::manifest::{History, Manifest};
use crate::engine::node::NodeIndex;
use crate::engine::plan::{Plan, PlannedNode};
use crate::error::Error;
use crate::output::{self, format};

/// Fewest digits of a key that `explain` looks for: with fewer, a word would be taken for one.
const DIGITS_MIN: usize = 6;

#[derive(Args)]
#[command(after_help = "Examples:
  pipeline explain rank@1
  pipeline explain select-budget --set mip.lambda=0.3
  pipeline explain 3f9a51c2b7")]
pub(crate) struct Explain {
    /// A node or stage, or the first digits of a key
    #[arg(value_name = "NODE|KEY")]
    name: String,
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
        let loaded = self.settings.load()?;
        let found = loaded.dag.find(&self.name);
        let store = global.open()?;
        let history = History::load(&store)?;
        let explanations = match found {
            Ok(targets) => nodes(&loaded, &store, &history, &targets)?,
            Err(unknown) => match key(&self.name, &store, &history)? {
                Some(explanation) => vec![explanation],
                None if looks_like_key(&self.name) => {
                    return Err(Error::UnknownKey { name: self.name.clone() });
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
    }
}

fn looks_like_key(name: &str) -> bool {
    name.len() >= DIGITS_MIN && name.chars().all(|digit| digit.is_ascii_hexdigit())
}

/// The node or training whose key begins with these digits.
fn key(digits: &str, store: &Store, history: &History) -> Result<Option<Explanation>, Error> {
    if !looks_like_key(digits) {
        return Ok(None);
    }
    let digits = digits.to_ascii_lowercase();
    for run in history.manifests() {
        for entry in &run.nodes {
            let (Some(key), Some(fields)) = (&entry.key, &entry.fields) else { continue };
            if key.to_string().starts_with(&digits) {
                let older = history.latest_other(&entry.name, key);
                return Ok(Some(Explanation {
                    name: entry.name.clone(),
                    key: Some(key.to_string()),
                    state: format!("node of the run of {} UTC", format::moment(run.started_unix_ms)),
                    reason: None,
                    against_unix_ms: older.map(|(run, _)| run.started_unix_ms),
                    changes: older.map_or_else(Vec::new, |(_, older)| changes_between(older, entry)),
                    causes: Vec::new(),
                    fields: texts(fields),
                }));
            }
        }
    }
    training(&digits, store)
}

/// The training whose key begins with these digits, beside the one that differs from it least. The trainings are gone
/// through twice, so that of a large folder no more than two are in memory.
fn training(digits: &str, store: &Store) -> Result<Option<Explanation>, Error> {
    let mut found: Option<Record> = None;
    for record in store.iter(Kind::Training)? {
        let record = record?;
        if record.key.digest().to_string().starts_with(digits) {
            found = Some(record);
            break;
        }
    }
    let Some(Record { key, provenance, cost, .. }) = found else { return Ok(None) };
    let device = provenance.get("device").map_or("an unknown device", String::as_str);
    let state = format!("training of {}, on {device}", format::duration(cost.elapsed_ms));
    let mut nearest: Option<(Key, Vec<cache::FieldChange>)> = None;
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
        let change = |change: cache::FieldChange| Change {
            field: change.name,
            node: None,
            old: value(change.old),
            new: value(change.new),
        };
        (Some(reason), changes.into_iter().map(change).collect())
    });
    Ok(Some(Explanation {
        name: "training".to_owned(),
        key: Some(key.digest().to_string()),
        state,
        reason,
        against_unix_ms: None,
        changes,
        causes: Vec::new(),
        fields: texts(key.fields()),
    }))
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
    text
}
