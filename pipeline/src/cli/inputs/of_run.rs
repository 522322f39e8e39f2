//! A run of the cache in the place of tables: its architectures, budgets and scores, the learning curves of its full
//! trainings, and scores without a training.

use std::path::PathBuf;

use cache::Store;
use stages::baselines::BaselineScores;
use stages::stage::ScoreBaselines;

use super::{Brought, OfRun};
use crate::cli::Global;
use crate::engine::manifest::{History, Manifest};
use crate::engine::recorded::Recorded;
use crate::error::Error;
use crate::report::tables::{FULL, baselines, curves};
use crate::report::{Study, Tables};
use crate::tables::{InputTable, LeftOut};

/// The node whose output the scores are.
const SCORES: &str = "score-baselines";

/// The tables of the run of this name.
///
/// # Errors
/// When there is no such run, or it ranked no budget.
pub(super) fn tables(name: &str, global: &Global) -> Result<Brought, Error> {
    let store = global.open()?;
    let history = History::load(&store)?;
    let run = history.find_with_team(&store, name)?;
    let table_of =
        |run: &str, of: &str, text| InputTable::of_text(&PathBuf::from(format!("run:{run}/{of}.csv")), text);
    let table = |of: &str, text| table_of(&run.short_id(), of, text);
    let recorded = Recorded::of(&store, run.clone())?;
    let study = Study::of_run(&recorded).map_err(Error::Stage)?;
    let study = study.filter(|study| !study.budgets.is_empty()).ok_or_else(|| {
        let mut unreadable = recorded.unreadable();
        unreadable.retain(|node| *node == "evaluate@full" || node.starts_with("rank@"));
        let problem = match unreadable.as_slice() {
            [] => "a run that ranked no budget; choose one with the target nas-search, mip or rank".to_owned(),
            nodes => format!(
                "a run of another version of this program, whose {} cannot be read; run the same again: it finds its \
                 trainings in the cache",
                nodes.join(", ")
            ),
        };
        Error::Flag { flag: "--run", value: name.to_owned(), problem }
    })?;
    let dropped = study.budgets.iter().filter(|budget| budget.dropped_after.is_some());
    let dropped = dropped.map(|budget| budget.name.clone()).collect();
    let Tables { truth, trials, accuracies } = Tables::of(&study)?;
    let curves = curves(&study, &recorded.trainings.trainings)?;
    let scores = scores(&store, &history, &recorded)?;
    let scores = scores.filter(|(_, scores)| scores.len() == study.architectures.len());
    let scores = scores.map(|(of, scores)| Ok::<_, Error>((of, baselines(&study, &scores)?))).transpose()?;
    Ok(Brought {
        truths: table("truth", truth)?,
        trials: table("trials", trials)?,
        accuracies: table("accuracies", accuracies)?,
        run: Some(OfRun {
            curves: curves.map(|text| table("curves", text)).transpose()?,
            baselines: scores.map(|(run, text)| table_of(&run, "baselines", text)).transpose()?,
            dropped: LeftOut::rows(
                "dropped by racing before they were tried on all architectures".to_owned(),
                dropped,
            ),
        }),
    })
}

/// The baselines of a run's architectures, and the run that they are of: its own, or else those of the newest run of
/// this cache whose full trainings are the same ones, so that architectures, images and the size of full training are.
fn scores(
    store: &Store,
    history: &History,
    recorded: &Recorded,
) -> Result<Option<(String, Vec<BaselineScores>)>, Error> {
    if let Some(own) = recorded.output::<ScoreBaselines>(SCORES) {
        return Ok(Some((recorded.run.short_id(), own)));
    }
    let full = |run: &Manifest| run.node(FULL).and_then(|node| node.key);
    let Some(own) = full(&recorded.run) else { return Ok(None) };
    let has_scores = |run: &&Manifest| run.node(SCORES).is_some_and(|node| node.output.is_some());
    for run in history.manifests().iter().filter(|run| full(run) == Some(own)).filter(has_scores) {
        if let Some(found) = Recorded::of(store, run.clone())?.output::<ScoreBaselines>(SCORES) {
            return Ok(Some((run.short_id(), found)));
        }
    }
    Ok(None)
}
