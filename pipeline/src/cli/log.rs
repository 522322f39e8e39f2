//! `pipeline log`: the runs of a cache folder, or one of them.

use std::fs;
use std::path::{Path, PathBuf};

use cache::Store;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::Global;
use super::folder::warn;
use super::given::path;
use crate::engine::logged::{LoggedTraining, RunTrainings};
use crate::engine::manifest::{History, Manifest};
use crate::error::Error;
use crate::output::runs::{self, RunJson, RunNodesJson};
use crate::output::{self, format, parquet, tensorboard, trainings};

#[derive(Args)]
#[command(after_help = "Examples:
  pipeline log --limit 5
  pipeline log --team --share /mnt/team/nas
  pipeline log 3f9a51c2
  pipeline log last --format csv --out trainings.csv
  pipeline log last --format parquet --out trainings.parquet
  pipeline log last --format tensorboard --out curves")]
pub(crate) struct Log {
    /// A run, by the first digits of its id, or `last`: shows its nodes
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// Show at most so many runs, the newest first
    #[arg(long, default_value_t = 20, value_name = "N", conflicts_with = "run")]
    limit: usize,
    /// Look into the shares too, for the runs of colleagues
    #[arg(long)]
    team: bool,
    /// Show the trainings of the run instead, a row each
    #[arg(long, value_enum, value_name = "FORMAT", requires = "run", conflicts_with = "json")]
    format: Option<Format>,
    /// File to write to; for tensorboard a folder, new or not [default: standard output, but for parquet and tensorboard]
    #[arg(
        long,
        value_name = "F",
        value_parser = path(),
        requires = "format",
        required_if_eq_any([("format", "parquet"), ("format", "tensorboard")])
    )]
    out: Option<PathBuf>,
}

/// How trainings are written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for people
    Text,
    /// A table with all that is known, the values of the budget as columns
    Csv,
    /// The same as an object a line, with the learning curves
    Jsonl,
    /// The same as a Parquet file, each column of its own type
    Parquet,
    /// Learning curves, in a folder of event files, which `tensorboard --logdir` shows
    Tensorboard,
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
            if let Some(format) = self.format {
                return self.trainings(&store, run, format);
            }
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
    /// Shows the trainings of a run.
    fn trainings(&self, store: &Store, run: &Manifest, format: Format) -> Result<(), Error> {
        let found = RunTrainings::of(store, run)?;
        warn(store);
        say_what_is_missing(&found);
        let trainings = &found.trainings;
        let text = match format {
            Format::Text => trainings::text(trainings),
            Format::Csv => trainings::csv(trainings)?,
            Format::Jsonl => trainings::json_lines(trainings)?,
            // The parser asks for a place to write these two to.
            Format::Parquet => {
                let bytes = parquet::file(trainings)?;
                return self.out.as_deref().map_or(Ok(()), |path| write(path, &bytes));
            }
            Format::Tensorboard => {
                return self.out.as_deref().map_or(Ok(()), |folder| write_curves(folder, trainings));
            }
        };
        match &self.out {
            Some(path) => write(path, text.as_bytes()),
            None if text.is_empty() => Ok(()),
            None => output::result(&text),
        }
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    kernels::file::write(path, bytes).map_err(|source| unwritten(path, source))
}

fn unwritten(path: &Path, source: std::io::Error) -> Error {
    Error::Unwritten { path: path.to_path_buf(), source }
}

/// Says why there are fewer trainings than the run had.
fn say_what_is_missing(found: &RunTrainings) {
    if found.missing > 0 {
        output::message(&format!(
            "warning: {} that the run asked for left out: not ended, deleted since, or of another version of the \
             program",
            format::plural(found.missing, "training")
        ));
    }
    if !found.silent.is_empty() {
        output::message(&format!(
            "warning: the cache does not say which trainings are behind {}: these outputs were deleted, or made by an \
             earlier version of the program; the same run again computes what was deleted",
            found.silent.join(", ")
        ));
    }
}

/// Writes a file for each training that has epochs. One of the same training that is there is replaced.
fn write_curves(folder: &Path, trainings: &[LoggedTraining]) -> Result<(), Error> {
    let with_epochs = trainings.iter().filter(|training| !training.result.epochs.is_empty());
    let mut written = 0;
    for training in with_epochs {
        let (path, bytes) = tensorboard::event_file(training);
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|source| unwritten(parent, source))?;
        }
        write(&path, &bytes)?;
        written += 1;
    }
    output::message(&format!(
        "{} in {}; `tensorboard --logdir` shows that folder",
        format::plural(written, "learning curve"),
        folder.display()
    ));
    Ok(())
}
