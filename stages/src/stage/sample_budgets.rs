//! Stage `sample-budgets`: the budgets of one round, drawn around the lowest cost of what pruning left of the space.

use std::collections::HashMap;

use cache::{FieldValue, Fields};

use super::{Halt, Inputs, Pruned, RankedBudget, Stage, Trainings, encode};
use crate::hyperparameter::{COUNT, HYPERPARAMETERS};
use crate::space::BudgetSpace;
use crate::train::training_flops;
use crate::{Budget, Genotype};

/// Draws the budgets of a round by Eq. 2 of Zheng et al. Inputs: `architectures`, whose mean training FLOPs are the
/// costs; `pruned` of the round before, if there was one; `trials` of all rounds before. The output is a list of
/// [`Budget`].
///
/// Budgets that no earlier round has drawn come first. When the space has fewer of those left than are asked for,
/// earlier ones are drawn again, which costs a look-up each.
#[derive(Clone, Debug)]
pub struct SampleBudgets {
    /// The space before any pruning; read only when there is no input `pruned`.
    pub space: BudgetSpace,
    /// How many budgets.
    pub count: usize,
    /// Scales the costs: 1 is the paper's formula, more makes dear budgets likelier.
    pub temperature: f64,
    /// Seed of the draws.
    pub seed: u64,
    /// Round, from 1.
    pub round: u32,
    /// Shape of one image as channels, height, width, and how many classes and training images there are.
    pub images: ImagesShape,
}

/// What the cost of a training depends on beside its architecture and its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImagesShape {
    /// Colour channels.
    pub channels: usize,
    /// Classes.
    pub classes: usize,
    /// Images of one epoch.
    pub train: usize,
}

impl Stage for SampleBudgets {
    fn name(&self) -> &'static str {
        "sample-budgets"
    }

    fn parameters(&self) -> cache::Result<Fields> {
        let mut fields = Fields::new()
            .with("mip.budgets", self.count)?
            .with("mip.temperature", self.temperature)?
            .with("mip.seed", self.seed)?
            .with("round", self.round)?
            .with("data.channels", self.images.channels)?
            .with("data.classes", self.images.classes)?
            .with("data.train", self.images.train)?;
        for (index, row) in HYPERPARAMETERS.iter().enumerate() {
            let values: Vec<FieldValue> = self.space.values(index).iter().map(|value| value.field()).collect();
            fields.insert(&format!("space.{}", row.name), FieldValue::List(values))?;
        }
        Ok(fields)
    }

    fn run(&self, inputs: &Inputs, _: &dyn Trainings) -> Result<Vec<u8>, Halt> {
        let architectures: Vec<Genotype> = inputs.one("architectures")?;
        let pruned: Option<Pruned> = inputs.optional("pruned")?;
        let trials: Vec<Vec<RankedBudget>> = inputs.all("trials")?;
        let space = pruned.map_or_else(|| self.space.clone(), |pruned| pruned.space);
        let costs = self.relative_costs(&space, &architectures)?;
        let drawn: Vec<Budget> = trials.iter().flatten().map(|trial| trial.budget).collect();
        let key = (self.seed, u64::from(self.round));
        let mut budgets = space.draw(self.count, &drawn, &costs, self.temperature, key);
        if budgets.len() < self.count {
            let again = space.draw(self.count - budgets.len(), &budgets, &costs, self.temperature, key);
            budgets.extend(again);
        }
        encode(&budgets)
    }
}

impl SampleBudgets {
    /// The costs c_ij of Eq. 2: training FLOPs averaged over the architectures.
    fn relative_costs(&self, space: &BudgetSpace, architectures: &[Genotype]) -> Result<[Vec<f64>; COUNT], Halt> {
        let mut means: HashMap<String, f64> = HashMap::new();
        todo!()
    }
}
