//! What many seeds say together: means over the seeds with their bootstrap intervals, and where a choice begins to pay.
//! The seeds split one table: intervals say what more seeds would change, and not what another table would.

use super::choice::Chooser;
use super::way::{Outcome, Way};
use crate::statistics::{Mean, means};

/// One way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Which.
    pub way: Way,
    /// What it lacks to the best that could be found.
    pub regret: Mean,
    /// How much better its architecture is than that of random search with full trainings, seed by seed.
    pub over_random_search: Mean,
    /// How much better its architecture is than that of a random budget, seed by seed.
    pub over_random_budget: Mean,
    /// How much better its architecture is than that of a budget chosen by pruning, seed by seed.
    pub over_pruning: Mean,
    /// Mean number of budgets that were tried.
    pub tried: f64,
    /// Mean number of full trainings, with those of the ground truth.
    pub full_trainings: f64,
    /// The most that a seed spent, in full trainings.
    pub spent_max: f64,
    /// The share of the seeds in which a budget ranked.
    pub ranked: f64,
}

/// All ways at one total cost and size of the pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// In full trainings.
    pub total: usize,
    /// Architectures of the pool.
    pub searched: usize,
    /// Random search first; fixed budgets last.
    pub rows: Vec<Row>,
}

impl Compared {
    /// The row of a way; a fixed budget that is too dear has none.
    pub fn row(&self, way: Way) -> Option<&Row> {
        self.rows.iter().find(|row| row.way == way)
    }
}

/// From where on a choice pays, at one total cost.
#[derive(Clone, Debug, PartialEq)]
pub struct BreakEven {
    /// In full trainings.
    pub total: usize,
    /// By how much pruning is better than random search, for each size of the pool in ascending order.
    pub gains: Vec<(usize, Mean)>,
    /// The smallest pool from which on the gain's interval is above 0 for all that were tried; `None` where it is not
    /// for the largest.
    pub from: Option<usize>,
}

/// Sums up what the seeds came to at one total cost and pool. Which ways there is money for is the same in all of them.
pub(super) fn compared(total: usize, searched: usize, seeds: &[&[(Way, Outcome)]], seed: u64) -> Compared {
    let ways = seeds.first().map_or(&[][..], |outcomes| *outcomes);
    let of = |place: usize, number: &dyn Fn(&Outcome) -> f64| -> Vec<f64> {
        seeds.iter().map(|outcomes| number(&outcomes[place].1)).collect()
    };
    let found = |way: Way| {
        let place = ways.iter().position(|(other, _)| *other == way);
        place.map_or_else(|| vec![0.0; seeds.len()], |place| of(place, &|outcome| outcome.found))
    };
    let others = [Way::RandomSearch, Way::RandomBudget, Way::Chosen(Chooser::Pruning)].map(found);
    let lists: Vec<Vec<f64>> = (0..ways.len())
        .flat_map(|place| {
            let own = of(place, &|outcome| outcome.found);
            let [search, budget, pruning] = others
                .each_ref()
                .map(|other| own.iter().zip(other).map(|(own, other)| own - other).collect::<Vec<f64>>());
            [of(place, &|outcome| outcome.regret), search, budget, pruning]
        })
        .collect();
    let means = means(&lists, seed);
    let mean = |numbers: &[f64]| numbers.iter().sum::<f64>() / numbers.len() as f64;
    let rows = ways.iter().enumerate().map(|(place, &(way, _))| Row {
        way,
        regret: means[4 * place],
        over_random_search: means[4 * place + 1],
        over_random_budget: means[4 * place + 2],
        over_pruning: means[4 * place + 3],
        tried: mean(&of(place, &|outcome| outcome.tried as f64)),
        full_trainings: mean(&of(place, &|outcome| outcome.full_trainings as f64)),
        spent_max: of(place, &|outcome| outcome.spent).into_iter().fold(0.0, f64::max),
        ranked: mean(&of(place, &|outcome| f64::from(u8::from(outcome.budget.is_some())))),
    });
    Compared { total, searched, rows: rows.collect() }
}

pub(super) fn break_even(compared: &[Compared]) -> Vec<BreakEven> {
    let mut totals: Vec<usize> = compared.iter().map(|one| one.total).collect();
    totals.dedup();
    let at = |total: usize| {
        let mut gains: Vec<(usize, Mean)> = compared
            .iter()
            .filter(|one| one.total == total)
            .filter_map(|one| {
                Some((one.searched, one.row(Way::Chosen(Chooser::Pruning))?.over_random_search))
            })
            .collect();
        gains.sort_by_key(|(searched, _)| *searched);
        let pays = gains.iter().rev().take_while(|(_, gain)| gain.is_above_0());
        let from = pays.last().map(|(searched, _)| *searched);
        BreakEven { total, gains, from }
    };
    totals.into_iter().map(at).collect()
}
