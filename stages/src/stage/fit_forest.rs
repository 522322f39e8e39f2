//! Stage `fit-forest`: the importance of each hyper-parameter, out of all trials so far.

use cache::Fields;

use super::prune::with_trials;
use super::{Handle, Input, Inputs, JobRunner, RankedBudget, Stage, StageError};
use crate::Error;
use crate::mip::{Importances, MipState};
use crate::space::BudgetSpace;

/// Fits a random forest to the trials of all rounds so far. The output is the importance of each hyper-parameter in the
/// table's order (Eq. 8 of Zheng et al.).
#[derive(Clone, Debug)]
pub struct FitForest {
    /// The state after the round before, if there was one.
    pub pruned: Option<Handle<MipState>>,
    /// The trials of this round.
    pub trials: Handle<Vec<RankedBudget>>,
    /// The space before any pruning; importances do not depend on it.
    pub space: BudgetSpace,
    /// Trees.
    pub trees: usize,
    /// Seed of the bootstrap samples.
    pub seed: u64,
}

impl Stage for FitForest {
    type Output = Importances;

    const NAME: &'static str = "fit-forest";
    const VERSION: u32 = 2;

    fn parameters(&self) -> Result<Fields, Error> {
        Ok(Fields::new().with("mip.trees", self.trees)?.with("mip.seed", self.seed)?)
    }

    fn inputs(&self) -> Vec<Input> {
        let pruned = self.pruned.map(|pruned| pruned.role("pruned"));
        [self.trials.role("trials")].into_iter().chain(pruned).collect()
    }

    fn run(&self, inputs: &Inputs, _: &dyn JobRunner) -> Result<Self::Output, StageError> {
        let before = inputs.read_optional(self.pruned)?;
        let state = with_trials(before, &self.space, &inputs.read(self.trials)?);
        Ok(state.importances(self.trees, self.seed)?)
    }
}
