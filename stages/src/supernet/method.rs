//! Methods of searching by a supernet, with the settings of their papers.

use serde::{Deserialize, Serialize};

use crate::Error;
use kernels::{Difference, Group, Step, Unrolled};

use crate::recipe::Recipe;

/// How a supernet is searched.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Method {
    /// Mixtures by a softmax (Liu, Simonyan and Yang, 2019, DARTS).
    Darts {
        /// How far the architecture's gradient looks.
        order: Order,
    },
}

/// What the architecture's gradient is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// The loss at the weights.
    First,
    /// The loss behind a step of the weights, by a finite difference (Eq. 7 and 8).
    Second,
    /// The same with a slip of published code, which multiplies by ε where Eq. 8 divides, and so is almost of the first order.
    Published,
}

/// How far weights are moved for the finite difference, over the norm of what they are moved by.
const DISTANCE: f32 = 0.01;

impl Order {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::First, Self::Second, Self::Published];

    /// The name in keys.
    pub const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Second => "second",
            Self::Published => "published",
        }
    }

    fn difference(self) -> Option<Difference> {
        match self {
            Self::First => None,
            Self::Second => Some(Difference::Quotient),
            Self::Published => Some(Difference::Product),
        }
    }
}

impl Method {
    /// The methods with their papers' settings, by the names that people give them.
    pub const NAMED: [(&'static str, Self); 3] = [
        ("darts-first", Self::Darts { order: Order::First }),
        ("darts-second", Self::Darts { order: Order::Second }),
        ("darts-published", Self::Darts { order: Order::Published }),
    ];

    /// The name in keys.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Darts { .. } => "darts",
        }
    }

    /// The method and its settings as key fields.
    pub(crate) fn fields(&self) -> Result<cache::Fields, Error> {
        let fields = cache::Fields::new().with("method", self.name())?;
        Ok(match *self {
            Self::Darts { order } => fields.with("order", order.name())?,
        })
    }

    /// The step of a search, where the architecture is the group `architecture`.
    pub fn step(&self, architecture: Group, recipe: &Recipe) -> Step {
        match *self {
            Self::Darts { order } => {
                let [momentum, weight_decay] =
                    [recipe.momentum, recipe.weight_decay].map(|number| number as f32);
                let unrolled =
                    |difference| Unrolled { momentum, weight_decay, distance: DISTANCE, difference };
                Step::bilevel(architecture, order.difference().map(unrolled))
            }
        }
    }

    /// Vectors that its step keeps something in.
    pub(super) fn extra_vectors(&self) -> usize {
        match self {
            Self::Darts { order: Order::First } => 0,
            Self::Darts { .. } => Unrolled::EXTRA_VECTORS,
        }
    }

    /// How its paper trains the architecture.
    pub fn architecture_recipe(&self) -> ArchitectureRecipe {
        ArchitectureRecipe::default()
    }
}

/// How the numbers of the mixtures are trained, by Adam; and how low the weights' learning rate goes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArchitectureRecipe {
    /// Adam's learning rate, the same in all epochs.
    pub learning_rate: f64,
    /// Its β₁.
    pub beta1: f64,
    /// Its β₂.
    pub beta2: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Standard deviation of the initial values.
    pub initial_deviation: f64,
    /// What the weights' learning rate goes down to, by a cosine; where it begins below, that goes down to a 25th.
    pub minimum_rate: f64,
}

impl Default for ArchitectureRecipe {
    fn default() -> Self {
        Self {
            learning_rate: 3e-4,
            beta1: 0.5,
            beta2: 0.999,
            weight_decay: 1e-3,
            initial_deviation: 1e-3,
            minimum_rate: 1e-3,
        }
    }
}

/// The share of the first learning rate that the last one has, where the minimum is above the first.
const LAST_SHARE: f64 = 0.04;

impl ArchitectureRecipe {
    /// The settings as key fields.
    pub(crate) fn fields(&self) -> Result<cache::Fields, Error> {
        Ok(cache::Fields::new()
            .with("architecture.learning_rate", self.learning_rate)?
            .with("architecture.beta1", self.beta1)?
            .with("architecture.beta2", self.beta2)?
            .with("architecture.weight_decay", self.weight_decay)?
            .with("architecture.initial_deviation", self.initial_deviation)?
            .with("minimum_rate", self.minimum_rate)?)
    }

    /// The learning rate that the weights' goes down to from `first`.
    pub(super) fn last_rate(&self, first: f64) -> f64 {
        if first > self.minimum_rate { self.minimum_rate } else { LAST_SHARE * first }
    }
}
