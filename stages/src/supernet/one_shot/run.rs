//! The training of a one-shot supernet, from its start or from a checkpoint.

use std::time::Instant;

use kernels::{Device, Epoch, Group, Part, RunningStatistics, Step, Stream, Trainer};

use super::WeightFiles;
use super::draw::Draws;
use super::inputs::{OneShotInputs, choose};
use super::job::{OneShotEpoch, OneShotJob, OneShotResult};
use crate::Error;
use crate::data::Dataset;
use crate::search::DenseCells;
use crate::supernet::checkpoint::{Checkpoints, Standing};
use crate::train::{Adapter, Finished, Observer, TRAIN, cosine_rate, learnt_and_scored, shuffle};

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
    let started = Instant::now();
    let OneShotInputs { supernet, settings, sets } =
        OneShotInputs::new(&job.budget, &job.recipe, data, job.seed)?;
    let cost = supernet.graph.cost();
    let trainer = Trainer::new(device, &supernet.graph, &settings, &sets)?;
    let (train, _) = learnt_and_scored(job.scoring, data);
    let images = train.len() as u64 * u64::from(job.budget.epochs);
    let (epochs, draws) = (Vec::new(), Draws::new(job.schedule, job.seed));
    let surroundings = Surroundings { job, observer, checkpoints, files };
    let mut training = Training { surroundings, trainer, train, epochs, draws, images_seen: 0, seconds: 0.0 };
    training.resume()?;
    observer.begun();
    let diverged_at = training.run()?;
    let Training { epochs, images_seen, seconds, .. } = training;
    // One that diverges has the cost of its budget all the same.
    let training_flops = cost.training_flops.saturating_mul(images);
    Ok(Finished {
        result: OneShotResult { epochs, diverged_at, training_flops },
        device: device.name(),
        elapsed_ms: started.elapsed().as_millis() as u64,
        images_per_second: (images_seen as f64 / seconds.max(1e-9)).round(),
    })
}

/// What a training is given.
#[derive(Clone, Copy)]
struct Surroundings<'a> {
    job: &'a OneShotJob,
    observer: &'a dyn Observer,
    checkpoints: &'a dyn Checkpoints,
    files: &'a dyn WeightFiles,
}

struct Training<'a> {
    surroundings: Surroundings<'a>,
    trainer: Trainer,
    /// Images to train on.
    train: Vec<u32>,
    /// The epochs that are done.
    epochs: Vec<OneShotEpoch>,
    draws: Draws,
    images_seen: u64,
    seconds: f64,
}

impl Training<'_> {
    /// Goes where the last checkpoint is, if there is one that can be used.
    fn resume(&mut self) -> Result<(), Error> {
        let Surroundings { job, observer, checkpoints, files } = self.surroundings;
        let Some(bytes) = checkpoints.last() else { return Ok(()) };
        let key = job.key()?;
        let standing = Standing::<OneShotEpoch>::from_bytes(&bytes, key.digest()).and_then(|standing| {
            let count = standing.epochs.len();
            if !(1..=job.budget.epochs as usize).contains(&count) {
                return Err(format!("it is behind {count} epochs"));
            }
            let mut kept = standing.epochs.iter().filter_map(|epoch| epoch.weights.as_ref());
            if kept.any(|digest| files.weights(digest).is_none()) {
                return Err("weights that it names are missing or damaged".to_owned());
            }
            let checkpoint = kernels::Checkpoint::from_bytes(&standing.trainer);
            Ok((standing.epochs, checkpoint.map_err(|error| error.to_string())?))
        });
        let restored = match standing {
            Ok((epochs, checkpoint)) => match self.trainer.restore(&checkpoint) {
                // One of another network has changed nothing.
                Err(kernels::Error::Checkpoint { problem }) => Err(problem),
                restored => restored.map(|()| Ok(epochs))?,
            },
            Err(problem) => Err(problem),
        };
        match restored {
            Ok(epochs) => {
                // What was done before counts as progress.
                observer.images(epochs.len() as u64 * self.train.len() as u64);
                let steps = epochs.last().map_or(0, |epoch| epoch.steps);
                self.draws.by_ref().take(steps as usize).for_each(drop);
                self.epochs = epochs;
            }
            Err(problem) => observer.note(&format!(
                "the checkpoint of this training is not used, and the training begins anew: {problem}"
            )),
        }
        Ok(())
    }

    /// All epochs that are left; the step at which the loss stopped being a number.
    fn run(&mut self) -> Result<Option<u64>, Error> {
        let Surroundings { job, observer, checkpoints, files } = self.surroundings;
        let key = job.key()?;
        for epoch in self.epochs.len() as u32..job.budget.epochs {
            let started = Instant::now();
            let loss = match self.epoch(epoch) {
                Err(Error::Network(kernels::Error::NonFinite { step, .. })) => return Ok(Some(step)),
                loss => loss?,
            };
            self.seconds += started.elapsed().as_secs_f64();
            let trainer = self.trainer.checkpoint()?.to_bytes();
            let is_kept = job.kept.contains(&(epoch + 1));
            let weights = is_kept.then(|| files.keep_weights(&trainer)).transpose()?;
            let steps = u64::from(epoch + 1) * self.batches() as u64;
            self.epochs.push(OneShotEpoch { loss, steps, weights });
            let standing = Standing { job: *key.digest(), epochs: self.epochs.clone(), trainer };
            if let Err(error) = checkpoints.keep(&standing.to_bytes()?) {
                // The training is as good without it.
                observer.note(&format!("a checkpoint of this training could not be kept: {error}"));
            }
        }
        Ok(None)
    }

    /// Batches of an epoch.
    fn batches(&self) -> usize {
        self.train.len().div_ceil(self.surroundings.job.budget.batch_size as usize)
    }

    /// Trains an epoch; the mean loss of its steps.
    fn epoch(&mut self, epoch: u32) -> Result<f64, Error> {
        let Surroundings { job, .. } = self.surroundings;
        let mut order = self.train.clone();
        shuffle(&mut order, job.seed, 0, epoch);
        let rate = cosine_rate(job.budget.learning_rate, epoch, job.budget.epochs) as f32;
        let mut sum = 0.0;
        for batch in order.chunks(job.budget.batch_size as usize) {
            // Draws never end.
            let Some(cells) = self.draws.next() else { break };
            sum += f64::from(self.step(&cells, batch, epoch, rate)?);
            self.images_seen += batch.len() as u64;
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
        let monitor = Adapter { observer: self.surroundings.observer, counts: true };
        let metrics = self.trainer.run(&step, &epoch, &monitor)?;
        Ok(metrics.first().and_then(|metrics| metrics.losses.first()).copied().unwrap_or(f32::NAN))
    }
}
