//! What a search by a supernet gives.

use serde::{Deserialize, Serialize};

use super::decode::{decode, decode_epoch};
use crate::Genotype;
use crate::train::{Divergence, Finished};

/// One epoch of a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SupernetEpoch {
    /// Mean loss of the batches that weights were trained on.
    pub loss: f64,
    /// Mean loss of the batches that the architecture was trained on, before each of its updates; none where it
    /// stayed as it is.
    pub architecture_loss: Option<f64>,
    /// Top-1 accuracy of the supernet in percent, on the images that give the score, after the epoch.
    pub score_accuracy: f64,
    /// The numbers of the mixtures of normal cells after the epoch, edges node-major, operations in the order of
    /// `Operation::ALL`. Those of operations that an edge has no more are the least numbers that there are.
    pub normal: Vec<f32>,
    /// Those of reduction cells.
    pub reduce: Vec<f32>,
    /// The numbers of the weights of normal cells' edges, node-major; none where edges are not weighed.
    pub normal_edges: Vec<f32>,
    /// Those of reduction cells'.
    pub reduce_edges: Vec<f32>,
    /// Share of skip connections among the edges of the normal cell that all these decode to.
    pub skip_share: f64,
}

/// What a search gave: the same for the same job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SupernetResult {
    /// The epochs.
    pub epochs: Vec<SupernetEpoch>,
    /// The architecture after the epoch with the best `score_accuracy` of the last stage, of equal ones the first.
    pub best: Genotype,
    /// The architecture after the last epoch. Without any epoch both are that of the initial numbers.
    pub last: Genotype,
    /// Step at which the loss stopped being a number, if it did.
    pub diverged_at: Option<u64>,
    /// Trained parameters of the first supernet, the architecture's included.
    pub parameters: u64,
    /// Multiply-adds of one image in inference.
    pub mult_adds: u64,
    /// FLOPs of the whole search: forward and backward of one image, times the images of all passes.
    pub training_flops: u64,
}

/// A finished search.
pub type FinishedSupernet = Finished<SupernetResult>;

impl SupernetResult {
    /// The architectures that it found: of the best epoch and of the last one.
    pub fn found(&self) -> Vec<Genotype> {
        let mut found = vec![self.best.canonical(), self.last.canonical()];
        found.dedup();
        found
    }

    /// Where the search diverged, if it did.
    pub fn divergence(&self) -> Option<Divergence> {
        let best_score = self.epochs.iter().map(|epoch| epoch.score_accuracy).reduce(f64::max);
        self.diverged_at.map(|step| Divergence { step, best_score })
    }
}

impl SupernetEpoch {
    /// With what follows from the numbers.
    pub(super) fn new(
        loss: f64,
        architecture_loss: Option<f64>,
        score_accuracy: f64,
        [normal, reduce]: [Vec<f32>; 2],
        [normal_edges, reduce_edges]: [Vec<f32>; 2],
        most_skips: usize,
    ) -> Self {
        let mut epoch = Self {
            loss,
            architecture_loss,
            score_accuracy,
            normal,
            reduce,
            normal_edges,
            reduce_edges,
            skip_share: 0.0,
        };
        epoch.skip_share = decode_epoch(&epoch, most_skips).normal.skips();
        epoch
    }
}

/// The architectures of the best and of the last of some epochs.
pub(super) fn genotypes(
    epochs: &[SupernetEpoch],
    most_skips: usize,
    initial: &[Vec<f32>; 2],
) -> [Genotype; 2] {
    let best = epochs.iter().reduce(
        |best, next| {
            if next.score_accuracy > best.score_accuracy { next } else { best }
        },
    );
    [best, epochs.last()].map(|epoch| match epoch {
        Some(epoch) => decode_epoch(epoch, most_skips),
        None => decode(&initial[0], &initial[1]),
    })
}
