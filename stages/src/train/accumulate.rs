//! Batches in parts: the gradients of a batch are the sum of those of its parts, each weighted by its share of the images. So a
//! batch needs the memory of one part.
//!
//! Normalisations take the statistics of each part by itself, and running statistics follow all of them: with them, and only
//! with them, the step is another one than that of the batch in one piece.

use kernels::{
    Epoch, EpochMetrics, Group, Monitor, Part, RunningStatistics, Scale, Step, Stream, Trainer, Vector,
};

use super::TRAIN;
use crate::recipe::Recipe;
use crate::{Budget, Error};

/// Vectors beside those of plain steps: the sum, and zeros to begin it with.
pub(super) const EXTRA_VECTORS: usize = 2;
const SUM: Vector = Vector::Extra(0);
const ZEROS: Vector = Vector::Extra(1);

/// How batches are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batches {
    /// Images of a batch.
    size: usize,
    /// Parts of it.
    parts: usize,
}

/// What all steps of an epoch have in common.
#[derive(Clone, Copy)]
pub(super) struct Rates {
    pub(super) learning_rate: f32,
    pub(super) drop_path: f32,
}

impl Batches {
    /// # Errors
    /// As [`Recipe::check_parts`].
    pub(super) fn new(budget: &Budget, recipe: &Recipe) -> Result<Self, Error> {
        recipe.check_parts(budget)?;
        Ok(Self { size: budget.batch_size as usize, parts: recipe.accumulate as usize })
    }

    /// Whether a batch is more than one part.
    pub(super) fn are_cut(self) -> bool {
        self.parts > 1
    }

    /// Images of a batch.
    pub(super) fn size(self) -> usize {
        self.size
    }

    /// Images of a part.
    pub(super) fn part(self) -> usize {
        self.size / self.parts
    }

    /// Trains an epoch, or a part of one, over the images `order`.
    ///
    /// # Errors
    /// As [`Trainer::train_epoch`].
    pub(super) fn train(
        self,
        trainer: &mut Trainer,
        order: &[u32],
        epoch: u32,
        rates: Rates,
        monitor: &dyn Monitor,
    ) -> Result<EpochMetrics, Error> {
        let Rates { learning_rate, drop_path } = rates;
        if !self.are_cut() {
            return Ok(trainer.train_epoch(TRAIN, order, epoch, learning_rate, drop_path, monitor)?);
        }
        let (whole, rest) = order.split_at(order.len() - order.len() % self.size);
        // The first parts of all batches are a stream, the second ones another.
        let stream = |part: usize| -> Vec<u32> {
            let range = part * self.part()..(part + 1) * self.part();
            whole.chunks_exact(self.size).flat_map(|batch| &batch[range.clone()]).copied().collect()
        };
        let whole: Vec<Vec<u32>> = (0..self.parts).map(stream).collect();
        let rest: Vec<Vec<u32>> = rest.chunks(self.part()).map(<[u32]>::to_vec).collect();
        let mut all = EpochMetrics { losses: Vec::new(), correct: 0 };
        for parts in [whole, rest] {
            let images: usize = parts.iter().map(Vec::len).sum();
            if images == 0 {
                continue;
            }
            let shares: Vec<f32> = parts.iter().map(|part| part.len() as f32 / images as f32).collect();
            let streams: Vec<Stream<'_>> = parts.iter().map(|order| Stream { set: TRAIN, order }).collect();
            let (streams, learning_rates) = (&streams[..], &[learning_rate][..]);
            let epoch = Epoch { streams, number: epoch, learning_rates, drop_path, temperature: 1.0 };
            let found = trainer.run(&step(&shares)?, &epoch, monitor)?;
            let steps = found.first().map_or(0, |part| part.losses.len());
            let loss =
                |step: usize| found.iter().zip(&shares).map(|(part, share)| share * part.losses[step]).sum();
            all.losses.extend((0..steps).map(loss).collect::<Vec<f32>>());
            all.correct += found.iter().map(|part| part.correct).sum::<u64>();
        }
        Ok(all)
    }
}

/// A step over parts with these shares of the batch's images.
fn step(shares: &[f32]) -> Result<Step, Error> {
    let group = Group::WEIGHTS;
    let mut parts = vec![Part::Copy { group, from: ZEROS, to: SUM }];
    for (stream, &share) in shares.iter().enumerate() {
        parts.push(Part::Differentiate { stream, running: RunningStatistics::Updated });
        parts.push(Part::Axpy { group, scale: Scale::from(share), from: Vector::Gradients, to: SUM });
    }
    parts.push(Part::Copy { group, from: SUM, to: Vector::Gradients });
    parts.push(Part::Update { group });
    Ok(Step::new(parts)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
