//! A study as the tables that `replay` and `compare` read: a run's own trainings go through the whole method again,
//! under other settings, without a training.

use std::collections::HashMap;

use stages::Genotype;
use stages::baselines::{BaselineScores, NAMES};

use super::study::Study;
use crate::engine::logged::{LoggedEpoch, LoggedTraining};
use crate::error::Error;
use crate::tables::csv;

/// The texts of the three tables, as CSV.
pub(crate) struct Tables {
    pub(crate) truth: String,
    pub(crate) trials: String,
    pub(crate) accuracies: String,
}

impl Tables {
    /// Of a study whose costs are shares of full training, without the budgets that racing dropped: what these rank of
    /// a few architectures is not beside what others rank of all.
    ///
    /// # Errors
    /// When there is no memory for them.
    pub(crate) fn of(study: &Study) -> Result<Self, Error> {
        let tried = || study.budgets.iter().filter(|budget| budget.dropped_after.is_none());
        let names = tried().map(|budget| budget.name.clone());
        let mut truth = vec![vec!["arch".to_owned(), "accuracy".to_owned()]];
        let mut accuracies = vec![["arch".to_owned()].into_iter().chain(names).collect::<Vec<_>>()];
        for (place, architecture) in study.architectures.iter().enumerate() {
            truth.push(vec![architecture.name.clone(), architecture.truth.to_string()]);
            let scores = tried().map(|budget| text(budget.scores.get(place).copied().flatten()));
            accuracies.push([architecture.name.clone()].into_iter().chain(scores).collect());
        }
        let mut headings = vec!["trial".to_owned()];
        headings.extend(study.hyperparameters.iter().map(|axis| axis.name.clone()));
        headings.push("cost".to_owned());
        let mut trials = vec![headings];
        for budget in tried() {
            let value = |(axis, level): (usize, &Option<usize>)| {
                level
                    .map_or_else(String::new, |level| study.hyperparameters[axis].levels[level].value.clone())
            };
            let mut row = vec![budget.name.clone()];
            row.extend(budget.levels.iter().enumerate().map(value));
            row.push(text(budget.cost));
            trials.push(row);
        }
        let [truth, trials, accuracies] =
            [truth, trials, accuracies].map(|rows| csv(&rows).map_err(Error::Output));
        Ok(Self { truth: truth?, trials: trials?, accuracies: accuracies? })
    }
}

/// The node of a run whose trainings are the truth.
pub(crate) const FULL: &str = "train@full";

/// The learning curves of a run's full trainings as CSV, a row for each architecture of the study and a column for
/// each epoch. After it diverged a training has 0 percent, which is its score. None where a training of an
/// architecture is not among these, or lacks an epoch.
///
/// # Errors
/// When there is no memory for it.
pub(crate) fn curves(study: &Study, trainings: &[LoggedTraining]) -> Result<Option<String>, Error> {
    let of_full = trainings.iter().filter(|training| training.nodes.iter().any(|node| node == FULL));
    let by_architecture: HashMap<String, &LoggedTraining> =
        of_full.filter_map(|training| Some((canonical(training.architecture.as_ref()?), training))).collect();
    let epochs = by_architecture.values().map(|training| training.result.epochs.len()).max().unwrap_or(0);
    let mut rows = vec![vec!["arch".to_owned()]];
    rows[0].extend((1..=epochs).map(|epoch| format!("epoch_{epoch}")));
    for architecture in &study.architectures {
        let Some(training) = by_architecture.get(&canonical(&architecture.name)) else { return Ok(None) };
        let accuracy = |epoch: &LoggedEpoch| epoch.score_accuracy;
        let known: Option<Vec<f64>> = training.result.epochs.iter().map(accuracy).collect();
        let Some(mut curve) = known else { return Ok(None) };
        if training.result.diverged_at.is_some() {
            curve.resize(epochs, 0.0);
        }
        if curve.is_empty() || curve.len() != epochs {
            return Ok(None);
        }
        rows.push([architecture.name.clone()].into_iter().chain(curve.iter().map(f64::to_string)).collect());
    }
    csv(&rows).map(Some).map_err(Error::Output)
}

/// Baselines of the architectures of a study, in their order, as CSV: a score that is none is an empty cell.
///
/// # Errors
/// When there is no memory for it.
pub(crate) fn baselines(study: &Study, scores: &[BaselineScores]) -> Result<String, Error> {
    let headings = ["arch"].into_iter().chain(NAMES).map(str::to_owned).collect();
    let row = |(architecture, scores): (&super::JudgedArchitecture, &BaselineScores)| {
        [architecture.name.clone()].into_iter().chain(scores.values().map(text)).collect()
    };
    let rows = std::iter::once(headings).chain(study.architectures.iter().zip(scores).map(row));
    csv::<Vec<String>, _>(rows).map_err(Error::Output)
}

/// A genotype's text in one form, however it was written; another name as it is.
fn canonical(name: &str) -> String {
    name.parse::<Genotype>().map_or_else(|_| name.to_owned(), |genotype| genotype.canonical().to_string())
}

fn text(number: Option<f64>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use cache::Digest;
    use stages::hyperparameter::COUNT;
    use stages::mip::Objective;

    use super::*;
    use crate::engine::logged::LoggedResult;
    use crate::report::JudgedArchitecture;

    fn training(
        node: &str,
        architecture: &str,
        accuracies: &[f64],
        diverged_at: Option<u64>,
    ) -> LoggedTraining {
        let epoch = |&accuracy| LoggedEpoch { loss: 1.0, score_accuracy: Some(accuracy) };
        LoggedTraining {
            nodes: vec![node.to_owned()],
            job: "network".to_owned(),
            architecture: Some(architecture.to_owned()),
            budget: [const { None }; COUNT],
            seed: Some(0),
            result: LoggedResult {
                epochs: accuracies.iter().map(epoch).collect(),
                diverged_at,
                ..LoggedResult::default()
            },
            training_flops: 0,
            elapsed_ms: 0,
            images_per_second: None,
            device: None,
            person: None,
            producer: None,
            found_in: None,
            created_unix_ms: 0,
            key: Digest::of("test", architecture.as_bytes()),
        }
    }

    #[test]
    fn a_curve_is_that_of_the_full_training_and_ends_at_nothing_where_it_diverged() {
        let architecture = |name: &str| JudgedArchitecture { name: name.to_owned(), truth: 1.0 };
        let named = vec![architecture("b"), architecture("a")];
        let study = Study::new(named, Vec::new(), &[], String::new(), Objective::Spearman).unwrap();
        let cheap = || training("train@1", "a", &[9.0, 9.5, 9.7], None);
        let full =
            |a: &[f64]| vec![cheap(), training(FULL, "a", a, None), training(FULL, "b", &[7.0], Some(40))];
        let text = curves(&study, &full(&[1.5, 2.0])).unwrap();
        assert_eq!(text.as_deref(), Some("arch,epoch_1,epoch_2\nb,7,0\na,1.5,2\n"));
        assert_eq!(curves(&study, &[cheap()]).unwrap(), None);
        assert_eq!(curves(&study, &full(&[])).unwrap(), None, "an epoch is missing that did not diverge");
    }
}
