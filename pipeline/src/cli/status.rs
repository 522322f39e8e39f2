//! `pipeline status`: how the last run ended, and what has become stale since.

use std::collections::BTreeSet;
use std::fmt::Write;

use clap::Args;
use serde::Serialize;

use super::Global;
use super::folder::warn;
use super::selection::Selection;
use crate::engine::manifest::{Ending, History, NodeState, TrainingCount};
use crate::engine::plan::Plan;
use crate::error::Error;
use crate::output::{self, format};

#[derive(Args)]
#[command(after_help = "Example:
  pipeline status --config mine.toml")]
pub(crate) struct Status {
    #[command(flatten)]
    selection: Selection,
}

#[derive(Serialize)]
struct StatusJson {
    last: Option<LastRun>,
    target: String,
    stale: Vec<String>,
    nodes: usize,
}

#[derive(Serialize)]
struct LastRun {
    started_unix_ms: u64,
    target: String,
    ending: Ending,
    trainings: TrainingCount,
    elapsed_ms: u64,
    failed: Vec<String>,
}

impl Status {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        let (loaded, targets) = self.selection.load()?;
        let store = global.open()?;
        let plan = Plan::make(&loaded.dag, &store, &targets, &BTreeSet::new())?;
        let history = History::load(&store)?;
        warn(&store);
        let last = history.manifests().first().map(|run| LastRun {
            started_unix_ms: run.started_unix_ms,
            target: run.target.clone(),
            ending: run.ending,
            trainings: run.trainings,
            elapsed_ms: run.elapsed_ms,
            failed: run
                .nodes
                .iter()
                .filter(|node| node.state == NodeState::Failed)
                .map(|node| node.name.clone())
                .collect(),
        });
        let stale: Vec<_> = plan.nodes.iter().filter(|node| node.reason.is_some()).collect();
        if global.json {
            return output::json(&StatusJson {
                last,
                target: self.selection.target.clone(),
                stale: stale.iter().map(|node| node.name.clone()).collect(),
                nodes: plan.nodes.len(),
            });
        }
        let mut text = match last {
            None => "No runs yet.\n".to_owned(),
            Some(last) => describe(&last),
        };
        let _ = writeln!(text, "Now    {}: {}", self.selection.target, output::plan::summary(&plan));
        for node in stale {
            let reason = node.reason.as_ref().map_or_else(String::new, ToString::to_string);
            let _ = writeln!(text, "       {}: {reason}", node.name);
        }
        output::result(&text)
    }
}

fn describe(last: &LastRun) -> String {
    let mut text = format!(
        "Last   {} at {} UTC: {} after {}, {} run, {} from the cache\n",
        last.target,
        format::moment(last.started_unix_ms),
        last.ending,
        format::duration(last.elapsed_ms),
        format::plural(last.trainings.run, "training"),
        format::count(last.trainings.cached)
    );
    if !last.failed.is_empty() {
        let _ = writeln!(text, "       did not finish: {}", last.failed.join(", "));
    }
    text
}
