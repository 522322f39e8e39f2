//! The answer: at how many total costs a choice by pruning is better than doing without one.

use super::choice::Chooser;
use super::summary::{Compared, Mean};
use super::way::Way;

/// In how many of some comparisons an interval is above 0, and in how many below it; the rest is not told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Above 0.
    pub better: usize,
    /// Below 0.
    pub worse: usize,
}

/// How pruning does with the largest pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Total costs that were compared.
    pub totals: usize,
    /// Those at which pruning is better than random search with full trainings and than a budget that is taken
    /// unchosen, both with intervals above 0.
    pub worth_it: usize,
    /// Against random search with full trainings.
    pub over_random_search: Tally,
    /// Against a budget that is taken unchosen.
    pub over_random_budget: Tally,
}

/// What a comparison comes to.
pub fn verdict(compared: &[Compared]) -> Verdict {
    let largest = compared.iter().map(|one| one.searched).max();
    let of_largest = compared.iter().filter(|one| Some(one.searched) == largest);
    let rows: Vec<(Mean, Mean)> = of_largest
        .filter_map(|one| one.row(Way::Chosen(Chooser::Pruning)))
        .map(|row| (row.over_random_search, row.over_random_budget))
        .collect();
    let tally = |of: fn(&(Mean, Mean)) -> Mean| Tally {
        better: rows.iter().filter(|row| of(row).is_above_0()).count(),
        worse: rows.iter().filter(|row| of(row).is_below_0()).count(),
    };
    Verdict {
        totals: rows.len(),
        worth_it: rows.iter().filter(|row| row.0.is_above_0() && row.1.is_above_0()).count(),
        over_random_search: tally(|row| row.0),
        over_random_budget: tally(|row| row.1),
    }
}
