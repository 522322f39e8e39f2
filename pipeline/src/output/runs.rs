//! Past runs: a list of them, and one with its nodes.

use std::fmt::Write;

use serde::Serialize;
use stages::echo::shown;

use super::format;
use super::table::{Align, Table};
use crate::engine::explain::short;
use crate::engine::manifest::{Ending, Manifest, NodeEntry, NodeState, TrainingCount};

/// A run in a list.
#[derive(Serialize)]
pub(crate) struct RunJson<'a> {
    run: String,
    started_unix_ms: u64,
    target: &'a str,
    ending: Ending,
    trainings: TrainingCount,
    device: Option<&'a str>,
    person: Option<&'a str>,
    elapsed_ms: u64,
    program: &'a str,
    /// Nodes that did not finish.
    failed: Vec<&'a str>,
}

/// A run with its nodes.
#[derive(Serialize)]
pub(crate) struct RunNodesJson<'a> {
    #[serde(flatten)]
    run: RunJson<'a>,
    nodes: Vec<NodeJson<'a>>,
}

#[derive(Serialize)]
struct NodeJson<'a> {
    node: &'a str,
    state: NodeState,
    trainings: TrainingCount,
    elapsed_ms: u64,
    key: Option<String>,
    output: Option<String>,
}

impl<'a> RunJson<'a> {
    pub(crate) fn of(run: &'a Manifest) -> Self {
        Self {
            run: run.id.map_or_else(String::new, |id| id.to_string()),
            started_unix_ms: run.started_unix_ms,
            target: &run.target,
            ending: run.ending,
            trainings: run.trainings,
            device: run.device.as_deref(),
            person: run.person.as_deref(),
            elapsed_ms: run.elapsed_ms,
            program: &run.program,
            failed: failed(run),
        }
    }
}

impl<'a> RunNodesJson<'a> {
    pub(crate) fn of(run: &'a Manifest) -> Self {
        let node = |entry: &'a NodeEntry| NodeJson {
            node: &entry.name,
            state: entry.state,
            trainings: entry.trainings,
            elapsed_ms: entry.elapsed_ms,
            key: entry.key.map(|key| key.to_string()),
            output: entry.output.map(|output| output.to_string()),
        };
        Self { run: RunJson::of(run), nodes: run.nodes.iter().map(node).collect() }
    }
}

fn failed(run: &Manifest) -> Vec<&str> {
    let failed = run.nodes.iter().filter(|node| node.state == NodeState::Failed);
    failed.map(|node| node.name.as_str()).collect()
}

/// A line each.
pub(crate) fn list(runs: &[Manifest]) -> Table {
    let mut headings = vec![
        ("run", Align::Left),
        ("started (UTC)", Align::Left),
        ("target", Align::Left),
        ("ending", Align::Left),
        ("trained", Align::Right),
        ("cached", Align::Right),
        ("time", Align::Right),
    ];
    let tells_people = runs.iter().any(|run| run.is_foreign);
    if tells_people {
        headings.push(("by", Align::Left));
    }
    let mut table = Table::new(&headings, 0);
    for run in runs {
        let mut row = vec![
            run.short_id(),
            format::moment(run.started_unix_ms),
            run.target.clone(),
            run.ending.to_string(),
            format::count(run.trainings.run),
            format::count(run.trainings.cached),
            format::duration(run.elapsed_ms),
        ];
        if tells_people {
            row.push(run.person.as_deref().map_or_else(String::new, shown));
        }
        table.row(row);
    }
    table
}

/// How a run ended: its first line begins with `title`.
pub(crate) fn describe(run: &Manifest, title: &str) -> String {
    let mut text = format!(
        "{title:<6} {} {} at {} UTC{}: {} after {}, {} run, {} from the cache{}{}\n",
        run.short_id(),
        run.target,
        format::moment(run.started_unix_ms),
        run.person.as_deref().map_or_else(String::new, |person| format!(" by {}", shown(person))),
        run.ending,
        format::duration(run.elapsed_ms),
        format::plural(run.trainings.run, "training"),
        format::count(run.trainings.cached),
        format::diverged(run.trainings.diverged),
        run.device.as_ref().map_or_else(String::new, |device| format!(", on {device}")),
    );
    let failed = failed(run);
    if !failed.is_empty() {
        let _ = writeln!(text, "       did not finish: {}", failed.join(", "));
    }
    text
}

/// A run with its nodes.
pub(crate) fn nodes(run: &Manifest) -> String {
    let headings = [
        ("node", Align::Left),
        ("", Align::Left),
        ("trained", Align::Right),
        ("cached", Align::Right),
        ("diverged", Align::Right),
        ("time", Align::Right),
        ("key", Align::Left),
    ];
    let mut table = Table::new(&headings, 0);
    let shown = |count: u64| if count == 0 { String::new() } else { format::count(count) };
    for node in &run.nodes {
        table.row(vec![
            node.name.clone(),
            node.state.to_string(),
            shown(node.trainings.run),
            shown(node.trainings.cached),
            shown(node.trainings.diverged),
            format::duration(node.elapsed_ms),
            node.key.as_ref().map_or_else(String::new, short),
        ]);
    }
    format!("{}\n{table}", describe(run, "Run"))
}
