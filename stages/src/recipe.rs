//! What a training does beyond its budget: the optimiser's constants and which images its score comes from.

mod final_recipe;

use serde::{Deserialize, Serialize};

pub use final_recipe::FinalRecipe;

use crate::data::held_out;
use crate::{Budget, Error};

/// How batch normalisation weights start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BnInit {
    /// At 1.
    Ones,
    /// Uniform in [0, 1), as in the published trials.
    Uniform,
}

impl BnInit {
    /// The name used in configurations and keys.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ones => "ones",
            Self::Uniform => "uniform",
        }
    }
}

/// What stands around the cells of a network, and which form a network that is called by name has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Skeleton {
    /// For small images: a stem of one convolution.
    #[default]
    Cifar,
    /// For large images: two stems, which halve the image three times before the cells do, and no batch normalisation
    /// after the last convolution of the auxiliary head.
    ImageNet,
}

impl Skeleton {
    /// The name used in configurations and keys.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cifar => "cifar",
            Self::ImageNet => "imagenet",
        }
    }
}

/// How the learning rate falls from epoch to epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum RateRule {
    /// Epoch t of T has ½·lr·(1 + cos(πt/T)).
    #[default]
    Cosine,
    /// Epoch t has lr·factorᵗ.
    Exponential {
        /// Above 0 and up to 1.
        factor: f64,
    },
}

impl RateRule {
    /// The learning rate of an epoch, counted from 0, of a training that begins with `rate`.
    pub fn at(self, rate: f64, epoch: u32, epochs: u32) -> f64 {
        match self {
            Self::Cosine => {
                0.5 * rate * (1.0 + (std::f64::consts::PI * f64::from(epoch) / f64::from(epochs)).cos())
            }
            Self::Exponential { factor } => rate * factor.powi(epoch as i32),
        }
    }
}

/// Constants of the training recipe that are no part of a budget.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// SGD momentum (not Nesterov).
    pub momentum: f64,
    /// Weight decay on every parameter.
    pub weight_decay: f64,
    /// The gradient's norm over all parameters is clipped to this.
    pub grad_clip: f64,
    /// Weight of the auxiliary head's loss.
    pub aux_weight: f64,
    /// Probability of dropping an edge in the last epoch; it grows linearly from 0.
    pub drop_path: f64,
    /// Label smoothing of the cross-entropy.
    pub label_smoothing: f64,
    /// Whether training images are cropped and flipped at random, and cut out as the budget says.
    pub augment: bool,
    /// How batch normalisation weights start.
    pub bn_init: BnInit,
    /// What stands around the cells.
    pub skeleton: Skeleton,
    /// How the learning rate falls.
    pub rate: RateRule,
    /// Parts of a batch whose gradients are added up; 1 for batches in one piece.
    pub accumulate: u32,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            momentum: 0.9,
            weight_decay: 3e-4,
            grad_clip: 5.0,
            aux_weight: 0.4,
            drop_path: 0.2,
            label_smoothing: 0.0,
            augment: true,
            bn_init: BnInit::Ones,
            skeleton: Skeleton::Cifar,
            rate: RateRule::Cosine,
            accumulate: 1,
        }
    }
}

impl Recipe {
    /// A budget as far as a training depends on it: without augmentation nothing is cut out, whatever the budget says.
    pub(crate) fn applied_to(&self, budget: &Budget) -> Budget {
        Budget { cutout: if self.augment { budget.cutout } else { 0 }, ..*budget }
    }

    /// Finds out whether a batch can be cut into so many parts.
    ///
    /// # Errors
    /// [`Error::Config`] when the parts would not be equal, or are more than a step may have.
    pub fn check_parts(&self, budget: &Budget) -> Result<(), Error> {
        let (size, parts) = (budget.batch_size as usize, self.accumulate as usize);
        if (1..=kernels::DIFFERENTIATIONS).contains(&parts) && size.is_multiple_of(parts) {
            return Ok(());
        }
        let problem = format!(
            "a batch of {size} images cannot be cut into {parts} equal parts; give a divisor of it, at most {}",
            kernels::DIFFERENTIATIONS
        );
        Err(Error::Config { place: "accumulate".to_owned(), problem })
    }

    /// The constants as key fields. Skeleton, rate rule and parts of batches are fields where they are not those that every training
    /// had before they could be chosen.
    pub fn fields(&self) -> Result<cache::Fields, Error> {
        let mut fields = cache::Fields::new()
            .with("momentum", self.momentum)?
            .with("weight_decay", self.weight_decay)?
            .with("grad_clip", self.grad_clip)?
            .with("aux_weight", self.aux_weight)?
            .with("drop_path", self.drop_path)?
            .with("label_smoothing", self.label_smoothing)?
            .with("augment", self.augment)?
            .with("bn_init", self.bn_init.name())?;
        if self.skeleton != Skeleton::default() {
            fields.insert("skeleton", self.skeleton.name())?;
        }
        if let RateRule::Exponential { factor } = self.rate {
            fields.insert("rate", "exponential")?;
            fields.insert("rate_factor", factor)?;
        }
        if self.accumulate != 1 {
            fields.insert("accumulate", u64::from(self.accumulate))?;
        }
        Ok(fields)
    }
}

/// Which images a training learns from and which give its score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Scoring {
    /// A random share of the training images is held out; the score is the accuracy on it.
    Holdout {
        /// Share of the training images, above 0 and below 1.
        fraction: f64,
        /// Seed of the choice.
        seed: u64,
    },
    /// Trains on all training images; the score is the best test accuracy over the epochs, as in the published trials.
    Published,
}

impl Default for Scoring {
    fn default() -> Self {
        Self::Holdout { fraction: 0.1, seed: 0 }
    }
}

impl Scoring {
    /// How many of so many training images a training learns from.
    pub fn learnt(&self, images: usize) -> usize {
        match *self {
            Self::Holdout { fraction, .. } => images - held_out(images, fraction),
            Self::Published => images,
        }
    }

    /// The mode and its settings as key fields.
    pub fn fields(&self) -> Result<cache::Fields, Error> {
        let fields = cache::Fields::new();
        Ok(match *self {
            Self::Holdout { fraction, seed } => fields
                .with("scoring", "holdout")?
                .with("holdout_fraction", fraction)?
                .with("split_seed", seed)?,
            Self::Published => fields.with("scoring", "published")?,
        })
    }

    /// Adds the fields to a stage's parameters, named as in the configuration.
    pub(crate) fn add_to(&self, fields: &mut cache::Fields) -> Result<(), Error> {
        for (name, value) in self.fields()?.iter() {
            fields.insert(&format!("train.{name}"), value.clone())?;
        }
        Ok(())
    }
}
