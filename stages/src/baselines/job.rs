//! The scores of an architecture as a job: what they depend on, and how they are found.

use std::path::Path;
use std::time::Instant;

use cache::{Fields, Key, Kind};
use kernels::{Device, DeviceChoice, Graph, MemoryPlan, Trainer, TrainerSettings};

use super::BaselineScores;
use super::activations::{Codes, PATTERN_IMAGES, Patterns};
use super::gradients::{differentiate, synflow, zico};
use crate::data::Dataset;
use crate::network::{self, Untrained, build_untrained};
use crate::random::Random;
use crate::recipe::{BnInit, Recipe, Scoring};
use crate::supernet::SearchSize;
use crate::train::{DataId, Finished, Observer, TRAIN, image_sets, learnt_and_scored, settings};
use crate::{Budget, Error, Genotype};

/// Version of what the scores mean. It is part of every key: raise it when the same job would give others.
const VERSION: u64 = 1;

/// Images of the patterns that SWAP counts, as in its authors' comparison on the DARTS space: of more images nearly every unit
/// has a pattern of its own.
const SWAP_IMAGES: usize = 16;
const _: () = assert!(SWAP_IMAGES <= PATTERN_IMAGES);

/// All that the scores of an architecture depend on.
#[derive(Clone, Debug, PartialEq)]
pub struct BaselinesJob {
    /// The architecture; the key holds its canonical form.
    pub genotype: Genotype,
    /// Size of the scored network and of the images, and images of a batch. Nothing else of it is read.
    pub budget: Budget,
    /// Size of the network whose parameters and multiply-adds are counted: that of full training.
    pub full: Budget,
    /// Seed of the initial weights and of which images are in the batches.
    pub seed: u64,
    /// The images.
    pub data: DataId,
    /// Which of them may be learnt from.
    pub scoring: Scoring,
}

impl BaselinesJob {
    /// The key of its result.
    ///
    /// # Errors
    /// When a number of the job cannot be part of a key.
    pub fn key(&self) -> Result<Key, Error> {
        let Budget { batch_size, layers, channels, image_size, .. } = self.budget;
        let fields = Fields::new()
            .with("job", "baselines")?
            .with("version", VERSION)?
            .with("data", self.data.digest)?
            .with("seed", self.seed)?
            .with("genotype", self.genotype.canonical().to_string())?
            .with("batch_size", u64::from(batch_size))?
            .with("layers", u64::from(layers))?
            .with("channels", u64::from(channels))?
            .with("image_size", u64::from(image_size))?
            .with("full_layers", u64::from(self.full.layers))?
            .with("full_channels", u64::from(self.full.channels))?
            .with("full_image_size", u64::from(self.full.image_size))?
            .with_all(&self.scoring.fields()?)?;
        Ok(Key::new(Kind::Training, fields))
    }

    /// Images that go through the network, forward and backward, on a set with so many for training.
    fn images(&self, learnt: usize) -> usize {
        2 * self.batch(learnt) + SWAP_IMAGES.min(self.batch(learnt))
    }

    /// Images of a batch: as many as the budget says, or half of those that there are.
    fn batch(&self, learnt: usize) -> usize {
        (self.budget.batch_size as usize).min(learnt / 2).max(1)
    }

    /// How many images it computes on, and FLOPs, on a set of so many training images, colour channels and classes.
    ///
    /// # Errors
    /// When the budget does not fit the network.
    pub fn size(&self, train: usize, channels: usize, classes: usize) -> Result<SearchSize, Error> {
        let cost = self.graph(channels, classes)?.cost();
        let images = self.images(self.scoring.learnt(train)) as u64;
        // SynFlow's image goes through as large a network.
        Ok(SearchSize { images, flops: (images + 1) * cost.training_flops })
    }

    fn graph(&self, channels: usize, classes: usize) -> Result<Graph, Error> {
        let mut graph =
            build_untrained(&self.genotype, &self.budget, channels, classes, Untrained::AsTrained)?;
        graph.keep_rectified();
        Ok(graph)
    }

    pub(super) fn settings(&self, data: &Dataset) -> TrainerSettings {
        let budget = Budget { float_bits: 32, cutout: 0, ..self.budget };
        let recipe =
            Recipe { augment: false, label_smoothing: 0.0, bn_init: BnInit::Ones, ..Recipe::default() };
        settings(&budget, &recipe, data, self.seed)
    }
}

/// The processor: other devices do not show what is read through a ReLU.
fn processor(device: &Device) -> Result<Device, Error> {
    if device.is_gpu() { Ok(Device::open(DeviceChoice::Cpu { threads: 1 })?) } else { Ok(device.clone()) }
}

/// The memory that it takes, of the processor whatever the device.
///
/// # Errors
/// When the budget does not fit the network.
pub fn baselines_memory_plan(
    job: &BaselinesJob,
    data: &Dataset,
    device: &Device,
) -> Result<MemoryPlan, Error> {
    let graph = job.graph(data.channels, data.classes.len())?;
    Ok(Trainer::plan_memory(&processor(device)?, &graph, &job.settings(data), &image_sets(data)?)?)
}

/// Scores an architecture, on the processor whatever the device.
///
/// # Errors
/// When the budget does not fit the network, the set has too few images, the device fails, or the observer stops it.
pub fn score(
    job: &BaselinesJob,
    data: &Dataset,
    device: &Device,
    observer: &dyn Observer,
) -> Result<Finished<BaselineScores>, Error> {
    let (mut images, _) = learnt_and_scored(job.scoring, data);
    Random::new(job.seed, "baselines", 0).shuffle(&mut images);
    score_of(job, data, device, observer, (&images, None))
}

/// The same with the first of these training images, and with the weights of a safetensors file if there is one.
///
/// # Errors
/// As [`score`], and when the file cannot be read or holds other tensors than the network without its auxiliary head has.
pub fn score_of(
    job: &BaselinesJob,
    data: &Dataset,
    device: &Device,
    observer: &dyn Observer,
    (images, weights): (&[u32], Option<&Path>),
) -> Result<Finished<BaselineScores>, Error> {
    let started = Instant::now();
    let device = &processor(device)?;
    let (channels, classes) = (data.channels, data.classes.len());
    let graph = job.graph(channels, classes)?;
    let cost = network::cost(&job.genotype, &job.full, channels, classes)?;
    let batch = job.batch(images.len());
    let Some((first, second)) = images.get(..2 * batch).map(|images| images.split_at(batch)) else {
        let problem = "baselines take two batches of training images; give at least two images".to_owned();
        return Err(Error::Config { place: format!("data set {}", data.name), problem });
    };
    let mut trainer = Trainer::new(device, &graph, &job.settings(data), &image_sets(data)?)?;
    observer.begun();
    if let Some(path) = weights {
        trainer.set_weights(&graph.weights(path, &str::to_owned)?.0)?;
    }
    let parameters = trainer.named_parameters()?;
    let step = |trainer: &mut Trainer, images: &[u32]| {
        if observer.cancelled() {
            return Err(kernels::Error::Cancelled);
        }
        differentiate(trainer, TRAIN, images)?;
        observer.images(images.len() as u64);
        Ok(())
    };
    step(&mut trainer, first)?;
    let mut codes = Codes::new(batch);
    trainer.rectified(batch, |value| codes.add(value))?;
    let gradients = trainer.named_gradients()?;
    step(&mut trainer, second)?;
    let zico = zico(&gradients, &trainer.named_gradients()?);
    let few = &first[..SWAP_IMAGES.min(batch)];
    step(&mut trainer, few)?;
    let mut patterns = Patterns::default();
    trainer.rectified(few.len(), |value| patterns.add(value))?;
    // Its memory is free before the next network takes some.
    drop(trainer);
    let synflow = synflow(&job.genotype, &job.budget, (channels, classes), &parameters, device)?;
    let (normal, reduce) = (&job.genotype.normal, &job.genotype.reduce);
    let elapsed = started.elapsed();
    Ok(Finished {
        result: BaselineScores {
            parameters: cost.parameters,
            mult_adds: cost.mult_adds,
            skips: (normal.skip_count() + reduce.skip_count()) as u64,
            nwot: codes.log_determinant(),
            synflow,
            zico,
            swap: patterns.count(),
            flops: job.size(data.train.count, channels, classes)?.flops,
        },
        device: device.name(),
        elapsed_ms: elapsed.as_millis() as u64,
        images_per_second: (job.images(images.len()) as f64 / elapsed.as_secs_f64().max(1e-9)).round(),
    })
}
