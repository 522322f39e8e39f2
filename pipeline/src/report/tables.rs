//! A study as the tables that `replay` and `compare` read: a run's own trainings go through the whole method again,
//! under other settings, without a training.

use super::study::Study;
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

fn text(number: Option<f64>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}
