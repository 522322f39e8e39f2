//! Methods of searching by a supernet, with the settings of their papers.

use kernels::{Difference, Draw, Group, Part, RunningStatistics, Step, Unrolled};
use serde::{Deserialize, Serialize};

use super::recipe::ArchitectureRecipe;
use crate::genotype::Operation;
use crate::recipe::Recipe;
use crate::{Budget, Error};

/// How a supernet is searched.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Method {
    /// Mixtures by a softmax (Liu, Simonyan and Yang, 2019, DARTS).
    Darts {
        /// How far the architecture's gradient looks.
        order: Order,
    },
    /// Mixtures drawn from a concrete distribution, weights and architecture on all images by one loss (Xie et al.,
    /// 2019, SNAS).
    Snas {
        /// The concrete distribution's, by epoch in equal ratios.
        temperatures: Temperatures,
    },
    /// One operation drawn for each edge (Dong and Yang, 2019, GDAS). Only that is computed, and only its running
    /// statistics are updated.
    Gdas {
        /// The concrete distribution's, by epoch in equal differences.
        temperatures: Temperatures,
    },
    /// Mixtures of a part of the channels, and weights of a node's edges (Xu et al., 2020, PC-DARTS).
    PcDarts {
        /// One of so many channels goes through the mixtures.
        channel_parts: u32,
        /// First epochs in which the architecture stays as it is.
        still_epochs: u32,
    },
    /// Three stages of deeper and deeper supernets of fewer and fewer operations (Chen et al., 2019, P-DARTS). A
    /// budget's epochs are shared by the stages.
    PDarts {
        /// Layers of each stage.
        layers: [u32; 3],
        /// Operations of each edge.
        operations: [u32; 3],
        /// Probability that a skip connection is dropped for an image, at the start of a stage. (The authors drop
        /// elements.)
        skip_dropout: [f64; 3],
        /// First epochs of each stage in which the architecture stays as it is.
        still_epochs: u32,
        /// Most skip connections in the normal cell that is found.
        most_skips: u32,
    },
    /// Mixtures drawn from Dirichlet distributions, in two stages, of a part of the channels (Chen et al., 2021,
    /// DrNAS). A budget's epochs are shared by the stages. The second goes on with the numbers of the operations that
    /// are kept, and begins with new weights. (The authors widen the trained ones.)
    DrNas {
        /// Operations of each edge.
        operations: [u32; 2],
        /// One of so many channels goes through the mixtures, in each stage.
        channel_parts: [u32; 2],
        /// First epochs of each stage in which the architecture stays as it is.
        still_epochs: u32,
        /// Weight of the divergence of the distributions from the uniform one.
        divergence: f64,
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
    /// The same with a slip of published code, which multiplies by ε where Eq. 8 divides, and so is almost of the
    /// first order.
    Published,
}

/// Temperatures of the first and the last epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Temperatures {
    /// Of the first.
    pub first: f64,
    /// Of the last.
    pub last: f64,
}

/// A part of a search with a supernet of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stage {
    /// Epochs of the stages before.
    pub(super) first: u32,
    pub(super) epochs: u32,
    pub(super) layers: u32,
    /// Operations of each edge.
    pub(super) operations: usize,
    /// Probability that a skip connection is dropped, at its start.
    pub(super) skip_dropout: f64,
    /// One of so many channels goes through the mixtures.
    pub(super) channel_parts: usize,
}

/// How far weights are moved for the finite difference, over the norm of what they are moved by.
const DISTANCE: f32 = 0.01;

/// How fast P-DARTS's dropout falls behind the epochs in which the architecture is still: by a factor e^-0.2 an epoch.
const DROPOUT_FALL: f64 = 0.2;

/// Layers that a network has at least: two reduction cells and a normal one.
const LEAST_LAYERS: u32 = 3;

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
    /// Version of what a search computes. It is part of every key: raise it when the same job would give another
    /// result.
    pub(super) const fn version(&self) -> u64 {
        match self {
            // Since then only what is drawn has its running statistics updated; and stages share a budget's epochs.
            Self::Gdas { .. } | Self::PDarts { .. } | Self::DrNas { .. } => 2,
            _ => 1,
        }
    }

    /// The methods with their papers' settings, by the names that people give them.
    pub const NAMED: [(&'static str, Self); 8] = [
        ("darts-first", Self::Darts { order: Order::First }),
        ("darts-second", Self::Darts { order: Order::Second }),
        ("darts-published", Self::Darts { order: Order::Published }),
        ("snas", Self::Snas { temperatures: Temperatures { first: 1.0, last: 0.03 } }),
        ("gdas", Self::Gdas { temperatures: Temperatures { first: 10.0, last: 0.1 } }),
        ("pc-darts", Self::PcDarts { channel_parts: 4, still_epochs: 15 }),
        (
            "p-darts",
            Self::PDarts {
                layers: [5, 11, 17],
                operations: [8, 5, 3],
                skip_dropout: [0.0, 0.4, 0.7],
                still_epochs: 10,
                most_skips: 2,
            },
        ),
        (
            "drnas",
            Self::DrNas { operations: [8, 4], channel_parts: [6, 4], still_epochs: 10, divergence: 1e-3 },
        ),
    ];

    /// The name in keys.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Darts { .. } => "darts",
            Self::Snas { .. } => "snas",
            Self::Gdas { .. } => "gdas",
            Self::PcDarts { .. } => "pc-darts",
            Self::PDarts { .. } => "p-darts",
            Self::DrNas { .. } => "drnas",
        }
    }

    /// The method and its settings as key fields.
    pub(crate) fn fields(&self) -> Result<cache::Fields, Error> {
        let fields = cache::Fields::new().with("method", self.name())?;
        Ok(match *self {
            Self::Darts { order } => fields.with("order", order.name())?,
            Self::Snas { temperatures: Temperatures { first, last } }
            | Self::Gdas { temperatures: Temperatures { first, last } } => {
                fields.with("first_temperature", first)?.with("last_temperature", last)?
            }
            Self::PcDarts { channel_parts, still_epochs } => {
                fields.with("channel_parts", channel_parts)?.with("still_epochs", still_epochs)?
            }
            Self::PDarts { layers, operations, skip_dropout, still_epochs, most_skips } => {
                let mut fields = fields.with("still_epochs", still_epochs)?.with("most_skips", most_skips)?;
                for stage in 0..3 {
                    fields.insert(&format!("layers.{stage}"), layers[stage])?;
                    fields.insert(&format!("operations.{stage}"), operations[stage])?;
                    fields.insert(&format!("skip_dropout.{stage}"), skip_dropout[stage])?;
                }
                fields
            }
            Self::DrNas { operations, channel_parts, still_epochs, divergence } => {
                let mut fields = fields.with("still_epochs", still_epochs)?.with("divergence", divergence)?;
                for stage in 0..2 {
                    fields.insert(&format!("operations.{stage}"), operations[stage])?;
                    fields.insert(&format!("channel_parts.{stage}"), channel_parts[stage])?;
                }
                fields
            }
        })
    }

    /// The settings that fit a budget, and a sentence for each that had to shrink. Of few epochs the architecture stays
    /// as it is in the share of the paper's. Channels are taken apart into as many parts as divide them. The last of
    /// several stages has no more layers than the budget, and those before have their share of them; with fewer epochs
    /// than stages there are fewer stages.
    pub fn fitting(mut self, budget: &Budget) -> (Self, Vec<String>) {
        let (name, epochs, channels) = (self.name(), budget.epochs, budget.channels);
        let (most_stages, stages) = (self.most_stages(), self.stage_count(budget));
        let (still, parts) = match &mut self {
            // 15 of 50, and 10 of 25.
            Self::PcDarts { channel_parts, still_epochs } => {
                (Some((still_epochs, epochs * 3 / 10)), std::slice::from_mut(channel_parts))
            }
            Self::PDarts { still_epochs, .. } => (Some((still_epochs, epochs / stages * 2 / 5)), &mut [][..]),
            Self::DrNas { channel_parts, still_epochs, .. } => {
                (Some((still_epochs, epochs / stages * 2 / 5)), &mut channel_parts[..])
            }
            Self::Darts { .. } | Self::Snas { .. } | Self::Gdas { .. } => (None, &mut [][..]),
        };
        let mut shrunk = Vec::new();
        let mut note = |key, to: u32, from: u32, hyperparameter, value: u32| {
            shrunk.push(format!(
                "search.{name}.{key} is {to} instead of {from}, for a budget of {hyperparameter}={value}"
            ));
        };
        if let Some((still, most)) = still.filter(|(still, most)| **still > *most) {
            note("still_epochs", most, *still, "epochs", epochs);
            *still = most;
        }
        for parts in parts {
            let divides = |parts: &u32| channels % parts == 0;
            let most = (1..=*parts).rev().find(divides).unwrap_or(1);
            if most != *parts {
                note("channel_parts", most, *parts, "channels", channels);
                *parts = most;
            }
        }
        if let Self::PDarts { layers, .. } = &mut self
            && layers[2] > budget.layers
        {
            let asked = *layers;
            let of_last = |layers: u32| (layers * budget.layers + asked[2] / 2) / asked[2];
            *layers = asked.map(|layers| of_last(layers).max(LEAST_LAYERS));
            shrunk.push(format!(
                "search.{name}.layers is {layers:?} instead of {asked:?}, for a budget of layers={}",
                budget.layers
            ));
        }
        if stages < most_stages {
            shrunk.push(format!(
                "search.{name} has {stages} of its {most_stages} stages, for a budget of epochs={epochs}"
            ));
        }
        (self, shrunk)
    }

    /// The step of a search in which the architecture, the group `architecture`, is trained.
    pub fn step(&self, architecture: Group, recipe: &Recipe) -> Step {
        match *self {
            Self::Darts { order } => {
                let [momentum, weight_decay] =
                    [recipe.momentum, recipe.weight_decay].map(|number| number as f32);
                let unrolled =
                    |difference| Unrolled { momentum, weight_decay, distance: DISTANCE, difference };
                Step::bilevel(architecture, order.difference().map(unrolled))
            }
            Self::Snas { .. } => Step::plain(2),
            Self::Gdas { .. } | Self::PcDarts { .. } | Self::PDarts { .. } | Self::DrNas { .. } => {
                Step::bilevel(architecture, None)
            }
        }
    }

    /// That of an epoch of a stage, from 0.
    pub(super) fn step_of(
        &self,
        epoch: u32,
        architecture: Group,
        recipe: &Recipe,
    ) -> Result<Step, kernels::Error> {
        if epoch >= self.still_epochs() {
            return Ok(self.step(architecture, recipe));
        }
        let batch = Part::Differentiate { stream: 0, running: RunningStatistics::Updated };
        Step::new(vec![batch, Part::Update { group: Group::WEIGHTS }])
    }

    /// Stages of its supernets, where there is an epoch for each.
    pub const fn most_stages(&self) -> u32 {
        match self {
            Self::PDarts { .. } => 3,
            Self::DrNas { .. } => 2,
            Self::Darts { .. } | Self::Snas { .. } | Self::Gdas { .. } | Self::PcDarts { .. } => 1,
        }
    }

    fn stage_count(&self, budget: &Budget) -> u32 {
        self.most_stages().min(budget.epochs.max(1))
    }

    /// First epochs of a stage in which the architecture stays as it is.
    fn still_epochs(&self) -> u32 {
        match *self {
            Self::PcDarts { still_epochs, .. }
            | Self::PDarts { still_epochs, .. }
            | Self::DrNas { still_epochs, .. } => still_epochs,
            Self::Darts { .. } | Self::Snas { .. } | Self::Gdas { .. } => 0,
        }
    }

    /// Vectors that its step keeps something in.
    pub(super) fn extra_vectors(&self) -> usize {
        match self {
            Self::Darts { order: Order::Second | Order::Published } => Unrolled::EXTRA_VECTORS,
            _ => 0,
        }
    }

    /// How mixtures are drawn, if they are.
    pub(super) fn draw(&self) -> Option<Draw> {
        match self {
            Self::Snas { .. } => Some(Draw::Concrete),
            Self::Gdas { .. } => Some(Draw::OneHot),
            Self::DrNas { divergence, .. } => Some(Draw::Dirichlet { divergence: *divergence as f32 }),
            Self::Darts { .. } | Self::PcDarts { .. } | Self::PDarts { .. } => None,
        }
    }

    /// Whether a stage begins with the numbers that the one before had in the end.
    pub(super) fn keeps_numbers(&self) -> bool {
        matches!(self, Self::DrNas { .. })
    }

    /// Whether weights and architecture see all images, instead of a half each.
    pub(super) fn shares_images(&self) -> bool {
        matches!(self, Self::Snas { .. })
    }

    /// Whether the edges of a node are weighed too, where a part of the channels goes through the mixtures.
    pub(super) fn weighs_edges(&self) -> bool {
        matches!(self, Self::PcDarts { channel_parts, .. } if *channel_parts > 1)
    }

    /// Most skip connections of the normal cell that is found.
    pub(super) fn most_skips(&self) -> usize {
        match *self {
            Self::PDarts { most_skips, .. } => most_skips as usize,
            _ => usize::MAX,
        }
    }

    /// The temperature of an epoch of so many.
    pub(super) fn temperature(&self, epoch: u32, epochs: u32) -> f64 {
        let done = f64::from(epoch) / f64::from(epochs.saturating_sub(1).max(1));
        match *self {
            Self::Snas { temperatures: Temperatures { first, last } } => first * (last / first).powf(done),
            Self::Gdas { temperatures: Temperatures { first, last } } => first + (last - first) * done,
            _ => 1.0,
        }
    }

    /// Its supernets, one after the other.
    pub(crate) fn stages(&self, budget: &Budget) -> Vec<Stage> {
        let (all, count) = (Operation::ALL.len(), self.stage_count(budget));
        let operations_of = |count: u32| (count as usize).clamp(1, all);
        let parts_of = |count: u32| (count as usize).max(1);
        let stage = |number: u32| {
            let until =
                |number: u32| (u64::from(budget.epochs) * u64::from(number) / u64::from(count)) as u32;
            let (first, place) = (until(number), number as usize);
            let plain = Stage {
                first,
                epochs: until(number + 1) - first,
                layers: budget.layers,
                operations: all,
                skip_dropout: 0.0,
                channel_parts: 1,
            };
            match *self {
                Self::PDarts { layers, operations, skip_dropout, .. } => Stage {
                    // The last is as deep as it should be, however few there are.
                    layers: layers[(3 - count) as usize + place],
                    operations: operations_of(operations[place]),
                    skip_dropout: skip_dropout[place],
                    ..plain
                },
                Self::DrNas { operations, channel_parts, .. } => Stage {
                    operations: operations_of(operations[place]),
                    channel_parts: parts_of(channel_parts[place]),
                    ..plain
                },
                Self::PcDarts { channel_parts, .. } => {
                    Stage { channel_parts: parts_of(channel_parts), ..plain }
                }
                Self::Darts { .. } | Self::Snas { .. } | Self::Gdas { .. } => plain,
            }
        };
        (0..count).map(stage).collect()
    }

    /// Probability that a skip connection is dropped in an epoch of a stage, of so many.
    pub(super) fn skip_dropout(&self, stage: &Stage, epoch: u32, epochs: u32) -> f64 {
        let left = match epoch.checked_sub(self.still_epochs()) {
            None => f64::from(epochs.saturating_sub(epoch + 1)) / f64::from(epochs.max(1)),
            Some(behind) => (-DROPOUT_FALL * f64::from(behind)).exp(),
        };
        stage.skip_dropout * left
    }

    /// How its paper trains the architecture.
    pub fn architecture_recipe(&self) -> ArchitectureRecipe {
        let darts = ArchitectureRecipe::default();
        match self {
            Self::Darts { .. } | Self::Snas { .. } | Self::Gdas { .. } => darts,
            Self::PcDarts { .. } | Self::PDarts { .. } => {
                ArchitectureRecipe { learning_rate: 6e-4, minimum_rate: 0.0, ..darts }
            }
            // The divergence stands in place of weight decay.
            Self::DrNas { .. } => {
                ArchitectureRecipe { learning_rate: 6e-4, minimum_rate: 0.0, weight_decay: 0.0, ..darts }
            }
        }
    }
}

#[cfg(test)]
mod tests;
