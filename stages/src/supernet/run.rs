//! A search by a supernet, from its start or from a checkpoint.

use std::time::Instant;

use kernels::{Device, Epoch, EpochMetrics, Part, Step, Stream, Trainer};

use super::checkpoint::{Checkpoints, Standing};
use super::job::{SearchInputs, SearchSize, Shares, SupernetJob};
use super::network::MIXTURES;
use super::result::{FinishedSupernet, SupernetEpoch, SupernetResult, genotypes};
use crate::Error;
use crate::data::Dataset;
use crate::genotype::{EDGES, Operation};
use crate::random::Random;
use crate::train::{Adapter, Observer, TRAIN, cosine_rate, shuffle};

/// The stream that weights are trained on, and that of the architecture.
const STREAMS: [usize; 2] = [0, 1];

/// Searches, or goes on from the last checkpoint, which gives the same result. A checkpoint that cannot be used is left alone,
/// and the observer told.
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
    let started = Instant::now();
    let mut search = Search::new(job, data, device)?;
    observer.begun();
    search.resume(observer, checkpoints)?;
    let diverged_at = search.run(observer, checkpoints)?;
    let [best, last] = genotypes(&search.epochs, &search.initial);
    let Search { cost, size, epochs, images_seen, seconds, .. } = search;
    let result = SupernetResult {
        epochs,
        best,
        last,
        diverged_at,
        parameters: cost.parameters,
        mult_adds: cost.mult_adds,
        training_flops: size.flops,
    };
    Ok(FinishedSupernet {
        result,
        device: device.name(),
        elapsed_ms: started.elapsed().as_millis() as u64,
        images_per_second: (images_seen as f64 / seconds.max(1e-9)).round(),
    })
}

struct Search<'a> {
    job: &'a SupernetJob,
    trainer: Trainer,
    step: Step,
    cost: kernels::Cost,
    size: SearchSize,
    shares: Shares,
    /// The first numbers of the mixtures.
    initial: [Vec<f32>; 2],
    /// The epochs that are done.
    epochs: Vec<SupernetEpoch>,
    images_seen: u64,
    seconds: f64,
}

/// The first numbers of the mixtures.
fn initial_numbers(job: &SupernetJob) -> [Vec<f32>; 2] {
    let mut random = Random::new(job.seed, "architecture numbers", 0);
    let deviation = job.architecture.initial_deviation;
    MIXTURES.map(|_| {
        let numbers = EDGES * Operation::ALL.len();
        (0..numbers).map(|_| (deviation * random.normal()) as f32).collect()
    })
}

impl<'a> Search<'a> {
    fn new(job: &'a SupernetJob, data: &Dataset, device: &Device) -> Result<Self, Error> {
        let shares = Shares::new(job, data)?;
        let SearchInputs { supernet, settings, sets } = SearchInputs::new(job, data)?;
        let mut trainer = Trainer::new(device, &supernet.graph, &settings, &sets)?;
        let initial = initial_numbers(job);
        for (name, numbers) in MIXTURES.iter().zip(&initial) {
            trainer.set_parameter(name, numbers)?;
        }
        Ok(Self {
            job,
            trainer,
            step: job.method.step(supernet.architecture, &job.recipe),
            cost: supernet.graph.cost(),
            size: job.size_of(&supernet.graph, supernet.architecture, shares.halves[0].len()),
            shares,
            initial,
            epochs: Vec::new(),
            images_seen: 0,
            seconds: 0.0,
        })
    }

    /// Goes on from a checkpoint, if there is one that can be used.
    fn resume(&mut self, observer: &dyn Observer, checkpoints: &dyn Checkpoints) -> Result<(), Error> {
        let Some(bytes) = checkpoints.last() else { return Ok(()) };
        let key = self.job.key()?;
        let restored = Standing::from_bytes(&bytes, key.digest()).and_then(|standing| {
            let checkpoint = kernels::Checkpoint::from_bytes(&standing.trainer);
            let restored = checkpoint.and_then(|checkpoint| self.trainer.restore(&checkpoint));
            restored.map(|()| standing.epochs).map_err(|error| error.to_string())
        });
        match restored {
            Ok(epochs) => {
                // What was done before counts as progress.
                let passes = self.size.images / u64::from(self.job.budget.epochs.max(1));
                observer.images(passes * epochs.len() as u64);
                self.epochs = epochs;
            }
            Err(problem) => observer.note(&format!(
                "the checkpoint of this search is not used, and the search begins anew: {problem}"
            )),
        }
        Ok(())
    }

    /// All epochs that are left; the step at which the loss stopped being a number.
    fn run(&mut self, observer: &dyn Observer, checkpoints: &dyn Checkpoints) -> Result<Option<u64>, Error> {
        let job = self.job.key()?;
        for epoch in self.epochs.len() as u32..self.job.budget.epochs {
            let started = Instant::now();
            let metrics = match self.train(epoch, observer) {
                Err(Error::Network(kernels::Error::NonFinite { step, .. })) => return Ok(Some(step)),
                metrics => metrics?,
            };
            self.seconds += started.elapsed().as_secs_f64();
            let [loss, architecture_loss] = STREAMS.map(|stream| self.mean_loss(&metrics, stream));
            let (set, images) = &self.shares.scored;
            let monitor = Adapter { observer, counts: false };
            let found = self.trainer.evaluate(*set, images, &monitor)?;
            if !found.loss.is_finite() {
                let steps = self.shares.halves[0].len().div_ceil(self.job.budget.batch_size as usize);
                return Ok(Some((steps * (epoch as usize + 1)) as u64));
            }
            let numbers = MIXTURES.map(|name| self.trainer.parameter(name));
            let [normal, reduce] = numbers;
            let numbers = [normal?, reduce?];
            self.epochs.push(SupernetEpoch::new(loss, architecture_loss, found.accuracy(), numbers));
            let trainer = self.trainer.checkpoint()?.to_bytes();
            let standing = Standing { job: *job.digest(), epochs: self.epochs.clone(), trainer };
            if let Err(error) = checkpoints.keep(&standing.to_bytes()?) {
                // The search is as good without it.
                observer.note(&format!("a checkpoint of this search could not be kept: {error}"));
            }
        }
        Ok(None)
    }

    fn train(&mut self, epoch: u32, observer: &dyn Observer) -> Result<Vec<EpochMetrics>, Error> {
        let (budget, architecture) = (&self.job.budget, &self.job.architecture);
        let mut orders = self.shares.halves.clone();
        for (stream, order) in orders.iter_mut().enumerate() {
            shuffle(order, self.job.seed, stream as u32, epoch);
        }
        let streams = orders.each_ref().map(|order| Stream { set: TRAIN, order });
        let last = architecture.last_rate(budget.learning_rate);
        let rate = last + cosine_rate(budget.learning_rate - last, epoch, budget.epochs);
        let learning_rates = [rate as f32, architecture.learning_rate as f32];
        let epoch =
            Epoch { streams: &streams, number: epoch, learning_rates: &learning_rates, drop_path: 0.0 };
        let metrics = self.trainer.run(&self.step, &epoch, &Adapter { observer, counts: true })?;
        self.images_seen += (metrics.len() * orders[0].len()) as u64;
        Ok(metrics)
    }

    /// Mean loss of the batches of a stream in the last part of a step that reads it: before what it was differentiated for is
    /// updated.
    fn mean_loss(&self, metrics: &[EpochMetrics], stream: usize) -> f64 {
        let reads = |part: &Part| match part {
            Part::Differentiate { stream, .. } => Some(*stream),
            _ => None,
        };
        let parts = self.step.parts().iter().filter_map(reads);
        let found = parts.zip(metrics).filter(|&(read, _)| read == stream).last();
        let losses = found.map_or(&[][..], |(_, metrics)| &metrics.losses);
        losses.iter().map(|&loss| f64::from(loss)).sum::<f64>() / losses.len().max(1) as f64
    }
}
