//! `pipeline status`: how the last run, or another, ended, and what has become stale since.

use std::collections::BTreeSet;
use std::fmt::Write;

use cache::Held;
use clap::Args;
use serde::Serialize;
use stages::config::ShareConfig;

use super::Global;
use super::folder::warn;
use super::selection::Selection;
use crate::engine::manifest::History;
use crate::engine::plan::Plan;
use crate::error::Error;
use crate::output::runs::{RunJson, describe};
use crate::output::table::{Align, Table};
use crate::output::{self, format};

#[derive(Args)]
#[command(after_help = "Examples:
  pipeline status --config mine.toml
  pipeline status 3f9a51c2")]
pub(crate) struct Status {
    /// A run, by the first digits of its id [default: the last one]
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// Say instead who of the team trains what now
    #[arg(long, conflicts_with = "run")]
    team: bool,
    #[command(flatten)]
    selection: Selection,
}

#[derive(Serialize)]
struct TeamJson {
    training: Vec<HeldJson>,
}

#[derive(Serialize)]
struct HeldJson {
    person: String,
    training: String,
    since_unix_ms: u64,
}

/// Who of the team trains what.
fn team(global: &Global, config: &ShareConfig) -> Result<(), Error> {
    let store = global.open_with(global.sharing_asked_for(Some(config))?)?;
    let held = store.team();
    warn(&store);
    if global.json {
        let json = |held: Held| HeldJson {
            person: held.person,
            training: held.about,
            since_unix_ms: held.since_unix_ms,
        };
        return output::json(&TeamJson { training: held.into_iter().map(json).collect() });
    }
    if held.is_empty() {
        return output::result("Nobody of the team trains anything.\n");
    }
    let mut table =
        Table::new(&[("who", Align::Left), ("since (UTC)", Align::Left), ("what", Align::Left)], 0);
    for Held { person, since_unix_ms, about } in held {
        table.row(vec![person, format::moment(since_unix_ms), about]);
    }
    output::result(&table.to_string())
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
        if self.team {
            return team(global, &self.selection.settings.config()?.share);
        }
        let (loaded, targets) = self.selection.load(global)?;
        let store = global.open_with(global.sharing(Some(&loaded.share))?)?;
        let history = History::load(&store)?;
        let run = match &self.run {
            Some(digits) => Some(history.find(digits)?),
            None => history.last(),
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
