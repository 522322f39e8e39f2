//! Stage `given-architectures`: architectures that are known, in place of random ones.

use cache::{Digest, Fields};

use super::{Input, Inputs, JobRunner, Stage, StageError};
use crate::random::Random;
use crate::{Error, Genotype};

/// Gives architectures to judge budgets by. The output is a list of [`Genotype`], canonical, in the order in which they
/// were given or, with a seed, in a random one.
#[derive(Clone, Debug)]
pub struct GivenArchitectures {
    /// They, in the order in which they were given.
    pub genotypes: Vec<Genotype>,
    /// Seed of a random order, which races need: who gives a list may have sorted it.
    pub shuffled: Option<u64>,
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
        let digest = Digest::of("architectures v1", lines.join("\n").as_bytes());
        let mut fields = fields.with("architectures.digest", digest)?;
        if let Some(seed) = self.shuffled {
            fields.insert("mip.seed", seed)?;
        }
        Ok(fields)
    }

    fn inputs(&self) -> Vec<Input> {
        Vec::new()
    }

    fn run(&self, _: &Inputs, _: &dyn JobRunner) -> Result<Self::Output, StageError> {
        let mut genotypes: Vec<Genotype> = self.canonical().collect();
        if let Some(seed) = self.shuffled {
            Random::new(seed, "order of given architectures", 0).shuffle(&mut genotypes);
        }
        Ok(genotypes)
    }
}
