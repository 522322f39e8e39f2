//! One training of a pack: what it takes, and what a pass gave it.

use super::format::STEP_STRIDE;
use super::lowering::Kernel;
use super::memory::StateWords;
use super::prepare::PreparedMember;
use super::run::{MemberPass, Outcome};
use crate::backend::{DataPass, EpochMetrics, Evaluation, Setup};
use crate::error::Error;
use crate::preprocess::ImageSet;
use crate::program::plan::MemoryPlan;

/// One training of a pack.
pub(super) struct Member {
    pub(super) state: StateWords,
    /// Weight of each head's loss in training, and whether its answers count; the main head is the one that does.
    pub(super) heads: Vec<(f32, bool)>,
    pub(super) batch: usize,
    pub(super) memory_plan: MemoryPlan,
}

impl Member {
    pub(super) fn new(setup: &Setup<dyn Kernel>, prepared: PreparedMember, dispatches: usize) -> Self {
        let Setup { tables, settings, sets, .. } = setup;
        let PreparedMember { state, arena_bytes, buffers, unshared, .. } = prepared;
        let [state_bytes, gradients, small] = state.bytes();
        let labels = sets.iter().map(|set| size_of_val(set.labels()) as u64).sum::<u64>();
        let memory_plan = MemoryPlan {
            activations: arena_bytes as u64,
            unshared: unshared as u64,
            evaluation: 0,
            state: state_bytes,
            gradients,
            // Labels lie among the words, and are part of the images.
            scratch: small + state.segment_rows as u64 * STEP_STRIDE - labels,
            data: sets.iter().map(ImageSet::bytes).sum(),
            buffers: buffers as u64,
            calls: dispatches as u64,
            moved: setup.train.moved(settings.batch_size, settings.float_bits),
        };
        Self {
            heads: tables.heads.iter().map(|head| (head.weight, !head.training_only)).collect(),
            state,
            batch: settings.batch_size,
            memory_plan,
        }
    }

    pub(super) fn in_pass<'a>(
        &'a self,
        setup: &'a Setup<dyn Kernel>,
        pass: &'a DataPass<'a>,
    ) -> MemberPass<'a> {
        let Self { state, heads, batch, .. } = self;
        let (groups, seed) = (&setup.settings.groups[..], setup.settings.seed);
        MemberPass { pass, groups, state, batch: *batch, heads: heads.len(), seed }
    }

    pub(super) fn trained(&self, pass: &DataPass<'_>, outcome: Outcome) -> Result<Vec<EpochMetrics>, Error> {
        let Outcome { rows, cancelled } = outcome;
        if cancelled {
            return Err(Error::Cancelled);
        }
        let mut metrics = pass.metrics();
        let differentiations: Vec<_> = pass.step.differentiations().collect();
        for (number, row) in rows.iter().enumerate() {
            let (step, place) = (number / differentiations.len(), number % differentiations.len());
            let images = pass.batch(differentiations[place].0, step, self.batch).len() as f32;
            let mut loss = 0.0;
            for (&[sum, hits], &(weight, main)) in row.iter().zip(&self.heads) {
                loss += weight * (sum / images);
                metrics[place].correct += if main { hits as u64 } else { 0 };
            }
            if !loss.is_finite() {
                return Err(Error::NonFinite { step: pass.first_step + step as u64, epoch: pass.epoch });
            }
            metrics[place].losses.push(loss);
        }
        Ok(metrics)
    }

    pub(super) fn evaluated(&self, pass: &DataPass<'_>, outcome: Outcome) -> Result<Evaluation, Error> {
        let Outcome { rows, cancelled } = outcome;
        if cancelled {
            return Err(Error::Cancelled);
        }
        let images = pass.streams.iter().map(|stream| stream.order.len() as u64).sum();
        let mut evaluation = Evaluation { correct: 0, images, loss: 0.0 };
        for row in rows {
            // The auxiliary head is not evaluated.
            for (&[sum, hits], &(weight, _)) in row.iter().zip(&self.heads).filter(|(_, head)| head.1) {
                evaluation.correct += hits as u64;
                evaluation.loss += f64::from(weight) * f64::from(sum);
            }
        }
        evaluation.loss /= (images as f64).max(1.0);
        Ok(evaluation)
    }
}
