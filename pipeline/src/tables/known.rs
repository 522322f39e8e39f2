//! The architectures whose truth is known, and those that are in one table only or have none.

use super::choice::Choice;
use super::join::Joined;
use super::said::LeftOut;
use super::table::InputTable;
use crate::error::Error;

/// The rows of the estimates that have a truth, each with it; and the architectures that have none.
pub(crate) struct Known {
    pub(crate) rows: Vec<usize>,
    pub(crate) truths: Vec<f64>,
    pub(crate) left_out: Vec<LeftOut>,
}

impl Known {
    /// Of two tables that are joined.
    ///
    /// # Errors
    /// When a truth is no number, or there is none at all.
    pub(crate) fn of(
        estimates: &InputTable,
        truths: &InputTable,
        joined: &Joined,
        truth: Choice,
    ) -> Result<Self, Error> {
        let (key, truth_key) = joined.keys.unzip();
        let only = |table: &InputTable, rows: &[usize], key| {
            let names = rows.iter().map(|&row| table.row_name(row, key)).collect();
            LeftOut::rows(format!("only in {}", table.path().display()), names)
        };
        let heading = &truths.headings()[truth.column];
        let truth_rows: Vec<usize> = joined.pairs.iter().map(|&(_, row)| row).collect();
        let numbers = truths.numbers(truth.column, &truth_rows)?;
        let (mut known, mut missing) = (Vec::new(), Vec::new());
        for (&(row, _), number) in joined.pairs.iter().zip(numbers) {
            match number {
                Some(number) => known.push((row, number)),
                None => missing.push(estimates.row_name(row, key)),
            }
        }
        if known.is_empty() {
            return Err(truths.problem(format!("column {heading} has no number to judge by")));
        }
        let left_out = [
            only(estimates, &joined.only_left, key),
            only(truths, &joined.only_right, truth_key),
            LeftOut::rows(format!("without {heading}"), missing),
        ];
        let (rows, truths) = known.into_iter().unzip();
        Ok(Self { rows, truths, left_out: left_out.into_iter().flatten().collect() })
    }

    /// A column of estimates beside the truths, without the architectures that it has no number for; these are named.
    ///
    /// # Errors
    /// When a cell is no number and not missing, with its line.
    pub(crate) fn estimates(
        &self,
        table: &InputTable,
        column: usize,
        key: Option<usize>,
    ) -> Result<Estimates, Error> {
        let numbers = table.numbers(column, &self.rows)?;
        let missing = self.rows.iter().zip(&numbers).filter(|(_, number)| number.is_none());
        let missing = missing.map(|(&row, _)| table.row_name(row, key)).collect();
        let left_out = LeftOut::rows(format!("without {}", table.headings()[column]), missing);
        Ok(Estimates { numbers, left_out })
    }
}

/// What one column says of the architectures whose truth is known.
pub(crate) struct Estimates {
    /// In the order of [`Known::rows`].
    pub(crate) numbers: Vec<Option<f64>>,
    pub(crate) left_out: Option<LeftOut>,
}

impl Estimates {
    /// The numbers that are there, and the truths beside them.
    pub(crate) fn beside(&self, truths: &[f64]) -> (Vec<f64>, Vec<f64>) {
        self.numbers.iter().zip(truths).filter_map(|(number, &truth)| Some(((*number)?, truth))).unzip()
    }
}
