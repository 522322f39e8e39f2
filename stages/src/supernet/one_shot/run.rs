//! The training of a one-shot supernet, from its start or from a checkpoint.

use std::time::Instant;

use kernels::{Device, Epoch, Group, Part, RunningStatistics, Step, Stream, Trainer};

use super::WeightFiles;
use super::draw::Draws;
use super::inputs::{OneShotInputs, choose};
use super::job::{OneShotEpoch, OneShotJob, OneShotResult};
use crate::Error;
use crate::checkpoint::{Checkpoints, Epochs};
use crate::data::Dataset;
use crate::recipe::RateRule;
use crate::search::DenseCells;
use crate::train::{Adapter, Finished, Observer, TRAIN, learnt_and_scored, shuffle};

/// Trains, or goes on from the last checkpoint, which gives the same result. A checkpoint that cannot be used is left
/// alone, and the observer told.
///
/// Each step draws a sub-network, differentiates a batch in it, and updates all weights by SGD with momentum: those
/// that are not in it have a gradient of 0, and move by their momenta and weight decay only.
///
/// # Errors
/// When the budget does not fit the supernet, the device fails, weights cannot be kept, or the observer stops it.
pub fn train_one_shot(
    job: &OneShotJob,
    data: &Dataset,
    device: &Device,
    observer: &dyn Observer,
    checkpoints: &dyn Checkpoints,
    files: &dyn WeightFiles,
) -> Result<Finished<OneShotResult>, Error> {
    let epochs = Epochs::new(&job.key()?, job.budget.epochs as usize, device, observer, checkpoints);
    let OneShotInputs { supernet, settings, sets } =
        OneShotInputs::new(&job.budget, &job.recipe, data, job.seed)?;
    let cost = supernet.graph.cost();
    let trainer = Trainer::new(device, &supernet.graph, &settings, &sets)?;
    let (train, _) = learnt_and_scored(job.scoring, data);
    let images = train.len() as u64 * u64::from(job.budget.epochs);
    let draws = Draws::new(job.schedule, job.seed);
    let mut training = Training { job, files, trainer, train, epochs, draws };
    training.resume()?;
    observer.begun();
    let diverged_at = training.run()?;
    let mut epochs = training.epochs;
    // One that diverges has the cost of its budget all the same.
    let training_flops = cost.training_flops.saturating_mul(images);
    let result = OneShotResult { epochs: std::mem::take(&mut epochs.done), diverged_at, training_flops };
    Ok(epochs.finished(result))
}

struct Training<'a> {
    job: &'a OneShotJob,
    files: &'a dyn WeightFiles,
    trainer: Trainer,
    /// Images to train on.
    train: Vec<u32>,
    epochs: Epochs<'a, OneShotEpoch>,
    draws: Draws,
}

impl Training<'_> {
    /// Goes where the last checkpoint is, if there is one that can be used.
    fn resume(&mut self) -> Result<(), Error> {
        let files = self.files;
        let has_weights = |epochs: &[OneShotEpoch]| {
            let mut kept = epochs.iter().filter_map(|epoch| epoch.weights.as_ref());
            if kept.any(|digest| files.weights(digest).is_none()) {
                return Err("weights that it names are missing or damaged".to_owned());
            }
            Ok(())
        };
        if let Some(last) = self.epochs.last(has_weights)
            && self.epochs.restore(last, &mut self.trainer)?
        {
            let steps = self.epochs.done.last().map_or(0, |epoch| epoch.steps);
            self.draws.by_ref().take(steps as usize).for_each(drop);
        }
        Ok(())
    }

    /// All epochs that are left; the step at which the loss stopped being a number.
    fn run(&mut self) -> Result<Option<u64>, Error> {
        for epoch in self.epochs.done.len() as u32..self.job.budget.epochs {
            let started = Instant::now();
            let loss = match self.epoch(epoch) {
                Err(Error::Network(kernels::Error::NonFinite { step, .. })) => return Ok(Some(step)),
                loss => loss?,
            };
            self.epochs.trained(self.train.len() as u64, started);
            let mut weights = None;
            if self.job.kept.contains(&(epoch + 1)) {
                weights = Some(self.files.keep_weights(&self.trainer.checkpoint()?.to_bytes())?);
            }
            let steps = u64::from(epoch + 1) * self.batches() as u64;
            self.epochs.push(OneShotEpoch { loss, steps, weights }, &mut self.trainer)?;
        }
        Ok(None)
    }

    /// Batches of an epoch.
    fn batches(&self) -> usize {
        self.train.len().div_ceil(self.job.budget.batch_size as usize)
    }

    /// Trains an epoch; the mean loss of its steps.
    fn epoch(&mut self, epoch: u32) -> Result<f64, Error> {
        let job = self.job;
        let mut order = self.train.clone();
        shuffle(&mut order, job.seed, 0, epoch);
        let rate = RateRule::Cosine.at(job.budget.learning_rate, epoch, job.budget.epochs) as f32;
        let mut sum = 0.0;
        for batch in order.chunks(job.budget.batch_size as usize) {
            // Draws never end.
            let Some(cells) = self.draws.next() else { break };
            sum += f64::from(self.step(&cells, batch, epoch, rate)?);
        }
        Ok(sum / self.batches().max(1) as f64)
    }

    /// Trains a sub-network by a batch; its loss.
    fn step(&mut self, cells: &DenseCells, batch: &[u32], epoch: u32, rate: f32) -> Result<f32, Error> {
        choose(&mut self.trainer, cells)?;
        let step = Step::new(vec![
            // Statistics of all sub-networks together are of no use to any of them; see `evaluate`.
            Part::Differentiate { stream: 0, running: RunningStatistics::Kept },
            Part::Update { group: Group::WEIGHTS },
        ])?;
        let epoch = Epoch {
            streams: &[Stream { set: TRAIN, order: batch }],
            number: epoch,
            learning_rates: &[rate, 0.0],
            drop_path: 0.0,
            temperature: 1.0,
        };
        let monitor = Adapter { observer: self.epochs.observer, counts: true };
        let metrics = self.trainer.run(&step, &epoch, &monitor)?;
        Ok(metrics.first().and_then(|metrics| metrics.losses.first()).copied().unwrap_or(f32::NAN))
    }
}
