//! The importance of hyper-parameters in a table of trials, for every command that prints it.

use clap::Args;
use stages::importance::TrialTable;

use crate::error::Error;
use crate::output::importance::Hyperparameter;
use crate::tables::{InputTable, Observed};

/// How importances are found.
#[derive(Args)]
pub(super) struct ForestArgs {
    /// Trees of the forest
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) trees: u32,
    /// Bootstrap samples of the trials, each with a forest of its own, for the spread of importances; 0 for none
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub(super) bootstrap: Option<u32>,
    /// Share of the trials that are the best ones of PED-ANOVA
    #[arg(long, default_value = "0.1", value_name = "SHARE", value_parser = share)]
    pub(super) best: f64,
}

/// Reads a share above 0 and below 1.
fn share(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|share| *share > 0.0 && *share < 1.0);
    number.ok_or_else(|| "is no share; give a number above 0 and below 1, as 0.1".to_owned())
}

impl ForestArgs {
    /// What each hyper-parameter explains of the `targets`, which are those of the `whole` trials; the most important
    /// first. `rows` are the table's rows that `observed` tells of.
    pub(super) fn explain(
        &self,
        table: &InputTable,
        rows: &[usize],
        observed: &[Observed<'_>],
        (whole, targets): (&[usize], &[f64]),
        (bootstrap, seed): (u32, u64),
    ) -> Result<Vec<Hyperparameter>, Error> {
        let (factors, values): (Vec<_>, Vec<_>) = observed.iter().map(|one| one.factor(whole)).unzip();
        let trials = TrialTable::new(&factors, targets).map_err(Error::Input)?;
        let trees = self.trees as usize;
        let importances = trials.importances(trees, self.best, seed);
        let spreads = trials.spread(bootstrap as usize, trees, seed).map_err(Error::Input)?;
        let mut hyperparameters: Vec<Hyperparameter> = Vec::new();
        for (place, Observed { feature, kind, .. }) in observed.iter().enumerate() {
            hyperparameters.push(Hyperparameter {
                name: feature.name.clone(),
                column: feature.heading(table),
                kind: *kind,
                values: values[place],
                importance: importances[place].map(|found| found.impurity),
                spread: spreads[place],
                fanova: importances[place].map(|found| found.fanova),
                ped_anova: importances[place].map(|found| found.ped_anova),
                first: whole.first().map_or("", |&first| table.cell(rows[first], feature.column)).to_owned(),
            });
        }
        hyperparameters.sort_by(|a, b| {
            let share = |row: &Hyperparameter| row.importance.unwrap_or(-1.0);
            share(b).total_cmp(&share(a))
        });
        Ok(hyperparameters)
    }
}
