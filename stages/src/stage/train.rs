//! Stage `train`: every architecture under every budget, each a training of its own.

use cache::Fields;
use serde::{Deserialize, Serialize};

use super::{DrawnBudgets, Halt, Inputs, SearchOutcome, Stage, Training, Trainings, encode};
use crate::recipe::{Recipe, Scoring};
use crate::train::{DataId, TrainJob};
use crate::{Budget, Error, Genotype};

/// What all trainings of a run share.
#[derive(Clone, Debug)]
pub struct JobTemplate {
    /// The images.
    pub data: DataId,
    /// How a training is scored.
    pub scoring: Scoring,
    /// Optimiser and augmentation.
    pub recipe: Recipe,
    /// Seed of initial weights, order of images, augmentation and drop path.
    pub seed: u64,
}

impl JobTemplate {
    /// The training of an architecture under a budget.
    pub fn job(&self, genotype: &Genotype, budget: &Budget) -> TrainJob {
        TrainJob {
            genotype: genotype.clone(),
            budget: *budget,
            seed: self.seed,
            data: self.data.clone(),
            scoring: self.scoring,
            recipe: self.recipe.clone(),
        }
    }

    /// Adds everything to a stage's parameters.
    pub(super) fn add_to(&self, fields: &mut Fields) -> Result<(), Error> {
        fields.insert("data.name", self.data.name.as_str())?;
        fields.insert("data.digest", self.data.digest)?;
        fields.insert("train.seed", self.seed)?;
        for part in [self.scoring.fields()?, self.recipe.fields()?] {
            for (name, value) in part.iter() {
                fields.insert(&format!("train.{name}"), value.clone())?;
            }
        }
        Ok(())
    }
}

/// Which architectures to train: the input that has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architectures {
    /// Input `architectures`: so many of them.
    Sampled(usize),
    /// Input `search`: its best one.
    Winner,
}

/// Which budgets to train them under.
#[derive(Clone, Debug, PartialEq)]
pub enum Budgets {
    /// The full budget f of the configuration.
    Full(Budget),
    /// Input `budgets`: at most so many of them.
    Drawn(usize),
}

/// Trains every architecture under every budget. The output is a list of [`TrainedBudget`], in the order of the
/// budgets.
#[derive(Clone, Debug)]
pub struct Train {
    /// What the trainings share.
    pub template: JobTemplate,
    /// What to train.
    pub architectures: Architectures,
    /// Under what.
    pub budgets: Budgets,
}

/// All architectures under one budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainedBudget {
    /// The budget.
    pub budget: Budget,
    /// A training for each architecture, in the order of the architectures.
    pub trainings: Vec<Training>,
}

impl Stage for Train {
    fn name(&self) -> &'static str {
        "train"
    }

    fn parameters(&self) -> Result<Fields, Error> {
        let mut fields = Fields::new();
        self.template.add_to(&mut fields)?;
        if let Budgets::Full(budget) = &self.budgets {
            for (name, value) in budget.fields()?.iter() {
                fields.insert(&format!("full.{name}"), value.clone())?;
            }
        }
        Ok(fields)
    }

    fn run(&self, inputs: &Inputs, trainings: &dyn Trainings) -> Result<Vec<u8>, Halt> {
        let architectures: Vec<Genotype> = match self.architectures {
            Architectures::Sampled(_) => inputs.one("architectures")?,
            Architectures::Winner => vec![inputs.one::<SearchOutcome>("search")?.best],
        };
        let budgets = match &self.budgets {
            Budgets::Full(budget) => vec![*budget],
            Budgets::Drawn(_) => inputs.one::<DrawnBudgets>("budgets")?.budgets,
        };
        let jobs: Vec<TrainJob> = budgets
            .iter()
            .flat_map(|budget| architectures.iter().map(|genotype| self.template.job(genotype, budget)))
            .collect();
        let mut trained = trainings.train(&jobs)?.into_iter();
        let output = budgets.into_iter().map(|budget| TrainedBudget {
            budget,
            trainings: trained.by_ref().take(architectures.len()).collect(),
        });
        encode(&output.collect::<Vec<_>>())
    }

    fn trainings_at_most(&self) -> u64 {
        let architectures = match self.architectures {
            Architectures::Sampled(count) => count,
            Architectures::Winner => 1,
        };
        let budgets = match self.budgets {
            Budgets::Full(_) => 1,
            Budgets::Drawn(count) => count,
        };
        (architectures * budgets) as u64
    }
}
