//! Stage `sample`: the architectures 𝒢 that budgets are judged by.

use cache::Fields;
use rayon::prelude::*;

use super::{Handle, Input, Inputs, JobRunner, Stage, StageError};
use crate::sample::{ArchitectureList, RandomArchitectures, architecture};
use crate::{Error, Genotype};

/// Draws `count` random architectures. The output is a list of [`Genotype`], canonical.
#[derive(Clone, Debug)]
pub struct Sample {
    /// How many.
    pub count: usize,
    /// Seed of the draw.
    pub seed: u64,
    /// Architectures that are passed over where they are drawn.
    pub known: Option<Handle<Vec<Genotype>>>,
}

impl Stage for Sample {
    type Output = Vec<Genotype>;

    const NAME: &'static str = "sample";

    fn parameters(&self) -> Result<Fields, Error> {
        let fields = Fields::new().with("architectures.count", self.count)?;
        Ok(fields.with("architectures.seed", self.seed)?)
    }

    fn inputs(&self) -> Vec<Input> {
        self.known.iter().map(|known| known.role("known")).collect()
    }

    fn run(&self, inputs: &Inputs, _: &dyn JobRunner) -> Result<Self::Output, StageError> {
        if let Some(known) = inputs.read_optional(self.known)? {
            let drawn = (0..).map(|number| architecture(self.seed, number).canonical());
            return Ok(drawn.filter(|drawn| !known.contains(drawn)).take(self.count).collect());
        }
        let drawn = RandomArchitectures { seed: self.seed, count: self.count };
        Ok((0..self.count).into_par_iter().map(|place| drawn.architecture(place)).collect())
    }
}
