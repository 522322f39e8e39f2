//! Stage `one-shot-analysis`: how well a supernet ranks its sub-networks, globally and locally (section 5.3 and Table 4
//! of Zheng et al.).

use std::collections::HashMap;

use cache::{Digest, Fields};
use serde::{Deserialize, Serialize};

use super::diverged::diverged;
use super::jobs::{self, JobGrid};
use super::{
    DivergedTraining, EvaluatedBudget, Handle, ImageUse, Input, Inputs, JobRunner, JobTemplate, Stage,
    StageError,
};
use crate::config::OneShotConfig;
use crate::job::{Job, JobSummary};
use crate::search::DenseCells;
use crate::statistics::{RankQuality, rank_quality, top_of};
use crate::supernet::one_shot::{
    OneShotJob, OneShotResult, Schedule, SubNetworksJob, last_distinct, sub_network,
};
use crate::{Error, Genotype};

/// Trains a supernet by each schedule and evaluates its sub-networks after chosen epochs; the output is a
/// [`OneShotReport`].
#[derive(Clone, Debug)]
pub struct OneShotAnalysis {
    /// The sampled set of architectures, 𝒢.
    pub architectures: Handle<Vec<Genotype>>,
    /// Their accuracies under full training, `X_f`.
    pub truth: Handle<Vec<EvaluatedBudget>>,
    /// The supernets, what is evaluated of them and when.
    pub config: OneShotConfig,
    /// What all trainings share. The supernets' seed is that of `config`.
    pub template: JobTemplate,
    /// Seed of the intervals' bootstrap.
    pub interval_seed: u64,
}

/// How well supernets rank.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OneShotReport {
    /// The settings.
    pub settings: OneShotConfig,
    /// A row for each schedule.
    pub rows: Vec<OneShotRow>,
    /// Trainings of local sub-networks that diverged.
    pub diverged: Vec<DivergedTraining>,
}

/// A supernet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OneShotRow {
    /// How it was trained.
    pub schedule: Schedule,
    /// Step at which its loss stopped being a number, if it did.
    pub diverged_at: Option<u64>,
    /// FLOPs of its training.
    pub training_flops: u64,
    /// The chosen epochs, as far as it came.
    pub epochs: Vec<RankedEpoch>,
}

/// A supernet after an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankedEpoch {
    /// Which, from 1.
    pub epoch: u32,
    /// Mean loss of its steps.
    pub loss: f64,
    /// Of the sampled set: accuracies with the supernet's weights against those under full training.
    pub global: RankQuality,
    /// Of the sub-networks just trained: accuracies with the supernet's weights against those under the budget.
    pub local: RankQuality,
    /// Mean accuracy of the sampled set with the supernet's weights, in percent.
    pub global_accuracy: f64,
    /// That of the sub-networks just trained.
    pub local_accuracy: f64,
}

/// What is evaluated after an epoch of a supernet.
struct Evaluated {
    row: usize,
    epoch: u32,
    loss: f64,
    weights: Digest,
    /// The last sub-networks that were trained.
    local: Vec<DenseCells>,
}

impl OneShotAnalysis {
    fn schedules(&self) -> [Schedule; 3] {
        [Schedule::Fair, Schedule::Random, Schedule::RandomLevel { share: self.config.share }]
    }

    fn job(&self, schedule: Schedule) -> OneShotJob {
        OneShotJob {
            schedule,
            budget: self.config.supernet_budget,
            kept: self.config.epochs.clone(),
            seed: self.config.seed,
            data: self.template.data.clone(),
            scoring: self.template.scoring,
            recipe: self.template.recipe.clone(),
        }
    }

    /// The epochs of a supernet whose weights are kept.
    fn evaluated(&self, row: usize, result: &OneShotResult) -> Vec<Evaluated> {
        let one = |(epoch, of): (u32, &crate::supernet::one_shot::OneShotEpoch)| {
            let (schedule, count) = (self.schedules()[row], self.config.sub_networks);
            let local = last_distinct(schedule, self.config.seed, of.steps, count);
            Some(Evaluated { row, epoch, loss: of.loss, weights: of.weights?, local })
        };
        (1..).zip(&result.epochs).filter_map(one).collect()
    }
}

/// An accuracy that counts: where the loss was no number it is 0, as everywhere.
fn scores(accuracies: Vec<Option<f64>>) -> Vec<f64> {
    accuracies.into_iter().map(|accuracy| accuracy.unwrap_or(0.0)).collect()
}

fn mean(accuracies: &[f64]) -> f64 {
    accuracies.iter().sum::<f64>() / accuracies.len().max(1) as f64
}

impl Stage for OneShotAnalysis {
    type Output = OneShotReport;

    const NAME: &'static str = "one-shot-analysis";
    const VERSION: u32 = 3;

    fn parameters(&self) -> Result<Fields, Error> {
        let OneShotConfig { supernet_budget, epochs, share, sub_networks, budget, seed } = &self.config;
        let epochs: Vec<String> = epochs.iter().map(u32::to_string).collect();
        let mut fields = Fields::new()
            .with("one_shot.supernet_budget", supernet_budget.to_string().as_str())?
            .with("one_shot.epochs", epochs.join(" ").as_str())?
            .with("one_shot.share", *share)?
            .with("one_shot.sub_networks", *sub_networks)?
            .with("one_shot.budget", budget.to_string().as_str())?
            .with("one_shot.seed", *seed)?
            .with("mip.seed", self.interval_seed)?;
        self.template.add_to(&mut fields)?;
        Ok(fields)
    }

    fn inputs(&self) -> Vec<Input> {
        vec![self.architectures.role("architectures"), self.truth.role("truth")]
    }

    fn run(&self, inputs: &Inputs, runner: &dyn JobRunner) -> Result<Self::Output, StageError> {
        let architectures = inputs.read(self.architectures)?;
        let truth = inputs.read_only(self.truth)?.scores;
        let sampled: Option<Vec<DenseCells>> = architectures.iter().map(sub_network).collect();
        let sampled = sampled
            .filter(|sampled| sampled.len() == truth.len())
            .ok_or_else(|| inputs.unexpected(self.architectures, "are not those that were fully trained"))?;

        let jobs = self.schedules().map(|schedule| self.job(schedule));
        let supernets = runner.run(&jobs.clone().map(Job::OneShot).to_vec())?;
        let (mut rows, mut evaluated) = (Vec::new(), Vec::new());
        for (row, supernet) in supernets.into_iter().enumerate() {
            let JobSummary::OneShot(result) = supernet else { return Err(StageError::OtherKind) };
            evaluated.extend(self.evaluated(row, &result));
            let OneShotResult { diverged_at, training_flops, .. } = result;
            let schedule = self.schedules()[row];
            rows.push(OneShotRow { schedule, diverged_at, training_flops, epochs: Vec::new() });
        }

        let mut asked = Vec::new();
        for Evaluated { row, weights, local, .. } in &evaluated {
            for cells in [&sampled, local] {
                asked.push(Job::SubNetworks(SubNetworksJob::new(&jobs[*row], *weights, cells.clone())));
            }
        }
        let accuracy = |summary| match summary {
            JobSummary::SubNetworks(result) => Ok(scores(result.accuracies)),
            _ => Err(StageError::OtherKind),
        };
        let accuracies: Vec<Vec<f64>> =
            runner.run(&asked)?.into_iter().map(accuracy).collect::<Result<_, _>>()?;

        // A sub-network that several supernets have just trained is trained once.
        let mut places: HashMap<DenseCells, usize> = HashMap::new();
        let mut alone: Vec<Genotype> = Vec::new();
        for &cells in evaluated.iter().flat_map(|evaluated| &evaluated.local) {
            places.entry(cells).or_insert_with(|| {
                alone.push(cells.genotype());
                alone.len() - 1
            });
        }
        let grid =
            JobGrid { template: &self.template, architectures: &alone, budgets: &[self.config.budget] };
        let trained = jobs::train(runner, &grid)?;
        let quality = |estimates: &[f64], truths: &[f64]| {
            rank_quality(estimates, truths, top_of(truths.len()), self.interval_seed)
        };
        for (of, accuracies) in evaluated.iter().zip(accuracies.chunks(2)) {
            let [sampled, local] = accuracies else { return Err(StageError::OtherKind) };
            let scores: Vec<f64> = of.local.iter().map(|cells| trained[places[cells]].score).collect();
            rows[of.row].epochs.push(RankedEpoch {
                epoch: of.epoch,
                loss: of.loss,
                global: quality(sampled, &truth)?,
                local: quality(local, &scores)?,
                global_accuracy: mean(sampled),
                local_accuracy: mean(local),
            });
        }
        Ok(OneShotReport { settings: self.config.clone(), rows, diverged: diverged(&grid, 0, &trained) })
    }

    fn trainings_at_most(&self) -> u64 {
        let of_an_epoch = 2 + self.config.sub_networks as u64;
        3 * (1 + self.config.epochs.len() as u64 * of_an_epoch)
    }

    fn image_uses(&self) -> Vec<ImageUse> {
        vec![ImageUse::Scored(self.template.scoring)]
    }

    fn trains_supernets(&self) -> bool {
        true
    }

    fn asks_at_once(&self) -> bool {
        false
    }
}
