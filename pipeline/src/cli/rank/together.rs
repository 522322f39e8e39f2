//! The columns that `pipeline rank` judges, alone and together.

use stages::statistics::{choose_on_halves, combinations, rank_sum};

use crate::error::Error;
use crate::output::halves::OnHalves;
use crate::tables::{Estimates, InputTable, LeftOut};

/// Columns of one rank sum that is chosen, at most.
const TOGETHER: usize = 3;

/// Columns of numbers for the same architectures.
#[derive(Default)]
pub(super) struct Columns {
    headings: Vec<String>,
    /// By column, in the order of the architectures whose truth is known.
    numbers: Vec<Vec<Option<f64>>>,
    /// Architectures that a column has no number for.
    pub(super) left_out: Vec<LeftOut>,
}

impl Columns {
    /// Adds a column of a table.
    ///
    /// # Errors
    /// When there is one of this heading already.
    pub(super) fn add(
        &mut self,
        table: &InputTable,
        column: usize,
        estimates: Estimates,
    ) -> Result<(), Error> {
        let heading = &table.headings()[column];
        if self.headings.contains(heading) {
            return Err(table
                .problem(format!("column {heading} is judged already; give one of them another heading")));
        }
        self.headings.push(heading.clone());
        self.numbers.push(estimates.numbers);
        self.left_out.extend(estimates.left_out);
        Ok(())
    }

    pub(super) fn count(&self) -> usize {
        self.headings.len()
    }

    /// The columns of a text with their names between commas.
    ///
    /// # Errors
    /// When one of them is not there or named twice, or there is one only.
    pub(super) fn named(&self, names: &str) -> Result<Vec<usize>, Error> {
        let refused = |problem: String| Error::Flag { flag: "--combine", value: names.to_owned(), problem };
        let mut places = Vec::new();
        for name in names.split(',').map(str::trim) {
            let Some(place) = self.headings.iter().position(|heading| heading == name) else {
                return Err(refused(format!(
                    "no column {name:?} is judged; there are {}",
                    self.headings.join(", ")
                )));
            };
            if places.contains(&place) {
                return Err(refused(format!("{name} is named twice")));
            }
            places.push(place);
        }
        if places.len() < 2 {
            return Err(refused("name two columns at least, with commas between them".to_owned()));
        }
        Ok(places)
    }

    /// The headings of some columns.
    pub(super) fn names(&self, members: &[usize]) -> Vec<String> {
        members.iter().map(|&place| self.headings[place].clone()).collect()
    }

    /// The numbers of one column, or the rank sums of several, of the architectures that have one in each; and the truths of
    /// these.
    pub(super) fn together(&self, members: &[usize], truths: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (mut lists, truths) = self.whole(members, truths);
        if lists.len() == 1 {
            return (lists.remove(0), truths);
        }
        let lists: Vec<&[f64]> = lists.iter().map(Vec::as_slice).collect();
        (rank_sum(&lists), truths)
    }

    /// The best column, and the best few together, chosen on one half of the architectures that have a number in each column.
    ///
    /// # Errors
    /// When there are too many to choose from.
    pub(super) fn halves(&self, truths: &[f64], seed: u64) -> Result<Option<OnHalves>, Error> {
        let all: Vec<usize> = (0..self.count()).collect();
        let (lists, truths) = self.whole(&all, truths);
        let lists: Vec<&[f64]> = lists.iter().map(Vec::as_slice).collect();
        let candidates = combinations(&all, TOGETHER).ok_or_else(|| Error::Flag {
            flag: "--halves",
            value: format!("{} columns", self.count()),
            problem: "there are too many ways to combine them; name fewer with --column".to_owned(),
        })?;
        let halves = choose_on_halves(&lists, &candidates, &truths, seed).map_err(Error::Input)?;
        Ok(halves.map(|halves| OnHalves::new(halves, &|places| self.names(places))))
    }

    /// The numbers of some columns, of the architectures that have one in each; and the truths of these.
    fn whole(&self, members: &[usize], truths: &[f64]) -> (Vec<Vec<f64>>, Vec<f64>) {
        let is_whole = |&architecture: &usize| {
            members.iter().all(|&column| self.numbers[column][architecture].is_some())
        };
        let whole: Vec<usize> = (0..truths.len()).filter(is_whole).collect();
        let list = |&column: &usize| whole.iter().filter_map(|&at| self.numbers[column][at]).collect();
        (members.iter().map(list).collect(), whole.iter().map(|&at| truths[at]).collect())
    }
}
