//! The top of a ranking, in a sample with repetitions. Ties are broken in every way at once: numbers are averages.

use super::order::{Ordered, inside};
use super::sides::Sides;

/// The numbers of [`super::Top`] without their intervals.
pub(super) struct TopValues {
    pub(super) k: usize,
    pub(super) precision: f64,
    pub(super) regret: f64,
    pub(super) best_of_top: f64,
    pub(super) best_of_random: f64,
}

impl TopValues {
    pub(super) fn over_random(&self) -> f64 {
        self.best_of_top - self.best_of_random
    }
}

impl Sides<'_> {
    /// The worth of the first `k` of the ranking in the sample that holds architecture i `counts[i]` times, each as an
    /// architecture of its own. `None` for an empty sample or a `k` of 0.
    pub(super) fn top(&self, counts: &[u32], k: usize) -> Option<TopValues> {
        let total: usize = counts.iter().map(|&count| count as usize).sum();
        let k = k.min(total);
        if k == 0 {
            return None;
        }
        let (highest, best) = (chances(&self.estimates, counts, k), chances(&self.truths, counts, k));
        let shared = (0..counts.len()).map(|i| f64::from(counts[i]) * highest[i] * best[i]);
        let first = chances(&self.estimates, counts, 1);
        let chosen = (0..counts.len()).map(|i| f64::from(counts[i]) * first[i] * self.values[i]);
        let largest = self.truths.descending().find(|&i| counts[i] > 0)?;
        Some(TopValues {
            k,
            precision: shared.sum::<f64>() / k as f64,
            regret: (self.values[largest] - chosen.sum::<f64>()).max(0.0),
            best_of_top: self.expected_best(counts, &highest, k),
            best_of_random: self.expected_best(counts, &vec![k as f64 / total as f64; counts.len()], k),
        })
    }

    /// The expected truth of the best of `k` architectures of a sample, each of which is among them by its chance: 1
    /// for the sure ones, 0 for those outside, and one value between for all others, of which the rest of the `k` is
    /// drawn without replacement. From the best truth down, the first that is among them is the best.
    fn expected_best(&self, counts: &[u32], chances: &[f64], k: usize) -> f64 {
        let (mut seats, mut tied) = (k as f64, 0.0);
        for (&count, &chance) in counts.iter().zip(chances) {
            if chance >= 1.0 {
                seats -= f64::from(count);
            } else if chance > 0.0 {
                tied += f64::from(count);
            }
        }
        let (mut left, mut expected) = (1.0, 0.0);
        for i in self.truths.descending() {
            for _ in 0..counts[i] {
                let hit = match chances[i] {
                    chance if chance >= 1.0 => 1.0,
                    chance if chance > 0.0 => seats / tied,
                    _ => break,
                };
                expected += left * hit * self.values[i];
                left *= 1.0 - hit;
                if left <= 0.0 {
                    return expected;
                }
                tied -= 1.0;
            }
        }
        expected
    }
}

/// For each element the chance that one copy of it is among the `k` largest when ties are broken at random.
fn chances(order: &Ordered, counts: &[u32], k: usize) -> Vec<f64> {
    let mut chances = vec![0.0; counts.len()];
    let mut left = k as i64;
    for group in order.groups().rev() {
        let inside = inside(group, counts);
        if left == 0 {
            break;
        }
        if inside == 0 {
            continue;
        }
        let taken = inside.min(left);
        for &element in group {
            chances[element] = taken as f64 / inside as f64;
        }
        left -= taken;
    }
    chances
}
