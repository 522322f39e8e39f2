//! Draws of Dirichlet's distribution with gradients through them, as DrNAS has them (Chen et al., 2021).
//!
//! Weights of a row are `w = g/Σg` with `g` of Gamma distributions of shapes `c = elu(α) + 1`. The gradient through a
//! draw is the implicit one (Figurnov, Mohamed and Mnih, 2018): `∂g/∂c = -(∂F/∂c)/(∂F/∂g)` for the distribution
//! function F, whatever way `g` was drawn.

use super::{MixtureId, uniform};
use crate::rng::{Purpose, random};

/// Tries of a draw, of which each is accepted with a probability above 0.95.
const TRIES: u32 = 16;
/// Bits of [`TRIES`].
pub(super) const TRY_BITS: u32 = 4;
/// The least draw: below it 32 bits would round it to 0, and a row of zeros has no shares.
const LEAST: f64 = 1e-30;

/// One number of a row: its weight, and what turns gradients `d` of weights into that of its α, `slope (d - Σ w d)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    pub(super) weight: f64,
    pub(super) slope: f64,
}

/// Seed and counters of the random numbers of a draw.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counter {
    pub(super) seed: u64,
    pub(super) mixture: MixtureId,
    pub(super) epoch: u32,
    /// The first image of the batch.
    pub(super) image: u32,
}

/// A row of numbers α that begins with number `first` of its mixture: a draw, or the mean where nothing is drawn.
pub(super) fn shares(alphas: &[f64], first: usize, counter: Option<Counter>) -> Vec<Share> {
    let share = |(choice, &alpha): (usize, &f64)| {
        let (shape, slope) = shape(alpha);
        match counter {
            Some(counter) => {
                let weight = gamma(shape, first + choice, counter);
                Share { weight, slope: slope * gamma_slope(shape, weight) }
            }
            None => Share { weight: shape, slope },
        }
    };
    let mut row: Vec<Share> = alphas.iter().enumerate().map(share).collect();
    let sum: f64 = row.iter().map(|share| share.weight).sum();
    for Share { weight, slope } in &mut row {
        *weight /= sum;
        *slope /= sum;
    }
    row
}

/// The gradients of a row's numbers, from those of its weights and from `divergence` times
/// `KL(Dir(c) ‖ Dir(1))`.
pub(super) fn gradients(alphas: &[f64], row: &[Share], of_weights: &[f64], divergence: f64) -> Vec<f64> {
    let mean: f64 = row.iter().zip(of_weights).map(|(share, d)| share.weight * d).sum();
    let sum: f64 = alphas.iter().map(|&alpha| shape(alpha).0).sum();
    let of_sum = (sum - alphas.len() as f64) * trigamma(sum);
    let gradient = |((share, d), &alpha): ((&Share, &f64), &f64)| {
        let (shape, outer) = shape(alpha);
        let pull = outer * ((shape - 1.0) * trigamma(shape) - of_sum);
        share.slope * (d - mean) + divergence * pull
    };
    row.iter().zip(of_weights).zip(alphas).map(gradient).collect()
}

/// The shape `elu(α) + 1`, and its slope.
fn shape(alpha: f64) -> (f64, f64) {
    if alpha > 0.0 { (alpha + 1.0, 1.0) } else { (alpha.exp(), alpha.exp()) }
}

/// A draw of the Gamma distribution (Marsaglia and Tsang, 2000).
fn gamma(shape: f64, number: usize, counter: Counter) -> f64 {
    let Counter { seed, mixture: MixtureId(mixture), epoch, image } = counter;
    // A shape below 1 is drawn with one more, and multiplied by u^(1/shape).
    let d = if shape < 1.0 { shape + 1.0 } else { shape } - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    for attempt in 0..TRIES {
        let sub = (mixture as u32) << 16 | (number as u32) << TRY_BITS | attempt;
        let words = random(seed, Purpose::Mixture, sub, epoch, image);
        let [radius, angle, accepted, lower] = words.map(uniform);
        // A normal number, by Box and Muller.
        let normal = (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos();
        let v = (1.0 + c * normal).powi(3);
        if v > 0.0 && accepted.ln() < 0.5 * normal * normal + d - d * v + d * v.ln() {
            let lowered = if shape < 1.0 { (lower.ln() / shape).exp() } else { 1.0 };
            return (d * v * lowered).max(LEAST);
        }
    }
    shape
}

/// `∂g/∂c` of a draw `x` of shape `c`, with the density `f = x^(c-1) e^(-x)/Γ(c)`.
///
/// Below the tail by the series `F = Σ x^(c+n) e^(-x)/Γ(c+n+1)`, whose terms over f are `t = x^(n+1)/(c⋯(c+n))`; in the tail
/// by the asymptotic one of `1 - F = f Σ (c-1)⋯(c-k)/x^k`.
fn gamma_slope(shape: f64, x: f64) -> f64 {
    let logarithm = x.ln();
    if x > shape + 4.0 * shape.sqrt() + 4.0 {
        let (mut sum, mut sum_slope) = (1.0, 0.0);
        let (mut term, mut term_slope): (f64, f64) = (1.0, 0.0);
        for k in 1..TERMS {
            let factor = (shape - f64::from(k)) / x;
            // Of a series that is no convergent one, only the terms that get smaller.
            if factor.abs() >= 1.0 {
                break;
            }
            term_slope = term_slope * factor + term / x;
            term *= factor;
            sum += term;
            sum_slope += term_slope;
        }
        return sum * (logarithm - digamma(shape)) + sum_slope;
    }
    let (mut term, mut psi) = (x / shape, digamma(shape + 1.0));
    let mut sum = 0.0;
    for n in 1..TERMS {
        sum += term * (psi - logarithm);
        if term < SMALL * (1.0 + sum.abs()) && f64::from(n) > x - shape {
            break;
        }
        let next = shape + f64::from(n);
        term *= x / next;
        psi += 1.0 / next;
    }
    sum
}

/// Terms of a series at most.
const TERMS: u32 = 200;
/// What terms are too small to count beside 1.
const SMALL: f64 = 1e-9;

/// ψ of a number above 0: by its recurrence to where the asymptotic series holds.
fn digamma(x: f64) -> f64 {
    let (mut x, mut sum) = (x, 0.0);
    while x < 6.0 {
        sum -= 1.0 / x;
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    sum + x.ln()
        - 0.5 / x
        - square * (1.0 / 12.0 - square * (1.0 / 120.0 - square * (1.0 / 252.0 - square / 240.0)))
}

/// ψ' of a number above 0, likewise.
fn trigamma(x: f64) -> f64 {
    let (mut x, mut sum) = (x, 0.0);
    while x < 6.0 {
        sum += 1.0 / (x * x);
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    sum + 1.0 / x
        + square / 2.0
        + square / x * (1.0 / 6.0 - square * (1.0 / 30.0 - square * (1.0 / 42.0 - square / 30.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By mpmath in 40 digits: the derivative of the regularised upper incomplete gamma function over the density.
    const SLOPES: [(f64, f64, f64); 15] = [
        (0.05, 1e-6, 0.000_266_353_583),
        (0.05, 0.7, 11.203_101_2),
        (0.05, 14.0, 21.808_767_7),
        (0.5, 0.02, 0.160_423_476),
        (1.0, 0.7, 0.973_218_741),
        (1.0, 8.9, 2.865_164_4),
        (1.0, 9.5, 2.924_494_09),
        (1.0, 14.0, 3.283_205_51),
        (1.3, 2.5, 1.546_308_52),
        (4.0, 0.7, 0.383_645_679),
        (4.0, 8.9, 1.513_703_34),
        (4.0, 40.0, 2.652_869_01),
        (12.0, 2.5, 0.418_095_429),
        (12.0, 14.0, 1.094_158_14),
        (12.0, 40.0, 1.743_025_14),
    ];

    #[test]
    fn slopes_of_gamma_draws_are_those_of_their_distribution() {
        for (shape, x, expected) in SLOPES {
            let found = gamma_slope(shape, x);
            assert!((found / expected - 1.0).abs() < 1e-4, "{shape}, {x}: {found}, expected {expected}");
        }
        assert!((trigamma(0.05) / 401.532_357_342_115 - 1.0).abs() < 1e-8);
        assert!((digamma(0.05) / -20.497_844_991_299_9 - 1.0).abs() < 1e-9);
    }

    fn counter(image: u32) -> Counter {
        Counter { seed: 3, mixture: MixtureId(1), epoch: 2, image }
    }

    /// `E[w] = c/Σc`, and so the mean of gradients is the derivative of that.
    #[test]
    fn draws_and_their_gradients_have_the_means_of_the_distribution() {
        let alphas = [0.8, -2.0, 0.0, 3.0];
        let shapes = alphas.map(|alpha| shape(alpha).0);
        let sum: f64 = shapes.iter().sum();
        let count = 40_000;
        let (mut means, mut slopes) = ([0.0; 4], [0.0; 4]);
        for image in 0..count {
            let row = shares(&alphas, 8, Some(counter(image)));
            let first = gradients(&alphas, &row, &[1.0, 0.0, 0.0, 0.0], 0.0);
            for choice in 0..4 {
                means[choice] += row[choice].weight / f64::from(count);
                slopes[choice] += first[choice] / f64::from(count);
            }
        }
        for choice in 0..4 {
            let expected = shapes[choice] / sum;
            assert!((means[choice] - expected).abs() < 6e-3, "{choice}: {}, not {expected}", means[choice]);
            let own = f64::from(u8::from(choice == 0));
            let expected = shape(alphas[choice]).1 * (own * sum - shapes[0]) / (sum * sum);
            assert!((slopes[choice] - expected).abs() < 6e-3, "{choice}: {}, not {expected}", slopes[choice]);
        }
    }

    #[test]
    fn the_pull_is_the_slope_of_the_divergence_and_vanishes_at_the_uniform_distribution() {
        let row = |alphas: &[f64]| shares(alphas, 0, None);
        let pulls = |alphas: &[f64]| gradients(alphas, &row(alphas), &[0.0; 3], 1.0);
        assert!(pulls(&[0.0; 3]).iter().all(|pull| pull.abs() < 1e-9));
        // By PyTorch's torch.distributions.kl_divergence.
        let expected = [0.191_287, -2.110_859, 0.337_245];
        for (pull, expected) in pulls(&[0.8, -1.0, 1.5]).iter().zip(expected) {
            assert!((pull - expected).abs() < 1e-5, "{pull}, not {expected}");
        }
    }

    #[test]
    fn what_is_far_from_usual_stays_a_number() {
        for alpha in [-80.0, -8.0, 40.0, 1e4] {
            for image in 0..50 {
                let row = shares(&[alpha; 8], 0, Some(counter(image)));
                assert!(
                    row.iter().all(|share| share.weight.is_finite() && share.slope.is_finite()),
                    "{alpha}"
                );
            }
        }
    }
}
