//! Whether it is worth it to choose a budget first: over many seeds, how good an architecture each way of working finds
//! in a table of results, where all of them have the same to spend and the choice is paid for.
//!
//! A seed puts the architectures of the table into a random order. The first K of them are those whose full trainings
//! a choice of a budget is paid with; those behind them are the pool that is searched. Every way may find any of
//! these, and is judged by the true accuracy of the best one that it trained fully: its regret is what that one lacks
//! to the best of all of them. Costs are in full trainings. Of what is left when the K are paid, a way that uses a
//! budget keeps half for full trainings of the architectures that the budget ranks highest. Ways that look at full
//! trainings after some epochs, or rank by what costs no training, need no ground truth and pay for none.
//!
//! Knows accuracies and costs, and neither files nor names.

mod choice;
mod parzen;
mod purse;
mod rungs;
mod seed;
mod summary;
mod verdict;
mod way;

use rayon::prelude::*;

use crate::Error;
use crate::importance::Factor;
use crate::random::Random;

pub use choice::Chooser;
pub use rungs::rungs;
pub use summary::{BreakEven, Compared, Row};
pub use verdict::{Cheaper, Tally, Verdict, cheaper, verdict};
pub use way::{Outcome, Way};

use seed::Seed;

/// What somebody has measured.
pub struct Table {
    /// The accuracy of each architecture under full training.
    pub truths: Vec<f64>,
    /// The budgets.
    pub budgets: Vec<Candidate>,
    /// Of each hyper-parameter, in the order of `factors`; they break ties of importance.
    pub names: Vec<String>,
    /// The hyper-parameters of the budgets.
    pub factors: Vec<Factor>,
    /// The accuracy of each architecture after each epoch of its full training, in the order of [`Table::truths`];
    /// empty where nobody knows. They rank; what an architecture is worth is its truth.
    pub curves: Vec<Vec<f64>>,
    /// Scores that cost no training, each of all architectures in that order; -∞ where there is none, which ranks it
    /// last.
    pub baselines: Vec<Vec<f64>>,
}

impl Table {
    /// Epochs of a full training, where that is known, or 0.
    pub fn epochs(&self) -> usize {
        self.curves.first().map_or(0, Vec::len)
    }
}

/// A budget of the table.
pub struct Candidate {
    /// What one training under it costs, in full trainings; 0 or more.
    pub cost: f64,
    /// The accuracy of each architecture under it, in the order of [`Table::truths`].
    pub estimates: Vec<f64>,
}

/// What is compared, and how.
pub struct Settings {
    /// K: architectures whose full training a choice is paid with.
    pub ground_truth: usize,
    /// Total costs, in full trainings, in ascending order.
    pub totals: Vec<usize>,
    /// Sizes of the pool, in ascending order.
    pub searched: Vec<usize>,
    /// Random orders of the architectures.
    pub seeds: usize,
    /// Budgets that a round of pruning draws.
    pub a_round: usize,
    /// Weight of the cost in the choice of a budget (Eq. 1 of Zheng et al.), 0 ≤ λ < 1.
    pub lambda: f64,
    /// Trees of a forest.
    pub trees: usize,
    /// Where all seeds begin.
    pub seed: u64,
}

/// Hyper-parameters along which some budgets of the table differ from its dearest one in nothing else, each with these
/// budgets, the cheapest first.
pub struct Axis {
    /// Which.
    pub factor: usize,
    /// The budgets, without the dearest.
    pub budgets: Vec<usize>,
}

/// Compares all ways at every total cost and size of the pool. The same bits for the same table and settings, whatever
/// the threads.
///
/// # Errors
/// [`Error::Numbers`] for a table whose lists differ in length or hold numbers that are not finite, and for settings
/// that it has too few architectures for.
pub fn compare(table: &Table, settings: &Settings) -> Result<Vec<Compared>, Error> {
    check(table, settings)?;
    let axes = axes(table)?;
    let whole: Vec<Option<f64>> = (0..table.budgets.len())
        .map(|budget| crate::statistics::spearman_of(&table.budgets[budget].estimates, &table.truths))
        .collect::<Result<_, _>>()?;
    let cells: Vec<(usize, usize)> = settings
        .totals
        .iter()
        .flat_map(|&total| settings.searched.iter().map(move |&searched| (total, searched)))
        .collect();
    let play = |index: usize| {
        let mut seed = Seed::new(table, settings, &whole, index as u64)?;
        cells.iter().map(|&(total, searched)| way::all(&mut seed, &axes, total, searched)).collect()
    };
    let played: Vec<Vec<Vec<(Way, Outcome)>>> =
        (0..settings.seeds).into_par_iter().map(play).collect::<Result<_, Error>>()?;
    let summed = cells.iter().enumerate().map(|(cell, &(total, searched))| {
        let of_cell: Vec<&[(Way, Outcome)]> = played.iter().map(|cells| cells[cell].as_slice()).collect();
        summary::compared(total, searched, &of_cell, settings.seed)
    });
    Ok(summed.collect())
}

/// For each total cost, from how many searched architectures on a choice by pruning pays against random search with
/// full trainings.
pub fn break_even(compared: &[Compared]) -> Vec<BreakEven> {
    summary::break_even(compared)
}

/// The hyper-parameters that a search for a budget could vary alone, starting from the dearest budget.
///
/// # Errors
/// [`Error::Numbers`] for lists of different lengths.
pub fn axes(table: &Table) -> Result<Vec<Axis>, Error> {
    let levels = levels(table, &(0..table.budgets.len()).collect::<Vec<_>>())?;
    let cost = |budget: usize| table.budgets[budget].cost;
    let Some(fullest) = (0..table.budgets.len()).reduce(|a, b| if cost(b) > cost(a) { b } else { a }) else {
        return Ok(Vec::new());
    };
    let mut axes: Vec<Axis> = Vec::new();
    for budget in 0..table.budgets.len() {
        let differs: Vec<usize> =
            (0..levels.len()).filter(|&factor| levels[factor][budget] != levels[factor][fullest]).collect();
        let &[factor] = differs.as_slice() else { continue };
        match axes.iter_mut().find(|axis| axis.factor == factor) {
            Some(axis) => axis.budgets.push(budget),
            None => axes.push(Axis { factor, budgets: vec![budget] }),
        }
    }
    for axis in &mut axes {
        axis.budgets.sort_by(|&a, &b| cost(a).total_cmp(&cost(b)));
    }
    axes.sort_by_key(|axis| axis.factor);
    Ok(axes)
}

/// Which value of each hyper-parameter these budgets have, counted from 0 in ascending order.
fn levels(table: &Table, budgets: &[usize]) -> Result<Vec<Vec<usize>>, Error> {
    let factors: Vec<Factor> = table.factors.iter().map(|factor| factor.of(budgets)).collect();
    let trials = crate::importance::TrialTable::new(&factors, &vec![0.0; budgets.len()])?;
    Ok((0..factors.len()).map(|factor| trials.values(factor).to_vec()).collect())
}

/// A random stream of one seed.
fn stream(settings: &Settings, purpose: &str, index: u64) -> Random {
    Random::new(settings.seed, purpose, index)
}

fn check(table: &Table, settings: &Settings) -> Result<(), Error> {
    let refuse = |problem: &str| {
        Err(Error::Numbers { what: "comparison of ways to search", problem: problem.to_owned() })
    };
    let architectures = table.truths.len();
    if table.budgets.iter().any(|budget| budget.estimates.len() != architectures) {
        return refuse("a budget with more or fewer accuracies than there are architectures");
    }
    if table
        .factors
        .iter()
        .flat_map(|factor| &factor.columns)
        .any(|column| column.len() != table.budgets.len())
    {
        return refuse("a hyper-parameter with more or fewer values than there are budgets");
    }
    if table.names.len() != table.factors.len() {
        return refuse("more or fewer names than there are hyper-parameters");
    }
    if !table.curves.is_empty() && table.curves.len() != architectures {
        return refuse("more or fewer learning curves than there are architectures");
    }
    if table.curves.iter().any(|curve| curve.is_empty() || curve.len() != table.epochs()) {
        return refuse("learning curves of different numbers of epochs, or of none");
    }
    if table.baselines.iter().any(|scores| scores.len() != architectures) {
        return refuse("a baseline with more or fewer scores than there are architectures");
    }
    if table.baselines.iter().flatten().any(|score| score.is_nan()) {
        return refuse("a baseline's score that is no number");
    }
    let estimates =
        table.budgets.iter().flat_map(|budget| &budget.estimates).chain(table.curves.iter().flatten());
    if !table.truths.iter().chain(estimates).all(|number| number.is_finite()) {
        return refuse("an accuracy that is not finite");
    }
    // What costs infinitely many full trainings is just never paid for.
    if table.budgets.iter().any(|budget| budget.cost.is_nan() || budget.cost < 0.0) {
        return refuse("a cost that is no number from 0 up");
    }
    let largest = settings.searched.iter().copied().max().unwrap_or(0);
    if settings.ground_truth.checked_add(largest).is_none_or(|needed| needed > architectures) {
        return refuse("fewer architectures than are trained fully and searched");
    }
    if settings.ground_truth == 0 || settings.searched.contains(&0) || settings.seeds == 0 {
        return refuse("nothing to compare");
    }
    if settings.totals.iter().any(|&total| total <= settings.ground_truth) {
        return refuse("a total cost that only pays for the ground truth");
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
