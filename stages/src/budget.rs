//! Budgets: the training hyper-parameters under which an architecture's performance is estimated (the paper's b and f).

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

use crate::echo::shown;
use crate::hyperparameter::{HYPERPARAMETERS, Hyperparameter, Value};
use crate::{Error, suggest};

/// A budgeted performance estimation (BPE): a value for each of the eight hyper-parameters.
///
/// Texts are read by [`FromStr`]: a name (`BPE-1`), values (`epochs=3,batch_size=64,…`, all eight), or a name followed
/// by values that replace its own (`BPE-1,epochs=3`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Passes over the training images.
    pub epochs: u32,
    /// Images a step.
    pub batch_size: u32,
    /// Learning rate of the first epoch.
    pub learning_rate: f64,
    /// Cells in the network.
    pub layers: u32,
    /// Channels of the first cell's nodes.
    pub channels: u32,
    /// Side of the images after resizing, in pixels.
    pub image_size: u32,
    /// Side of the square that cutout sets to zero, in resized pixels; 0 for none.
    pub cutout: u32,
    /// Width of activations and weights in arithmetic: 16 or 32.
    pub float_bits: u32,
}

const fn budget(
    [epochs, batch_size, layers, channels, image_size, cutout]: [u32; 6],
    learning_rate: f64,
) -> Budget {
    Budget { epochs, batch_size, learning_rate, layers, channels, image_size, cutout, float_bits: 32 }
}

impl Budget {
    /// The published budgets: BPE-1 and BPE-2 (Zheng et al., Table 1), DARTS's search setting, and the full training f.
    pub const NAMED: [(&'static str, Self); 4] = [
        ("BPE-1", budget([10, 128, 6, 8, 16, 0], 0.03)),
        ("BPE-2", budget([30, 128, 16, 16, 16, 0], 0.03)),
        ("DARTS", budget([50, 64, 8, 16, 32, 0], 0.025)),
        ("full", budget([600, 96, 20, 36, 32, 16], 0.025)),
    ];

    /// The budget itself, when each value is one that its hyper-parameter may take. Whether the values fit a
    /// network is found out where the network is built.
    ///
    /// # Errors
    /// [`Error::Budget`] naming the first value that is not allowed.
    pub fn checked(self) -> Result<Self, Error> {
        for row in &HYPERPARAMETERS {
            row.check((row.get)(&self), "budget")?;
        }
        Ok(self)
    }

    /// The values in the table's order.
    pub fn values(&self) -> [Value; HYPERPARAMETERS.len()] {
        std::array::from_fn(|index| (HYPERPARAMETERS[index].get)(self))
    }

    /// The values that shape its network, in the table's order.
    pub fn network_values(&self) -> Vec<Value> {
        HYPERPARAMETERS.iter().filter(|row| row.shapes_network()).map(|row| (row.get)(self)).collect()
    }

    /// The budget with these values, in the table's order.
    pub(crate) fn from_values(values: [Value; HYPERPARAMETERS.len()]) -> Self {
        let mut budget = Self::NAMED[0].1;
        for (row, value) in HYPERPARAMETERS.iter().zip(values) {
            row.set(&mut budget, value);
        }
        budget
    }

    /// The values as key fields, named as in the table.
    pub fn fields(&self) -> Result<cache::Fields, Error> {
        let mut fields = cache::Fields::new();
        for (row, value) in HYPERPARAMETERS.iter().zip(self.values()) {
            fields.insert(row.name, value)?;
        }
        Ok(fields)
    }
}

impl fmt::Display for Budget {
    /// `epochs=10,batch_size=128,…`, all eight values; read back to the same budget.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (row, value)) in HYPERPARAMETERS.iter().zip(self.values()).enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}={value}", row.name)?;
        }
        Ok(())
    }
}

impl FromStr for Budget {
    type Err = Error;

    /// # Errors
    /// [`Error::Budget`] for unknown names, values that are not allowed, repeated and missing hyper-parameters.
    fn from_str(text: &str) -> Result<Self, Error> {
        let place = format!("budget `{}`", shown(text));
        let refuse = |problem: String| Err(Error::Budget { place: place.clone(), problem });
        let mut parts = text.split(',').map(str::trim).peekable();
        let base = parts.next_if(|part| !part.contains('='));
        let mut values = [None; HYPERPARAMETERS.len()];
        if let Some(name) = base {
            let Some((_, budget)) = Self::NAMED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))
            else {
                let hint = suggest::hint(name, Self::NAMED.iter().map(|(known, _)| *known));
                return refuse(format!(
                    "unknown budget name `{}`; {hint}; or name=value,… for all values",
                    shown(name)
                ));
            };
            values = budget.values().map(Some);
        }
        let mut seen = [false; HYPERPARAMETERS.len()];
        for part in parts {
            let Some((name, value)) = part.split_once('=') else {
                return refuse(format!("`{}` is not of the form name=value", shown(part)));
            };
            let (index, row) = Hyperparameter::find(name.trim(), &place)?;
            if seen[index] {
                return refuse(format!("{} is given twice", row.name));
            }
            seen[index] = true;
            values[index] = Some(row.parse(value.trim(), &place)?);
        }
        let missing = HYPERPARAMETERS.iter().zip(&values).filter(|(_, value)| value.is_none());
        let missing: Vec<&str> = missing.map(|(row, _)| row.name).collect();
        if !missing.is_empty() {
            let problem =
                format!("no value for {}; give all, or start from a name: BPE-1,…", missing.join(", "));
            return refuse(problem);
        }
        Ok(Self::from_values(values.map(|value| value.unwrap_or(Value::Count(0)))))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn reads_names_values_and_both() {
        let bpe1: Budget = "BPE-1".parse().unwrap();
        assert_eq!(bpe1, Budget::NAMED[0].1);
        assert_eq!("bpe-1".parse::<Budget>().unwrap(), bpe1);
        let text = "epochs=10, batch_size=128, learning_rate=3e-2, layers=6, channels=8, image_size=16, cutout=0, float_bits=32";
        assert_eq!(text.parse::<Budget>().unwrap(), bpe1);
        let changed = "BPE-1,epochs=3,float_bits=16".parse::<Budget>().unwrap();
        assert_eq!(changed, Budget { epochs: 3, float_bits: 16, ..bpe1 });
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut random = Random::new(0, "budget texts", 0);
        for _ in 0..500 {
            let mut budget = Budget::NAMED[random.below(4) as usize].1;
            budget.epochs = 1 + random.below(1000) as u32;
            budget.learning_rate = random.uniform() + 1e-12;
            assert_eq!(budget.to_string().parse::<Budget>().unwrap(), budget);
        }
    }

    #[test]
    fn every_mistake_is_named() {
        for (text, problem) in [
            ("BPE-3", "unknown budget name `BPE-3`; did you mean `BPE-1`?"),
            ("BPE-1,epoch=3", "unknown hyper-parameter `epoch`; did you mean `epochs`?"),
            (
                "BPE-1,epochs=-3",
                "epochs (passes over the training images) is -3, must be a whole number from 1 to 100000",
            ),
            ("BPE-1,epochs=0", "must be a whole number from 1"),
            ("BPE-1,epochs=ten", "is ten, must be"),
            ("BPE-1,epochs=99999999999999999999", "must be"),
            ("BPE-1,epochs=", "must be"),
            ("BPE-1,learning_rate=0", "must be a number above 0 and up to 100"),
            ("BPE-1,learning_rate=nan", "must be"),
            ("BPE-1,learning_rate=inf", "must be"),
            ("BPE-1,float_bits=8", "must be 16 or 32"),
            ("BPE-1,epochs=3,epochs=4", "epochs is given twice"),
            ("BPE-1,,", "`` is not of the form name=value"),
            ("epochs=3", "no value for batch_size, learning_rate"),
            ("", "unknown budget name ``"),
        ] {
            let message = text.parse::<Budget>().unwrap_err().to_string();
            assert!(
                message.starts_with(&format!("budget `{text}`: ")) && message.contains(problem),
                "{message}"
            );
        }
    }

    #[test]
    fn a_budget_made_by_hand_is_checked_too() {
        let budget = Budget { float_bits: 64, ..Budget::NAMED[0].1 };
        assert!(budget.checked().unwrap_err().to_string().contains("float_bits"));
        assert!(Budget::NAMED.iter().all(|(_, budget)| budget.checked().is_ok()));
    }
}
