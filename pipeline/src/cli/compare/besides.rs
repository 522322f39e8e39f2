//! What `pipeline compare` is given beside the three tables: learning curves, and scores that cost no training.

use super::Compare;
use crate::cli::inputs::{Inputs, OfRun};
use crate::error::Error;
use crate::tables::{Beside, InputTable, LeftOut, NotTaken, Source, epochs};

/// Curves and scores of the architectures whose truth is known, in their order.
#[derive(Default)]
pub(super) struct Besides {
    /// The accuracies of each by epoch, where there are curves; none of an architecture that lacks one.
    pub(super) curves: Option<Vec<Option<Vec<f64>>>>,
    /// Names and numbers of scores; -∞ for an architecture without one.
    pub(super) scores: Vec<(String, Vec<f64>)>,
    /// The tables that they are from, and what of these is not part of them.
    pub(super) sources: Vec<Source>,
    pub(super) left_out: Vec<LeftOut>,
    pub(super) not_taken: Vec<NotTaken>,
}

impl Besides {
    /// Reads the tables that were asked for, and what the run has whose architectures these are.
    ///
    /// # Errors
    /// When one cannot be read, has nothing to join it by, no epochs or no scores, or a cell that is no number.
    pub(super) fn read(asked: &Compare, inputs: &Inputs) -> Result<Self, Error> {
        let mut found = Self::default();
        let curves = match (&asked.curves, &inputs.run) {
            (Some(path), _) => Some(InputTable::read(path)?),
            (None, Some(run)) => run.curves()?,
            (None, None) => None,
        };
        if let Some(table) = &curves {
            found.add_curves(table, &join(asked, inputs, table)?)?;
        }
        let of_run = inputs.run.as_ref().map(OfRun::baselines).transpose()?.flatten();
        let given: Vec<InputTable> =
            asked.with.iter().map(|path| InputTable::read(path)).collect::<Result<_, _>>()?;
        for table in of_run.iter().chain(&given) {
            found.add_scores(table, &join(asked, inputs, table)?)?;
        }
        Ok(found)
    }

    fn add_curves(&mut self, table: &InputTable, beside: &Beside<'_>) -> Result<(), Error> {
        let (columns, not_taken) = epochs(table, beside.key)?;
        let by_epoch: Vec<Vec<Option<f64>>> =
            columns.iter().map(|&column| beside.numbers(column)).collect::<Result<_, _>>()?;
        let curve = |at: usize| by_epoch.iter().map(|numbers| numbers[at]).collect();
        let curves: Vec<Option<Vec<f64>>> = (0..by_epoch[0].len()).map(curve).collect();
        let why = format!("without an accuracy after every epoch in {}", table.path().display());
        self.left_out.extend(beside.lacking(&curves, why));
        self.curves = Some(curves);
        self.note(table, beside, not_taken);
        Ok(())
    }

    fn add_scores(&mut self, table: &InputTable, beside: &Beside<'_>) -> Result<(), Error> {
        let (columns, not_taken) = beside.columns()?;
        for column in columns {
            let name = &table.headings()[column];
            if self.scores.iter().any(|(other, _)| other == name) {
                let problem = "ranks already; give one of them another heading";
                return Err(table.problem(format!("column {name} {problem}")));
            }
            let numbers = beside.numbers(column)?;
            self.left_out.extend(beside.lacking(&numbers, format!("without {name}, which ranks them last")));
            let scores = numbers.into_iter().map(|score| score.unwrap_or(f64::NEG_INFINITY));
            self.scores.push((name.clone(), scores.collect()));
        }
        self.note(table, beside, not_taken);
        Ok(())
    }

    fn note(&mut self, table: &InputTable, beside: &Beside<'_>, not_taken: Vec<NotTaken>) {
        self.sources.push(table.source());
        self.left_out.extend(beside.others());
        self.not_taken.extend(not_taken);
    }
}

/// A table beside the architectures whose truth is known.
fn join<'a>(asked: &Compare, inputs: &Inputs, table: &'a InputTable) -> Result<Beside<'a>, Error> {
    Beside::of((&inputs.accuracies, &inputs.known.rows), table, asked.tables.key.as_deref())
}
