//! PED-ANOVA (Watanabe, Bansal and Hutter, 2023): a hyper-parameter matters as far as its values are distributed
//! differently among the best trials than among all.
//!
//! The local importance is `(γ'/γ)² · Σ_x p(x) · (p'(x) / p(x) - 1)²`, Pearson's divergence between p', the density of
//! the share γ' of trials that are best, and p, that of all (γ = 1). Values without an order have the densities that
//! are counted; ordered ones a kernel density over their places in the table, with Scott's bandwidth, as published, for
//! then neighbours tell of each other.

use super::Levels;
use crate::forest::shares;
use crate::portable::normal_below;

/// The least bandwidth: 90% of a kernel lie in its own place.
const BANDWIDTH_LEAST: f64 = 0.5 / 1.64;

/// Each hyper-parameter's divergence, in shares that add up to 1; all 0 where the best trials are all trials or nothing
/// tells them apart. Trials that equal the last of the best are among them.
pub(super) fn shares_of_divergence(levels: &[Levels], targets: &[f64], best: f64) -> Vec<f64> {
    let mut sorted = targets.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let count = (best * sorted.len() as f64).ceil().max(1.0) as usize;
    let Some(&last) = sorted.get(count - 1) else { return vec![0.0; levels.len()] };
    let (all, best): (Vec<usize>, Vec<usize>) =
        ((0..targets.len()).collect(), (0..targets.len()).filter(|&trial| targets[trial] >= last).collect());
    let ratio = best.len() as f64 / all.len() as f64;
    let of = |levels: &Levels| {
        let (of_all, of_best) = (levels.density(&all), levels.density(&best));
        let divergence = of_all.iter().zip(&of_best).filter(|(all, _)| **all > 0.0);
        ratio.powi(2) * divergence.map(|(all, best)| all * (best / all - 1.0).powi(2)).sum::<f64>()
    };
    shares(levels.iter().map(of).collect())
}

impl Levels {
    /// The density over the values of those that some trials have.
    fn density(&self, trials: &[usize]) -> Vec<f64> {
        let mut counts = vec![0.0; self.codes.len()];
        for &trial in trials {
            counts[self.of_trial[trial]] += 1.0;
        }
        let total = trials.len() as f64;
        if !self.is_ordered {
            return counts.iter().map(|count| count / total).collect();
        }
        let bandwidth = bandwidth(&counts, total);
        let length = counts.len();
        // Below the upper edge of a place that lies so many places higher than the kernel's own, or lower.
        let below: Vec<f64> = (0..=2 * length)
            .map(|edge| normal_below((edge as f64 - length as f64 + 0.5) / bandwidth))
            .collect();
        let edge = |place: usize, own: usize| below[place + length - own];
        let mut density = vec![0.0; length];
        for (own, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0.0) {
            let lowest = below[length - own - 1];
            let inside = edge(length - 1, own) - lowest;
            let mut under = lowest;
            for (place, density) in density.iter_mut().enumerate() {
                let upper = edge(place, own);
                *density += count / total * (upper - under) / inside;
                under = upper;
            }
        }
        density
    }
}

/// Scott's rule (1992): 1.059 · min(σ, interquartile range / 1.34) · n^(-1/5), over places with so many trials each.
fn bandwidth(counts: &[f64], total: f64) -> f64 {
    let places = || counts.iter().enumerate().map(|(place, count)| (place as f64, *count));
    let mean = places().map(|(place, count)| place * count).sum::<f64>() / total;
    let squares: f64 = places().map(|(place, count)| (place - mean).powi(2) * count).sum();
    let deviation = (squares / (total - 1.0).max(1.0)).sqrt();
    // The first occupied place below which a share of the trials lies.
    let quartile = |reached: &dyn Fn(f64) -> bool| {
        let mut sum = 0.0;
        let occupied = places().filter(|(_, count)| *count > 0.0);
        let mut last = 0.0;
        for (place, count) in occupied {
            (sum, last) = (sum + count, place);
            if reached(sum) {
                break;
            }
        }
        last
    };
    let (lower, upper) = ((total / 4.0).floor(), (total * 3.0 / 4.0).floor());
    let range = quartile(&|sum| sum > upper) - quartile(&|sum| sum >= lower);
    let fifth_root = crate::portable::exp(crate::portable::ln(total) / 5.0);
    (1.059 * deviation.min(range / 1.34) / fifth_root).max(BANDWIDTH_LEAST)
}
