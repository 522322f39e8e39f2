//! Minimum importance pruning over budgets that are in a table, with any hyper-parameters: what Algorithm 1 of Zheng et
//! al. would have found with these budgets and no others, without training anything.
//!
//! Where the method makes up a budget, here one must be in the table. A value's relative cost (Eq. 2) is the cost of
//! the cheapest budget of the table that has it and agrees with everything fixed so far, in units of the cheapest of
//! those; and once a value is kept, only the budgets with it are left, so that others can lose their choice with it.

use super::{FixReason, UNIMPORTANT, best_by, goes_first, kept_value};
use crate::importance::{Factor, TrialTable};
use crate::random::Random;
use crate::{Error, portable};

/// A budget of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TabulatedTrial {
    /// What a training under it costs, in any unit; 0 for all where nobody knows.
    pub cost: f64,
    /// Its `r_s`; `None` when undefined.
    pub spearman: Option<f64>,
}

/// How budgets are drawn and judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Budgets that a round draws; all of the table in the first round where there are no more.
    pub a_round: usize,
    /// Of Eq. 2.
    pub temperature: f64,
    /// Weight of the cost in Eq. 1, 0 ≤ λ < 1.
    pub lambda: f64,
    /// The cost of full training, in the unit of the table.
    pub full_cost: f64,
    /// Trees of a forest.
    pub trees: usize,
    /// Of draws and forests.
    pub seed: u64,
}

/// What was found in a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Pruned {
    /// Round by round.
    pub rounds: Vec<PrunedRound>,
    /// The budgets that were tried, in the order of drawing.
    pub tried: Vec<usize>,
    /// Of those the one with the highest objective (Eq. 1); `None` when no `r_s` is defined.
    pub found: Option<usize>,
    /// The same of the whole table: what was there to be found.
    pub best: Option<usize>,
}

/// A round.
#[derive(Clone, Debug, PartialEq)]
pub struct PrunedRound {
    /// Budgets tried up to its end.
    pub tried: usize,
    /// The importance of each hyper-parameter, out of all budgets tried so far; `None` when those do not vary it.
    pub importances: Vec<Option<f64>>,
    /// What it fixed, in this order.
    pub fixed: Vec<TabulatedFixed>,
}

/// A hyper-parameter that was fixed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TabulatedFixed {
    /// Which.
    pub factor: usize,
    /// A budget of the table that has the value that is kept.
    pub value_of: usize,
    /// What chose it; `None` where no budget of the table with another value is left.
    pub reason: Option<FixReason>,
}

/// Prunes the hyper-parameters `factors`, called so, over the budgets `trials`.
///
/// # Errors
/// [`Error::Numbers`] for numbers that are not finite, and lists of different lengths.
pub fn prune(
    names: &[String],
    factors: &[Factor],
    trials: &[TabulatedTrial],
    settings: &Settings,
) -> Result<Pruned, Error> {
    let table = TrialTable::new(factors, &vec![0.0; trials.len()])?;
    let values: Vec<&[usize]> = (0..factors.len()).map(|factor| table.values(factor)).collect();
    let mut left = Left { values, trials, candidates: (0..trials.len()).collect() };
    let (mut tried, mut rounds): (Vec<usize>, Vec<PrunedRound>) = (Vec::new(), Vec::new());
    while !left.open().is_empty() {
        tried.extend(left.draw(&tried, settings, rounds.len() as u64));
        let told: Vec<usize> =
            tried.iter().copied().filter(|&trial| trials[trial].spearman.is_some()).collect();
        let targets: Vec<f64> = told.iter().filter_map(|&trial| trials[trial].spearman).collect();
        let of_told: Vec<Factor> = factors.iter().map(|factor| factor.of(&told)).collect();
        let importances = TrialTable::new(&of_told, &targets)?.impurities(settings.trees, settings.seed);
        let mut fixed = Vec::new();
        let share = |factor: usize| importances[factor].unwrap_or(0.0);
        let place = |factor: usize| {
            let dearest = left.values_left(factor).iter().map(|&(_, cost)| cost).fold(0.0, f64::max);
            (share(factor), dearest, names[factor].as_str())
        };
        if let Some(least) = left.open().into_iter().min_by(|&a, &b| goes_first(place(a), place(b))) {
            left.fix(least, share(least) >= UNIMPORTANT, &tried, &mut fixed);
        }
        if let &[last] = left.open().as_slice() {
            // Nothing else is left to choose, so that it is important whatever the forest says.
            left.fix(last, true, &tried, &mut fixed);
        }
        rounds.push(PrunedRound { tried: tried.len(), importances, fixed });
    }
    if rounds.is_empty() {
        // One budget, or several that differ in nothing: there is nothing to prune, and still a best one.
        tried = (0..trials.len()).collect();
    }
    let objective = |trial: &usize| {
        let TabulatedTrial { cost, spearman } = trials[*trial];
        Some((spearman? - settings.lambda * cost / settings.full_cost, cost))
    };
    let found = best_by(&tried, objective).copied();
    let all: Vec<usize> = (0..trials.len()).collect();
    Ok(Pruned { rounds, tried, found, best: best_by(&all, objective).copied() })
}

/// What pruning has left of the table.
struct Left<'a> {
    /// For each hyper-parameter which of its values each budget has.
    values: Vec<&'a [usize]>,
    trials: &'a [TabulatedTrial],
    /// The budgets that agree with everything fixed.
    candidates: Vec<usize>,
}

impl Left<'_> {
    /// The hyper-parameters that have a choice.
    fn open(&self) -> Vec<usize> {
        (0..self.values.len()).filter(|&factor| self.values_left(factor).len() > 1).collect()
    }

    /// The values that a hyper-parameter can still have, each with its relative cost, in ascending order of the values.
    fn values_left(&self, factor: usize) -> Vec<(usize, f64)> {
        let mut values: Vec<usize> =
            self.candidates.iter().map(|&trial| self.values[factor][trial]).collect();
        values.sort_unstable();
        values.dedup();
        let cheapest = |is: &dyn Fn(usize) -> bool| {
            let costs =
                self.candidates.iter().filter(|&&trial| is(trial)).map(|&trial| self.trials[trial].cost);
            costs.fold(f64::INFINITY, f64::min)
        };
        let base = cheapest(&|_| true);
        let relative = |value: usize| {
            let cost = cheapest(&|trial| self.values[factor][trial] == value);
            // Where the cheapest costs nothing there is no unit; then nothing is relative to it but what costs as
            // little.
            if cost == base { 1.0 } else { cost / base }
        };
        values.into_iter().map(|value| (value, relative(value))).collect()
    }

    /// Up to so many budgets that are left and were not tried, by Eq. 2: each with a probability that goes with
    /// `exp(-Σ c_ij / temperature)`, among those left.
    fn draw(&self, tried: &[usize], settings: &Settings, round: u64) -> Vec<usize> {
        let costs: Vec<Vec<(usize, f64)>> =
            (0..self.values.len()).map(|factor| self.values_left(factor)).collect();
        let logit = |trial: usize| -> f64 {
            let of = |(factor, costs): (usize, &Vec<(usize, f64)>)| {
                let value = self.values[factor][trial];
                costs.iter().find(|(other, _)| *other == value).map_or(0.0, |(_, cost)| *cost)
            };
            let sum: f64 = costs.iter().enumerate().map(of).sum();
            if sum.is_finite() { -sum / settings.temperature } else { f64::MIN }
        };
        let untried = self.candidates.iter().copied().filter(|trial| !tried.contains(trial));
        let mut untried: Vec<(usize, f64)> = untried.map(|trial| (trial, logit(trial))).collect();
        if untried.len() <= settings.a_round {
            return untried.into_iter().map(|(trial, _)| trial).collect();
        }
        let mut random = Random::new(settings.seed, "tabulated budgets", round);
        let mut drawn = Vec::new();
        while drawn.len() < settings.a_round {
            let most = untried.iter().map(|(_, logit)| *logit).fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = untried.iter().map(|(_, logit)| portable::exp(logit - most)).collect();
            let mut rest = random.uniform() * weights.iter().sum::<f64>();
            let choice = weights.iter().position(|weight| {
                rest -= weight;
                rest < 0.0
            });
            drawn.push(untried.remove(choice.unwrap_or(0)).0);
        }
        drawn
    }

    /// Fixes a hyper-parameter, and names those that lose their choice with it.
    fn fix(&mut self, factor: usize, is_important: bool, tried: &[usize], fixed: &mut Vec<TabulatedFixed>) {
        let (values, costs): (Vec<usize>, Vec<f64>) = self.values_left(factor).into_iter().unzip();
        let measure = |trial: &usize| Some((self.trials[*trial].spearman?, self.trials[*trial].cost));
        let value = |trial: &usize| self.values[factor][*trial];
        let left: Vec<usize> =
            tried.iter().copied().filter(|trial| self.candidates.contains(trial)).collect();
        // The best budget of all may have a value that is not left.
        let best = best_by(tried, measure).map(value).filter(|value| values.contains(value));
        let best = best.or_else(|| best_by(&left, measure).map(value));
        let Some((value, reason)) = kept_value(&values, &costs, best, is_important) else { return };
        let open = self.open();
        let of_factor = self.values[factor];
        self.candidates.retain(|&trial| of_factor[trial] == value);
        let Some(&value_of) = self.candidates.first() else { return };
        fixed.push(TabulatedFixed { factor, value_of, reason: Some(reason) });
        let still = self.open();
        let lost = open.into_iter().filter(|other| *other != factor && !still.contains(other));
        fixed.extend(lost.map(|factor| TabulatedFixed { factor, value_of, reason: None }));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
