//! Sub-networks of a one-shot supernet, evaluated with its weights.
//!
//! The statistics of normalisations are recalibrated for each sub-network before it is evaluated. Running statistics of
//! a shared supernet would mix those of all sub-networks that were trained, whose nodes sum other things, and fit none
//! of them; Guo et al. (2020, Single path one-shot neural architecture search with uniform sampling) recalculate them
//! on training images before each evaluation, as is done here. Statistics of the evaluated batches would need none of
//! that, but an accuracy would then depend on which images stand together.

use std::time::Instant;

use cache::{Digest, Fields, Key, Kind};
use kernels::{Device, Epoch, MemoryPlan, Part, RunningStatistics, Step, Stream, Trainer};
use serde::{Deserialize, Serialize};

use super::WeightFiles;
use super::inputs::{OneShotInputs, choose, supernet};
use super::job::OneShotJob;
use crate::data::{Dataset, held_out};
use crate::random::Random;
use crate::recipe::{Recipe, Scoring};
use crate::search::DenseCells;
use crate::supernet::SearchSize;
use crate::train::{Adapter, DataId, Finished, Observer, TRAIN, learnt_and_scored};
use crate::{Budget, Error};

/// Version of what an evaluation computes. It is part of every key: raise it when the same job would give another
/// result.
const VERSION: u64 = 2;

/// Images of a batch, whatever the supernet was trained with: few, for they are the same for each of many sub-networks.
const BATCH: u32 = 16;

/// Batches that statistics are recalibrated on: what the statistics begin with (0 and 1) is left with a share of 0.9⁴⁴,
/// less than a hundredth.
const BATCHES: usize = 44;

/// All that the result of an evaluation depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct SubNetworksJob {
    /// The weights of the supernet.
    pub weights: Digest,
    /// The sub-networks.
    pub sub_networks: Vec<DenseCells>,
    /// Size of the supernet and of the images.
    budget: Budget,
    /// Which training images statistics are recalibrated on, and their augmentation.
    seed: u64,
    data: DataId,
    scoring: Scoring,
    recipe: Recipe,
}

/// What an evaluation gave: the same for the same job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SubNetworksResult {
    /// Top-1 accuracy of each sub-network in percent, on the images that give scores; none where its loss is not a
    /// number.
    pub accuracies: Vec<Option<f64>>,
    /// FLOPs of recalibration, which is done by passes forward and backward, and evaluation.
    pub flops: u64,
}

impl SubNetworksJob {
    /// Evaluates sub-networks with weights of a training.
    pub fn new(trained: &OneShotJob, weights: Digest, sub_networks: Vec<DenseCells>) -> Self {
        let OneShotJob { budget, seed, data, scoring, recipe, .. } = trained.clone();
        let budget = Budget { epochs: 1, batch_size: BATCH, ..budget };
        Self { weights, sub_networks, budget, seed, data, scoring, recipe }
    }

    /// The budget of the supernet, with the batches of an evaluation.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The key of its result.
    ///
    /// # Errors
    /// When a number of the budget cannot be part of a key.
    pub fn key(&self) -> Result<Key, Error> {
        let operations: Vec<u8> = self.sub_networks.iter().flat_map(|cells| cells.0).collect();
        let fields = Fields::new()
            .with("job", "sub-networks")?
            .with("version", VERSION)?
            .with("weights", self.weights)?
            .with("sub_networks", Digest::of("nas-pipeline sub-networks 1", &operations))?
            .with("data", self.data.digest)?
            .with("seed", self.seed)?
            .with("augment", self.recipe.augment)?;
        let budget = self.recipe.applied_to(&self.budget);
        let fields = fields.with_all(&budget.fields()?)?.with_all(&self.scoring.fields()?)?;
        Ok(Key::new(Kind::Training, fields))
    }

    /// How much it computes on a set of so many training and test images, colour channels and classes. Its images are
    /// those that statistics are recalibrated on.
    ///
    /// # Errors
    /// When the budget does not fit the supernet.
    pub fn size(
        &self,
        [train, test]: [usize; 2],
        channels: usize,
        classes: usize,
    ) -> Result<SearchSize, Error> {
        let scored = match self.scoring {
            Scoring::Holdout { fraction, .. } => held_out(train, fraction),
            Scoring::Published => test,
        };
        let cost = supernet(&self.budget, channels, classes)?.graph.cost();
        let each = BATCHES as u64 * u64::from(BATCH);
        let count = self.sub_networks.len() as u64;
        let flops =
            cost.training_flops.saturating_mul(each).saturating_add(2 * cost.mult_adds * scored as u64);
        Ok(SearchSize { images: count * each, flops: count.saturating_mul(flops) })
    }
}

/// The memory that an evaluation would take on a device, as it is planned for it.
///
/// # Errors
/// When the budget does not fit the supernet, or the evaluation the device.
pub fn sub_networks_memory_plan(
    job: &SubNetworksJob,
    data: &Dataset,
    device: &Device,
) -> Result<MemoryPlan, Error> {
    let OneShotInputs { supernet, settings, sets } =
        OneShotInputs::new(&job.budget, &job.recipe, data, job.seed)?;
    Ok(Trainer::plan_memory(device, &supernet.graph, &settings, &sets)?)
}

/// Evaluates the sub-networks of a job, each as if it were the only one.
///
/// # Errors
/// When the weights are missing or are no supernet's of this budget, the device fails, or the observer stops it.
pub fn evaluate(
    job: &SubNetworksJob,
    data: &Dataset,
    device: &Device,
    observer: &dyn Observer,
    files: &dyn WeightFiles,
) -> Result<Finished<SubNetworksResult>, Error> {
    let started = Instant::now();
    let bytes = files.weights(&job.weights).ok_or_else(|| Error::Weights {
        digest: job.weights,
        problem: "are missing or damaged; run again, and the supernet is trained again".to_owned(),
    })?;
    let refused = |error: kernels::Error| Error::Weights {
        digest: job.weights,
        problem: format!("cannot be used: {error}"),
    };
    let weights = kernels::Checkpoint::from_bytes(&bytes).map_err(refused)?;
    let OneShotInputs { supernet, settings, sets } =
        OneShotInputs::new(&job.budget, &job.recipe, data, job.seed)?;
    let mut trainer = Trainer::new(device, &supernet.graph, &settings, &sets)?;
    observer.begun();
    let (train, scored) = learnt_and_scored(job.scoring, data);
    let calibration = calibration_images(train, job.seed);
    let mut seconds = 0.0;
    let mut accuracies = Vec::new();
    for cells in &job.sub_networks {
        trainer.restore(&weights).map_err(refused)?;
        choose(&mut trainer, cells)?;
        let begun = Instant::now();
        accuracies.push(accuracy(&mut trainer, &calibration, &scored, observer)?);
        seconds += begun.elapsed().as_secs_f64();
    }
    let images = job.sub_networks.len() * calibration.len();
    let flops = job.size([data.train.count, data.test.count], data.channels, data.classes.len())?.flops;
    Ok(Finished {
        result: SubNetworksResult { accuracies, flops },
        device: device.name(),
        elapsed_ms: started.elapsed().as_millis() as u64,
        images_per_second: (images as f64 / seconds.max(1e-9)).round(),
    })
}

/// Training images for recalibration, in an order by the seed; where there are fewer than it takes, again and again.
fn calibration_images(mut train: Vec<u32>, seed: u64) -> Vec<u32> {
    Random::new(seed, "one-shot calibration", 0).shuffle(&mut train);
    train.iter().copied().cycle().take(BATCHES * BATCH as usize).collect()
}

/// The accuracy of what is chosen in a trainer; none where its loss is not a number.
fn accuracy(
    trainer: &mut Trainer,
    calibration: &[u32],
    (set, images): &(usize, Vec<u32>),
    observer: &dyn Observer,
) -> Result<Option<f64>, Error> {
    let batch = Part::Differentiate { stream: 0, running: RunningStatistics::Updated };
    let epoch = Epoch {
        streams: &[Stream { set: TRAIN, order: calibration }],
        number: 0,
        learning_rates: &[0.0; 2],
        drop_path: 0.0,
        temperature: 1.0,
    };
    match trainer.run(&Step::new(vec![batch])?, &epoch, &Adapter { observer, counts: true }) {
        Err(kernels::Error::NonFinite { .. }) => return Ok(None),
        metrics => metrics?,
    };
    let found = trainer.evaluate(*set, images, &Adapter { observer, counts: false })?;
    Ok(found.loss.is_finite().then(|| found.accuracy()))
}
