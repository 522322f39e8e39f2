//! `pipeline report`: a run as a page to look at.

use std::fs;
use std::path::{Path, PathBuf};

use cache::{Digest, Store};
use clap::Args;

use super::Global;
use super::folder::warn;
use super::given::path;
use crate::engine::manifest::{History, Manifest};
use crate::engine::recorded::Recorded;
use crate::error::Error;
use crate::output::{self, page, recorded};
use crate::report::{Comparison, Report};

/// Write a report of a run: one HTML file, with plots and the tables behind them
///
/// It is made from the records in the cache alone, so that the data set need not be there. With --json its numbers are
/// printed instead, the target's result among them as `run --json` gives it.
#[derive(Args)]
#[command(after_help = "Examples:
  pipeline report --open
  pipeline report 3f9a51c2 --out report.html
  pipeline report last --json
  pipeline report --compare 3f9a51c2 09bd77a1 --open")]
pub(crate) struct ReportArgs {
    /// A run, by the first digits of its id, or `last`
    #[arg(value_name = "RUN", default_value = "last")]
    run: String,
    /// Two runs instead, beside each other
    #[arg(long, value_name = "RUN", num_args = 2, conflicts_with = "run")]
    compare: Vec<String>,
    /// File to write [default: one in the folder `reports` of the cache]
    #[arg(long, value_name = "F", value_parser = path())]
    out: Option<PathBuf>,
    /// Show it in the browser
    #[arg(long, conflicts_with = "json")]
    open: bool,
}

/// Folder of a cache folder that holds reports.
const FOLDER: &str = "reports";
/// Reports that it keeps.
const KEPT: usize = 50;
/// Digits of a report's name.
const DIGITS: usize = 12;

impl ReportArgs {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        let store = global.open()?;
        let history = History::load(&store)?;
        let (page, numbers, place) = if let [one, other] = self.compare.as_slice() {
            let [one, other] = [history.find_with_team(&store, one)?, history.find_with_team(&store, other)?];
            let place = place_of(&store, &[&one, &other]);
            let [one, other] = [Recorded::of(&store, one)?, Recorded::of(&store, other)?];
            let comparison = Comparison::new((&one, of_run(&one)?), (&other, of_run(&other)?));
            (page::comparison::html(&comparison), serde_json::to_value(&comparison), place)
        } else {
            let run = history.find_with_team(&store, &self.run)?;
            let place = place_of(&store, &[&run]);
            let report = of_run(&Recorded::of(&store, run)?)?;
            (page::html(&report), serde_json::to_value(&report), place)
        };
        warn(&store);
        let place = self.out.clone().unwrap_or(place);
        if !global.json || self.out.is_some() {
            write(&place, &page)?;
        }
        if global.json {
            return output::json(&numbers.map_err(|error| Error::Output(error.into()))?);
        }
        output::result(&format!("{}\n", place.display()))?;
        if self.open {
            open::that_detached(&place).map_err(|source| Error::Unopened { path: place, source })?;
        }
        Ok(())
    }
}

fn of_run(recorded: &Recorded) -> Result<Report, Error> {
    Report::of_run(recorded, recorded::result(recorded)?).map_err(Error::Stage)
}

/// Writes the report of a run that has just ended, if there is none of one like it, and gives its place. Runs that found
/// the same are one report.
pub(super) fn keep(store: &Store, run: &Manifest) -> Result<PathBuf, Error> {
    let place = place_of(store, &[run]);
    if !place.exists() {
        write(&place, &page::html(&of_run(&Recorded::of(store, run.clone())?)?))?;
        forget_old(&place);
    }
    Ok(place)
}

/// Where a report lies by default: by what the runs' nodes are and gave, and the version of the program.
fn place_of(store: &Store, runs: &[&Manifest]) -> PathBuf {
    let mut text = format!("{}\n", env!("CARGO_PKG_VERSION"));
    for run in runs {
        text.extend([&run.target, " ", &run.ending.to_string(), "\n"]);
        for node in &run.nodes {
            let [key, output] = [&node.key, &node.output]
                .map(|digest| digest.as_ref().map(Digest::to_string).unwrap_or_default());
            text.extend([&node.name, " ", &key, " ", &output, "\n"]);
        }
    }
    let name: String = Digest::of("report", text.as_bytes()).to_string().chars().take(DIGITS).collect();
    store.path().join(FOLDER).join(format!("{name}.html"))
}

/// Writes a file whole or not at all, and the folder that it is in.
pub(super) fn write(path: &Path, page: &str) -> Result<(), Error> {
    let unwritten = |source| Error::Unwritten { path: path.to_path_buf(), source };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(unwritten)?;
    }
    kernels::file::write(path, page.as_bytes()).map_err(unwritten)
}

/// Deletes the oldest reports beside this one, beyond those that are kept. What cannot be deleted stays.
fn forget_old(place: &Path) {
    let Some(Ok(entries)) = place.parent().map(fs::read_dir) else { return };
    let mut pages: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|suffix| suffix == "html"))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    pages.sort();
    for (_, path) in pages.iter().rev().skip(KEPT) {
        let _ = fs::remove_file(path);
    }
}
