//! The answer: at how many total costs a choice by pruning is better than doing without one, and which ways without a
//! ground truth are better than it.

use super::choice::Chooser;
use super::summary::Compared;
use super::way::Way;
use crate::statistics::Mean;

/// In how many of some comparisons an interval is above 0, and in how many below it; the rest is not told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Above 0.
    pub better: usize,
    /// Below 0.
    pub worse: usize,
}

impl Tally {
    fn of(differences: impl Iterator<Item = Mean>) -> Self {
        let mut tally = Self::default();
        for difference in differences {
            tally.better += usize::from(difference.is_above_0());
            tally.worse += usize::from(difference.is_below_0());
        }
        tally
    }
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

/// How the ways that look at epochs or rank by a baseline do beside pruning, with the largest pool. They pay no
/// ground truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cheaper {
    /// How many ways these are.
    pub ways: usize,
    /// How many of them are better than pruning at a total cost or more.
    pub better_somewhere: usize,
    /// The one that is better at most total costs; of several the one that is worse at fewest, then the first.
    pub best: Way,
    /// That one against pruning.
    pub over_pruning: Tally,
}

/// What a comparison comes to.
pub fn verdict(compared: &[Compared]) -> Verdict {
    let rows: Vec<(Mean, Mean)> = of_largest_pool(compared)
        .filter_map(|one| one.row(Way::Chosen(Chooser::Pruning)))
        .map(|row| (row.over_random_search, row.over_random_budget))
        .collect();
    let tally = |of: fn(&(Mean, Mean)) -> Mean| Tally::of(rows.iter().map(of));
    Verdict {
        totals: rows.len(),
        worth_it: rows.iter().filter(|row| row.0.is_above_0() && row.1.is_above_0()).count(),
        over_random_search: tally(|row| row.0),
        over_random_budget: tally(|row| row.1),
    }
}

/// The ways without a ground truth beside pruning; `None` where there are none, or pruning is not compared.
pub fn cheaper(compared: &[Compared]) -> Option<Cheaper> {
    let first = of_largest_pool(compared).next()?;
    first.row(Way::Chosen(Chooser::Pruning))?;
    let is_cheaper =
        |way: &Way| matches!(way, Way::OneEpoch | Way::Halving | Way::Hyperband | Way::Baseline(_));
    let tally = |way: Way| {
        let rows = of_largest_pool(compared).filter_map(|one| one.row(way));
        (way, Tally::of(rows.map(|row| row.over_pruning)))
    };
    let ways: Vec<(Way, Tally)> =
        first.rows.iter().map(|row| row.way).filter(is_cheaper).map(tally).collect();
    let is_better = |a: &Tally, b: &Tally| a.better > b.better || (a.better == b.better && a.worse < b.worse);
    let best =
        ways.iter().copied().reduce(|best, next| if is_better(&next.1, &best.1) { next } else { best });
    best.map(|(best, over_pruning)| Cheaper {
        ways: ways.len(),
        better_somewhere: ways.iter().filter(|(_, tally)| tally.better > 0).count(),
        best,
        over_pruning,
    })
}

fn of_largest_pool(compared: &[Compared]) -> impl Iterator<Item = &Compared> {
    let largest = compared.iter().map(|one| one.searched).max();
    compared.iter().filter(move |one| Some(one.searched) == largest)
}
