//! The percentile bootstrap (Efron, 1979): how far a statistic moves when it is taken of other samples of the same
//! size.

use rayon::prelude::*;
use serde::Serialize;

use crate::random::Random;

/// Lower and upper end.
pub type Interval = (f64, f64);

/// A mean, and how far another draw of what it is a mean of would move it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mean {
    /// The mean; 0 of nothing.
    pub mean: f64,
    /// Percentile bootstrap interval (95%). `None` of fewer than two numbers.
    pub interval: Option<Interval>,
}

impl Mean {
    /// Whether the interval is above 0.
    pub fn is_above_0(&self) -> bool {
        self.interval.is_some_and(|(low, _)| low > 0.0)
    }

    /// Whether the interval is below 0.
    pub fn is_below_0(&self) -> bool {
        self.interval.is_some_and(|(_, high)| high < 0.0)
    }
}

/// Resamples behind an interval.
const RESAMPLES: u64 = 2000;
/// What the interval leaves out on each side.
const TAIL: f64 = 0.025;

/// Intervals (95%) of some statistics over `count` elements. `statistics` are told how often a resample holds each
/// element. Resamples in which a statistic is undefined say nothing of it and are left out; where all are, it has no
/// interval.
pub(super) fn intervals<const N: usize>(
    count: usize,
    seed: u64,
    statistics: impl Fn(&[u32]) -> [Option<f64>; N] + Sync,
) -> [Option<Interval>; N] {
    let resample = |index: u64| {
        let mut random = Random::new(seed, "spearman interval", index);
        let mut counts = vec![0; count];
        for _ in 0..count {
            counts[random.below(count as u64) as usize] += 1;
        }
        statistics(&counts)
    };
    let values: Vec<[Option<f64>; N]> = (0..RESAMPLES).into_par_iter().map(resample).collect();
    std::array::from_fn(|statistic| interval(values.iter().filter_map(|values| values[statistic]).collect()))
}

/// The means of some lists of one length, with intervals that are all from the same resamples.
pub(crate) fn means(lists: &[Vec<f64>], seed: u64) -> Vec<Mean> {
    let mean = |list: &Vec<f64>| list.iter().sum::<f64>() / list.len().max(1) as f64;
    let intervals = mean_intervals(lists, seed);
    lists.iter().zip(intervals).map(|(list, interval)| Mean { mean: mean(list), interval }).collect()
}

fn mean_intervals(lists: &[Vec<f64>], seed: u64) -> Vec<Option<Interval>> {
    let count = lists.first().map_or(0, Vec::len);
    if count < 2 {
        return vec![None; lists.len()];
    }
    let resample = |index: u64| -> Vec<f64> {
        let mut random = Random::new(seed, "interval of means", index);
        let drawn: Vec<usize> = (0..count).map(|_| random.below(count as u64) as usize).collect();
        let mean = |list: &Vec<f64>| drawn.iter().map(|&place| list[place]).sum::<f64>() / count as f64;
        lists.iter().map(mean).collect()
    };
    let means: Vec<Vec<f64>> = (0..RESAMPLES).into_par_iter().map(resample).collect();
    (0..lists.len()).map(|list| interval(means.iter().map(|means| means[list]).collect())).collect()
}

/// What the middle 95% of some values span.
pub(crate) fn interval(mut values: Vec<f64>) -> Option<Interval> {
    values.sort_by(f64::total_cmp);
    Some((quantile(&values, TAIL)?, quantile(&values, 1.0 - TAIL)?))
}

/// Quantile of a sorted list, linear between its elements; `None` of an empty one.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(low + (high - low) * place.fract())
}
