//! In what the cost of a budget is counted.

use cache::Fields;
use serde::{Deserialize, Serialize};

use crate::Error;

/// What Eq. 1 weighs a budget's agreement against (`mip.cost`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CostUnit {
    /// Floating point operations of a training: the same on every machine.
    #[default]
    Flops,
    /// Seconds that the trainings took where they ran, as their records say.
    Seconds,
}

impl CostUnit {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Flops, Self::Seconds];

    /// As a configuration names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flops => "flops",
            Self::Seconds => "seconds",
        }
    }

    /// Adds what is not the default to a key, so that keys by FLOPs are what they were.
    pub(crate) fn add_to(self, fields: &mut Fields) -> Result<(), Error> {
        if self != Self::default() {
            fields.insert("mip.cost", self.name())?;
        }
        Ok(())
    }
}
