//! What trainers are made from: image sets and settings, of trainings and of supernet searches.

use kernels::{Graph, GroupSettings, ImageSet, NormInit, Preprocess, Shape, TrainerSettings};

use super::accumulate::{Batches, EXTRA_VECTORS};
use super::feed::Windows;
use super::{TrainingJob, all};
use crate::data::{Dataset, Split, holdout};
use crate::recipe::{BnInit, Recipe, Scoring};
use crate::{Budget, Error, network};

/// Image sets of a trainer.
pub(crate) const TRAIN: usize = 0;
pub(crate) const TEST: usize = 1;

/// What the trainer of a job is made from.
pub(crate) struct TrainerInputs {
    pub(crate) graph: Graph,
    pub(crate) settings: TrainerSettings,
    /// One where the set is streamed, [`TRAIN`], and else two.
    pub(crate) sets: Vec<ImageSet>,
}

impl TrainerInputs {
    pub(crate) fn new(job: &TrainingJob, data: &Dataset) -> Result<Self, Error> {
        let (budget, recipe) = (&job.budget, &job.recipe);
        let classes = data.classes.len();
        let graph = network::build_architecture(&job.architecture, budget, recipe, data.channels, classes)?;
        let mut settings = settings(budget, recipe, data, job.seed);
        let batches = Batches::new(budget, recipe)?;
        if batches.are_cut() {
            (settings.batch_size, settings.extra_vectors) = (batches.part(), EXTRA_VECTORS);
        }
        if data.streamed.is_some() {
            // Images come augmented, but for what is cut out.
            settings.preprocess.augment = false;
            let sets = vec![Windows::new(budget, data).set(data)?];
            return Ok(Self { graph, settings, sets });
        }
        Ok(Self { graph, settings, sets: image_sets(data)?.into() })
    }
}

/// Which images a training learns from, and the set and the images that give its score.
pub(crate) fn learnt_and_scored(scoring: Scoring, data: &Dataset) -> (Vec<u32>, (usize, Vec<u32>)) {
    match scoring {
        Scoring::Holdout { fraction, seed } => {
            let Split { train, validation } = holdout(data.train.count, fraction, seed);
            (train, (TRAIN, validation))
        }
        Scoring::Published => (all(data.train.count), (TEST, all(data.test.count))),
    }
}

/// Training and test images, by [`TRAIN`] and [`TEST`].
///
/// # Errors
/// When they are not in memory.
pub(crate) fn image_sets(data: &Dataset) -> Result<[ImageSet; 2], Error> {
    if data.streamed.is_some() {
        let problem = "streamed images are for trainings of one network; all else needs them in memory \
                       (data.set = \"folder\", with data.resolution)";
        return Err(Error::Config { place: "data.set".to_owned(), problem: problem.to_owned() });
    }
    let shape = Shape::new(data.channels, data.height, data.width);
    let classes = data.classes.len();
    let [train, test] = [&data.train, &data.test]
        .map(|images| ImageSet::new(shape, images.pixels.clone(), images.labels.clone(), classes));
    Ok([train?, test?])
}

/// Settings of a training whose parameters are one group.
pub(crate) fn settings(budget: &Budget, recipe: &Recipe, data: &Dataset, seed: u64) -> TrainerSettings {
    let [momentum, weight_decay, grad_clip] =
        [recipe.momentum, recipe.weight_decay, recipe.grad_clip].map(|number| number as f32);
    TrainerSettings {
        batch_size: budget.batch_size as usize,
        groups: vec![GroupSettings::sgd(momentum, weight_decay, grad_clip)],
        extra_vectors: 0,
        label_smoothing: recipe.label_smoothing as f32,
        float_bits: budget.float_bits,
        preprocess: Preprocess {
            image_size: budget.image_size as usize,
            mean: data.mean.clone(),
            std: data.std.clone(),
            augment: recipe.augment,
            cutout: recipe.applied_to(budget).cutout as usize,
        },
        seed,
        norm_init: match recipe.bn_init {
            BnInit::Ones => NormInit::One,
            BnInit::Uniform => NormInit::Uniform,
        },
    }
}
