//! Stage `select-budget`: the best budget of all that were tried.

use cache::Fields;

use super::{EvaluatedBudget, Handle, Input, Inputs, JobRunner, Stage, StageError};
use crate::mip::{MipState, best_objective};
use crate::{Budget, Error};

/// Takes the trial with the highest objective (Eq. 1 of Zheng et al.). The output is a [`Budget`] and nothing else, so that
/// another λ that selects the same budget changes nothing after this node.
#[derive(Clone, Copy, Debug)]
pub struct SelectBudget {
    /// Full training, which sets the unit of cost.
    pub truth: Handle<Vec<EvaluatedBudget>>,
    /// The state after the last round.
    pub pruned: Handle<MipState>,
    /// Weight of the cost, 0 ≤ λ < 1.
    pub lambda: f64,
}

impl Stage for SelectBudget {
    type Output = Budget;

    const NAME: &'static str = "select-budget";

    fn parameters(&self) -> Result<Fields, Error> {
        Ok(Fields::new().with("mip.lambda", self.lambda)?)
    }

    fn inputs(&self) -> Vec<Input> {
        vec![self.truth.role("truth"), self.pruned.role("pruned")]
    }

    fn run(&self, inputs: &Inputs, _: &dyn JobRunner) -> Result<Self::Output, StageError> {
        let state = inputs.read(self.pruned)?;
        let truth = inputs.read_only(self.truth)?;
        let best = best_objective(&state.trials, self.lambda, truth.mean_cost);
        let best = best.ok_or_else(|| Error::Numbers {
            what: "rank correlation",
            problem: format!(
                "undefined for every budget that was tried: all architectures got the same accuracy under full training \
                 ({} of {} diverged) or under each budget; use more architectures, more images, longer trainings or, \
                 where they diverge, lower learning rates",
                truth.diverged.len(),
                truth.scores.len()
            ),
        })?;
        Ok(best.budget)
    }
}
