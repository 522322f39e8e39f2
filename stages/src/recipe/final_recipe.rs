//! Recipes of final networks: a budget, how wide the network is, and what its training does beyond its budget.

use super::Recipe;
use crate::network::cost_in;
use crate::{Architecture, Budget, Error};

/// How a network is trained to the end. [`FinalRecipe::read`](crate::recipe::FinalRecipe::read) reads it from data.
#[derive(Clone, Debug, PartialEq)]
pub struct FinalRecipe {
    /// The budget; its channels count where `mult_adds_max` is none.
    pub budget: Budget,
    /// The most multiply-adds of an image that the network may have: it gets as many channels as keep within them.
    pub mult_adds_max: Option<u64>,
    /// What the training does beyond its budget.
    pub recipe: Recipe,
}

/// Channels are chosen in twos: a reduction halves them between two convolutions.
const CHANNELS_STEP: u32 = 2;

impl FinalRecipe {
    /// The budget of an architecture's final training, on images of `channels` colour channels and `classes` classes: where
    /// multiply-adds are bounded, with the most channels (an even number) that keep within them. A network that is called by name
    /// has its own width.
    ///
    /// # Errors
    /// [`Error::Budget`] when the budget does not fit the network, or no width keeps within the bound.
    pub fn budget_for(
        &self,
        architecture: &Architecture,
        channels: usize,
        classes: usize,
    ) -> Result<Budget, Error> {
        let (Some(most), false) = (self.mult_adds_max, matches!(architecture, Architecture::Network(_)))
        else {
            return Ok(self.budget);
        };
        let with = |steps: u32| Budget { channels: CHANNELS_STEP * steps, ..self.budget };
        let mult_adds = |steps: u32| {
            let cost = cost_in(architecture, &with(steps), self.recipe.skeleton, channels, classes)?;
            Ok::<u64, Error>(cost.mult_adds)
        };
        let narrowest = mult_adds(1)?;
        if narrowest > most {
            let problem = format!(
                "the narrowest network, of {CHANNELS_STEP} channels, has {narrowest} multiply-adds, more than the {most} of \
                 mult_adds_max; raise it, or make image_size or layers smaller"
            );
            return Err(Error::Budget { place: "recipe".to_owned(), problem });
        }
        // More channels cost more: the last number that keeps within, between one that does and one that does not, or that no
        // budget may have.
        let (mut within, mut beyond) = (1, CHANNELS_MAX / CHANNELS_STEP + 1);
        while beyond - within > 1 {
            let middle = u32::midpoint(within, beyond);
            if mult_adds(middle)? <= most { within = middle } else { beyond = middle }
        }
        Ok(with(within))
    }

    /// Everything that a result depends on, as key fields.
    ///
    /// # Errors
    /// When a number cannot be part of a key.
    pub fn fields(&self) -> Result<cache::Fields, Error> {
        let mut fields = self.budget.fields()?.with_all(&self.recipe.fields()?)?;
        if let Some(most) = self.mult_adds_max {
            fields.insert("mult_adds_max", most)?;
        }
        Ok(fields)
    }
}

/// The most channels that a budget may have.
const CHANNELS_MAX: u32 = 4096;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::recipe::Skeleton;

    #[test]
    fn as_many_channels_as_keep_within_the_bound() {
        let recipe = FinalRecipe::read("imagenet-mobile").unwrap();
        let most = recipe.mult_adds_max.unwrap();
        for name in ["DARTS_V2", "RL_BPE1", "NASNET_A", "AMOEBANET_A"] {
            let architecture = Architecture::read(name, None, None).unwrap();
            let budget = recipe.budget_for(&architecture, 3, 1000).unwrap();
            let mult_adds = |channels| {
                let budget = Budget { channels, ..budget };
                cost_in(&architecture, &budget, Skeleton::ImageNet, 3, 1000).unwrap().mult_adds
            };
            assert!(mult_adds(budget.channels) <= most, "{name}: {budget}");
            assert!(mult_adds(budget.channels + 2) > most, "{name}: {budget}");
        }
        // What was asked for replaces the bound.
        let narrow = FinalRecipe::read("imagenet-mobile,channels=48").unwrap();
        let darts = Architecture::read("DARTS_V2", None, None).unwrap();
        assert_eq!(narrow.budget_for(&darts, 3, 1000).unwrap().channels, 48);
    }

    #[test]
    fn a_bound_that_no_width_keeps_is_refused() {
        let recipe = FinalRecipe::read("imagenet-mobile,mult_adds_max=100").unwrap();
        let darts = Architecture::read("DARTS_V2", None, None).unwrap();
        let error = recipe.budget_for(&darts, 3, 1000).unwrap_err().to_string();
        assert!(error.contains("mult_adds_max; raise it"), "{error}");
    }
}
