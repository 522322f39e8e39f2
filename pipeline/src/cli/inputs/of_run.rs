//! A run of the cache in the place of tables: its architectures, budgets and scores, the learning curves of its full
//! trainings, and scores without a training.

use std::path::PathBuf;

use cache::Store;
use stages::baselines::BaselineScores;
use stages::stage::ScoreBaselines;

use super::Brought;
use crate::cli::Global;
use crate::engine::manifest::{History, Manifest};
use crate::engine::recorded::Recorded;
use crate::error::Error;
use crate::report::tables::{FULL, baselines, curves};
use crate::report::{Study, Tables};
use crate::tables::{InputTable, LeftOut};

/// The node whose output the scores are.
const SCORES: &str = "score-baselines";

/// A run in the place of tables.
pub(crate) struct OfRun {
    store: Store,
    history: History,
    recorded: Recorded,
    study: Study,
    /// Budgets that are not in the tables, for racing dropped them.
    pub(super) dropped: Option<LeftOut>,
}

impl OfRun {
    /// The tables of the run of this name.
    ///
    /// # Errors
    /// When there is no such run, or it ranked no budget.
    pub(super) fn tables(name: &str, global: &Global) -> Result<Brought, Error> {
        let store = global.open()?;
        let history = History::load(&store)?;
        let run = history.find_with_team(&store, name)?.clone();
        let recorded = Recorded::of(&store, run)?;
        let study = Study::of_run(&recorded).map_err(Error::Stage)?;
        let study = study.filter(|study| !study.budgets.is_empty()).ok_or_else(|| {
            let mut unreadable = recorded.unreadable();
            unreadable.retain(|node| *node == "evaluate@full" || node.starts_with("rank@"));
            let problem = match unreadable.as_slice() {
                [] => {
                    "a run that ranked no budget; choose one with the target nas-search, mip or rank".to_owned()
                }
                nodes => format!(
                    "a run of another version of this program, whose {} cannot be read; run the same again: it finds \
                     its trainings in the cache",
                    nodes.join(", ")
                ),
            };
            Error::Flag { flag: "--run", value: name.to_owned(), problem }
        })?;
        let dropped = study.budgets.iter().filter(|budget| budget.dropped_after.is_some());
        let dropped = LeftOut::rows(
            "dropped by racing before they were tried on all architectures".to_owned(),
            dropped.map(|budget| budget.name.clone()).collect(),
        );
        let Tables { truth, trials, accuracies } = Tables::of(&study)?;
        let id = recorded.run.short_id();
        Ok(Brought {
            truths: table(&id, "truth", truth)?,
            trials: table(&id, "trials", trials)?,
            accuracies: table(&id, "accuracies", accuracies)?,
            run: Some(Self { store, history, recorded, study, dropped }),
        })
    }

    /// The learning curves of its full trainings, where all of them are in the cache.
    ///
    /// # Errors
    /// When there is no memory for them.
    pub(crate) fn curves(&self) -> Result<Option<InputTable>, Error> {
        let curves = curves(&self.study, &self.recorded.trainings.trainings)?;
        curves.map(|text| table(&self.recorded.run.short_id(), "curves", text)).transpose()
    }

    /// Scores of its architectures that cost no training, where they were computed: its own, or else those of the
    /// newest run of this cache whose full trainings are the same ones, so that architectures, images and the size of
    /// full training are.
    ///
    /// # Errors
    /// When the cache cannot be read.
    pub(crate) fn baselines(&self) -> Result<Option<InputTable>, Error> {
        let Some((run, scores)) = self.scores()? else { return Ok(None) };
        if scores.len() != self.study.architectures.len() {
            return Ok(None);
        }
        table(&run, "baselines", baselines(&self.study, &scores)?).map(Some)
    }

    /// These scores, and the run that they are of.
    fn scores(&self) -> Result<Option<(String, Vec<BaselineScores>)>, Error> {
        if let Some(own) = self.recorded.output::<ScoreBaselines>(SCORES) {
            return Ok(Some((self.recorded.run.short_id(), own)));
        }
        let full = |run: &Manifest| run.node(FULL).and_then(|node| node.key);
        let Some(own) = full(&self.recorded.run) else { return Ok(None) };
        let has_scores = |run: &&Manifest| run.node(SCORES).is_some_and(|node| node.output.is_some());
        for run in self.history.manifests().iter().filter(|run| full(run) == Some(own)).filter(has_scores) {
            if let Some(found) = Recorded::of(&self.store, run.clone())?.output::<ScoreBaselines>(SCORES) {
                return Ok(Some((run.short_id(), found)));
            }
        }
        Ok(None)
    }
}

/// A table of a run, called by it.
fn table(run: &str, of: &str, text: String) -> Result<InputTable, Error> {
    InputTable::of_text(&PathBuf::from(format!("run:{run}/{of}.csv")), text)
}
