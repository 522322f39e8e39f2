//! What a stage has done for it: jobs, each with a key, a size and a result that is remembered. One engine, executor,
//! progress and kind of record serves all of them.

use cache::{Digest, Key, Record};
use kernels::{Device, MemoryPlan};

use crate::baselines::{self, BaselineScores, BaselinesJob};
use crate::checkpoint::Checkpoints;
use crate::data::Dataset;
use crate::stage::TrainingSummary;
use crate::supernet::one_shot::{
    self, OneShotJob, OneShotResult, SubNetworksJob, SubNetworksResult, WeightFiles,
};
use crate::supernet::{self, SupernetJob, SupernetResult};
use crate::train::{Divergence, Finished, Observer, TrainingJob, TrainingResult};
use crate::{Budget, Error};

/// A job of any kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Job {
    /// Trains the network of an architecture.
    Network(TrainingJob),
    /// Trains a supernet, and reads architectures from it.
    Supernet(SupernetJob),
    /// Trains a supernet's sub-networks, one a step, and keeps the weights that they share.
    OneShot(OneShotJob),
    /// Evaluates sub-networks with such weights.
    SubNetworks(SubNetworksJob),
    /// Scores an architecture without a training.
    Baselines(BaselinesJob),
}

/// What a job gave: the same for the same job, whatever it ran on.
#[derive(Clone, Debug, PartialEq)]
pub enum JobResult {
    /// Of [`Job::Network`].
    Network(TrainingResult),
    /// Of [`Job::Supernet`].
    Supernet(Box<SupernetResult>),
    /// Of [`Job::OneShot`]. It names files of weights, and is worth nothing without them.
    OneShot(OneShotResult),
    /// Of [`Job::SubNetworks`].
    SubNetworks(SubNetworksResult),
    /// Of [`Job::Baselines`].
    Baselines(BaselineScores),
}

/// What stages read of a job's result. The whole record lies in the cache.
#[derive(Clone, Debug, PartialEq)]
pub enum JobSummary {
    /// Of [`Job::Network`].
    Network(TrainingSummary),
    /// Of [`Job::Supernet`]: the digest of its key, and all of its result.
    Supernet(Digest, Box<SupernetResult>),
    /// Of [`Job::OneShot`]: all of its result.
    OneShot(OneShotResult),
    /// Of [`Job::SubNetworks`]: all of its result.
    SubNetworks(SubNetworksResult),
    /// Of [`Job::Baselines`]: the digest of its key, and all of its result.
    Baselines(Digest, BaselineScores),
}

impl JobSummary {
    /// Where its loss stopped being a number, if it did.
    pub fn divergence(&self) -> Option<Divergence> {
        match self {
            Self::Network(training) => training.divergence,
            Self::Supernet(_, result) => result.divergence(),
            Self::OneShot(result) => result.divergence(),
            Self::SubNetworks(_) | Self::Baselines(..) => None,
        }
    }
}

impl Job {
    /// The key of its result.
    ///
    /// # Errors
    /// When a number of the job cannot be part of a key.
    pub fn key(&self) -> Result<Key, Error> {
        match self {
            Self::Network(job) => job.key(),
            Self::Supernet(job) => job.key(),
            Self::OneShot(job) => job.key(),
            Self::SubNetworks(job) => job.key(),
            Self::Baselines(job) => job.key(),
        }
    }

    /// The budget that it is done under.
    pub fn budget(&self) -> &Budget {
        match self {
            Self::Network(job) => &job.budget,
            Self::Supernet(job) => &job.budget,
            Self::OneShot(job) => &job.budget,
            Self::SubNetworks(job) => job.budget(),
            Self::Baselines(job) => &job.budget,
        }
    }

    /// Whether it trains several networks, one after the other, and not one.
    pub fn trains_several(&self) -> bool {
        matches!(self, Self::Supernet(job) if job.method.stages(&job.budget).len() > 1)
    }

    /// What it trains, as messages name it.
    pub fn subject(&self) -> String {
        match self {
            Self::Network(job) => job.architecture.to_string(),
            Self::Supernet(job) => format!("the supernet of {}", job.method.name()),
            Self::OneShot(job) => format!("the one-shot supernet {}", job.schedule.label()),
            Self::SubNetworks(job) => {
                format!("{} sub-networks of the weights {}", job.sub_networks.len(), job.weights)
            }
            Self::Baselines(job) => format!("the baselines of {}", job.genotype),
        }
    }

    /// Does it, or goes on from its last checkpoint. Evaluations of sub-networks and baselines keep none.
    ///
    /// # Errors
    /// When the budget does not fit the network, the device fails, weights are missing or cannot be kept, or the observer
    /// stops it.
    pub fn run(
        &self,
        data: &Dataset,
        device: &Device,
        observer: &dyn Observer,
        checkpoints: &dyn Checkpoints,
        files: &dyn WeightFiles,
    ) -> Result<Finished<JobResult>, Error> {
        match self {
            Self::Network(job) => {
                Ok(crate::train::train(job, data, device, observer, checkpoints)?.map(JobResult::Network))
            }
            Self::Supernet(job) => Ok(supernet::search(job, data, device, observer, checkpoints)?
                .map(|result| JobResult::Supernet(Box::new(result)))),
            Self::OneShot(job) => {
                let trained = one_shot::train_one_shot(job, data, device, observer, checkpoints, files)?;
                Ok(trained.map(JobResult::OneShot))
            }
            Self::SubNetworks(job) => {
                let evaluated = one_shot::evaluate(job, data, device, observer, files)?;
                Ok(evaluated.map(JobResult::SubNetworks))
            }
            Self::Baselines(job) => {
                Ok(baselines::score(job, data, device, observer)?.map(JobResult::Baselines))
            }
        }
    }

    /// The memory that it would take on a device, as it is planned for it.
    ///
    /// # Errors
    /// When the budget does not fit the network, or the training the device.
    pub fn memory_plan(&self, data: &Dataset, device: &Device) -> Result<MemoryPlan, Error> {
        match self {
            Self::Network(job) => crate::train::memory_plan(job, data, device),
            Self::Supernet(job) => supernet::memory_plan(job, data, device),
            Self::OneShot(job) => one_shot::one_shot_memory_plan(job, data, device),
            Self::SubNetworks(job) => one_shot::sub_networks_memory_plan(job, data, device),
            Self::Baselines(job) => baselines::baselines_memory_plan(job, data, device),
        }
    }

    /// The result of this job in a record; none where the record holds something else.
    pub fn read(&self, record: &Record) -> Option<JobResult> {
        match self {
            Self::Network(_) => record.value().ok().map(JobResult::Network),
            Self::Supernet(_) => record.value().ok().map(|result| JobResult::Supernet(Box::new(result))),
            Self::OneShot(_) => record.value().ok().map(JobResult::OneShot),
            Self::SubNetworks(_) => record.value().ok().map(JobResult::SubNetworks),
            Self::Baselines(_) => record.value().ok().map(JobResult::Baselines),
        }
    }
}

impl JobResult {
    /// A record of it under the job's key.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn record(&self, key: Key) -> Result<Record, cache::Error> {
        match self {
            Self::Network(result) => Record::of(key, result),
            Self::Supernet(result) => Record::of(key, &**result),
            Self::OneShot(result) => Record::of(key, result),
            Self::SubNetworks(result) => Record::of(key, result),
            Self::Baselines(result) => Record::of(key, result),
        }
    }

    /// The files of weights that it names: without each of them it counts as not there.
    pub fn weights(&self) -> Vec<Digest> {
        match self {
            Self::OneShot(result) => result.weights().copied().collect(),
            Self::Network(_) | Self::Supernet(_) | Self::SubNetworks(_) | Self::Baselines(_) => Vec::new(),
        }
    }

    /// Floating point operations of the whole job, forward and backward.
    pub fn training_flops(&self) -> u64 {
        match self {
            Self::Network(result) => result.training_flops,
            Self::Supernet(result) => result.training_flops,
            Self::OneShot(result) => result.training_flops,
            Self::SubNetworks(result) => result.flops,
            Self::Baselines(result) => result.flops,
        }
    }

    /// What stages read of the result under this key.
    pub fn summary(self, key: &Key) -> JobSummary {
        match self {
            Self::Network(result) => JobSummary::Network(TrainingSummary::new(*key.digest(), &result)),
            Self::Supernet(result) => JobSummary::Supernet(*key.digest(), result),
            Self::OneShot(result) => JobSummary::OneShot(result),
            Self::SubNetworks(result) => JobSummary::SubNetworks(result),
            Self::Baselines(result) => JobSummary::Baselines(*key.digest(), result),
        }
    }
}
