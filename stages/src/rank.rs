//! Rank correlation: how well one list of accuracies orders the architectures as another does.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::random::Random;

/// Bootstrap samples behind an interval.
const RESAMPLES: u64 = 2000;
/// What the interval leaves out on each side.
const TAIL: f64 = 0.025;

/// Spearman's rank correlation of two lists, and how far chance alone would move it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Correlation {
    /// `r_s` in [-1, 1]. `None` when either list is constant: there is no order to compare with.
    pub spearman: Option<f64>,
    /// Percentile bootstrap interval (95%) of `r_s` over the architectures. `None` where `r_s` is.
    pub interval: Option<(f64, f64)>,
    /// Number of architectures.
    pub count: usize,
}

/// Spearman's rank correlation of `x` and `y` (element i of both belongs to architecture i), with average ranks for ties,
/// and its bootstrap interval. The same bits for the same numbers and `seed`.
///
/// # Errors
/// [`Error::Numbers`] when the lists differ in length or hold NaN.
pub fn correlate(x: &[f64], y: &[f64], seed: u64) -> Result<Correlation, Error> {
    let refuse = |problem| Err(Error::Numbers { what: "rank correlation", problem });
    if x.len() != y.len() {
        return refuse(format!("{} and {} numbers; give one pair per architecture", x.len(), y.len()));
    }
    if let Some(index) = (0..x.len()).find(|&index| x[index].is_nan() || y[index].is_nan()) {
        return refuse(format!("the accuracy of architecture {index} is not a number"));
    }
    let (x, y) = (Ordered::new(x), Ordered::new(y));
    let spearman = spearman(&x, &y, &vec![1; x.order.len()]);
    let interval = spearman.and_then(|_| interval(&x, &y, seed));
    Ok(Correlation { spearman, interval, count: x.order.len() })
}

/// What a ranking is worth to a search, which looks at its top only; `r_s` hides it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Top {
    /// Architectures at the top: what was asked for, or all where there are fewer.
    pub k: usize,
    /// Of the `k` architectures with the highest estimates, the share that is among the `k` truly best. By chance it is
    /// `k` divided by the number of architectures.
    pub precision: f64,
    /// What the architecture with the highest estimate lacks to the best one, in units of the truth.
    pub regret: f64,
}

/// The worth of the first `k` of a ranking; each pair is an architecture's estimate and its truth, and higher is better.
/// Where equal values leave the top open, both numbers are averages over the ways to break the ties. `None` for no
/// pairs or a `k` of 0.
pub fn top(pairs: &[(f64, f64)], k: usize) -> Option<Top> {
    let (estimates, truths): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let k = k.min(pairs.len());
    let (highest, best) = (chances(&estimates, k)?, chances(&truths, k)?);
    let shared: f64 = highest.iter().zip(&best).map(|(a, b)| a * b).sum();
    let first = chances(&estimates, 1)?;
    let chosen: f64 = first.iter().zip(&truths).map(|(chance, truth)| chance * truth).sum();
    let largest = truths.iter().copied().max_by(f64::total_cmp)?;
    Some(Top { k, precision: shared / k as f64, regret: (largest - chosen).max(0.0) })
}

/// For each value the chance that it is among the `k` largest when ties are broken at random.
fn chances(values: &[f64], k: usize) -> Option<Vec<f64>> {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let last = *sorted.get(k.checked_sub(1)?)?;
    let above = values.iter().filter(|&&value| value > last).count();
    let tied = values.iter().filter(|&&value| value == last).count();
    let chance = |&value: &f64| match value {
        value if value > last => 1.0,
        value if value == last => (k - above) as f64 / tied as f64,
        _ => 0.0,
    };
    Some(values.iter().map(chance).collect())
}

/// A list sorted once, so that the ranks of each of its bootstrap samples cost one pass.
struct Ordered {
    /// Architectures by ascending value.
    order: Vec<usize>,
    /// Whether the value at a place of `order` equals the one before it.
    ties: Vec<bool>,
}

impl Ordered {
    fn new(values: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
        let ties = (0..order.len()).map(|i| i > 0 && values[order[i]] == values[order[i - 1]]).collect();
        Self { order, ties }
    }

    /// Twice the centred average rank of each architecture in the sample that holds architecture i `counts[i]` times:
    /// (elements below) - (elements above), a whole number. Architectures outside the sample have counts of 0.
    fn doubled_ranks(&self, counts: &[u32], ranks: &mut [i64]) {
        let total: i64 = counts.iter().map(|&count| i64::from(count)).sum();
        let (mut below, mut start) = (0, 0);
        while start < self.order.len() {
            let length = 1 + self.ties[start + 1..].iter().take_while(|&&tied| tied).count();
            let group = &self.order[start..start + length];
            let inside: i64 = group.iter().map(|&index| i64::from(counts[index])).sum();
            for &index in group {
                ranks[index] = 2 * below + inside - total;
            }
            below += inside;
            start += length;
        }
    }
}

/// Pearson's correlation of the ranks. Sums are whole numbers, so their order does not matter.
fn spearman(x: &Ordered, y: &Ordered, counts: &[u32]) -> Option<f64> {
    let n = counts.len();
    let (mut rank_x, mut rank_y) = (vec![0; n], vec![0; n]);
    x.doubled_ranks(counts, &mut rank_x);
    y.doubled_ranks(counts, &mut rank_y);
    let product = |a: &[i64], b: &[i64]| -> i128 {
        (0..n).map(|i| i128::from(counts[i]) * i128::from(a[i]) * i128::from(b[i])).sum()
    };
    let (xx, yy, xy) = (product(&rank_x, &rank_x), product(&rank_y, &rank_y), product(&rank_x, &rank_y));
    (xx > 0 && yy > 0).then(|| (xy as f64 / (xx as f64 * yy as f64).sqrt()).clamp(-1.0, 1.0))
}

/// Percentile bootstrap over architectures. Samples in which a side is constant say nothing and are left out.
fn interval(x: &Ordered, y: &Ordered, seed: u64) -> Option<(f64, f64)> {
    let n = x.order.len();
    let sample = |index: u64| {
        let mut random = Random::new(seed, "spearman interval", index);
        let mut counts = vec![0; n];
        for _ in 0..n {
            counts[random.below(n as u64) as usize] += 1;
        }
        spearman(x, y, &counts)
    };
    let mut values: Vec<f64> = (0..RESAMPLES).into_par_iter().filter_map(sample).collect();
    values.sort_by(f64::total_cmp);
    Some((quantile(&values, TAIL)?, quantile(&values, 1.0 - TAIL)?))
}

/// Quantile of a sorted list, linear between its elements.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(low + (high - low) * place.fract())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn r(x: &[f64], y: &[f64]) -> Option<f64> {
        correlate(x, y, 0).unwrap().spearman
    }

    #[derive(Deserialize)]
    struct Case {
        x: Vec<f64>,
        y: Vec<f64>,
        spearman: f64,
    }

    #[test]
    fn equals_scipy() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../goldens/spearman.json")).unwrap();
        assert!(cases.len() >= 6);
        for Case { x, y, spearman } in cases {
            assert!((r(&x, &y).unwrap() - spearman).abs() < 1e-12, "{x:?} {y:?}");
        }
    }

    #[test]
    fn perfect_and_reversed_order() {
        assert_eq!(r(&[1.0, 2.0, 3.0], &[10.0, 20.0, 21.0]), Some(1.0));
        assert_eq!(r(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]), Some(-1.0));
    }

    #[test]
    fn a_constant_side_has_no_order() {
        for (x, y) in [([5.0; 3], [1.0, 2.0, 3.0]), ([1.0, 2.0, 3.0], [5.0; 3])] {
            let correlation = correlate(&x, &y, 0).unwrap();
            assert_eq!((correlation.spearman, correlation.interval), (None, None));
        }
        assert_eq!((r(&[], &[]), r(&[1.0], &[2.0])), (None, None));
    }

    #[test]
    fn refuses_what_is_no_list_of_pairs() {
        assert!(correlate(&[1.0, 2.0], &[1.0], 0).is_err());
        assert!(
            correlate(&[1.0, f64::NAN], &[1.0, 2.0], 0).unwrap_err().to_string().contains("architecture 1")
        );
    }

    #[test]
    fn the_top_of_a_ranking_can_be_bad_where_the_rest_is_good() {
        // The truly best is ranked third, and all else in order.
        let pairs = [(9.0, 3.0), (8.0, 2.0), (7.0, 4.0), (6.0, 1.0), (5.0, 0.0)];
        assert_eq!(top(&pairs, 1), Some(Top { k: 1, precision: 0.0, regret: 1.0 }));
        assert_eq!(top(&pairs, 2), Some(Top { k: 2, precision: 0.5, regret: 1.0 }));
        assert_eq!(top(&pairs, 3), Some(Top { k: 3, precision: 1.0, regret: 1.0 }));
        assert_eq!(top(&pairs, 9), Some(Top { k: 5, precision: 1.0, regret: 1.0 }));
        assert_eq!((top(&[], 1), top(&pairs, 0)), (None, None));
    }

    #[test]
    fn equal_estimates_are_worth_what_chance_makes_of_them() {
        let pairs = [(1.0, 10.0), (1.0, 20.0), (1.0, 30.0), (1.0, 40.0)];
        assert_eq!(top(&pairs, 1), Some(Top { k: 1, precision: 0.25, regret: 15.0 }));
        assert_eq!(top(&pairs, 2).unwrap().precision, 0.5);
        // The first two of three are sure of nothing but the one above the tie.
        let pairs = [(2.0, 1.0), (1.0, 3.0), (1.0, 2.0)];
        assert_eq!(top(&pairs, 2), Some(Top { k: 2, precision: 0.5, regret: 2.0 }));
    }

    #[test]
    fn the_interval_is_as_wide_as_theory_says() {
        let mut random = Random::new(1, "test", 0);
        let x: Vec<f64> = (0..100).map(|_| random.normal()).collect();
        let y: Vec<f64> = x.iter().map(|x| x + random.normal()).collect();
        let Correlation { spearman, interval, count } = correlate(&x, &y, 7).unwrap();
        let ((low, high), r) = (interval.unwrap(), spearman.unwrap());
        assert_eq!(count, 100);
        assert!(low < r && r < high);
        // Fisher's transformation with Bonett and Wright's factor for ranks.
        let half_width = 1.96 * ((1.0 + r * r / 2.0) / 97.0).sqrt() * (1.0 - r * r);
        assert!(((high - low) / 2.0 / half_width - 1.0).abs() < 0.25, "{low} {high} {half_width}");
    }

    #[test]
    fn the_interval_repeats_and_depends_on_the_seed() {
        let mut random = Random::new(2, "test", 0);
        let x: Vec<f64> = (0..20).map(f64::from).collect();
        let y: Vec<f64> = x.iter().map(|x| x + 9.0 * random.normal()).collect();
        assert_eq!(correlate(&x, &y, 1).unwrap(), correlate(&x, &y, 1).unwrap());
        assert_ne!(correlate(&x, &y, 1).unwrap().interval, correlate(&x, &y, 2).unwrap().interval);
    }
}
