//! From values to places on an axis.

use crate::output::format;

/// How values lie on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Scale {
    Linear {
        low: f64,
        high: f64,
    },
    /// By powers of ten; all values are above 0.
    Log {
        low: f64,
        high: f64,
    },
    /// Names at 0, 1, 2, …
    Names(Vec<String>),
}

/// Room beyond the outermost values, as a share of what they span.
const MARGIN: f64 = 0.05;
/// About how many ticks an axis has.
const TICKS: f64 = 5.0;

impl Scale {
    /// Linear, with room for all of these values.
    pub(in super::super) fn around(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = ends(values);
        let margin = if high > low { (high - low) * MARGIN } else { high.abs().max(1.0) * MARGIN };
        Self::Linear { low: low - margin, high: high + margin }
    }

    /// By powers of ten where the values are positive and span more than one, else linear from 0.
    pub(in super::super) fn of_costs(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = ends(values);
        if low > 0.0 && high > low * 10.0 {
            let margin = (high / low).powf(MARGIN);
            return Self::Log { low: low / margin, high: high * margin };
        }
        Self::Linear { low: 0.0, high: if high > 0.0 { high * (1.0 + MARGIN) } else { 1.0 } }
    }

    /// Where a value lies, from 0 to 1.
    pub(super) fn share(&self, value: f64) -> f64 {
        match self {
            Self::Linear { low, high } => (value - low) / (high - low),
            Self::Log { low, high } => (value.max(*low) / low).ln() / (high / low).ln(),
            Self::Names(names) => (value + 0.5) / names.len().max(1) as f64,
        }
    }

    /// Values to name on the axis, with what to write there.
    pub(in super::super) fn ticks(&self) -> Vec<(f64, String)> {
        match self {
            Self::Linear { low, high } => {
                let step = round_step((high - low) / TICKS);
                let first = (low / step).ceil() as i64;
                let decimals = (-step.log10().floor()).clamp(0.0, 12.0) as usize;
                let tick = |number: i64| {
                    let value = number as f64 * step;
                    let text = format!("{value:.decimals$}");
                    (value, if value == 0.0 { "0".to_owned() } else { shortened(value, text) })
                };
                (first..).map(tick).take_while(|(value, _)| *value <= *high).take(20).collect()
            }
            Self::Log { low, high } => {
                let decades = (low.log10().floor() as i32)..=(high.log10().ceil() as i32);
                let steps: &[f64] = if high / low < 100.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
                let all = decades.flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)));
                all.filter(|value| value >= low && value <= high).map(|value| (value, plain(value))).collect()
            }
            Self::Names(names) => {
                names.iter().enumerate().map(|(place, name)| (place as f64, name.clone())).collect()
            }
        }
    }
}

fn ends(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let finite = values.into_iter().filter(|value| value.is_finite());
    let (low, high) = finite
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low > high { (0.0, 1.0) } else { (low, high) }
}

/// The least of 1, 2 and 5 times a power of ten that is no less than `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|round| *round >= step * 0.999)
        .unwrap_or(step)
}

fn shortened(value: f64, text: String) -> String {
    if value.abs() >= 10_000.0 { format::large(value, "").trim_end().to_owned() } else { text }
}

fn plain(value: f64) -> String {
    if value >= 10_000.0 {
        format::large(value, "").trim_end().to_owned()
    } else {
        let decimals = (-value.log10().floor()).clamp(0.0, 12.0) as usize;
        format!("{value:.decimals$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(scale: &Scale) -> Vec<String> {
        scale.ticks().into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(texts(&Scale::Linear { low: -0.13, high: 0.94 }), ["0", "0.5"]);
        assert_eq!(texts(&Scale::Linear { low: 61.2, high: 70.1 }), ["62", "64", "66", "68", "70"]);
        assert_eq!(texts(&Scale::Log { low: 0.02, high: 0.9 }), ["0.02", "0.05", "0.1", "0.2", "0.5"]);
        assert_eq!(
            texts(&Scale::Log { low: 0.5, high: 2e6 }),
            ["1", "10", "100", "1000", "10.0 k", "100 k", "1.00 M"]
        );
        assert!(texts(&Scale::Linear { low: 3.0, high: 3.0 }).len() < 21);
    }

    #[test]
    fn values_keep_their_order_and_distance() {
        let scale = Scale::around([1.0, 3.0]);
        assert!((scale.share(2.0) - 0.5).abs() < 1e-12 && scale.share(1.0) > 0.0 && scale.share(3.0) < 1.0);
        let scale = Scale::of_costs([1.0, 100.0]);
        assert!((scale.share(10.0) - 0.5).abs() < 1e-12, "{scale:?}");
        assert_eq!(Scale::of_costs([0.0, 2.0]), Scale::Linear { low: 0.0, high: 2.1 });
        assert_eq!(Scale::around([]).share(0.5), 0.5);
        let names = Scale::Names(vec!["a".into(), "b".into()]);
        assert_eq!([names.share(0.0), names.share(1.0)], [0.25, 0.75]);
    }
}
