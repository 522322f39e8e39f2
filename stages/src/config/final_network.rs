//! Section `[final]`: which network is trained to the end, and how.

use super::section::Section;
use crate::architecture::given;
use crate::recipe::FinalRecipe;
use crate::{Architecture, Error};

/// The final network.
#[derive(Clone, Debug, PartialEq)]
pub struct FinalConfig {
    /// The architecture; none for the one that the search finds.
    pub architecture: Option<Architecture>,
    /// How it is trained.
    pub recipe: FinalRecipe,
    /// How many times, with a seed each.
    pub seeds: usize,
}

/// Most trainings of one network.
const SEEDS_MAX: usize = 1000;

impl FinalConfig {
    pub(super) fn typed(section: &Section<'_>) -> Result<Self, Error> {
        let (genotype, space) = (section.text("genotype")?, section.text("space")?);
        if genotype.is_empty() && !space.is_empty() {
            let problem = "is the space of final.genotype, which is not given; what a search finds is of the DARTS space";
            return Err(section.wrong("space", problem));
        }
        let space = (!space.is_empty()).then_some(space);
        let architecture = (!genotype.is_empty()).then(|| given(genotype, space)).transpose();
        let recipe = FinalRecipe::read(section.text("recipe")?);
        Ok(Self {
            architecture: architecture.map_err(|error| section.wrong("genotype", error.to_string()))?,
            recipe: recipe.map_err(|error| section.wrong("recipe", error.to_string()))?,
            seeds: section.count("seeds", 1, SEEDS_MAX)?,
        })
    }
}
