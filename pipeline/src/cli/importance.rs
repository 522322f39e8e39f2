//! `pipeline importance`: which hyper-parameters a table of trials says to matter.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use stages::forest::Samples;
use stages::hyperparameter::HYPERPARAMETERS;

use super::Global;
use super::columns::Columns;
use crate::error::Error;
use crate::output::table::{Align, Table};
use crate::output::{self, format};

/// Importance of each hyper-parameter in a table of trials
///
/// Fits a random forest and prints what share of the explained variance each hyper-parameter has. Every column that is
/// called like a hyper-parameter of a budget is read as one.
#[derive(Args)]
#[command(after_help = "Examples:
  pipeline importance trials.csv
  pipeline importance trials.csv --column published_spearman --trees 500")]
pub(crate) struct Importance {
    /// Table of trials
    #[arg(value_name = "TRIALS.csv")]
    trials: PathBuf,
    /// Column with the rank correlations [default: the one whose name ends in `spearman`]
    #[arg(long, value_name = "NAME")]
    column: Option<String>,
    /// Trees of the forest
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    trees: u32,
    /// Seed of the forest
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[derive(Serialize)]
struct ImportancesJson {
    column: String,
    trials: usize,
    importances: serde_json::Map<String, serde_json::Value>,
}

impl Importance {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        let table = Columns::read(&self.trials)?;
        let target = self.target(&table)?;
        let features = features(&table, target)?;
        let targets = table.numbers(target)?;
        let columns: Vec<Vec<f64>> =
            features.iter().map(|&column| table.numbers(column)).collect::<Result<_, _>>()?;
        let rows: Vec<Vec<f64>> =
            (0..targets.len()).map(|row| columns.iter().map(|column| column[row]).collect()).collect();
        let samples = Samples::new(&rows, &targets).map_err(Error::Input)?;
        let importances = samples.importances(self.trees as usize, self.seed);
        let mut found: Vec<(&str, f64)> =
            features.iter().map(|&column| table.headings()[column].as_str()).zip(importances).collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1));
        if global.json {
            return output::json(&ImportancesJson {
                column: table.headings()[target].clone(),
                trials: targets.len(),
                importances: found
                    .iter()
                    .map(|(name, share)| ((*name).to_owned(), (*share).into()))
                    .collect(),
            });
        }
        let headings = [("hyper-parameter", Align::Left), ("importance", Align::Right), ("", Align::Left)];
        let mut shown = Table::new(&headings, 0);
        for (name, share) in found {
            shown.row(vec![name.to_owned(), format!("{share:.3}"), format::bar(share)]);
        }
        output::result(&format!(
            "{shown}\nfor {}, {}\n",
            table.headings()[target],
            format::plural(targets.len() as u64, "trial")
        ))
    }

    fn target(&self, table: &Columns) -> Result<usize, Error> {
        if let Some(name) = &self.column {
            return table.find(name);
        }
        let ends = |column: &usize| table.headings()[*column].ends_with("spearman");
        let found: Vec<usize> = (0..table.headings().len()).filter(ends).collect();
        match found.as_slice() {
            [one] => Ok(*one),
            _ => Err(table.problem(format!(
                "{} columns end in `spearman`; name the one to explain with --column, out of {}",
                found.len(),
                table.headings().join(", ")
            ))),
        }
    }
}

fn features(table: &Columns, target: usize) -> Result<Vec<usize>, Error> {
    let is_feature = |column: &usize| {
        *column != target && HYPERPARAMETERS.iter().any(|row| row.name == table.headings()[*column])
    };
    let features: Vec<usize> = (0..table.headings().len()).filter(is_feature).collect();
    if features.is_empty() {
        let known: Vec<&str> = HYPERPARAMETERS.iter().map(|row| row.name).collect();
        return Err(
            table.problem(format!("no column is called like a hyper-parameter: {}", known.join(", ")))
        );
    }
    Ok(features)
}
