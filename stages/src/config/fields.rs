//! What of a configuration goes into the keys of which stage: a setting that is in no key of a stage cannot make it run
//! again.

use super::{ArchitecturesConfig, DataConfig, MipConfig, SearchConfig, TrainConfig};
use crate::Error;
use crate::data::Source;

impl DataConfig {
    /// What of this section decides the images, apart from the files' content: no paths.
    pub fn fields(&self) -> Result<cache::Fields, Error> {
        let set = match self.source {
            Source::Embedded => "embedded",
            Source::Cifar10(_) => "cifar10",
            Source::Idx(_) => "idx",
        };
        let fields = cache::Fields::new().with("set", set)?;
        Ok(fields
            .with("train_images", self.limits.train.unwrap_or(0))?
            .with("test_images", self.limits.test.unwrap_or(0))?)
    }
}

impl ArchitecturesConfig {
    /// The parameters of sampling.
    pub fn fields(&self) -> Result<cache::Fields, Error> {
        Ok(cache::Fields::new().with("count", self.count)?.with("seed", self.seed)?)
    }
}

impl MipConfig {
    /// The parameters of drawing budgets.
    pub fn draw_fields(&self) -> Result<cache::Fields, Error> {
        let fields = cache::Fields::new().with("budgets_per_round", self.budgets_per_round)?;
        Ok(fields.with("temperature", self.temperature)?.with("seed", self.seed)?)
    }

    /// The parameters of fitting the forest.
    pub fn forest_fields(&self) -> Result<cache::Fields, Error> {
        Ok(cache::Fields::new().with("trees", self.trees)?.with("seed", self.seed)?)
    }

    /// The parameters of choosing the final budget; nothing else depends on them.
    pub fn objective_fields(&self) -> Result<cache::Fields, Error> {
        Ok(cache::Fields::new().with("lambda", self.lambda)?)
    }
}

impl SearchConfig {
    /// The parameters of the search.
    pub fn fields(&self) -> Result<cache::Fields, Error> {
        let fields = cache::Fields::new().with("strategy", self.strategy.as_str())?;
        Ok(fields.with("samples", self.samples)?.with("seed", self.seed)?)
    }
}

impl TrainConfig {
    /// Seed, scoring and recipe together.
    pub fn fields(&self) -> Result<cache::Fields, Error> {
        let mut fields = cache::Fields::new().with("seed", self.seed)?;
        for part in [self.scoring.fields()?, self.recipe.fields()?] {
            for (name, value) in part.iter() {
                fields.insert(name, value.clone())?;
            }
        }
        Ok(fields)
    }
}
