//! The table of the eight hyper-parameters that a budget sets. Names, parsing, validation, help and what changes the cost
//! all derive from it.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;

use crate::echo::shown;
use crate::{Budget, Error, suggest};

/// A hyper-parameter's value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// A whole number.
    Count(u32),
    /// A real number; always finite.
    Real(f64),
}

impl Value {
    /// The value as a number, as the forest sees it.
    pub fn number(self) -> f64 {
        match self {
            Self::Count(count) => f64::from(count),
            Self::Real(real) => real,
        }
    }

    /// Orders by number.
    pub(crate) fn total_cmp(self, other: Self) -> Ordering {
        self.number().total_cmp(&other.number())
    }
}

impl From<Value> for cache::FieldValue {
    fn from(value: Value) -> Self {
        match value {
            Value::Count(count) => count.into(),
            Value::Real(real) => real.into(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Real(real) => real.fmt(f),
        }
    }
}

/// The values that a hyper-parameter may take.
#[derive(Clone, Copy, Debug)]
pub enum Allowed {
    /// Whole numbers from the first to the second.
    Counts(u32, u32),
    /// Whole numbers out of a list.
    OneOf(&'static [u32]),
    /// Real numbers above 0 and up to this.
    PositiveUpTo(f64),
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counts(least, most) => write!(f, "a whole number from {least} to {most}"),
            Self::OneOf(values) => {
                write!(f, "{}", values.iter().map(u32::to_string).collect::<Vec<_>>().join(" or "))
            }
            Self::PositiveUpTo(most) => write!(f, "a number above 0 and up to {most}"),
        }
    }
}

/// What a hyper-parameter changes of a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changes {
    /// How the network learns, at the same FLOPs.
    Learning,
    /// How long the network is trained; a smaller value costs less.
    Length,
    /// The network itself, and so the FLOPs of each image; a smaller value costs less.
    Network,
}

/// One row of the table.
pub struct Hyperparameter {
    /// Its name in texts, configurations and records.
    pub name: &'static str,
    /// The unit of its values.
    pub unit: &'static str,
    /// What it sets, in one line.
    pub meaning: &'static str,
    /// The values that it may take.
    pub allowed: Allowed,
    /// What it changes of a training.
    pub changes: Changes,
    /// Its value in a budget.
    pub get: fn(&Budget) -> Value,
    set: fn(&mut Budget, Value),
}

macro_rules! count {
    ($field:ident) => {
        (|budget| Value::Count(budget.$field), |budget, value| budget.$field = value.number() as u32)
    };
}

type Access = (fn(&Budget) -> Value, fn(&mut Budget, Value));

const fn row(
    name: &'static str,
    unit: &'static str,
    meaning: &'static str,
    allowed: Allowed,
    changes: Changes,
    (get, set): Access,
) -> Hyperparameter {
    Hyperparameter { name, unit, meaning, allowed, changes, get, set }
}

/// How many hyper-parameters there are: the paper's n.
pub const COUNT: usize = 8;

/// The table, in the order in which budgets are written.
pub static HYPERPARAMETERS: [Hyperparameter; COUNT] = [
    row(
        "epochs",
        "passes",
        "passes over the training images",
        Allowed::Counts(1, 100_000),
        Changes::Length,
        count!(epochs),
    ),
    row(
        "batch_size",
        "images",
        "images a step",
        Allowed::Counts(1, 65_536),
        Changes::Learning,
        count!(batch_size),
    ),
    row(
        "learning_rate",
        "1",
        "learning rate of the first epoch; falls to 0 by a cosine",
        Allowed::PositiveUpTo(100.0),
        Changes::Learning,
        (|budget| Value::Real(budget.learning_rate), |budget, value| budget.learning_rate = value.number()),
    ),
    // Of one or two cells both would be reduction cells: half of the architecture would have no part in its network.
    row(
        "layers",
        "cells",
        "cells in the network: two reduction cells, and at least one normal cell",
        Allowed::Counts(3, 256),
        Changes::Network,
        count!(layers),
    ),
    row(
        "channels",
        "channels",
        "channels of the first cell's nodes",
        Allowed::Counts(1, 4096),
        Changes::Network,
        count!(channels),
    ),
    row(
        "image_size",
        "pixels",
        "side of the images after resizing",
        Allowed::Counts(4, 1024),
        Changes::Network,
        count!(image_size),
    ),
    row(
        "cutout",
        "pixels",
        "side of the square set to zero; 0 for none",
        Allowed::Counts(0, 1024),
        Changes::Learning,
        count!(cutout),
    ),
    row(
        "float_bits",
        "bits",
        "width of activations and weights in arithmetic",
        Allowed::OneOf(&[16, 32]),
        Changes::Learning,
        count!(float_bits),
    ),
];

impl Hyperparameter {
    /// Whether it changes the floating point operations of a training. A smaller value then costs less.
    pub fn affects_flops(&self) -> bool {
        self.changes != Changes::Learning
    }

    /// Whether it shapes the network: budgets that agree in all that do have one network, at one cost an image.
    pub fn shapes_network(&self) -> bool {
        self.changes == Changes::Network
    }

    /// The table's row number and row of `name`.
    ///
    /// # Errors
    /// [`Error::Budget`] with the nearest known name; `place` says where the name was read.
    pub fn find(name: &str, place: &str) -> Result<(usize, &'static Self), Error> {
        let found = HYPERPARAMETERS.iter().enumerate().find(|(_, row)| row.name == name);
        found.ok_or_else(|| Error::Budget {
            place: place.to_owned(),
            problem: format!(
                "unknown hyper-parameter `{}`; {}",
                shown(name),
                suggest::hint(name, HYPERPARAMETERS.iter().map(|row| row.name))
            ),
        })
    }

    /// The value that `text` writes, checked against what is allowed.
    ///
    /// # Errors
    /// [`Error::Budget`]; `place` says where the text was read.
    pub fn parse(&self, text: &str, place: &str) -> Result<Value, Error> {
        let value = match self.allowed {
            Allowed::Counts(..) | Allowed::OneOf(_) => text.parse().map(Value::Count).ok(),
            Allowed::PositiveUpTo(_) => text.parse().map(Value::Real).ok(),
        };
        value.filter(|&value| self.allows(value)).ok_or_else(|| self.refusal(text, place))
    }

    /// Checks a value against what is allowed.
    ///
    /// # Errors
    /// [`Error::Budget`]; `place` says where the value was read.
    pub fn check(&self, value: Value, place: &str) -> Result<(), Error> {
        if self.allows(value) { Ok(()) } else { Err(self.refusal(&value.to_string(), place)) }
    }

    fn allows(&self, value: Value) -> bool {
        match (self.allowed, value) {
            (Allowed::Counts(least, most), Value::Count(count)) => (least..=most).contains(&count),
            (Allowed::OneOf(values), Value::Count(count)) => values.contains(&count),
            (Allowed::PositiveUpTo(most), Value::Real(real)) => real > 0.0 && real <= most,
            _ => false,
        }
    }

    fn refusal(&self, text: &str, place: &str) -> Error {
        let problem =
            format!("{} ({}) is {}, must be {}", self.name, self.meaning, shown(text), self.allowed);
        Error::Budget { place: place.to_owned(), problem }
    }

    /// Sets this hyper-parameter in a budget; the value must have come from [`Hyperparameter::parse`] or passed
    /// [`Hyperparameter::check`].
    pub fn set(&self, budget: &mut Budget, value: Value) {
        (self.set)(budget, value);
    }
}
