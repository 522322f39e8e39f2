//! Which hyper-parameters matter in a table of trials, by three definitions: what a forest's splits on it explain (Eq.
//! 7-8 of Zheng et al.), its share of the variance of the forest's predictions (fANOVA), and how differently it is
//! distributed among the best trials (PED-ANOVA). Where they name different hyper-parameters as the most important,
//! none should be believed alone. Knows numbers, and neither budgets nor the tables that they come from.

mod fanova;
mod ped_anova;

use std::collections::BTreeSet;
use std::ops::Range;

use rayon::prelude::*;

use crate::Error;
use crate::forest::{Ranges, Samples, Tree, average};
use crate::random::Random;
use crate::statistics::{Interval, interval};

/// A hyper-parameter in numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Factor {
    /// A number for each trial; or, where its values have no order, several, of which each says whether the trial has
    /// one of the values.
    pub columns: Vec<Vec<f64>>,
    /// Whether its values have an order.
    pub is_ordered: bool,
}

impl Factor {
    /// The same of some trials.
    #[must_use]
    pub fn of(&self, trials: &[usize]) -> Self {
        let column = |column: &Vec<f64>| trials.iter().map(|&trial| column[trial]).collect();
        Self { columns: self.columns.iter().map(column).collect(), is_ordered: self.is_ordered }
    }
}

/// How important a hyper-parameter is. `None` in place of it where the trials cannot tell: they have one value of it,
/// or one result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Importance {
    /// Its share of the impurity decreases of the forest's splits.
    pub impurity: f64,
    /// The share of the variance of the forest's predictions that its own marginal has (Hutter et al., 2014). The
    /// shares of all leave to 1 what only several explain together.
    pub fanova: f64,
    /// Its share of the divergences between the distributions of the best trials and of all (Watanabe et al., 2023).
    pub ped_anova: f64,
}

/// Trials with the values of some hyper-parameters and a result each.
pub struct TrialTable {
    /// Row-major: the forest's features of each trial.
    rows: Vec<Vec<f64>>,
    targets: Vec<f64>,
    samples: Samples,
    levels: Vec<Levels>,
}

/// The different values of a hyper-parameter.
struct Levels {
    /// Its features of the forest.
    features: Range<usize>,
    is_ordered: bool,
    /// For each value and feature which of the feature's numbers it is; values in ascending order.
    codes: Vec<Vec<usize>>,
    /// Which value each trial has.
    of_trial: Vec<usize>,
}

impl TrialTable {
    /// The table of these hyper-parameters, each with as many numbers in a column as there are targets.
    ///
    /// # Errors
    /// [`Error::Numbers`] for columns of another length, and numbers that are not finite.
    pub fn new(factors: &[Factor], targets: &[f64]) -> Result<Self, Error> {
        let columns: Vec<&Vec<f64>> = factors.iter().flat_map(|factor| &factor.columns).collect();
        if columns.iter().any(|column| column.len() != targets.len()) {
            let problem = "a column with more or fewer numbers than there are results".to_owned();
            return Err(Error::Numbers { what: "importance of hyper-parameters", problem });
        }
        let row = |trial: usize| columns.iter().map(|column| column[trial]).collect();
        let rows: Vec<Vec<f64>> = (0..targets.len()).map(row).collect();
        let samples = Samples::new(&rows, targets)?;
        let mut end = 0;
        let levels = factors.iter().map(|factor| {
            let features = end..end + factor.columns.len();
            end = features.end;
            Levels::new(&samples, features, factor.is_ordered, targets.len())
        });
        let levels = levels.collect();
        Ok(Self { rows, targets: targets.to_vec(), samples, levels })
    }

    /// The importance of each hyper-parameter, by a forest of so many trees; the best trials are the share `best` with
    /// the highest results. The same bits for the same table, `trees` and `seed`.
    pub fn importances(&self, trees: usize, best: f64, seed: u64) -> Vec<Option<Importance>> {
        if self.is_constant() {
            return vec![None; self.levels.len()];
        }
        let asked = self.samples.each_tree(trees, seed, |tree: Tree<Ranges>| {
            let variances = fanova::variance_shares(&self.levels, &tree.leaves);
            (tree.importances, variances)
        });
        let (splits, variances): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
        let impurities = self.sums(&average(self.samples.levels().len(), &splits));
        let variances = mean_of_trees(self.levels.len(), variances);
        let divergences = ped_anova::shares_of_divergence(&self.levels, &self.targets, best);
        let of = |place: usize| Importance {
            impurity: impurities[place],
            fanova: variances[place],
            ped_anova: divergences[place],
        };
        let observed = self.levels.iter().map(|levels| levels.codes.len() > 1).enumerate();
        observed.map(|(place, is_observed)| is_observed.then(|| of(place))).collect()
    }

    /// What the middle 95% of the impurity importances span over `resamples` bootstrap samples of the trials, with a
    /// forest of so many trees each: how far chance in the choice of trials moves them. Samples that cannot tell of a
    /// hyper-parameter are left out of its interval.
    pub fn spread(&self, resamples: usize, trees: usize, seed: u64) -> Result<Vec<Option<Interval>>, Error> {
        if self.is_constant() {
            return Ok(vec![None; self.levels.len()]);
        }
        let trials = self.targets.len();
        let importances = |index: usize| {
            let mut random = Random::new(seed, "spread of importances", index as u64);
            let drawn: Vec<usize> = (0..trials).map(|_| random.below(trials as u64) as usize).collect();
            let rows: Vec<&Vec<f64>> = drawn.iter().map(|&trial| &self.rows[trial]).collect();
            let targets: Vec<f64> = drawn.iter().map(|&trial| self.targets[trial]).collect();
            let shares = self.sums(&Samples::new(&rows, &targets)?.importances(trees, seed));
            let has_order = targets.iter().any(|target| *target != targets[0]);
            let varies = |levels: &Levels| {
                drawn.iter().any(|&trial| levels.of_trial[trial] != levels.of_trial[drawn[0]])
            };
            let told = self.levels.iter().zip(shares);
            let told = told.map(|(levels, share)| (has_order && varies(levels)).then_some(share));
            Ok(told.collect::<Vec<_>>())
        };
        let all: Vec<Vec<Option<f64>>> =
            (0..resamples).into_par_iter().map(importances).collect::<Result<_, Error>>()?;
        let of = |place: usize| interval(all.iter().filter_map(|shares| shares[place]).collect());
        let can_tell = |place: &usize| self.levels[*place].codes.len() > 1;
        Ok((0..self.levels.len()).map(|place| can_tell(&place).then(|| of(place)).flatten()).collect())
    }

    /// Which value of a hyper-parameter each trial has, counted from 0 in ascending order.
    pub fn values(&self, factor: usize) -> &[usize] {
        &self.levels[factor].of_trial
    }

    /// The impurity importance of each hyper-parameter alone, as [`TrialTable::importances`] gives it among others.
    pub fn impurities(&self, trees: usize, seed: u64) -> Vec<Option<f64>> {
        if self.is_constant() {
            return vec![None; self.levels.len()];
        }
        let shares = self.sums(&self.samples.importances(trees, seed));
        let can_tell = |levels: &Levels| levels.codes.len() > 1;
        self.levels.iter().zip(shares).map(|(levels, share)| can_tell(levels).then_some(share)).collect()
    }

    /// Whether all trials have one result, or there are none.
    fn is_constant(&self) -> bool {
        self.targets.iter().all(|target| *target == self.targets[0])
    }

    /// Numbers of features, summed up by hyper-parameter.
    fn sums(&self, of_features: &[f64]) -> Vec<f64> {
        self.levels.iter().map(|levels| of_features[levels.features.clone()].iter().sum()).collect()
    }
}

impl Levels {
    fn new(samples: &Samples, features: Range<usize>, is_ordered: bool, trials: usize) -> Self {
        let codes_of = |trial: usize| -> Vec<usize> {
            features.clone().map(|feature| samples.code(trial, feature)).collect()
        };
        let codes: Vec<Vec<usize>> = (0..trials).map(codes_of).collect::<BTreeSet<_>>().into_iter().collect();
        let place = |trial: usize| codes.partition_point(|codes| *codes < codes_of(trial));
        let of_trial = (0..trials).map(place).collect();
        Self { features, is_ordered, codes, of_trial }
    }
}

/// The mean of what trees say, tree by tree in their order; trees that say nothing are left out.
fn mean_of_trees(factors: usize, trees: Vec<Option<Vec<f64>>>) -> Vec<f64> {
    let (mut sums, mut count) = (vec![0.0; factors], 0.0);
    for tree in trees.into_iter().flatten() {
        count += 1.0;
        for (sum, number) in sums.iter_mut().zip(tree) {
            *sum += number;
        }
    }
    sums.into_iter().map(|sum| if count > 0.0 { sum / count } else { 0.0 }).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
