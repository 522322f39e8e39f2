//! Jobs in a row, each made when it is asked for: a list of a million takes the memory of what tells them apart.

use super::{JobRunner, StageError, TrainingSummary};
use cache::Digest;

use crate::baselines::BaselinesJob;
use crate::config::BaselinesConfig;
use crate::job::{Job, JobSummary};
use crate::recipe::{Recipe, Scoring};
use crate::sample::ArchitectureList;
use crate::search::SupernetStrategy;
use crate::supernet::{SupernetJob, SupernetResult};
use crate::train::{DataId, TrainingJob};
use crate::{Architecture, Budget, Error, Genotype};

/// Jobs by their place in a row.
pub trait JobList: Sync {
    /// How many there are.
    fn count(&self) -> usize;

    /// The job at a place below [`JobList::count`].
    fn job(&self, place: usize) -> Job;

    /// The budget of that job.
    fn budget(&self, place: usize) -> Budget {
        *self.job(place).budget()
    }
}

impl JobList for Vec<Job> {
    fn count(&self) -> usize {
        self.len()
    }

    fn job(&self, place: usize) -> Job {
        self[place].clone()
    }
}

/// Has networks trained.
///
/// # Errors
/// As [`JobRunner::run`].
pub(super) fn train(runner: &dyn JobRunner, jobs: &dyn JobList) -> Result<Vec<TrainingSummary>, StageError> {
    let training = |summary| match summary {
        JobSummary::Network(training) => Ok(training),
        _ => Err(StageError::OtherKind),
    };
    runner.run(jobs)?.into_iter().map(training).collect()
}

/// Has supernets trained; their results, in the order of the jobs.
///
/// # Errors
/// As [`JobRunner::run`].
pub(super) fn train_supernets(
    runner: &dyn JobRunner,
    jobs: Vec<SupernetJob>,
) -> Result<Vec<(Digest, SupernetResult)>, StageError> {
    let result = |summary| match summary {
        JobSummary::Supernet(key, result) => Ok((key, *result)),
        _ => Err(StageError::OtherKind),
    };
    let jobs: Vec<Job> = jobs.into_iter().map(Job::Supernet).collect();
    runner.run(&jobs)?.into_iter().map(result).collect()
}

/// What all trainings of a run share.
#[derive(Clone, Debug)]
pub struct JobTemplate {
    /// The images.
    pub data: DataId,
    /// How a training is scored.
    pub scoring: Scoring,
    /// Optimiser and augmentation.
    pub recipe: Recipe,
    /// Seed of initial weights, order of images, augmentation and drop path.
    pub seed: u64,
}

impl JobTemplate {
    /// The training of an architecture under a budget.
    pub fn job(&self, architecture: impl Into<Architecture>, budget: &Budget) -> TrainingJob {
        TrainingJob {
            architecture: architecture.into(),
            budget: *budget,
            seed: self.seed,
            data: self.data.clone(),
            scoring: self.scoring,
            recipe: self.recipe.clone(),
        }
    }

    /// The search of a supernet under a budget.
    pub fn supernet(&self, strategy: &SupernetStrategy, budget: &Budget, seed: u64) -> SupernetJob {
        SupernetJob {
            method: strategy.method,
            budget: *budget,
            seed,
            data: self.data.clone(),
            scoring: self.scoring,
            recipe: self.recipe.clone(),
            architecture: strategy.architecture,
        }
    }

    /// The baselines of an architecture, with parameters and multiply-adds at the size of full training.
    pub fn baselines(&self, genotype: Genotype, config: &BaselinesConfig, full: &Budget) -> BaselinesJob {
        BaselinesJob {
            genotype,
            budget: config.budget,
            full: *full,
            seed: config.seed,
            data: self.data.clone(),
            scoring: self.scoring,
        }
    }

    /// Adds everything to a stage's parameters.
    pub(super) fn add_to(&self, fields: &mut cache::Fields) -> Result<(), Error> {
        self.data.add_to(fields)?;
        fields.insert("train.seed", self.seed)?;
        self.scoring.add_to(fields)?;
        for (name, value) in self.recipe.fields()?.iter() {
            fields.insert(&format!("train.{name}"), value.clone())?;
        }
        Ok(())
    }
}

/// Every architecture under every budget, in the order of the budgets.
pub(super) struct JobGrid<'a> {
    pub(super) template: &'a JobTemplate,
    pub(super) architectures: &'a dyn ArchitectureList,
    pub(super) budgets: &'a [Budget],
}

impl JobGrid<'_> {
    /// The architecture of a place.
    pub(super) fn architecture(&self, place: usize) -> Genotype {
        self.architectures.architecture(place % self.architectures.count())
    }
}

impl JobList for JobGrid<'_> {
    fn count(&self) -> usize {
        self.architectures.count() * self.budgets.len()
    }

    fn job(&self, place: usize) -> Job {
        Job::Network(self.template.job(self.architecture(place), &self.budget(place)))
    }

    fn budget(&self, place: usize) -> Budget {
        self.budgets[place / self.architectures.count()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::architectures;

    #[test]
    fn a_grid_is_every_architecture_under_every_budget() {
        let template = JobTemplate {
            data: DataId {
                name: "none".to_owned(),
                digest: cache::Digest::of("test", b""),
                augmentation: None,
            },
            scoring: Scoring::default(),
            recipe: Recipe::default(),
            seed: 3,
        };
        let architectures = architectures(0, 3);
        let budgets = [Budget::NAMED[0].1, Budget::NAMED[1].1];
        let grid = JobGrid { template: &template, architectures: &architectures, budgets: &budgets };
        let jobs: Vec<Job> = (0..grid.count()).map(|place| grid.job(place)).collect();
        let expected = budgets.iter().flat_map(|budget| {
            architectures
                .iter()
                .map(|genotype| Job::Network(template.job(genotype, budget)))
                .collect::<Vec<_>>()
        });
        assert_eq!(jobs, expected.collect::<Vec<_>>());
        assert!((0..jobs.len()).all(|place| grid.budget(place) == *jobs[place].budget()));
    }
}
