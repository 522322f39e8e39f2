//! Stage `sample`: the architectures 𝒢 that budgets are judged by.

use cache::Fields;

use super::{Halt, Inputs, Stage, Trainings, encode};
use crate::sample::architectures;
use crate::{Error, Genotype};

/// Draws `count` random architectures. No inputs; the output is a list of [`Genotype`], canonical.
#[derive(Clone, Debug)]
pub struct Sample {
    /// How many.
    pub count: usize,
    /// Seed of the draw.
    pub seed: u64,
}

impl Stage for Sample {
    fn name(&self) -> &'static str {
        "sample"
    }

    fn parameters(&self) -> Result<Fields, Error> {
        let fields = Fields::new().with("architectures.count", self.count)?;
        Ok(fields.with("architectures.seed", self.seed)?)
    }

    fn run(&self, _: &Inputs, _: &dyn Trainings) -> Result<Vec<u8>, Halt> {
        let drawn = architectures(self.seed, self.count);
        encode(&drawn.iter().map(Genotype::canonical).collect::<Vec<_>>())
    }
}
