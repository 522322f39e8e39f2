//! The constants of a recipe in a section: of trainings that choose, and of final networks.

use kernels::DIFFERENTIATIONS;

use super::section::Section;
use crate::Error;
use crate::recipe::{BnInit, RateRule, Recipe, Skeleton};

/// Those that every section `[train]` has.
pub(super) fn recipe(section: &Section<'_>) -> Result<Recipe, Error> {
    let share = |key| section.single(key, |share| (0.0..1.0).contains(&share), "from 0 up to but not 1");
    let positive = |key| section.single(key, |number| number > 0.0, "above 0");
    let not_negative = |key| section.single(key, |number| number >= 0.0, "not below 0");
    let bn_init = section.choice("bn_init", &[BnInit::Ones, BnInit::Uniform].map(BnInit::name))?;
    Ok(Recipe {
        momentum: share("momentum")?,
        weight_decay: not_negative("weight_decay")?,
        grad_clip: positive("grad_clip")?,
        aux_weight: not_negative("aux_weight")?,
        drop_path: share("drop_path")?,
        label_smoothing: share("label_smoothing")?,
        augment: section.flag("augment")?,
        bn_init: if bn_init == BnInit::Uniform.name() { BnInit::Uniform } else { BnInit::Ones },
        ..Recipe::default()
    })
}

/// The same with skeleton, rate rule and parts of batches, which a final network may choose.
pub(super) fn final_recipe(section: &Section<'_>) -> Result<Recipe, Error> {
    let skeleton = section.choice("skeleton", &[Skeleton::Cifar, Skeleton::ImageNet].map(Skeleton::name))?;
    let factor =
        section.single("rate_factor", |factor| factor > 0.0 && factor <= 1.0, "above 0 and up to 1")?;
    let rate = match section.choice("rate", &["cosine", "exponential"])? {
        "exponential" => RateRule::Exponential { factor },
        _ => RateRule::Cosine,
    };
    let skeleton = if skeleton == Skeleton::ImageNet.name() { Skeleton::ImageNet } else { Skeleton::Cifar };
    let accumulate = section.count("accumulate", 1, DIFFERENTIATIONS)? as u32;
    Ok(Recipe { skeleton, rate, accumulate, ..recipe(section)? })
}
