//! Stage `select-budget`: the best budget of all that were tried.

use cache::Fields;

use super::{Evaluation, Halt, Inputs, Stage, Trainings, encode};
use crate::Error;
use crate::mip::{MipState, best_objective};

/// Takes the trial with the highest objective (Eq. 1 of Zheng et al.) out of input `pruned` of the last round, with
/// the cost of full training from input `truth`. The output is a [`crate::Budget`] and nothing else, so that another λ
/// that selects the same budget changes nothing after this node.
#[derive(Clone, Copy, Debug)]
pub struct SelectBudget {
    /// Weight of the cost, 0 ≤ λ < 1.
    pub lambda: f64,
}

impl Stage for SelectBudget {
    fn name(&self) -> &'static str {
        "select-budget"
    }

    fn parameters(&self) -> Result<Fields, Error> {
        Ok(Fields::new().with("mip.lambda", self.lambda)?)
    }

    fn run(&self, inputs: &Inputs, _: &dyn Trainings) -> Result<Vec<u8>, Halt> {
        let state: MipState = inputs.one("pruned")?;
        let truth: Vec<Evaluation> = inputs.one("truth")?;
        let [truth] = truth.as_slice() else { return Err(Halt::Wiring { role: "truth".to_owned() }) };
        let best = best_objective(&state.trials, self.lambda, truth.mean_training_flops);
        let best = best.ok_or_else(|| Error::Numbers {
            what: "rank correlation",
            problem: "undefined for every budget that was tried: all architectures got the same accuracy under full \
                      training or under each budget; use more architectures, more images or longer trainings"
                .to_owned(),
        })?;
        encode(&best.budget)
    }
}
