//! `pipeline rank`: how well one column of accuracies ranks what another column ranks.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::Global;
use super::columns::Columns;
use crate::error::Error;
use crate::output::table::{Align, Table};
use crate::output::{self, format};

/// Rank correlation of two columns of accuracies, with its interval
///
/// Spearman's correlation with average ranks for ties, and its bootstrap 95% interval over the rows. Rows are joined by
/// the first column when both files begin with a column of the same name, else by their place.
#[derive(Args)]
#[command(after_help = "Examples:
  pipeline rank accuracies.csv ground_truth.csv
  pipeline rank accuracies.csv ground_truth.csv --column test5
  pipeline rank both.csv --column estimated --truth-column measured")]
pub(crate) struct Rank {
    /// Table with the accuracies to judge
    #[arg(value_name = "ESTIMATES.csv")]
    estimates: PathBuf,
    /// Table with the accuracies of full training [default: the same file]
    #[arg(value_name = "TRUTH.csv")]
    truth: Option<PathBuf>,
    /// Column to judge; may be repeated [default: every column of numbers]
    #[arg(long, value_name = "NAME")]
    column: Vec<String>,
    /// Column of TRUTH to judge by [default: its last column of numbers]
    #[arg(long, value_name = "NAME")]
    truth_column: Option<String>,
    /// Seed of the bootstrap
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[derive(Serialize)]
struct RankJson {
    truth: String,
    rows: usize,
    correlations: Vec<Correlation>,
}

#[derive(Serialize)]
struct Correlation {
    column: String,
    spearman: Option<f64>,
    interval: Option<(f64, f64)>,
}

impl Rank {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        let found = self.correlate()?;
        if global.json {
            return output::json(&found);
        }
        let mut table =
            Table::new(&[("column", Align::Left), ("r_s", Align::Right), ("95% interval", Align::Left)], 0);
        for row in &found.correlations {
            table.row(vec![
                row.column.clone(),
                format::correlation(row.spearman),
                format::interval(row.interval),
            ]);
        }
        output::result(&format!(
            "{table}\nagainst {}, {} architectures\n",
            found.truth,
            format::count(found.rows as u64)
        ))
    }

    fn correlate(&self) -> Result<RankJson, Error> {
        let estimates = Columns::read(&self.estimates)?;
        let truth = Columns::read(self.truth.as_ref().unwrap_or(&self.estimates))?;
        let partners = estimates.join(&truth)?;
        let truth_column = match &self.truth_column {
            Some(name) => truth.find(name)?,
            None => *truth.numeric().last().ok_or_else(|| truth.problem("no column of numbers".into()))?,
        };
        let truth_numbers = truth.numbers(truth_column)?;
        let truth_numbers: Vec<f64> = partners.iter().map(|&row| truth_numbers[row]).collect();
        let names = estimates.joins_by_name(&truth).then_some(0);
        let judge = self.truth.is_none().then_some(truth_column);
        let columns = self.columns(&estimates, &[names, judge])?;
        let mut correlations = Vec::new();
        for column in columns {
            let numbers = estimates.numbers(column)?;
            let correlation =
                stages::rank::correlate(&numbers, &truth_numbers, self.seed).map_err(Error::Input)?;
            correlations.push(Correlation {
                column: estimates.headings()[column].clone(),
                spearman: correlation.spearman,
                interval: correlation.interval,
            });
        }
        Ok(RankJson { truth: truth.headings()[truth_column].clone(), rows: partners.len(), correlations })
    }

    /// The columns to judge: those asked for, or all numbers but the column of names and the truth itself.
    fn columns(&self, estimates: &Columns, others: &[Option<usize>]) -> Result<Vec<usize>, Error> {
        if !self.column.is_empty() {
            return self.column.iter().map(|name| estimates.find(name)).collect();
        }
        let mut columns = estimates.numeric();
        columns.retain(|&column| !others.contains(&Some(column)));
        if columns.is_empty() {
            return Err(estimates.problem("no column of numbers to judge; name one with --column".into()));
        }
        Ok(columns)
    }
}
