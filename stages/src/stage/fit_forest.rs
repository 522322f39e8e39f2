//! Stage `fit-forest`: the importance of each hyper-parameter, out of all trials so far.

use cache::Fields;

use super::prune::with_trials;
use super::{Halt, Inputs, RankedBudget, Stage, Trainings, encode};
use crate::Error;
use crate::mip::MipState;
use crate::space::BudgetSpace;

/// Fits a random forest to the trials in input `pruned` (none in the first round) and input `trials`. The output is the
/// importance of each hyper-parameter in the table's order, `[f64; COUNT]` (Eq. 8 of Zheng et al.).
#[derive(Clone, Debug)]
pub struct FitForest {
    /// The space before any pruning; importances do not depend on it.
    pub space: BudgetSpace,
    /// Trees.
    pub trees: usize,
    /// Seed of the bootstrap samples.
    pub seed: u64,
}

impl Stage for FitForest {
    fn name(&self) -> &'static str {
        "fit-forest"
    }

    fn parameters(&self) -> Result<Fields, Error> {
        Ok(Fields::new().with("mip.trees", self.trees)?.with("mip.seed", self.seed)?)
    }

    fn run(&self, inputs: &Inputs, _: &dyn Trainings) -> Result<Vec<u8>, Halt> {
        let before: Option<MipState> = inputs.optional("pruned")?;
        let trials: Vec<RankedBudget> = inputs.one("trials")?;
        let state = with_trials(before, &self.space, &trials);
        encode(&state.importances(self.trees, self.seed)?)
    }
}
