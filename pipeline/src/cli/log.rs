//! `pipeline log`: the runs of a cache folder, or one of them.

use clap::Args;
use serde::Serialize;

use super::Global;
use super::folder::warn;
use crate::engine::manifest::History;
use crate::error::Error;
use crate::output;
use crate::output::runs::{self, RunJson, RunNodesJson};

#[derive(Args)]
#[command(after_help = "Examples:
  pipeline log --limit 5
  pipeline log --team --share /mnt/team/nas
  pipeline log 3f9a51c2")]
pub(crate) struct Log {
    /// A run, by the first digits of its id: shows its nodes
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// Show at most so many runs, the newest first
    #[arg(long, default_value_t = 20, value_name = "N", conflicts_with = "run")]
    limit: usize,
    /// Look into the shares too, for the runs of colleagues
    #[arg(long)]
    team: bool,
}

#[derive(Serialize)]
struct RunsJson<'a> {
    runs: Vec<RunJson<'a>>,
}

impl Log {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        let store =
            if self.team { global.open_with(global.sharing_asked_for(None)?)? } else { global.open()? };
        if self.team {
            History::fetch(&store)?;
        }
        let history = History::load(&store)?;
        warn(&store);
        if let Some(digits) = &self.run {
            let run = history.find(digits)?;
            return if global.json {
                output::json(&RunNodesJson::of(run))
            } else {
                output::result(&runs::nodes(run))
            };
        }
        let shown = &history.manifests()[..self.limit.min(history.manifests().len())];
        if global.json {
            return output::json(&RunsJson { runs: shown.iter().map(RunJson::of).collect() });
        }
        if history.manifests().is_empty() {
            return output::result("no runs yet; begin with `pipeline run --target nas-search`");
        }
        output::result(&runs::list(shown).to_string())
    }
}
