//! What a ranking of architectures is worth: rank correlations, and what the top of the ranking gives to a search.
//!
//! Each statistic has a percentile bootstrap interval over the architectures. All of one ranking are taken from the
//! same resamples, so that their intervals can be compared. Knows lists of accuracies, and neither budgets nor tables.

mod bootstrap;
mod completion;
mod correlation;
mod halves;
mod order;
mod sides;
mod top;

use serde::{Deserialize, Serialize};

use crate::Error;

pub use bootstrap::{Interval, Mean};
pub use halves::{COMBINATIONS, Halves, Unseen, choose_on_halves, combinations};
pub use order::rank_sum;

pub(crate) use bootstrap::{interval, means};
pub(crate) use completion::completions;
pub(crate) use sides::Sides;

use bootstrap::intervals;
use correlation::spearman;
use order::Ordered;
use top::TopValues;

/// Spearman's rank correlation of two lists, and how far chance alone would move it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Correlation {
    /// `r_s` in [-1, 1]. `None` when either list is constant: there is no order to compare with.
    pub spearman: Option<f64>,
    /// Percentile bootstrap interval (95%) of `r_s` over the architectures. `None` where `r_s` is.
    pub interval: Option<Interval>,
    /// Number of architectures.
    pub count: usize,
}

/// How well estimates rank what truths rank, each number with its interval (95%, percentile bootstrap over the
/// architectures). A number is `None` where it is undefined, and an interval where its number is, or where fewer than
/// two architectures leave nothing to sample from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankQuality {
    /// Spearman's rank correlation `r_s`, with average ranks for ties. `None` when either side is constant.
    pub spearman: Option<f64>,
    /// Of `r_s`.
    pub interval: Option<Interval>,
    /// Kendall's tau-b (Kendall, 1945): concordant less discordant pairs, by the geometric mean of the pairs that each
    /// side does not tie. `None` when either side is constant.
    pub kendall: Option<f64>,
    /// Of tau-b.
    pub kendall_interval: Option<Interval>,
    /// The top of the ranking, which is what a search looks at. `None` without architectures.
    pub top: Option<Top>,
    /// Number of architectures.
    pub architectures: usize,
}

/// What a ranking is worth to a search, which looks at its top only; `r_s` hides it. Higher is better, in estimates and
/// truth. Where equal values leave the top open, every number is the average over the ways to break the ties. Intervals
/// of what depends on the best of a sample (regret, gain) are rough: resamples hold no better architecture than there
/// is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Top {
    /// Architectures at the top: what was asked for, or all where there are fewer.
    pub k: usize,
    /// Of the `k` architectures with the highest estimates, the share that is among the `k` truly best. By chance it is
    /// `k` divided by the number of architectures.
    pub precision: f64,
    /// Of the precision.
    pub precision_interval: Option<Interval>,
    /// What the architecture with the highest estimate lacks to the best one, in units of the truth.
    pub regret: f64,
    /// Of the regret.
    pub regret_interval: Option<Interval>,
    /// The truth of the best of the `k` architectures with the highest estimates: what a search has that trains these
    /// fully.
    pub best_of_top: f64,
    /// The truth that the best of `k` random architectures has on average.
    pub best_of_random: f64,
    /// How much better the best of the `k` ranked highest is than the best of `k` random ones; negative where the
    /// ranking is worse than none.
    pub over_random: f64,
    /// Of [`Top::over_random`].
    pub over_random_interval: Option<Interval>,
}

/// Architectures at the top of a ranking of so many, where nobody says how many: a tenth, and one at least.
pub fn top_of(architectures: usize) -> usize {
    architectures.div_ceil(10).max(1)
}

/// Spearman's rank correlation of `x` and `y` (element i of both belongs to architecture i), with average ranks for
/// ties, and its bootstrap interval. The same bits for the same numbers and `seed`.
///
/// # Errors
/// [`Error::Numbers`] when the lists differ in length or hold NaN.
pub fn correlate(x: &[f64], y: &[f64], seed: u64) -> Result<Correlation, Error> {
    check(x, y)?;
    let (x, y) = (Ordered::new(x), Ordered::new(y));
    let value = spearman(&x, &y, &vec![1; x.len()]);
    let interval = value.and_then(|_| {
        let [interval] = intervals(x.len(), seed, |counts| [spearman(&x, &y, counts)]);
        interval
    });
    Ok(Correlation { spearman: value, interval, count: x.len() })
}

/// An interval (95%) of a Spearman correlation of so many pairs without resampling: Fisher's transformation with the
/// variance of Bonett and Wright (Psychometrika, 2000), (1 + r²/2)/(n - 3). For tables of many correlations; it trusts
/// that the ranks are those of a bivariate normal distribution. `None` of fewer than four pairs, and of perfect ones.
pub fn approximate_interval(spearman: f64, count: usize) -> Option<Interval> {
    /// The normal distribution's 97.5th percentile.
    const QUANTILE: f64 = 1.959_963_984_540_054;
    if count < 4 || spearman.abs() >= 1.0 {
        return None;
    }
    let half = QUANTILE * ((1.0 + spearman * spearman / 2.0) / (count as f64 - 3.0)).sqrt();
    let middle = spearman.atanh();
    Some(((middle - half).tanh(), (middle + half).tanh()))
}

/// Spearman's rank correlation alone, as [`correlate`] gives it with its interval.
///
/// # Errors
/// [`Error::Numbers`] when the lists differ in length or hold NaN.
pub fn spearman_of(x: &[f64], y: &[f64]) -> Result<Option<f64>, Error> {
    check(x, y)?;
    Ok(spearman(&Ordered::new(x), &Ordered::new(y), &vec![1; x.len()]))
}

/// Everything that there is to say of `estimates` as a ranking of architectures that have these `truths` (element i of
/// both belongs to architecture i), with `k` architectures at the top. The same bits for the same numbers and `seed`.
///
/// # Errors
/// [`Error::Numbers`] when the lists differ in length or hold NaN.
pub fn rank_quality(estimates: &[f64], truths: &[f64], k: usize, seed: u64) -> Result<RankQuality, Error> {
    let sides = Sides::new(estimates, truths)?;
    let of = |counts: &[u32]| (sides.spearman(counts), sides.kendall(counts), sides.top(counts, k));
    let count = truths.len();
    let (spearman, kendall, top) = of(&vec![1; count]);
    let [interval, kendall_interval, precision, regret, over_random] = if count < 2 {
        [None; 5]
    } else {
        intervals(count, seed, |counts| {
            let (spearman, kendall, top) = of(counts);
            let of_top = |value: fn(&TopValues) -> f64| top.as_ref().map(value);
            [
                spearman,
                kendall,
                of_top(|top| top.precision),
                of_top(|top| top.regret),
                of_top(TopValues::over_random),
            ]
        })
    };
    let top = top.map(|top| Top {
        k: top.k,
        precision: top.precision,
        precision_interval: precision,
        regret: top.regret,
        regret_interval: regret,
        best_of_top: top.best_of_top,
        best_of_random: top.best_of_random,
        over_random: top.over_random(),
        over_random_interval: over_random,
    });
    Ok(RankQuality {
        spearman,
        interval: interval.filter(|_| spearman.is_some()),
        kendall,
        kendall_interval: kendall_interval.filter(|_| kendall.is_some()),
        top,
        architectures: count,
    })
}

fn check(x: &[f64], y: &[f64]) -> Result<(), Error> {
    let refuse = |problem| Err(Error::Numbers { what: "rank correlation", problem });
    if x.len() != y.len() {
        return refuse(format!("{} and {} numbers; give one pair per architecture", x.len(), y.len()));
    }
    if let Some(index) = (0..x.len()).find(|&index| x[index].is_nan() || y[index].is_nan()) {
        return refuse(format!("the accuracy of architecture {index} is not a number"));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
