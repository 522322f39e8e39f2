//! What a report says, as numbers: of a run by its records, of a replay by its tables. No data set is opened and nothing
//! is written; `output/page/` draws it.

mod comparison;
mod matrix;
mod provenance;
mod pruning;
mod searches;
mod study;
pub(crate) mod tables;
mod timeline;

use serde::Serialize;
use serde_json::Value;

use crate::engine::logged::LoggedTraining;
use crate::engine::recorded::Recorded;

pub(crate) use comparison::Comparison;
pub(crate) use provenance::{About, COMMAND, CONDITIONS, RunNode};
pub(crate) use pruning::{FixedTo, PruningRound, Reason};
pub(crate) use searches::{SearchStory, SupernetStory};
pub(crate) use study::{Axis, AxisValue, Hyperparameter, JudgedArchitecture, JudgedBudget, Shares, Study};
pub(crate) use tables::Tables;
pub(crate) use timeline::Timeline;

/// Learning curves that a report shows.
const CURVES: usize = 40;

/// Everything that a report says. What does not apply to its subject is none or empty.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) about: About,
    /// The target's result, as `--json` gives it; null where the run did not come to it.
    pub(crate) result: Value,
    pub(crate) study: Option<Study>,
    pub(crate) searches: Vec<SearchStory>,
    pub(crate) curves: Curves,
    pub(crate) timeline: Option<Timeline>,
    pub(crate) nodes: Vec<RunNode>,
    /// What is not here although the run had it, in sentences.
    pub(crate) missing: Vec<String>,
}

/// Learning curves of full trainings.
#[derive(Default, Serialize)]
pub(crate) struct Curves {
    /// The trainings that there are; where there are too many, those with the best score, with the worst, and evenly
    /// between them are shown.
    pub(crate) of: usize,
    pub(crate) shown: Vec<Curve>,
}

/// One training, epoch by epoch.
#[derive(Serialize)]
pub(crate) struct Curve {
    pub(crate) node: String,
    pub(crate) architecture: String,
    pub(crate) seed: Option<u64>,
    /// Mean loss of each epoch.
    pub(crate) loss: Vec<f64>,
    /// Percent correct on the images that give scores, after each epoch.
    pub(crate) accuracy: Vec<Option<f64>>,
}

impl Report {
    /// Of a run, with its target's `result`.
    pub(crate) fn of_run(recorded: &Recorded, result: Value) -> Result<Self, stages::Error> {
        Ok(Self {
            about: About::of_run(recorded),
            result,
            study: Study::of_run(recorded)?,
            searches: searches::of_run(recorded),
            curves: Curves::of_run(recorded),
            timeline: Timeline::of_run(recorded),
            nodes: RunNode::all(recorded),
            missing: missing(recorded),
        })
    }

    /// Of a replay, with what it found.
    pub(crate) fn of_tables(about: About, result: Value, study: Study) -> Self {
        Self {
            about,
            result,
            study: Some(study),
            searches: Vec::new(),
            curves: Curves::default(),
            timeline: None,
            nodes: Vec::new(),
            missing: Vec::new(),
        }
    }
}

fn missing(recorded: &Recorded) -> Vec<String> {
    let mut missing = Vec::new();
    let lost = recorded.lost();
    if !lost.is_empty() {
        missing.push(format!("The outputs of {} are not in the cache any more.", lost.join(", ")));
    }
    let unreadable = recorded.unreadable();
    if !unreadable.is_empty() {
        missing.push(format!(
            "The outputs of {} are of another version of this program. The same run again, by the command below, has them \
             anew, from the trainings in the cache.",
            unreadable.join(", ")
        ));
    }
    if recorded.trainings.missing > 0 {
        missing.push(format!(
            "{} of the trainings that the run asked for did not end, were deleted since, or are of another version.",
            recorded.trainings.missing
        ));
    }
    if !recorded.trainings.silent.is_empty() {
        let nodes = recorded.trainings.silent.join(", ");
        missing.push(format!("The records of {nodes} do not say which trainings are behind them."));
    }
    missing
}

impl Curves {
    /// Of the trainings that full training, or the final evaluation, asked for.
    fn of_run(recorded: &Recorded) -> Self {
        let is_full = |node: &String| {
            node == "evaluate-final" || node.strip_prefix("train@").is_some_and(|what| !is_cheap(what))
        };
        let mut full: Vec<&LoggedTraining> = recorded
            .trainings
            .trainings
            .iter()
            .filter(|training| training.nodes.iter().any(is_full) && !training.result.epochs.is_empty())
            .collect();
        full.sort_by(|a, b| b.result.score.unwrap_or(0.0).total_cmp(&a.result.score.unwrap_or(0.0)));
        let (of, shown) = (full.len(), full.len().min(CURVES));
        // The first, the last, and evenly between.
        let place = |number: usize| if shown > 1 { number * (of - 1) / (shown - 1) } else { 0 };
        let curve = |training: &LoggedTraining| Curve {
            node: training.nodes.first().cloned().unwrap_or_default(),
            architecture: training.architecture.clone().unwrap_or_default(),
            seed: training.seed,
            loss: training.result.epochs.iter().map(|epoch| epoch.loss).collect(),
            accuracy: training.result.epochs.iter().map(|epoch| epoch.score_accuracy).collect(),
        };
        Self { of, shown: (0..shown).map(|number| curve(full[place(number)])).collect() }
    }
}

/// Whether the trainings of `train@WHAT` are of a round, confirm its choice, or are what a search places others among: under a
/// cheap budget.
fn is_cheap(what: &str) -> bool {
    matches!(what, "confirm" | "fresh" | "reference") || what.chars().all(|digit| digit.is_ascii_digit())
}
