//! Stage `sample`: the architectures 𝒢 that budgets are judged by.

use cache::Fields;
use rayon::prelude::*;

use super::{Input, Inputs, JobRunner, Stage, StageError};
use crate::sample::{ArchitectureList, RandomArchitectures};
use crate::{Error, Genotype};

/// Draws `count` random architectures. The output is a list of [`Genotype`], canonical.
#[derive(Clone, Debug)]
pub struct Sample {
    /// How many.
    pub count: usize,
    /// Seed of the draw.
    pub seed: u64,
}

impl Stage for Sample {
    type Output = Vec<Genotype>;

    const NAME: &'static str = "sample";

    fn parameters(&self) -> Result<Fields, Error> {
        let fields = Fields::new().with("architectures.count", self.count)?;
        Ok(fields.with("architectures.seed", self.seed)?)
    }

    fn inputs(&self) -> Vec<Input> {
        Vec::new()
    }

    fn run(&self, _: &Inputs, _: &dyn JobRunner) -> Result<Self::Output, StageError> {
        let drawn = RandomArchitectures { seed: self.seed, count: self.count };
        Ok((0..self.count).into_par_iter().map(|place| drawn.architecture(place)).collect())
    }
}
