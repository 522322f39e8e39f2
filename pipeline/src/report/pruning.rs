//! Minimum importance pruning, round by round, as it is told: of a run, and of tables.

use std::collections::BTreeMap;

use serde::Serialize;
use stages::mip::FixReason;

/// A round of pruning.
#[derive(Clone, Serialize)]
pub(crate) struct PruningRound {
    /// Budgets tried up to its end.
    pub(crate) tried: usize,
    /// By name; none for what was not observed.
    pub(crate) importances: BTreeMap<String, Option<f64>>,
    pub(crate) fixed: Vec<FixedTo>,
}

/// A hyper-parameter that keeps a value from then on.
#[derive(Clone, Serialize)]
pub(crate) struct FixedTo {
    pub(crate) hyperparameter: String,
    pub(crate) value: String,
    pub(crate) reason: Reason,
}

/// What chose a value.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    Cheapest,
    BestBudget,
    First,
    OnlyOneLeft,
}

impl Reason {
    /// As people read it.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Cheapest => "the cheapest",
            Self::BestBudget => "of the best budget",
            Self::First => "the first of its values",
            Self::OnlyOneLeft => "the only one left in the table",
        }
    }
}

impl From<Option<FixReason>> for Reason {
    fn from(reason: Option<FixReason>) -> Self {
        match reason {
            Some(FixReason::Cheapest) => Self::Cheapest,
            Some(FixReason::BestTrial) => Self::BestBudget,
            Some(FixReason::First) => Self::First,
            None => Self::OnlyOneLeft,
        }
    }
}
