//! Stage `select-architecture`: the architecture that a search found.

use cache::Fields;

use super::{Handle, Input, Inputs, JobRunner, SearchOutcome, Stage, StageError};
use crate::{Error, Genotype};

/// The output is a list of one [`Genotype`], or of none where the search found none, and nothing else, so that another search
/// that finds the same one changes nothing after this node.
#[derive(Clone, Copy, Debug)]
pub struct SelectArchitecture {
    /// The search.
    pub search: Handle<SearchOutcome>,
}

impl Stage for SelectArchitecture {
    type Output = Vec<Genotype>;

    const NAME: &'static str = "select-architecture";
    const VERSION: u32 = 2;

    fn parameters(&self) -> Result<Fields, Error> {
        Ok(Fields::new())
    }

    fn inputs(&self) -> Vec<Input> {
        vec![self.search.role("search")]
    }

    fn run(&self, inputs: &Inputs, _: &dyn JobRunner) -> Result<Self::Output, StageError> {
        Ok(inputs.read(self.search)?.best.into_iter().map(|best| best.genotype).collect())
    }
}
