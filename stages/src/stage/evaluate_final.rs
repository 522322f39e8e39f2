//! Stage `evaluate-final`: what an architecture is worth after full training, as mean and deviation of several seeds
//! (Tables 2 and 3 of Zheng et al.).

use cache::{Digest, Fields};
use serde::{Deserialize, Serialize};

use super::jobs;
use super::{
    Handle, ImageKind, ImageUse, Input, Inputs, JobRunner, JobTemplate, Stage, StageError, TrainingSummary,
};
use crate::job::Job;
use crate::recipe::FinalRecipe;
use crate::train::Divergence;
use crate::{Architecture, Budget, Error, Genotype};

/// Trains the network of one architecture by a recipe, with several seeds; the output is a [`FinalReport`].
#[derive(Clone, Debug)]
pub struct EvaluateFinal {
    /// Which architecture.
    pub source: FinalSource,
    /// How it is trained.
    pub recipe: FinalRecipe,
    /// How many times.
    pub seeds: usize,
    /// The images, and the first seed. All images for training are trained on; the recipe's constants replace its own.
    pub template: JobTemplate,
    /// A seed by which something was chosen, which is passed over.
    pub choosing_seed: u64,
    /// The kind of the images.
    pub images: ImageKind,
}

/// Where the architecture comes from.
#[derive(Clone, Debug)]
pub enum FinalSource {
    /// The configuration.
    Given(Architecture),
    /// A search; one that found nothing ends the run.
    Found(Handle<Vec<Genotype>>),
}

/// An architecture after full training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FinalReport {
    /// The architecture, as a text.
    pub architecture: String,
    /// Whether a search found it.
    pub found: bool,
    /// What it was trained under.
    pub budget: Budget,
    /// Trained parameters of the network, without the auxiliary head.
    pub parameters: u64,
    /// Multiply-adds of one image's forward pass.
    pub mult_adds: u64,
    /// Its trainings, a seed each.
    pub trainings: Vec<FinalTraining>,
}

/// One training of the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FinalTraining {
    /// Its seed.
    pub seed: u64,
    /// Digest of the training's key.
    pub key: Digest,
    /// Percent correct on the test images after the last epoch, on which nothing was chosen unless trainings that choose were
    /// scored by them.
    pub test_accuracy: f64,
    /// Where it diverged, if it did; then there is no accuracy.
    pub divergence: Option<Divergence>,
}

/// Mean and standard deviation of several trainings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation of a sample, with n - 1; none of one training.
    pub deviation: Option<f64>,
}

impl Spread {
    /// Of numbers; none of no numbers.
    pub fn of(values: &[f64]) -> Option<Self> {
        let count = values.len() as f64;
        if values.is_empty() {
            return None;
        }
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt());
        Some(Self { mean, deviation })
    }
}

impl FinalReport {
    /// Percent of the test images that are classified right, over the trainings; none where one of them diverged.
    pub fn accuracy(&self) -> Option<Spread> {
        let accuracy =
            |training: &FinalTraining| training.divergence.is_none().then_some(training.test_accuracy);
        Spread::of(&self.trainings.iter().map(accuracy).collect::<Option<Vec<_>>>()?)
    }

    /// Percent of the test images that are misclassified, over the trainings; none where one of them diverged.
    pub fn error(&self) -> Option<Spread> {
        self.accuracy().map(|accuracy| Spread { mean: 100.0 - accuracy.mean, ..accuracy })
    }
}

impl EvaluateFinal {
    /// The seeds of its trainings, which no choice has seen.
    fn seeds(&self) -> impl Iterator<Item = u64> {
        let (first, choosing) = (self.template.seed, self.choosing_seed);
        let all = (0..).map(move |number| first.wrapping_add(number));
        all.filter(move |seed| *seed != choosing).take(self.seeds)
    }
}

fn nothing_found() -> Error {
    let problem = "the search found no architecture, for all that it trained diverged; leave learning rates that are too \
                   high, or 16 bits, out of the space, or give one (final.genotype)";
    Error::Numbers { what: "final network", problem: problem.to_owned() }
}

impl Stage for EvaluateFinal {
    type Output = FinalReport;

    const NAME: &'static str = "evaluate-final";

    fn parameters(&self) -> Result<Fields, Error> {
        let mut fields = Fields::new()
            .with("train.final_seed", self.template.seed)?
            .with("train.seed", self.choosing_seed)?
            .with("final.seeds", self.seeds as u64)?;
        self.template.data.add_to(&mut fields)?;
        if let FinalSource::Given(architecture) = &self.source {
            // As it was written, for the output repeats it.
            fields.insert("final.genotype", architecture.to_string())?;
        }
        for (name, value) in self.recipe.fields()?.iter() {
            fields.insert(&format!("final.recipe.{name}"), value.clone())?;
        }
        Ok(fields)
    }

    fn inputs(&self) -> Vec<Input> {
        match self.source {
            FinalSource::Given(_) => Vec::new(),
            FinalSource::Found(found) => vec![found.role("architectures")],
        }
    }

    fn run(&self, inputs: &Inputs, runner: &dyn JobRunner) -> Result<Self::Output, StageError> {
        let architecture = match &self.source {
            FinalSource::Given(architecture) => architecture.clone(),
            FinalSource::Found(found) => match inputs.read(*found)?.pop() {
                Some(genotype) => genotype.into(),
                None => return Err(nothing_found().into()),
            },
        };
        let ImageKind { channels, classes } = self.images;
        let budget = self.recipe.budget_for(&architecture, channels, classes)?;
        let template = JobTemplate { recipe: self.recipe.recipe.clone(), ..self.template.clone() };
        let job =
            |seed| Job::Network(JobTemplate { seed, ..template.clone() }.job(architecture.clone(), &budget));
        let list: Vec<Job> = self.seeds().map(job).collect();
        let trained = jobs::train(runner, &list)?;
        let (parameters, mult_adds) =
            trained.first().map_or((0, 0), |training| (training.parameters, training.mult_adds));
        let training = |(seed, training): (u64, TrainingSummary)| {
            let TrainingSummary { key, divergence, test_accuracy, .. } = training;
            FinalTraining { seed, key, test_accuracy, divergence }
        };
        Ok(FinalReport {
            architecture: architecture.to_string(),
            found: matches!(self.source, FinalSource::Found(_)),
            budget,
            parameters,
            mult_adds,
            trainings: self.seeds().zip(trained).map(training).collect(),
        })
    }

    fn trainings_at_most(&self) -> u64 {
        self.seeds as u64
    }

    fn image_uses(&self) -> Vec<ImageUse> {
        vec![ImageUse::Final]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::recipe::{Recipe, Scoring};
    use crate::train::DataId;

    #[test]
    fn deviations_are_those_of_a_sample() {
        let spread = Spread::of(&[97.3, 97.4, 97.2, 97.5]).unwrap();
        assert!((spread.mean - 97.35).abs() < 1e-12);
        assert!((spread.deviation.unwrap() - 0.129_099).abs() < 1e-6);
        assert_eq!(Spread::of(&[1.0]).unwrap().deviation, None);
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn a_training_that_diverged_has_no_accuracy() {
        let training = |divergence| FinalTraining {
            seed: 0,
            key: Digest::of("test", b"key"),
            test_accuracy: 90.0,
            divergence,
        };
        let report = |divergence| FinalReport {
            architecture: String::new(),
            found: false,
            budget: Budget::NAMED[0].1,
            parameters: 1,
            mult_adds: 1,
            trainings: vec![training(None), training(divergence)],
        };
        assert_eq!(report(None).error().unwrap(), Spread { mean: 10.0, deviation: Some(0.0) });
        assert_eq!(report(Some(Divergence { step: 3, best_score: None })).error(), None);
    }

    #[test]
    fn no_seed_is_one_that_chose() {
        let template = JobTemplate {
            data: DataId { name: "none".to_owned(), digest: Digest::of("test", b""), augmentation: None },
            scoring: Scoring::Published,
            recipe: Recipe::default(),
            seed: u64::MAX - 1,
        };
        let stage = EvaluateFinal {
            source: FinalSource::Given(Architecture::read("ENAS", None, None).unwrap()),
            recipe: FinalRecipe::read("cifar10-full").unwrap(),
            seeds: 4,
            template,
            choosing_seed: 0,
            images: ImageKind { channels: 3, classes: 10 },
        };
        assert_eq!(stage.seeds().collect::<Vec<_>>(), [u64::MAX - 1, u64::MAX, 1, 2]);
    }
}
