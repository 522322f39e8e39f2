//! Functional ANOVA of a tree (Hutter, Hoos and Leyton-Brown, 2014): which share of the variance of its predictions the
//! marginal of one hyper-parameter has.
//!
//! The domain is that of the table: every combination of values that occur, each value of a hyper-parameter as likely
//! as the others. A leaf lies in a box of it, so that all means are sums over leaves, exact and without sampling.

use super::Levels;
use crate::forest::Ranges;

/// Each hyper-parameter's share of the variance of a tree's predictions; `None` where a tree predicts one value only.
pub(super) fn variance_shares(levels: &[Levels], leaves: &[(Ranges, f64)]) -> Option<Vec<f64>> {
    // For each leaf and hyper-parameter the share of its values that lie in the leaf; never 0, for a row lies there.
    let held: Vec<Vec<Held>> = leaves
        .iter()
        .map(|(ranges, _)| levels.iter().map(|levels| levels.held_by(ranges)).collect())
        .collect();
    let share =
        |leaf: usize, factor: usize| held[leaf][factor].count() as f64 / levels[factor].codes.len() as f64;
    let volumes: Vec<f64> =
        (0..leaves.len()).map(|leaf| (0..levels.len()).map(|factor| share(leaf, factor)).product()).collect();
    let mean: f64 = leaves.iter().zip(&volumes).map(|((_, value), volume)| value * volume).sum();
    let variance: f64 =
        leaves.iter().zip(&volumes).map(|((_, value), volume)| (value - mean).powi(2) * volume).sum();
    if leaves.len() < 2 || variance <= 0.0 {
        return None;
    }
    let of_factor = |factor: usize| {
        // Differences between neighbouring values of the marginal, whose running sum it is.
        let mut marginal = vec![0.0; levels[factor].codes.len()];
        let mut steps = vec![0.0; marginal.len() + 1];
        for (leaf, (_, value)) in leaves.iter().enumerate() {
            let height = (value - mean) * volumes[leaf] / share(leaf, factor);
            match &held[leaf][factor] {
                Held::From(first, end) => {
                    steps[*first] += height;
                    steps[*end] -= height;
                }
                Held::These(values) => values.iter().for_each(|&value| marginal[value] += height),
            }
        }
        let mut running = 0.0;
        for (value, step) in marginal.iter_mut().zip(&steps) {
            running += step;
            *value += running;
        }
        marginal.iter().map(|height| height.powi(2)).sum::<f64>() / marginal.len() as f64 / variance
    };
    Some((0..levels.len()).map(of_factor).collect())
}

/// Which values of a hyper-parameter lie in a box.
enum Held {
    /// Those from the first up to the one before the second: of one feature, whose order is that of the values.
    From(usize, usize),
    /// These.
    These(Vec<usize>),
}

impl Held {
    fn count(&self) -> usize {
        match self {
            Self::From(first, end) => end - first,
            Self::These(values) => values.len(),
        }
    }
}

impl Levels {
    fn held_by(&self, ranges: &Ranges) -> Held {
        let ranges = &ranges.0[self.features.clone()];
        if let &[(first, end)] = ranges {
            return Held::From(first, end);
        }
        let lies_within = |codes: &Vec<usize>| {
            codes.iter().zip(ranges).all(|(code, (first, end))| (*first..*end).contains(code))
        };
        Held::These((0..self.codes.len()).filter(|&value| lies_within(&self.codes[value])).collect())
    }
}
