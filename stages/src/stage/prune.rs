//! Stage `prune`: fixes the least important hyper-parameter that is left.

use cache::Fields;

use super::sample_budgets::add_space;
use super::{DrawnBudgets, Halt, Inputs, RankedBudget, Stage, Trainings, encode};
use crate::Error;
use crate::hyperparameter::COUNT;
use crate::mip::MipState;
use crate::space::BudgetSpace;

/// Prunes by Eq. 9 of Zheng et al. Inputs: `pruned` of the round before, if there was one, and this round's `budgets`,
/// `trials` and `importances`. The output is a [`MipState`].
#[derive(Clone, Debug)]
pub struct Prune {
    /// The space before any pruning; read only when there is no input `pruned`.
    pub space: BudgetSpace,
}

impl Stage for Prune {
    fn name(&self) -> &'static str {
        "prune"
    }

    fn parameters(&self) -> Result<Fields, Error> {
        let mut fields = Fields::new();
        add_space(&self.space, &mut fields)?;
        Ok(fields)
    }

    fn run(&self, inputs: &Inputs, _: &dyn Trainings) -> Result<Vec<u8>, Halt> {
        let before: Option<MipState> = inputs.optional("pruned")?;
        let trials: Vec<RankedBudget> = inputs.one("trials")?;
        let drawn: DrawnBudgets = inputs.one("budgets")?;
        let importances: [f64; COUNT] = inputs.one("importances")?;
        let mut state = with_trials(before, &self.space, &trials);
        state.prune(&importances, &drawn.relative_costs);
        encode(&state)
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
