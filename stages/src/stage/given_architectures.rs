//! Stage `given-architectures`: architectures that are known, in place of random ones.

use cache::{Digest, Fields};

use super::{Input, Inputs, JobRunner, Stage, StageError};
use crate::{Error, Genotype};

/// Gives architectures to judge budgets by. The output is a list of [`Genotype`], canonical.
#[derive(Clone, Debug)]
pub struct GivenArchitectures {
    /// They, in the order in which they were given.
    pub genotypes: Vec<Genotype>,
}

impl GivenArchitectures {
    fn canonical(&self) -> impl Iterator<Item = Genotype> {
        self.genotypes.iter().map(Genotype::canonical)
    }
}

impl Stage for GivenArchitectures {
    type Output = Vec<Genotype>;

    const NAME: &'static str = "given-architectures";

    /// A list may be long: its number and its digest stand for it.
    fn parameters(&self) -> Result<Fields, Error> {
        let lines: Vec<String> = self.canonical().map(|genotype| genotype.to_string()).collect();
        let fields = Fields::new().with("architectures.count", self.genotypes.len())?;
        Ok(fields
            .with("architectures.digest", Digest::of("architectures v1", lines.join("\n").as_bytes()))?)
    }

    fn inputs(&self) -> Vec<Input> {
        Vec::new()
    }

    fn run(&self, _: &Inputs, _: &dyn JobRunner) -> Result<Self::Output, StageError> {
        Ok(self.canonical().collect())
    }
}
