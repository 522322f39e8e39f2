//! Stage `sample-budgets`: the budgets of one round, drawn around the lowest cost of what pruning left of the space.

use cache::{FieldValue, Fields};
use serde::{Deserialize, Serialize};

use super::{Handle, Input, Inputs, JobRunner, Stage, StageError};
use crate::cover::cover;
use crate::hyperparameter::{COUNT, HYPERPARAMETERS, Value};
use crate::mip::MipState;
use crate::network::EdgeFlops;
use crate::space::BudgetSpace;
use crate::{Budget, Error, Genotype};

/// Draws the budgets of a round by Eq. 2 of Zheng et al. The output is a [`DrawnBudgets`].
///
/// Budgets that no earlier round has drawn come first. When the space has fewer of those left than are asked for,
/// earlier ones are drawn again, which costs a look-up each.
#[derive(Clone, Debug)]
pub struct SampleBudgets {
    /// The architectures, whose mean training FLOPs are the costs.
    pub architectures: Handle<Vec<Genotype>>,
    /// The state after the round before, if there was one.
    pub pruned: Option<Handle<MipState>>,
    /// The space before any pruning; read only in the first round.
    pub space: BudgetSpace,
    /// How many budgets.
    pub count: usize,
    /// Whether the first of them are budgets in which every value of the space stands once ([`cover`]), however many they are.
    pub observe_all: bool,
    /// Scales the costs: 1 is the paper's formula, more makes dear budgets likelier.
    pub temperature: f64,
    /// Seed of the draws.
    pub seed: u64,
    /// Round, from 1.
    pub round: u32,
    /// The images' channels and classes.
    pub images: ImageKind,
}

/// What the cost of an image depends on beside architecture and budget, which sets the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageKind {
    /// Colour channels.
    pub channels: usize,
    /// Classes to tell apart.
    pub classes: usize,
}

/// The budgets of a round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DrawnBudgets {
    /// All different, in the order in which they were drawn.
    pub budgets: Vec<Budget>,
    /// The relative costs `c_ij` that they were drawn by, for each hyper-parameter and value of what is left of the space.
    pub relative_costs: [Vec<f64>; COUNT],
}

impl Stage for SampleBudgets {
    type Output = DrawnBudgets;

    const NAME: &'static str = "sample-budgets";

    fn parameters(&self) -> Result<Fields, Error> {
        let mut fields = Fields::new()
            .with("mip.budgets_per_round", self.count)?
            .with("mip.temperature", self.temperature)?
            .with("mip.seed", self.seed)?
            .with("round", self.round)?
            .with("data.channels", self.images.channels)?
            .with("data.classes", self.images.classes)?;
        if self.observe_all {
            fields.insert("mip.observe_all", true)?;
        }
        add_space(&self.space, &mut fields)?;
        Ok(fields)
    }

    fn inputs(&self) -> Vec<Input> {
        let pruned = self.pruned.map(|pruned| pruned.role("pruned"));
        [self.architectures.role("architectures")].into_iter().chain(pruned).collect()
    }

    fn run(&self, inputs: &Inputs, _: &dyn JobRunner) -> Result<Self::Output, StageError> {
        let architectures = inputs.read(self.architectures)?;
        let before = inputs.read_optional(self.pruned)?;
        let state = before.unwrap_or_else(|| MipState::new(self.space.clone()));
        let relative_costs = self.relative_costs(&state.space, &architectures)?;
        let round = u64::from(self.round);
        let mut budgets =
            if self.observe_all { cover(&state.space, &relative_costs, self.seed) } else { Vec::new() };
        let (key, more) = ((self.seed, round), self.count.saturating_sub(budgets.len()));
        budgets.extend(state.next_budgets(more, &budgets, &relative_costs, self.temperature, key));
        if budgets.len() < self.count {
            let missing = self.count - budgets.len();
            budgets.extend(state.space.draw(missing, &budgets, &relative_costs, self.temperature, key));
        }
        Ok(DrawnBudgets { budgets, relative_costs })
    }
}

impl SampleBudgets {
    /// The costs `c_ij` of Eq. 2, from training FLOPs averaged over the architectures. The number of images scales all of
    /// them alike and cancels.
    fn relative_costs(
        &self,
        space: &BudgetSpace,
        architectures: &[Genotype],
    ) -> Result<[Vec<f64>; COUNT], Error> {
        // Values that change no network, such as epochs, meet the same networks again.
        let mut known: Vec<(Vec<Value>, f64)> = Vec::new();
        space.relative_costs(|budget| {
            let network = budget.network_values();
            let an_image = match known.iter().find(|(other, _)| *other == network) {
                Some(&(_, an_image)) => an_image,
                None => self.mean_flops_an_image(budget, architectures)?,
            };
            known.push((network, an_image));
            Ok(an_image * f64::from(budget.epochs))
        })
    }

    fn mean_flops_an_image(&self, budget: &Budget, architectures: &[Genotype]) -> Result<f64, Error> {
        let ImageKind { channels, classes } = self.images;
        let flops = EdgeFlops::new(budget, channels, classes)?;
        let sum: f64 = architectures.iter().map(|genotype| flops.of(genotype) as f64).sum();
        Ok(sum / architectures.len() as f64)
    }
}

/// Adds the values of every hyper-parameter to a stage's parameters.
pub(super) fn add_space(space: &BudgetSpace, fields: &mut Fields) -> Result<(), Error> {
    for (index, row) in HYPERPARAMETERS.iter().enumerate() {
        let values: Vec<FieldValue> = space.values(index).iter().map(|&value| value.into()).collect();
        fields.insert(&format!("space.{}", row.name), FieldValue::List(values))?;
    }
    Ok(())
}
