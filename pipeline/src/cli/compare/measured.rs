//! What `pipeline compare` plays with: the architectures, budgets, learning curves and scores of the tables, as
//! numbers.

use stages::compare::{Candidate, Table};
use stages::importance::Factor;

use super::Compare;
use super::besides::Besides;
use crate::cli::inputs::Inputs;
use crate::error::Error;
use crate::tables::{LeftOut, NotTaken, Observed, Source, whole};

/// What can be played with.
pub(super) struct Measured {
    pub(super) table: Table,
    /// Names of the budgets.
    pub(super) budgets: Vec<String>,
    /// Names of the scores that cost no training.
    pub(super) baselines: Vec<String>,
    /// In the unit of the cost column.
    pub(super) full_cost: f64,
    /// The tables of curves and scores.
    pub(super) sources: Vec<Source>,
    pub(super) left_out: Vec<LeftOut>,
    pub(super) not_taken: Vec<NotTaken>,
}

impl Compare {
    /// The budgets that have a cost and every hyper-parameter, and the architectures that have an accuracy under
    /// each, and a learning curve where others have.
    pub(super) fn measured(&self, inputs: &Inputs) -> Result<Measured, Error> {
        let with_cost: Vec<usize> =
            (0..inputs.budgets.len()).filter(|&place| inputs.budgets[place].cost.is_some()).collect();
        let rows: Vec<usize> = with_cost.iter().map(|&place| inputs.budgets[place].row).collect();
        let costs: Vec<Option<f64>> = with_cost.iter().map(|&place| inputs.budgets[place].cost).collect();
        let (observed, empty) = Observed::all(&inputs.trials, inputs.features.clone(), &rows)?;
        let empty =
            empty.iter().map(|feature| NotTaken { column: feature.heading(&inputs.trials), why: "empty" });
        let (used, mut left_out) =
            whole(&inputs.trials, (&rows, Some(inputs.name)), (&costs, "without a cost"), &observed);
        if used.is_empty() {
            let problem = "no budget has a cost and every hyper-parameter; leave columns out with --columns";
            return Err(inputs.trials.problem(problem.to_owned()));
        }
        let mut estimates: Vec<Vec<Option<f64>>> = Vec::new();
        for &place in &used {
            let column = inputs.budgets[with_cost[place]].column;
            let of_column = inputs.known.estimates(&inputs.accuracies, column, Some(inputs.key))?;
            left_out.extend(of_column.left_out);
            estimates.push(of_column.numbers);
        }
        let besides = Besides::read(self, inputs)?;
        let has_all = |architecture: usize| {
            estimates.iter().all(|column| column[architecture].is_some())
                && besides.curves.as_ref().is_none_or(|curves| curves[architecture].is_some())
        };
        let complete: Vec<usize> = (0..inputs.known.truths.len()).filter(|&at| has_all(at)).collect();
        let cost = |place: usize| costs[place].unwrap_or(0.0);
        let dearest = used.iter().map(|&place| cost(place)).fold(0.0, f64::max);
        let full_cost = self.full_cost.or(inputs.full_cost).unwrap_or(dearest);
        if full_cost <= 0.0 {
            let problem = "no budget costs anything; say with --full-cost what a full training does";
            return Err(inputs.trials.problem(problem.to_owned()));
        }
        let budgets = used.iter().zip(&estimates).map(|(&place, column)| Candidate {
            cost: cost(place) / full_cost,
            estimates: complete.iter().filter_map(|&architecture| column[architecture]).collect(),
        });
        let factors: Vec<Factor> = observed.iter().map(|one| one.factor(&used).0).collect();
        let Besides { curves, scores, sources, left_out: more_left_out, not_taken: more_not_taken } = besides;
        let mut curves = curves.unwrap_or_default();
        let of_complete = |scores: &Vec<f64>| complete.iter().map(|&at| scores[at]).collect();
        Ok(Measured {
            table: Table {
                truths: complete.iter().map(|&architecture| inputs.known.truths[architecture]).collect(),
                budgets: budgets.collect(),
                names: observed.iter().map(|one| one.feature.name.clone()).collect(),
                factors,
                curves: complete.iter().filter_map(|&at| curves.get_mut(at)?.take()).collect(),
                baselines: scores.iter().map(|(_, scores)| of_complete(scores)).collect(),
            },
            budgets: used.iter().map(|&place| inputs.budgets[with_cost[place]].name.clone()).collect(),
            baselines: scores.into_iter().map(|(name, _)| name).collect(),
            full_cost,
            sources,
            left_out: left_out.into_iter().chain(more_left_out).collect(),
            not_taken: empty.chain(more_not_taken).collect(),
        })
    }
}
