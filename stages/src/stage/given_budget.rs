//! Stage `given-budget`: a budget that is known, in place of one that is found.

use cache::Fields;

use super::{Input, Inputs, JobRunner, Stage, StageError};
use crate::{Budget, Error};

/// Gives a [`Budget`] to search with. Nothing after this node depends on how a budget came about, so that a search with one that
/// was found, given by hand, is the same search.
#[derive(Clone, Copy, Debug)]
pub struct GivenBudget {
    /// The budget.
    pub budget: Budget,
}

impl Stage for GivenBudget {
    type Output = Budget;

    const NAME: &'static str = "given-budget";

    fn parameters(&self) -> Result<Fields, Error> {
        self.budget.fields()
    }

    fn inputs(&self) -> Vec<Input> {
        Vec::new()
    }

    fn run(&self, _: &Inputs, _: &dyn JobRunner) -> Result<Self::Output, StageError> {
        Ok(self.budget)
    }
}
