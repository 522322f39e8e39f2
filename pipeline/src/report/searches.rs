//! How searches went: what they met in which order, and a supernet's architecture by epoch.

use std::collections::HashSet;

use serde::Serialize;
use stages::genotype::Operation;
use stages::stage::{Search, SearchOutcome};
use stages::supernet::{SupernetEpoch, SupernetResult};

use crate::engine::recorded::Recorded;

/// A search.
#[derive(Serialize)]
pub(crate) struct SearchStory {
    pub(crate) node: String,
    pub(crate) strategy: String,
    /// What it went by; absent where that was its scores alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) combination: Option<CombinationStory>,
    /// What it had scored, in the order of asking.
    pub(crate) evaluations: Vec<Incumbent>,
    pub(crate) supernet: Option<SupernetStory>,
    pub(crate) found: Option<String>,
}

/// The numbers by which a search placed architectures among the sampled ones.
#[derive(Serialize)]
pub(crate) struct CombinationStory {
    /// Names of baselines and texts of budgets, that of the search first.
    pub(crate) ingredients: Vec<String>,
    /// How many architectures were sampled.
    pub(crate) reference: u64,
}

/// An evaluation, and the best one up to it.
#[derive(Serialize)]
pub(crate) struct Incumbent {
    pub(crate) genotype: String,
    /// In percent; 0 where the training diverged.
    pub(crate) score: f64,
    /// Percent of the sampled architectures that it beats, on average over what the search goes by; absent where that is the
    /// score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mean_place: Option<f64>,
    /// The best so far: its mean place where there is one, and else its score.
    pub(crate) best: f64,
    /// FLOPs of the distinct trainings so far, the supernet's among them.
    pub(crate) flops: f64,
    pub(crate) diverged: bool,
}

/// A supernet.
#[derive(Serialize)]
pub(crate) struct SupernetStory {
    pub(crate) operations: Vec<&'static str>,
    pub(crate) loss: Vec<f64>,
    /// Percent correct on the images that give scores.
    pub(crate) accuracy: Vec<f64>,
    /// Share of skip connections in the normal cell that the epoch decodes to.
    pub(crate) skips: Vec<f64>,
    /// Of normal cells: by epoch and edge (node-major) the weight of each operation, a softmax over those that are left.
    pub(crate) normal: Vec<Vec<Vec<f64>>>,
    pub(crate) reduce: Vec<Vec<Vec<f64>>>,
}

/// All searches of a run.
pub(super) fn of_run(recorded: &Recorded) -> Vec<SearchStory> {
    recorded.of_stage::<Search>().map(|(node, outcome)| SearchStory::of(node, &outcome)).collect()
}

impl SearchStory {
    fn of(node: &str, outcome: &SearchOutcome) -> Self {
        let mut flops = outcome.supernet.as_ref().map_or(0.0, |supernet| supernet.training_flops as f64);
        let mut met = HashSet::new();
        let (mut incumbent, mut best) = (f64::NEG_INFINITY, 0.0);
        let evaluation = |evaluation: &stages::stage::Evaluation| {
            let training = &evaluation.training;
            for (key, of_job) in evaluation.jobs() {
                if met.insert(key) {
                    flops += of_job as f64;
                }
            }
            let mean_place = evaluation.combined.as_ref().map(|combined| combined.standing.mean_place);
            // Told scores go by the mean place and then by the score, and what diverged is told 0, wherever it stands.
            if evaluation.told() > incumbent {
                incumbent = evaluation.told();
                best = mean_place.filter(|_| training.divergence.is_none()).unwrap_or(training.score);
            }
            Incumbent {
                genotype: evaluation.genotype.to_string(),
                score: training.score,
                mean_place,
                best,
                flops,
                diverged: training.divergence.is_some(),
            }
        };
        Self {
            node: node.to_owned(),
            strategy: outcome.strategy.name().to_owned(),
            combination: outcome.combination.as_ref().map(|combination| CombinationStory {
                ingredients: combination.ingredients.iter().map(ToString::to_string).collect(),
                reference: combination.reference,
            }),
            evaluations: outcome.evaluations.iter().map(evaluation).collect(),
            supernet: outcome.supernet.as_ref().map(SupernetStory::of),
            found: outcome.best.as_ref().map(|best| best.genotype.to_string()),
        }
    }
}

impl SupernetStory {
    fn of(supernet: &SupernetResult) -> Self {
        let epochs = &supernet.epochs;
        let weights = |numbers: fn(&SupernetEpoch) -> &Vec<f32>| -> Vec<Vec<Vec<f64>>> {
            epochs
                .iter()
                .map(|epoch| numbers(epoch).chunks(Operation::ALL.len()).map(softmax).collect())
                .collect()
        };
        Self {
            operations: Operation::ALL.iter().map(|operation| operation.name()).collect(),
            loss: epochs.iter().map(|epoch| epoch.loss).collect(),
            accuracy: epochs.iter().map(|epoch| epoch.score_accuracy).collect(),
            skips: epochs.iter().map(|epoch| epoch.skip_share).collect(),
            normal: weights(|epoch| &epoch.normal),
            reduce: weights(|epoch| &epoch.reduce),
        }
    }
}

/// Weights of the operations of an edge: those that it has no more have the least number that there is.
fn softmax(numbers: &[f32]) -> Vec<f64> {
    let most = numbers.iter().copied().fold(f32::MIN, f32::max);
    let raised: Vec<f64> = numbers
        .iter()
        .map(|&number| if number > f32::MIN { f64::from(number - most).exp() } else { 0.0 })
        .collect();
    let sum: f64 = raised.iter().sum();
    raised.iter().map(|weight| weight / sum.max(f64::MIN_POSITIVE)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_that_was_dropped_weighs_nothing() {
        let weights = softmax(&[0.0, f32::MIN, 0.0, -1000.0]);
        assert_eq!(weights, [0.5, 0.0, 0.5, 0.0]);
    }
}
