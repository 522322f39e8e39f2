//! Stage `prune`: fixes the least important hyper-parameter that is left.

use cache::Fields;

use super::sample_budgets::add_space;
use super::{DrawnBudgets, Handle, Input, Inputs, JobRunner, RankedBudget, Stage, StageError};
use crate::Error;
use crate::mip::{Importances, MipState, Objective};
use crate::space::BudgetSpace;

/// Prunes by Eq. 9 of Zheng et al. The output is a [`MipState`].
#[derive(Clone, Debug)]
pub struct Prune {
    /// The state after the round before, if there was one.
    pub pruned: Option<Handle<MipState>>,
    /// The budgets of this round, with the costs that they were drawn by.
    pub budgets: Handle<DrawnBudgets>,
    /// How well they rank.
    pub trials: Handle<Vec<RankedBudget>>,
    /// The importance of each hyper-parameter.
    pub importances: Handle<Importances>,
    /// The space before any pruning; read only in the first round.
    pub space: BudgetSpace,
    /// What the agreement of the trials is. In the key through these, which have it already.
    pub objective: Objective,
}

impl Stage for Prune {
    type Output = MipState;

    const NAME: &'static str = "prune";
    const VERSION: u32 = 3;

    fn parameters(&self) -> Result<Fields, Error> {
        let mut fields = Fields::new();
        add_space(&self.space, &mut fields)?;
        Ok(fields)
    }

    fn inputs(&self) -> Vec<Input> {
        let pruned = self.pruned.map(|pruned| pruned.role("pruned"));
        [self.budgets.role("budgets"), self.trials.role("trials"), self.importances.role("importances")]
            .into_iter()
            .chain(pruned)
            .collect()
    }

    fn run(&self, inputs: &Inputs, _: &dyn JobRunner) -> Result<Self::Output, StageError> {
        let before = inputs.read_optional(self.pruned)?;
        let mut state = with_trials(before, &self.space, &inputs.read(self.trials)?);
        state.prune(&inputs.read(self.importances)?, &inputs.read(self.budgets)?.relative_costs);
        Ok(state)
    }
}

/// The state with a round's trials added. 𝒟 is a set: a budget that was drawn again is in it already.
pub(super) fn with_trials(
    before: Option<MipState>,
    space: &BudgetSpace,
    trials: &[RankedBudget],
) -> MipState {
    let mut state = before.unwrap_or_else(|| MipState::new(space.clone()));
    for ranked in trials {
        if state.trials.iter().all(|known| known.budget != ranked.trial.budget) {
            state.trials.push(ranked.trial);
        }
    }
    state
}
