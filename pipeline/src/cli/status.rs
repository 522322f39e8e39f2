//! `pipeline status`: how the last run, or another, ended, and what has become stale since.

use std::collections::BTreeSet;
use std::fmt::Write;

use clap::Args;
use serde::Serialize;

use super::Global;
use super::folder::warn;
use super::selection::Selection;
use crate::engine::manifest::History;
use crate::engine::plan::Plan;
use crate::error::Error;
use crate::output;
use crate::output::runs::{RunJson, describe};

#[derive(Args)]
#[command(after_help = "Examples:
  pipeline status --config mine.toml
  pipeline status 3f9a51c2")]
pub(crate) struct Status {
    /// A run, by the first digits of its id [default: the last one]
    #[arg(value_name = "RUN")]
    run: Option<String>,
    #[command(flatten)]
    selection: Selection,
}

#[derive(Serialize)]
struct StatusJson<'a> {
    last: Option<RunJson<'a>>,
    target: &'a str,
    stale: Vec<&'a str>,
    nodes: usize,
}

impl Status {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        let (loaded, targets) = self.selection.load()?;
        let store = global.open()?;
        let history = History::load(&store)?;
        let run = match &self.run {
            Some(digits) => Some(history.find(digits)?),
            None => history.manifests().first(),
        };
        let plan = Plan::make(&loaded.dag, &store, &targets, &BTreeSet::new())?;
        warn(&store);
        let stale: Vec<_> = plan.nodes.iter().filter(|node| node.reason.is_some()).collect();
        if global.json {
            return output::json(&StatusJson {
                last: run.map(RunJson::of),
                target: &self.selection.target,
                stale: stale.iter().map(|node| node.name.as_str()).collect(),
                nodes: plan.nodes.len(),
            });
        }
        let title = if self.run.is_some() { "Run" } else { "Last" };
        let mut text = run.map_or_else(|| "No runs yet.\n".to_owned(), |run| describe(run, title));
        let _ = writeln!(text, "Now    {}: {}", self.selection.target, output::plan::summary(&plan));
        for node in stale {
            let reason = node.reason.as_ref().map_or_else(String::new, ToString::to_string);
            let _ = writeln!(text, "       {}: {reason}", node.name);
        }
        output::result(&text)
    }
}
