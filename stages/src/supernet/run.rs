//! A search by a supernet, from its start or from a checkpoint.

use std::time::Instant;

use kernels::{Device, Epoch, EpochMetrics, Group, Part, Step, Stream, Trainer};

use super::decode::{of_all, of_choices};
use super::job::{SearchInputs, Shares, SupernetJob};
use super::method::Stage;
use super::network::{Choices, MIXTURES, edge_mixtures};
use super::result::{FinishedSupernet, SupernetEpoch, SupernetResult, genotypes};
use crate::Error;
use crate::checkpoint::{Checkpoints, Epochs};
use crate::data::Dataset;
use crate::genotype::{EDGES, Operation};
use crate::random::Random;
use crate::recipe::RateRule;
use crate::train::{Adapter, Observer, TRAIN, shuffle};

/// The stream that weights are trained on, and that of the architecture.
const WEIGHTS: usize = 0;
const ARCHITECTURE: usize = 1;

/// Searches, or goes on from the last checkpoint, which gives the same result. A checkpoint that cannot be used is
/// left alone, and the observer told.
///
/// # Errors
/// When the budget does not fit the supernet, there are too few images, the device fails, or the observer stops it.
pub fn search(
    job: &SupernetJob,
    data: &Dataset,
    device: &Device,
    observer: &dyn Observer,
    checkpoints: &dyn Checkpoints,
) -> Result<FinishedSupernet, Error> {
    let surroundings = Surroundings { job, data, device };
    let shares = Shares::new(job, data)?;
    let (channels, classes) = (data.channels, data.classes.len());
    let half = shares.halves[0].len();
    let epochs = Epochs::new(&job.key()?, job.budget.epochs as usize, device, observer, checkpoints);
    let mut search = Search { surroundings, shares, epochs };
    let diverged_at = search.run()?;
    let epochs = std::mem::take(&mut search.epochs.done);
    let cost = job.supernet(0, &[], channels, classes)?.graph.cost();
    let most_skips = job.method.most_skips();
    // Accuracies of another supernet cannot be compared.
    let behind = job.method.stages(&job.budget).last().map_or(0, |stage| stage.first as usize);
    let last_stage = if behind < epochs.len() { &epochs[behind..] } else { &epochs[..] };
    let [best, last] = genotypes(last_stage, most_skips, &initial_numbers(job, 0, Operation::ALL.len()));
    let training_flops = job.size_after(&epochs, half, channels, classes)?.flops;
    let result = SupernetResult {
        epochs,
        best,
        last,
        diverged_at,
        parameters: cost.parameters,
        mult_adds: cost.mult_adds,
        training_flops,
    };
    Ok(search.epochs.finished(result))
}

/// The first numbers of the mixtures of a stage.
fn initial_numbers(job: &SupernetJob, stage: usize, operations: usize) -> [Vec<f32>; 2] {
    let mut random = Random::new(job.seed, "architecture numbers", stage as u64);
    let deviation = job.architecture.initial_deviation;
    MIXTURES.map(|_| (0..EDGES * operations).map(|_| (deviation * random.normal()) as f32).collect())
}

/// What a search is given.
#[derive(Clone, Copy)]
struct Surroundings<'a> {
    job: &'a SupernetJob,
    data: &'a Dataset,
    device: &'a Device,
}

struct Search<'a> {
    surroundings: Surroundings<'a>,
    shares: Shares,
    epochs: Epochs<'a, SupernetEpoch>,
}

/// The supernet of a stage in training.
struct StageSearch {
    number: usize,
    stage: Stage,
    choices: [Choices; 2],
    trainer: Trainer,
    architecture: Group,
}

impl StageSearch {
    fn new(number: usize, epochs: &[SupernetEpoch], given: Surroundings<'_>) -> Result<Self, Error> {
        let Surroundings { job, data, device, .. } = given;
        let SearchInputs { supernet, settings, sets } = SearchInputs::new(job, number, epochs, data)?;
        let mut trainer = Trainer::new(device, &supernet.graph, &settings, &sets)?;
        let stage = job.method.stages(&job.budget)[number];
        let choices = job.choices(number, epochs);
        let initial = match job.before_stage(number, epochs).filter(|_| job.method.keeps_numbers()) {
            Some(last) => [of_choices(&last.normal, &choices[0]), of_choices(&last.reduce, &choices[1])],
            None => initial_numbers(job, number, stage.operations),
        };
        for (name, numbers) in MIXTURES.iter().zip(&initial) {
            trainer.set_parameter(name, numbers)?;
        }
        let architecture = supernet.architecture;
        Ok(Self { number, stage, choices, trainer, architecture })
    }

    /// The numbers of the mixtures of operations, and those that weigh edges.
    fn numbers(&mut self, weighs_edges: bool) -> Result<[[Vec<f32>; 2]; 2], Error> {
        let mut found = [[Vec::new(), Vec::new()], [Vec::new(), Vec::new()]];
        for (kind, name) in MIXTURES.iter().enumerate() {
            found[0][kind] = of_all(&self.trainer.parameter(name)?, &self.choices[kind]);
        }
        if weighs_edges {
            for (kind, names) in edge_mixtures().iter().enumerate() {
                for name in names {
                    found[1][kind].extend(self.trainer.parameter(name)?);
                }
            }
        }
        Ok(found)
    }
}

impl Search<'_> {
    /// All stages that are left; the step at which the loss stopped being a number.
    fn run(&mut self) -> Result<Option<u64>, Error> {
        let Surroundings { job, .. } = self.surroundings;
        let mut resumed = self.resume()?;
        let first = resumed.as_ref().map_or(0, |stage| stage.number);
        for number in first..job.method.stages(&job.budget).len() {
            let mut stage = match resumed.take() {
                Some(stage) => stage,
                None => StageSearch::new(number, &self.epochs.done, self.surroundings)?,
            };
            if number == first {
                self.epochs.observer.begun();
            }
            if let Some(step) = self.run_stage(&mut stage)? {
                return Ok(Some(step));
            }
        }
        Ok(None)
    }

    /// The stage that the last checkpoint is of, as it left it, if there is one that can be used. None, or the first stage, where
    /// the search begins.
    fn resume(&mut self) -> Result<Option<StageSearch>, Error> {
        let job = self.surroundings.job;
        let Some(last) = self.epochs.last(|_| Ok(())) else { return Ok(None) };
        let stages = job.method.stages(&job.budget);
        let is_begun = |stage: &Stage| (stage.first as usize) < last.epochs.len();
        let number = stages.iter().rposition(is_begun).unwrap_or(0);
        let before = &last.epochs[..stages[number].first as usize];
        let mut stage = StageSearch::new(number, before, self.surroundings)?;
        let is_restored = self.epochs.restore(last, &mut stage.trainer)?;
        // Where nothing was restored the first stage begins with what was made for it, for a device may be good for one
        // training only.
        Ok((is_restored || number == 0).then_some(stage))
    }

    /// All epochs of a stage that are left; the step at which the loss stopped being a number.
    fn run_stage(&mut self, stage: &mut StageSearch) -> Result<Option<u64>, Error> {
        let Surroundings { job, .. } = self.surroundings;
        let Stage { first, epochs, .. } = stage.stage;
        let images = self.shares.halves[0].len() * if job.method.shares_images() { 2 } else { 1 };
        let steps = images.div_ceil(job.budget.batch_size as usize) as u64;
        for epoch in self.epochs.done.len() as u32..first + epochs {
            let step = job.method.step_of(epoch - first, stage.architecture, &job.recipe)?;
            let started = Instant::now();
            let metrics = match self.train(stage, epoch, &step) {
                Err(Error::Network(kernels::Error::NonFinite { step, .. })) => {
                    return Ok(Some(u64::from(first) * steps + step));
                }
                metrics => metrics?,
            };
            self.epochs.trained((metrics.len() * images) as u64, started);
            let loss = mean_loss(&step, &metrics, WEIGHTS).unwrap_or(f64::NAN);
            // One loss is both where images are shared.
            let of_both = if job.method.shares_images() { WEIGHTS } else { ARCHITECTURE };
            let architecture_loss = mean_loss(&step, &metrics, of_both);
            let (set, images) = &self.shares.scored;
            let found = stage.trainer.evaluate(
                *set,
                images,
                &Adapter { observer: self.epochs.observer, counts: false },
            )?;
            if !found.loss.is_finite() {
                return Ok(Some(u64::from(epoch + 1) * steps));
            }
            let [operations, edges] = stage.numbers(job.method.weighs_edges())?;
            let epoch = SupernetEpoch::new(
                loss,
                architecture_loss,
                found.accuracy(),
                operations,
                edges,
                job.method.most_skips(),
            );
            self.epochs.push(epoch, &mut stage.trainer)?;
        }
        Ok(None)
    }

    /// Trains an epoch.
    fn train(
        &mut self,
        stage: &mut StageSearch,
        epoch: u32,
        step: &Step,
    ) -> Result<Vec<EpochMetrics>, Error> {
        let Surroundings { job, .. } = self.surroundings;
        let (budget, architecture, method) = (&job.budget, &job.architecture, &job.method);
        let mut orders = if method.shares_images() {
            vec![self.shares.halves.concat()]
        } else {
            self.shares.halves.to_vec()
        };
        let reads = |part: &Part| matches!(part, Part::Differentiate { stream: ARCHITECTURE, .. });
        if !step.parts().iter().any(reads) {
            orders.truncate(1);
        }
        for (stream, order) in orders.iter_mut().enumerate() {
            shuffle(order, job.seed, stream as u32, epoch);
        }
        let streams: Vec<Stream<'_>> = orders.iter().map(|order| Stream { set: TRAIN, order }).collect();
        let Stage { first, epochs, .. } = stage.stage;
        let in_stage = epoch - first;
        let last = architecture.last_rate(budget.learning_rate);
        let rate = last + RateRule::Cosine.at(budget.learning_rate - last, in_stage, epochs);
        let learning_rates = [rate as f32, architecture.learning_rate as f32];
        let epoch = Epoch {
            streams: &streams,
            number: epoch,
            learning_rates: &learning_rates,
            drop_path: method.skip_dropout(&stage.stage, in_stage, epochs) as f32,
            temperature: method.temperature(in_stage, epochs) as f32,
        };
        let metrics =
            stage.trainer.run(step, &epoch, &Adapter { observer: self.epochs.observer, counts: true })?;
        Ok(metrics)
    }
}

/// Mean loss of the batches of a stream in the last part of a step that reads it: before what it was differentiated
/// for is updated. None where no part does.
fn mean_loss(step: &Step, metrics: &[EpochMetrics], stream: usize) -> Option<f64> {
    let read = step.parts().iter().filter_map(|part| match part {
        Part::Differentiate { stream, .. } => Some(*stream),
        _ => None,
    });
    let (_, EpochMetrics { losses, .. }) = read.zip(metrics).filter(|&(read, _)| read == stream).last()?;
    Some(losses.iter().map(|&loss| f64::from(loss)).sum::<f64>() / losses.len().max(1) as f64)
}
