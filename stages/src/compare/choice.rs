//! How a budget is chosen: budgets are tried on the ground truth, one after another, each for what its trainings cost,
//! and the one with the highest objective (Eq. 1 of Zheng et al.) wins. Choosers differ in which budgets they try.

use super::seed::Seed;
use super::{parzen, stream};
use crate::Error;
use crate::importance::Factor;
use crate::mip::tabulated::{self, TabulatedTrial};

/// Who says which budgets are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chooser {
    /// Minimum importance pruning (Algorithm 1 of Zheng et al.) over the budgets of the table.
    Pruning,
    /// As many as pruning tries, drawn evenly.
    Random,
    /// As many as pruning tries, evenly spaced in the order of their costs, the cheap ones first: the grid that a table
    /// without one allows.
    Grid,
    /// As many as pruning tries, by a tree-structured Parzen estimator (Bergstra et al., 2011).
    Parzen,
    /// All that differ from the dearest one by this hyper-parameter only, the cheap ones first.
    Axis(usize),
}

/// In which order pruning tries budgets, as long as there is money.
pub(super) type Pruner = Vec<usize>;

/// Budgets that are being tried.
pub(super) struct Trying<'a> {
    seed: &'a Seed<'a>,
    searched: f64,
    /// For the choice and the ranking of the pool together.
    allowance: f64,
    spent: f64,
    dearest: f64,
    tried: Vec<usize>,
}

impl<'a> Trying<'a> {
    pub(super) fn new(seed: &'a Seed<'a>, searched: usize, allowance: f64) -> Self {
        Self { seed, searched: searched as f64, allowance, spent: 0.0, dearest: 0.0, tried: Vec::new() }
    }

    fn price(&self, budget: usize) -> f64 {
        self.seed.settings.ground_truth as f64 * self.seed.cost(budget)
    }

    /// Whether a budget can be tried, such that the pool can be ranked under any that was tried.
    fn can(&self, budget: usize) -> bool {
        let dearest = self.dearest.max(self.seed.cost(budget));
        self.spent + self.price(budget) + self.searched * dearest <= self.allowance
    }

    /// Tries a budget, if it can be paid.
    fn attempt(&mut self, budget: usize) -> bool {
        let can = self.can(budget) && !self.tried.contains(&budget);
        if can {
            self.spent += self.price(budget);
            self.dearest = self.dearest.max(self.seed.cost(budget));
            self.tried.push(budget);
        }
        can
    }

    /// The objective of a budget by the ground truth alone.
    fn objective(&self, budget: usize) -> Option<f64> {
        let spearman = self.seed.spearmans[budget]?;
        Some(spearman - self.seed.settings.lambda * self.seed.cost(budget))
    }

    /// Of those that were tried the best; of equal ones the cheaper, then the earlier.
    fn best(&self) -> Option<usize> {
        let known = self.tried.iter().filter_map(|&budget| Some((self.objective(budget)?, budget)));
        let better = |best: (f64, usize), next: (f64, usize)| {
            let is_cheaper = self.seed.cost(next.1) < self.seed.cost(best.1);
            if next.0 > best.0 || (next.0 == best.0 && is_cheaper) { next } else { best }
        };
        known.reduce(better).map(|(_, budget)| budget)
    }
}

/// What a choice came to.
pub(super) struct Chosen {
    /// `None` where no budget could be tried, or none has an `r_s`.
    pub(super) budget: Option<usize>,
    pub(super) tried: Vec<usize>,
    /// For what was tried.
    pub(super) cost: f64,
}

/// The budgets that a way with so much for choice and ranking could try at all.
pub(super) fn affordable(seed: &Seed<'_>, searched: usize, allowance: f64) -> Vec<usize> {
    let trying = Trying::new(seed, searched, allowance);
    (0..seed.table.budgets.len()).filter(|&budget| trying.can(budget)).collect()
}

/// In which order pruning tries these budgets.
pub(super) fn pruner(seed: &Seed<'_>, budgets: &[usize]) -> Result<Pruner, Error> {
    let factors: Vec<Factor> = seed.table.factors.iter().map(|factor| factor.of(budgets)).collect();
    let trials: Vec<TabulatedTrial> = budgets
        .iter()
        .map(|&budget| TabulatedTrial { cost: seed.cost(budget), spearman: seed.spearmans[budget] })
        .collect();
    let settings = tabulated::Settings {
        a_round: seed.settings.a_round,
        temperature: 1.0,
        lambda: seed.settings.lambda,
        full_cost: 1.0,
        trees: seed.settings.trees,
        seed: stream(seed.settings, "comparison: pruning", seed.index).bits(),
    };
    let pruned = tabulated::prune(&seed.table.names, &factors, &trials, &settings)?;
    Ok(pruned.tried.into_iter().map(|place| budgets[place]).collect())
}

/// Tries the budgets that the chooser says, and takes the best. `like_pruning` is how many pruning tried.
pub(super) fn choose(
    mut trying: Trying<'_>,
    chooser: Chooser,
    affordable: &[usize],
    planned: &[usize],
    like_pruning: usize,
) -> Result<Chosen, Error> {
    let seed = trying.seed;
    match chooser {
        // What pruning tries in a round depends on the rounds before, and on no later one: when the money ends, the
        // budgets so far are those that it would have tried with less.
        Chooser::Pruning => {
            let _ = planned.iter().take_while(|&&budget| trying.attempt(budget)).count();
        }
        Chooser::Axis(_) => {
            for &budget in planned {
                trying.attempt(budget);
            }
        }
        Chooser::Random => {
            let mut budgets = affordable.to_vec();
            stream(seed.settings, "comparison: random budgets", seed.index).shuffle(&mut budgets);
            for budget in budgets {
                if trying.tried.len() < like_pruning {
                    trying.attempt(budget);
                }
            }
        }
        Chooser::Grid => {
            let mut budgets = affordable.to_vec();
            budgets.sort_by(|&a, &b| seed.cost(a).total_cmp(&seed.cost(b)));
            for place in evenly_spaced(budgets.len(), like_pruning) {
                trying.attempt(budgets[place]);
            }
        }
        Chooser::Parzen => {
            let mut random = stream(seed.settings, "comparison: Parzen estimator", seed.index);
            let mut estimator = parzen::Estimator::new(seed.table, affordable)?;
            while trying.tried.len() < like_pruning {
                let open: Vec<usize> = affordable
                    .iter()
                    .copied()
                    .filter(|&budget| trying.can(budget) && !trying.tried.contains(&budget))
                    .collect();
                let Some(budget) = estimator.ask(&open, &mut random) else { break };
                trying.attempt(budget);
                estimator.tell(budget, trying.objective(budget));
            }
        }
    }
    Ok(Chosen { budget: trying.best(), cost: trying.spent, tried: trying.tried })
}

/// `count` of the places below `length` from the first to the last, evenly spaced; one alone is in the middle.
fn evenly_spaced(length: usize, count: usize) -> Vec<usize> {
    match (length, count.min(length)) {
        (0, _) | (_, 0) => Vec::new(),
        (_, 1) => vec![(length - 1) / 2],
        (_, count) => (0..count).map(|place| place * (length - 1) / (count - 1)).collect(),
    }
}
