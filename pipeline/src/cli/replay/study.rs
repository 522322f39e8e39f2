//! A replay as a report has it.

use serde_json::Value;
use stages::mip::Objective;

use super::super::inputs::Inputs;
use super::super::retrain::quoted;
use crate::error::Error;
use crate::output::replay::{RankedTrial, Replayed};
use crate::report::{About, Axis, AxisValue, JudgedArchitecture, JudgedBudget, Report, Shares, Study};
use crate::tables::{LeftOut, NotTaken, Observed};

/// What was found, the accuracies of each budget behind it (in the order of the known architectures), and the
/// hyper-parameters.
pub(super) fn report(
    found: &Replayed,
    inputs: &Inputs,
    estimates: Vec<Vec<Option<f64>>>,
    observed: &[Observed<'_>],
) -> Result<Report, Error> {
    let named = inputs.known.rows.iter().map(|&row| inputs.accuracies.cell(row, inputs.key).to_owned());
    let architectures =
        named.zip(&inputs.known.truths).map(|(name, &truth)| JudgedArchitecture { name, truth });
    let budget = |(trial, scores): (&RankedTrial, Vec<Option<f64>>)| JudgedBudget {
        name: trial.budget.clone(),
        round: None,
        cost: trial.cost,
        agreement: trial.quality.spearman,
        quality: trial.quality,
        diverged: 0,
        dropped_after: None,
        levels: Vec::new(),
        scores,
    };
    let budgets = found.budgets.iter().zip(estimates).map(budget).collect();
    let axes: Vec<(Axis, Shares)> = observed
        .iter()
        .map(|one| {
            let cell = |row| inputs.trials.cell(row, one.feature.column).to_owned();
            let value = |text: String| {
                (!text.is_empty()).then(|| AxisValue { number: text.replace(',', ".").parse().ok(), text })
            };
            let values = inputs.budgets.iter().map(|budget| value(cell(budget.row))).collect();
            let told = found.hyperparameters.iter().find(|told| told.name == one.feature.name);
            let shares = told.map(|told| Shares {
                importance: told.importance,
                spread: told.spread,
                fanova: told.fanova,
                ped_anova: told.ped_anova,
            });
            (Axis { name: one.feature.name.clone(), values }, shares.unwrap_or_default())
        })
        .filter(|(axis, _)| axis.values.iter().flatten().any(|value| Some(value) != axis.values[0].as_ref()))
        .collect();
    let unit = found.cost.as_ref().map_or_else(String::new, |cost| cost.column.clone());
    let mut study = Study::new(architectures.collect(), budgets, &axes, unit, Objective::Spearman)
        .map_err(Error::Input)?;
    if let Some(pruning) = &found.pruning {
        study.found = found.budgets.iter().position(|trial| Some(&trial.budget) == pruning.found.as_ref());
        study.rounds.clone_from(&pruning.rounds);
    }
    let result = serde_json::to_value(found).map_err(|error| Error::Output(error.into()))?;
    Ok(Report::of_tables(about(found), result, study))
}

fn about(found: &Replayed) -> About {
    let [truth, trials, accuracies] = [0, 1, 2].map(|place| found.tables[place].path.clone());
    let words: Vec<String> = std::env::args().skip(1).map(|word| quoted(&word)).collect();
    let mut remarks: Vec<String> =
        found.left_out.iter().map(|left: &LeftOut| format!("Left out: {left}.")).collect();
    if !found.not_taken.is_empty() {
        remarks.push(format!("Not taken: {}.", NotTaken::listed(&found.not_taken)));
    }
    About::Replay { truth, trials, accuracies, command: format!("pipeline {}", words.join(" ")), remarks }
}

/// The numbers of a report as JSON, for who asks for a file that ends so.
pub(super) fn numbers(report: &Report) -> Result<Value, Error> {
    serde_json::to_value(report).map_err(|error| Error::Output(error.into()))
}
