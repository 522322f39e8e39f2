//! How budgets agree with each other, pair by pair.

use std::cmp::Reverse;

use rayon::prelude::*;
use serde::Serialize;
use stages::statistics::{Interval, approximate_interval, spearman_of};

use super::study::{JudgedArchitecture, JudgedBudget};

/// Budgets of a matrix: more are no picture.
const MEMBERS: usize = 24;

/// Rank correlations of the accuracies under each two of some budgets.
#[derive(Default, Serialize)]
pub(crate) struct Matrix {
    /// Places of the budgets, the best first; all pairs among them, and with full training, follow.
    pub(crate) members: Vec<usize>,
    /// How many these are, of so many.
    pub(crate) shown: usize,
    pub(crate) of: usize,
    pub(crate) pairs: Vec<Pair>,
}

/// Two budgets.
#[derive(Serialize)]
pub(crate) struct Pair {
    /// Its place among the budgets; none for full training.
    pub(crate) one: Option<usize>,
    pub(crate) other: usize,
    /// None where one of them gives all the same accuracy.
    pub(crate) spearman: Option<f64>,
    /// 95%, by an approximation: there are too many pairs for a bootstrap of each.
    pub(crate) interval: Option<Interval>,
    /// Architectures that have an accuracy under both.
    pub(crate) architectures: usize,
}

impl Matrix {
    /// Of the budgets that rank best.
    ///
    /// # Errors
    /// When an accuracy is not a number.
    pub(super) fn of(
        architectures: &[JudgedArchitecture],
        budgets: &[JudgedBudget],
    ) -> Result<Self, stages::Error> {
        let mut members: Vec<usize> =
            (0..budgets.len()).filter(|&place| budgets[place].quality.spearman.is_some()).collect();
        let spearman = |place: usize| budgets[place].quality.spearman.unwrap_or(f64::NEG_INFINITY);
        // What racing dropped comes last, for its r_s is of fewer architectures.
        let is_dropped = |place: usize| budgets[place].dropped_after.is_some();
        members.sort_by(|&a, &b| {
            let best_first = spearman(b).total_cmp(&spearman(a)).then(Reverse(b).cmp(&Reverse(a)));
            is_dropped(a).cmp(&is_dropped(b)).then(best_first)
        });
        members.truncate(MEMBERS);
        let truths: Vec<Option<f64>> = architectures.iter().map(|judged| Some(judged.truth)).collect();
        let mut asked: Vec<(Option<usize>, usize)> = members.iter().map(|&other| (None, other)).collect();
        for (number, &one) in members.iter().enumerate() {
            asked.extend(members[number + 1..].iter().map(|&other| (Some(one), other)));
        }
        let pair = |&(one, other): &(Option<usize>, usize)| {
            let first = one.map_or(&truths, |one| &budgets[one].scores);
            let both = first.iter().zip(&budgets[other].scores);
            let (x, y): (Vec<f64>, Vec<f64>) = both.filter_map(|(x, y)| Some(((*x)?, (*y)?))).unzip();
            let spearman = spearman_of(&x, &y)?;
            let interval = spearman.and_then(|spearman| approximate_interval(spearman, x.len()));
            Ok(Pair { one, other, spearman, interval, architectures: x.len() })
        };
        let pairs = asked.par_iter().map(pair).collect::<Result<_, stages::Error>>()?;
        Ok(Self { shown: members.len(), members, of: budgets.len(), pairs })
    }
}
