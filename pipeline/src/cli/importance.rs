//! `pipeline importance`: which hyper-parameters a table of trials says to matter.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use stages::forest::Samples;

use super::Global;
use super::given::path;
use crate::error::Error;
use crate::output::importance::{self, Explained, Hyperparameter};
use crate::tables::{
    Encoded, Feature, Finished, InputTable, Kind, LeftOut, NotTaken, Values, features, objective,
};

/// Importance of each hyper-parameter in a table of trials
///
/// Fits a random forest and prints what share of the explained variance each hyper-parameter has. A hyper-parameter
/// that has one value in all trials is not observed, which is not an importance of 0.
///
/// Columns are chosen by their headings. Hyper-parameters are those that are called like one of a budget (`epochs`,
/// `batch_size`, `learning_rate`, `layers`, `channels`, `image_size`, `cutout`, `float_bits`) in any spelling or by a usual
/// other name (`lr`, `bs`, `init_channels`, …), and those with the prefix of Optuna (`params_`), MLflow (`params.`) or Ray
/// Tune (`config/`); --columns takes any. What is explained is the column that is called like a rank correlation
/// (`published_spearman`, `r_s`), else Optuna's `value`, else the one that is called like an accuracy.
///
/// Texts and truth values are categories: a split tells one of them from the others. The hyper-parameters of a budget are
/// numbers. Trials that did not end well by a column `state` or `status` (FAIL, PRUNED, RUNNING, …) are left out, and so
/// are those that lack a value (an empty cell or NaN; among numbers NA, `<NA>`, null or None as well); how many is said.
/// Any other cell that is no finite number in a column of numbers (91.2%, n/a, inf) is refused with its line. Cells are
/// separated by commas, semicolons or tabs; with the last two, numbers may have decimal commas.
#[derive(Args)]
#[command(after_help = "Examples:
  pipeline importance trials.csv
  pipeline importance trials.csv --objective published_spearman --trees 500
  pipeline importance trials.csv --columns lr,optimizer,weight_decay")]
pub(crate) struct Importance {
    /// Table of trials
    #[arg(value_name = "TRIALS.csv", value_parser = path())]
    trials: PathBuf,
    /// Column to explain [default: the one that is called like a rank correlation, `value` or an accuracy]
    #[arg(long, visible_alias = "column", value_name = "NAME")]
    objective: Option<String>,
    /// Columns of hyper-parameters, with commas between them; may be repeated [default: those that are called like one]
    #[arg(long, value_name = "NAMES")]
    columns: Vec<String>,
    /// Trees of the forest
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    trees: u32,
    /// Seed of the forest
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl Importance {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        importance::print(&self.importances()?, global.json)
    }

    fn importances(&self) -> Result<Explained, Error> {
        let table = InputTable::read(&self.trials)?;
        let features = features(&table, &self.columns, self.objective.as_deref())?;
        let mut taken: Vec<usize> = features.iter().map(|feature| feature.column).collect();
        let objective = objective(&table, &taken, self.objective.as_deref())?;
        taken.push(objective.column);
        let finished = Finished::of(&table, &taken)?;
        taken.extend(finished.column);
        let why = if self.columns.is_empty() { "not called like a hyper-parameter" } else { "not asked for" };
        let others = (0..table.headings().len()).filter(|column| !taken.contains(column));
        let not_taken = |column: usize, why| NotTaken { column: table.headings()[column].clone(), why };
        let mut not_taken: Vec<NotTaken> = others.map(|column| not_taken(column, why)).collect();
        let mut observed = Vec::new();
        for feature in features {
            match feature.values(&table, &finished.rows)? {
                Some((kind, values)) => observed.push(Observed { feature, kind, values }),
                None => not_taken.push(NotTaken { column: feature.heading(&table), why: "empty" }),
            }
        }
        let targets = table.numbers(objective.column, &finished.rows)?;
        let (whole, left_out) = whole(&table, objective.column, &finished, &targets, &observed)?;
        let targets: Vec<f64> = whole.iter().filter_map(|&place| targets[place]).collect();
        let hyperparameters = self.explain(&table, &finished, &observed, &whole, &targets)?;
        let importances =
            hyperparameters.iter().map(|row| (row.name.clone(), row.importance.into())).collect();
        Ok(Explained {
            column: table.headings()[objective.column].clone(),
            column_is: objective.why,
            trials: whole.len(),
            left_out,
            not_taken,
            table: table.source(),
            hyperparameters,
            importances,
        })
    }

    /// What each hyper-parameter explains of the targets, which are those of the `whole` trials; the most important first.
    fn explain(
        &self,
        table: &InputTable,
        finished: &Finished,
        observed: &[Observed<'_>],
        whole: &[usize],
        targets: &[f64],
    ) -> Result<Vec<Hyperparameter>, Error> {
        let encoded: Vec<Encoded> = observed.iter().map(|one| Encoded::of(&one.values, whole)).collect();
        let matrix: Vec<Vec<f64>> = (0..whole.len())
            .map(|row| encoded.iter().flat_map(|one| &one.columns).map(|column| column[row]).collect())
            .collect();
        let samples = Samples::new(&matrix, targets).map_err(Error::Input)?;
        let mut shares = samples.importances(self.trees as usize, self.seed).into_iter();
        let is_constant = targets.iter().all(|target| *target == targets[0]);
        let mut rows: Vec<Hyperparameter> = Vec::new();
        for (Observed { feature, kind, .. }, encoded) in observed.iter().zip(&encoded) {
            let share: f64 = shares.by_ref().take(encoded.columns.len()).sum();
            rows.push(Hyperparameter {
                name: feature.name.clone(),
                column: feature.heading(table),
                kind: *kind,
                values: encoded.values,
                importance: (encoded.values > 1 && !is_constant).then_some(share),
                first: table.cell(finished.rows[whole[0]], feature.column).to_owned(),
            });
        }
        rows.sort_by(|a, b| {
            let share = |row: &Hyperparameter| row.importance.unwrap_or(-1.0);
            share(b).total_cmp(&share(a))
        });
        Ok(rows)
    }
}

/// A hyper-parameter and what it was in each finished trial.
struct Observed<'a> {
    feature: Feature,
    kind: Kind,
    values: Values<'a>,
}

/// The finished trials that lack nothing, by their place among them; and the trials that are left out.
fn whole(
    table: &InputTable,
    objective: usize,
    finished: &Finished,
    targets: &[Option<f64>],
    observed: &[Observed<'_>],
) -> Result<(Vec<usize>, Vec<LeftOut>), Error> {
    let mut lacking: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut whole = Vec::new();
    for (place, &row) in finished.rows.iter().enumerate() {
        let lacks = match targets[place] {
            None => Some(objective),
            Some(_) => observed.iter().find(|one| one.values.is_missing(place)).map(|one| one.feature.column),
        };
        match lacks {
            Some(column) => lacking.entry(column).or_default().push(table.row_name(row, None)),
            None => whole.push(place),
        }
    }
    let state_heading = finished.column.map_or("", |column| &table.headings()[column]);
    let states = finished.left_out.iter();
    let states = states.map(|(state, names)| (format!("with {state_heading} {state}"), names.clone()));
    let lacking =
        lacking.into_iter().map(|(column, names)| (format!("without {}", table.headings()[column]), names));
    let left_out: Vec<LeftOut> =
        states.chain(lacking).filter_map(|(why, names)| LeftOut::rows(why, names)).collect();
    if whole.is_empty() || observed.is_empty() {
        let reasons: Vec<String> = left_out.iter().map(ToString::to_string).collect();
        return Err(table.problem(format!("no trial is left to learn from: {}", reasons.join("; "))));
    }
    Ok((whole, left_out))
}
