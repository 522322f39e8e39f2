//! A table that says more of the same architectures: which of its rows belongs to which of theirs, and its columns of
//! numbers.

use std::collections::HashMap;

use super::join::{How, Joined};
use super::names::unnamed;
use super::said::{LeftOut, NotTaken};
use super::table::InputTable;
use crate::error::Error;

/// A table beside another.
pub(crate) struct Beside<'a> {
    table: &'a InputTable,
    /// The column that names its architectures.
    pub(crate) key: Option<usize>,
    /// Its row for each architecture, where it has one.
    partners: Vec<Option<usize>>,
    /// What the architectures are called in the other table.
    names: Vec<String>,
    /// Its rows that belong to none.
    others: Vec<usize>,
}

impl<'a> Beside<'a> {
    /// Joins a table to these rows of another, by the column of this heading or by a usual key.
    ///
    /// # Errors
    /// When there is nothing to join them by, or they have no architecture in common.
    pub(crate) fn of(
        (estimates, rows): (&InputTable, &[usize]),
        table: &'a InputTable,
        key: Option<&str>,
    ) -> Result<Self, Error> {
        let joined = Joined::of(estimates, table, How::KeyOnly(key))?;
        let partner: HashMap<usize, usize> = joined.pairs.iter().copied().collect();
        let (their_key, key) = joined.keys.unzip();
        Ok(Self {
            table,
            key,
            partners: rows.iter().map(|row| partner.get(row).copied()).collect(),
            names: rows.iter().map(|&row| estimates.row_name(row, their_key)).collect(),
            others: joined.only_right,
        })
    }

    /// Its columns of numbers, and those that are none.
    ///
    /// # Errors
    /// When there is no column of numbers.
    pub(crate) fn columns(&self) -> Result<(Vec<usize>, Vec<NotTaken>), Error> {
        let rows: Vec<usize> = self.partners.iter().flatten().copied().collect();
        number_columns(self.table, self.key, None, &rows)
    }

    /// A column's number for each architecture; none where it has no row, or nothing in it.
    ///
    /// # Errors
    /// When a cell is no number and not missing, with its line.
    pub(crate) fn numbers(&self, column: usize) -> Result<Vec<Option<f64>>, Error> {
        let rows: Vec<usize> = self.partners.iter().flatten().copied().collect();
        let mut found = self.table.numbers(column, &rows)?.into_iter();
        Ok(self.partners.iter().map(|partner| partner.and_then(|_| found.next().flatten())).collect())
    }

    /// The architectures for which a list has nothing.
    pub(crate) fn lacking<T>(&self, list: &[Option<T>], why: String) -> Option<LeftOut> {
        let lacking = self.names.iter().zip(list).filter(|(_, number)| number.is_none());
        LeftOut::rows(why, lacking.map(|(name, _)| name.clone()).collect())
    }

    /// Its rows that belong to no architecture of the other table.
    pub(crate) fn others(&self) -> Option<LeftOut> {
        let names = self.others.iter().map(|&row| self.table.row_name(row, self.key)).collect();
        LeftOut::rows(format!("only in {}", self.table.path().display()), names)
    }
}

/// All columns of a table but indices, names, the one to judge by and columns without a single number in these rows;
/// and why the others are not taken.
///
/// # Errors
/// When there is none.
pub(crate) fn number_columns(
    table: &InputTable,
    key: Option<usize>,
    judge: Option<usize>,
    rows: &[usize],
) -> Result<(Vec<usize>, Vec<NotTaken>), Error> {
    let (mut columns, mut not_taken) = (Vec::new(), Vec::new());
    for (column, heading) in table.headings().iter().enumerate() {
        if Some(column) == key || Some(column) == judge {
            continue;
        }
        match unnamed(heading).or_else(|| (!table.holds_numbers(column, rows)).then_some("no number")) {
            Some(why) => not_taken.push(NotTaken { column: heading.clone(), why }),
            None => columns.push(column),
        }
    }
    if columns.is_empty() {
        return Err(table.problem(format!("no column of numbers to judge; {}", table.columns())));
    }
    Ok((columns, not_taken))
}
