//! `pipeline log`: the runs of a cache folder.

use clap::Args;
use serde::Serialize;

use super::Global;
use crate::engine::manifest::{Ending, History, Manifest, TrainingCount};
use crate::error::Error;
use crate::output::table::{Align, Table};
use crate::output::{self, format};

#[derive(Args)]
#[command(after_help = "Example:
  pipeline log --limit 5")]
pub(crate) struct Log {
    /// Show at most so many runs, the newest first
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
}

#[derive(Serialize)]
struct Line<'a> {
    started_unix_ms: u64,
    target: &'a str,
    ending: Ending,
    trainings: TrainingCount,
    elapsed_ms: u64,
    program: &'a str,
}

impl<'a> Line<'a> {
    fn of(run: &'a Manifest) -> Self {
        Self {
            started_unix_ms: run.started_unix_ms,
            target: &run.target,
            ending: run.ending,
            trainings: run.trainings,
            elapsed_ms: run.elapsed_ms,
            program: &run.program,
        }
    }
}

#[derive(Serialize)]
struct Runs<'a> {
    runs: Vec<Line<'a>>,
}

impl Log {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        let history = History::load(&global.open()?)?;
        let shown = history.manifests().iter().take(self.limit);
        if global.json {
            return output::json(&Runs { runs: shown.map(Line::of).collect() });
        }
        if history.manifests().is_empty() {
            return output::result("no runs yet; begin with `pipeline run --target nas-search`");
        }
        let mut table = Table::new(
            &[
                ("started (UTC)", Align::Left),
                ("target", Align::Left),
                ("ending", Align::Left),
                ("trained", Align::Right),
                ("cached", Align::Right),
                ("time", Align::Right),
            ],
            0,
        );
        for run in shown {
            table.row(vec![
                format::moment(run.started_unix_ms),
                run.target.clone(),
                run.ending.to_string(),
                format::count(run.trainings.run),
                format::count(run.trainings.cached),
                format::duration(run.elapsed_ms),
            ]);
        }
        output::result(&table.to_string())
    }
}
