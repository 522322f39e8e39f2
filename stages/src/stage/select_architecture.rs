//! Stage `select-architecture`: the architecture that a search found.

use cache::Fields;

use super::{Handle, Input, Inputs, JobRunner, SearchOutcome, Stage, StageError};
use crate::{Error, Genotype};

/// The output is a [`Genotype`] and nothing else, so that another search that finds the same one changes nothing after this
/// node.
#[derive(Clone, Copy, Debug)]
pub struct SelectArchitecture {
    /// The search.
    pub search: Handle<SearchOutcome>,
}

impl Stage for SelectArchitecture {
    type Output = Genotype;

    fn name(&self) -> &'static str {
        "select-architecture"
    }

    fn parameters(&self) -> Result<Fields, Error> {
        Ok(Fields::new())
    }

    fn inputs(&self) -> Vec<Input> {
        vec![self.search.role("search")]
    }

    fn run(&self, inputs: &Inputs, _: &dyn JobRunner) -> Result<Genotype, StageError> {
        Ok(inputs.read(self.search)?.best)
    }
}
