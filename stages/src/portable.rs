//! Elementary functions built from additions, multiplications, divisions and square roots only, which IEEE 754 fixes to the
//! bit. The system's own versions differ in last bits between machines, and sampled results must not.
//!
//! Plain series: a few more operations than a table method, and errors of a few units in the last place.

use std::f64::consts::{LN_2, SQRT_2, TAU};

/// Natural logarithm of a positive normal number.
pub(crate) fn ln(x: f64) -> f64 {
    assert!(x.is_normal() && x > 0.0, "ln({x})");
    let bits = x.to_bits();
    let mut exponent = f64::from((bits >> 52) as i32 - 1023);
    let mut mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    if mantissa > SQRT_2 {
        mantissa /= 2.0;
        exponent += 1.0;
    }
    // ln m = 2 artanh s with s = (m-1)/(m+1), |s| < 0.172.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = (0..12).rev().fold(0.0, |sum, k| sum * square + 1.0 / f64::from(2 * k + 1));
    exponent * LN_2 + 2.0 * s * series
}

/// Exponential of a number that is not NaN; 0 below about -708.
pub(crate) fn exp(x: f64) -> f64 {
    if x < -708.0 {
        return 0.0;
    }
    let power = (x / LN_2).round().min(1023.0);
    let rest = x - power * LN_2;
    let series = (1..=16).rev().fold(1.0, |sum, k| 1.0 + rest / f64::from(k) * sum);
    series * f64::from_bits(((power as i64 + 1023) as u64) << 52)
}

/// Softmax of numbers that are not NaN, in their place.
pub(crate) fn softmax(numbers: &mut [f64]) {
    let largest = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for number in numbers.iter_mut() {
        *number = exp(*number - largest);
    }
    let sum: f64 = numbers.iter().sum();
    for weight in numbers {
        *weight /= sum;
    }
}

/// cos(2πt) for t in [0, 1).
pub(crate) fn cos_turns(t: f64) -> f64 {
    // Symmetry brings the angle into [0, π/2]; the series is used up to π/4 and its sine counterpart beyond.
    let folded = if t > 0.5 { 1.0 - t } else { t };
    let (quarter, sign) = if folded > 0.25 { (0.5 - folded, -1.0) } else { (folded, 1.0) };
    sign * if quarter > 0.125 { sin_series((0.25 - quarter) * TAU) } else { cos_series(quarter * TAU) }
}

/// The share of a standard normal distribution below a number.
pub(crate) fn normal_below(x: f64) -> f64 {
    // Beyond 9 nothing is left of a double. All terms have one sign, so that none cancels another.
    if x.abs() > 9.0 {
        return if x > 0.0 { 1.0 } else { 0.0 };
    }
    let (mut term, mut sum, mut odd) = (x, x, 1.0);
    while term.abs() > 1e-18 * sum.abs() {
        odd += 2.0;
        term *= x * x / odd;
        sum += term;
    }
    0.5 + exp(-x * x / 2.0) / TAU.sqrt() * sum
}

fn cos_series(x: f64) -> f64 {
    let square = x * x;
    (1..=9).rev().fold(1.0, |sum, k| 1.0 - square / f64::from((2 * k - 1) * (2 * k)) * sum)
}

fn sin_series(x: f64) -> f64 {
    let square = x * x;
    x * (1..=9).rev().fold(1.0, |sum, k| 1.0 - square / f64::from((2 * k) * (2 * k + 1)) * sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agree_with_the_system_to_a_few_units_in_the_last_place() {
        for i in 0..20_000 {
            let t = f64::from(i) / 20_000.0;
            assert!((cos_turns(t) - (TAU * t).cos()).abs() < 1e-15, "cos {t}");
            let x = 60.0 * t - 30.0;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-14, "exp {x}");
            let y = x.exp();
            assert!((ln(y) - x).abs() < 1e-14 * x.abs().max(1.0), "ln {y}");
        }
        assert_eq!(
            (exp(0.0), exp(-1000.0), ln(1.0), cos_turns(0.0), cos_turns(0.25)),
            (1.0, 0.0, 0.0, 1.0, 0.0)
        );
    }

    #[test]
    fn the_normal_distribution_is_that_of_the_tables() {
        // SciPy's `norm.cdf`.
        let known = [
            (0.0, 0.5),
            (1.0, 0.841_344_746_068_542_9),
            (-1.96, 0.024_997_895_148_220_435),
            (4.0, 0.999_968_328_758_166_9),
        ];
        for (x, below) in known {
            assert!((normal_below(x) - below).abs() < 1e-15, "{x}");
            assert!((normal_below(x) + normal_below(-x) - 1.0).abs() < 1e-15, "{x}");
        }
        assert_eq!((normal_below(-40.0), normal_below(40.0)), (0.0, 1.0));
    }

    #[test]
    fn the_smallest_uniform_is_within_range() {
        let smallest = 1.0 / (1u64 << 53) as f64;
        assert!((ln(smallest) + 53.0 * LN_2).abs() < 1e-13);
    }
}
