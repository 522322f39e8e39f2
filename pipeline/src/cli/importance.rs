//! `pipeline importance`: which hyper-parameters a table of trials says to matter.

use std::path::PathBuf;

use clap::Args;

use super::Global;
use super::forest::ForestArgs;
use super::given::path;
use crate::error::Error;
use crate::output::importance::{self, Explained};
use crate::tables::{
    Finished, InputTable, LeftOut, NotTaken, Observed, features, is_minimized, objective, whole,
};

/// Importance of each hyper-parameter in a table of trials
///
/// Fits a random forest and prints what share of the explained variance each hyper-parameter has (the impurity
/// decreases of the splits on it; --bootstrap says how far chance moves them), and beside it fANOVA's (the share of the
/// variance of the forest's predictions that its marginal has, over all combinations of the table's values) and
/// PED-ANOVA's (how differently it is distributed among the best trials). Where the three disagree on the first two,
/// that is said. A hyper-parameter that has one value in all trials is not observed, which is not an importance of 0.
///
/// Columns are chosen by their headings. Hyper-parameters are those that are called like one of a budget (`epochs`,
/// `batch_size`, `learning_rate`, `layers`, `channels`, `image_size`, `cutout`, `float_bits`) in any spelling or by a usual
/// other name (`lr`, `bs`, `init_channels`, …), and those with the prefix of Optuna (`params_`), MLflow (`params.`), Ray
/// Tune (`config/`) or NePS (`config.`); --columns takes any. What is explained is the column that is called like a rank
/// correlation (`published_spearman`, `r_s`), else Optuna's `value`, else NePS's `objective_to_minimize`, else the one
/// that is called like an accuracy. SMAC's `runhistory.json` is read as well.
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
    /// Low numbers of the objective are the good ones; understood of NePS's and SMAC's `objective_to_minimize`
    #[arg(long)]
    minimize: bool,
    /// Columns of hyper-parameters, with commas between them; may be repeated [default: those that are called like one]
    #[arg(long, value_name = "NAMES")]
    columns: Vec<String>,
    #[command(flatten)]
    forest: ForestArgs,
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
        let (observed, empty) = Observed::all(&table, features, &finished.rows)?;
        let empty = empty.iter().map(|feature| NotTaken { column: feature.heading(&table), why: "empty" });
        not_taken.extend(empty);
        let targets = table.numbers(objective.column, &finished.rows)?;
        let without = format!("without {}", table.headings()[objective.column]);
        let (whole, lacking) = whole(&table, (&finished.rows, None), (&targets, &without), &observed);
        let left_out: Vec<LeftOut> = finished.left_out(&table).into_iter().chain(lacking).collect();
        if whole.is_empty() || observed.is_empty() {
            return Err(nothing_whole(&table, &left_out));
        }
        let is_minimized = self.minimize || is_minimized(&table.headings()[objective.column]);
        let sign = if is_minimized { -1.0 } else { 1.0 };
        let targets: Vec<f64> =
            whole.iter().filter_map(|&place| targets[place]).map(|target| sign * target).collect();
        let hyperparameters = self.forest.explain(
            &table,
            &finished.rows,
            &observed,
            (&whole, &targets),
            (self.forest.bootstrap.unwrap_or(0), self.seed),
        )?;
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
}

/// That no trial lacks nothing, and why.
fn nothing_whole(table: &InputTable, left_out: &[LeftOut]) -> Error {
    let reasons: Vec<String> = left_out.iter().map(ToString::to_string).collect();
    table.problem(format!("no trial is left to learn from: {}", reasons.join("; ")))
}
