//! Minimum importance pruning (Zheng et al., section 4.2 and Algorithm 1): which budgets to try next, which hyper-parameter to
//! stop varying, and which budget is best in the end.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::forest::Samples;
use crate::hyperparameter::{COUNT, HYPERPARAMETERS, Value};
use crate::space::BudgetSpace;
use crate::{Budget, Error};

mod cost;
mod objective;
pub mod race;
pub mod tabulated;

pub use cost::CostUnit;
pub use objective::Objective;

/// Below this importance a hyper-parameter is fixed to its cheapest value, otherwise to the best one seen (Eq. 9).
pub const UNIMPORTANT: f64 = 0.1;

/// A budget that has been tried: one element of the paper's 𝒟.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The budget b.
    pub budget: Budget,
    /// Its training FLOPs, or seconds ([`CostUnit`]), averaged over the architectures.
    pub cost: f64,
    /// How well its accuracies rank as those of full training, by the [`Objective`]: `r_s` where nothing else was asked
    /// for. `None` when undefined.
    pub agreement: Option<f64>,
    /// After how many architectures racing dropped it; `None` where it was tried on all. The agreement is then that on
    /// those few: importances learn from it, and it is never chosen.
    pub dropped_after: Option<u32>,
}

impl Trial {
    /// Eq. 1: `r_s - λ·cost/full_cost`, with the agreement in the place of `r_s`. The paper writes a plus and asks for less
    /// time; this is what it asks for. `None` when the agreement is undefined.
    pub fn objective(&self, lambda: f64, full_cost: f64) -> Option<f64> {
        self.agreement.map(|agreement| agreement - lambda * self.cost / full_cost)
    }
}

/// The importance of each hyper-parameter, in the table's order, a share of 1; `None` where the trials do not vary it: it was
/// not observed, which is not the same as an importance of 0.
pub type Importances = [Option<f64>; COUNT];

/// Why a hyper-parameter was given the value it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FixReason {
    /// The cheapest of values that cost differently, for its importance was below [`UNIMPORTANT`].
    Cheapest,
    /// The value of the trial with the highest agreement.
    BestTrial,
    /// The first in the space: its values cost the same, and no trial has an agreement.
    First,
}

/// A hyper-parameter that pruning has fixed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fixed {
    /// Its row in the table of hyper-parameters.
    pub index: usize,
    /// The value that it keeps.
    pub value: Value,
    /// Its importance when it was fixed. `None` when it was not observed, and for the last one, which is fixed because no
    /// other is left.
    pub importance: Option<f64>,
    /// What chose the value.
    pub reason: FixReason,
}

/// The state between two rounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MipState {
    /// What pruning has left of the budget space.
    pub space: BudgetSpace,
    /// What pruning has fixed, in its order.
    pub fixed: Vec<Fixed>,
    /// All budgets tried so far, in the order in which they were drawn.
    pub trials: Vec<Trial>,
}

impl MipState {
    /// Before the first round.
    pub const fn new(space: BudgetSpace) -> Self {
        Self { space, fixed: Vec::new(), trials: Vec::new() }
    }

    /// Budgets of a round: up to `count` that no round has drawn and that are not among `others`, by Eq. 2 with these relative
    /// costs ([`BudgetSpace::relative_costs`] of [`MipState::space`]). Fewer when the space holds no more.
    pub fn next_budgets(
        &self,
        count: usize,
        others: &[Budget],
        costs: &[Vec<f64>; COUNT],
        temperature: f64,
        (seed, round): (u64, u64),
    ) -> Vec<Budget> {
        let drawn = self.trials.iter().map(|trial| trial.budget);
        let drawn: Vec<Budget> = drawn.chain(others.iter().copied()).collect();
        self.space.draw(count, &drawn, costs, temperature, (seed, round))
    }

    /// The importance of each hyper-parameter, in the table's order, out of all trials whose agreement is defined
    /// (Eq. 8), those that racing dropped among them.
    ///
    /// # Errors
    /// [`Error::Numbers`] when a trial's agreement is not finite.
    pub fn importances(&self, trees: usize, seed: u64) -> Result<Importances, Error> {
        let defined = self.trials.iter().filter_map(|trial| Some((trial.budget, trial.agreement?)));
        let (rows, targets): (Vec<[f64; COUNT]>, Vec<f64>) =
            defined.map(|(budget, agreement)| (budget.values().map(Value::number), agreement)).unzip();
        let mut importances = [None; COUNT];
        let shares = Samples::new(&rows, &targets)?.importances(trees, seed);
        for (index, (slot, share)) in importances.iter_mut().zip(shares).enumerate() {
            let is_observed = rows.iter().any(|row| row[index] != rows[0][index]);
            *slot = is_observed.then_some(share);
        }
        Ok(importances)
    }

    /// Fixes the least important of the hyper-parameters that have a choice (Eq. 9), and the last one too when only one is
    /// left then. Of equal importances the one that can cost more goes first, then the first by name. What was not
    /// observed goes as the least important, as in the paper. `costs` are the relative costs of [`MipState::space`].
    ///
    /// The cheapest value is the one with the lowest relative cost; among values of one cost, which only hyper-parameters
    /// that change no FLOPs have, the best trial's own if it is there, else the first of the space.
    pub fn prune(&mut self, importances: &Importances, costs: &[Vec<f64>; COUNT]) {
        let share = |index: usize| importances[index].unwrap_or(0.0);
        let dearest = |index: usize| costs[index].iter().copied().fold(0.0, f64::max);
        let place = |index: usize| (share(index), dearest(index), HYPERPARAMETERS[index].name);
        let order = |&a: &usize, &b: &usize| goes_first(place(a), place(b));
        if let Some(least) = self.space.open().into_iter().min_by(order) {
            self.fix(least, importances[least], share(least) >= UNIMPORTANT, &costs[least]);
        }
        if let &[last] = self.space.open().as_slice() {
            // It is no longer compared with anything: it is important, for nothing else is left to choose.
            self.fix(last, None, true, &costs[last]);
        }
    }

    fn fix(&mut self, index: usize, importance: Option<f64>, is_important: bool, costs: &[f64]) {
        let values = self.space.values(index);
        let best = best_agreement(&self.trials).map(|trial| trial.budget.values()[index]);
        if let Some((value, reason)) = kept_value(values, costs, best, is_important) {
            self.space.fix(index, value);
            self.fixed.push(Fixed { index, value, importance, reason });
        }
    }
}

/// Which of two hyper-parameters is fixed first, by importance, highest relative cost and name: the less important one,
/// of equal ones the one that can cost more, then the first by name.
fn goes_first(a: (f64, f64, &str), b: (f64, f64, &str)) -> Ordering {
    a.0.total_cmp(&b.0).then_with(|| b.1.total_cmp(&a.1)).then_with(|| a.2.cmp(b.2))
}

/// The value that a hyper-parameter keeps (Eq. 9), of `values` with these relative `costs`: the one of the `best` trial
/// if the hyper-parameter is important or its values cost the same, the cheapest otherwise. `None` of no values.
fn kept_value<V: Copy + PartialEq>(
    values: &[V],
    costs: &[f64],
    best: Option<V>,
    is_important: bool,
) -> Option<(V, FixReason)> {
    let least = costs.iter().copied().fold(f64::INFINITY, f64::min);
    let cheapest: Vec<V> =
        values.iter().zip(costs).filter(|(_, cost)| **cost <= least).map(|(value, _)| *value).collect();
    let best_of = |values: &[V]| best.filter(|value| values.contains(value));
    let is_free = cheapest.len() == values.len();
    match (best_of(values), best_of(&cheapest)) {
        (Some(best), _) if is_important || is_free => Some((best, FixReason::BestTrial)),
        (_, Some(best)) => Some((best, FixReason::Cheapest)),
        _ => {
            let reason = if is_free { FixReason::First } else { FixReason::Cheapest };
            cheapest.first().map(|&value| (value, reason))
        }
    }
}

/// The trial with the highest agreement of those that were not dropped; of equal ones the cheaper, then the earlier. It
/// does not depend on λ, so that another λ never asks for other trainings.
pub fn best_agreement(trials: &[Trial]) -> Option<&Trial> {
    best_objective(trials, 0.0, 1.0)
}

/// The trial with the highest objective (Eq. 1) of those that were not dropped; of equal ones the cheaper, then the
/// earlier. `None` when no such trial's agreement is defined.
pub fn best_objective(trials: &[Trial], lambda: f64, full_cost: f64) -> Option<&Trial> {
    let objective = |trial: &Trial| Some((trial.objective(lambda, full_cost)?, trial.cost));
    best_by(trials, |trial| objective(trial).filter(|_| trial.dropped_after.is_none()))
}

/// The one with the highest score; of equal ones the cheaper, then the earlier. `measure` gives score and cost.
fn best_by<T>(trials: &[T], measure: impl Fn(&T) -> Option<(f64, f64)>) -> Option<&T> {
    let scored = trials.iter().filter_map(|trial| Some((measure(trial)?, trial)));
    let better = |best: ((f64, f64), _), next: ((f64, f64), _)| {
        let ((score, cost), (best_score, best_cost)) = (next.0, best.0);
        if score > best_score || (score == best_score && cost < best_cost) { next } else { best }
    };
    scored.reduce(better).map(|(_, trial)| trial)
}

/// The Pareto front of (cost, agreement): the trials that no other one beats in one of the two without losing in the other, by
/// ascending cost. Of trials equal in both the earliest stands for all; none was dropped.
pub fn pareto(trials: &[Trial]) -> Vec<&Trial> {
    pareto_by(trials, |trial| Some((trial.cost, trial.agreement?)).filter(|_| trial.dropped_after.is_none()))
}

/// The Pareto front as [`pareto`] has it, of anything that has a cost and a score; what lacks one is not on it.
pub fn pareto_by<T>(trials: &[T], measure: impl Fn(&T) -> Option<(f64, f64)>) -> Vec<&T> {
    let mut scored: Vec<((f64, f64), &T)> =
        trials.iter().filter_map(|trial| Some((measure(trial)?, trial))).collect();
    scored.sort_by(|((a_cost, a_score), _), ((b_cost, b_score), _)| {
        a_cost.total_cmp(b_cost).then_with(|| b_score.total_cmp(a_score))
    });
    let mut most = f64::NEG_INFINITY;
    scored.retain(|((_, score), _)| {
        let gains = *score > most;
        most = most.max(*score);
        gains
    });
    scored.into_iter().map(|(_, trial)| trial).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
