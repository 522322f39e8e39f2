//! The science as nodes of a graph: what each stage reads, what it writes, and what its result depends on.
//!
//! A stage knows nothing of files, caches or devices. It holds handles to the outputs that it reads, has its jobs trained by a
//! [`JobRunner`], and gives back its own output. Everything that changes that output and is not an input is in
//! [`Stage::parameters`], from which the engine builds the key under which the output is remembered.

mod baselines;
mod budget_quality;
mod combined;
mod compare_searches;
mod diverged;
mod evaluate;
mod evaluate_final;
mod fit_forest;
mod given_architectures;
mod given_budget;
mod inputs;
mod jobs;
mod mip;
mod nas_search;
mod one_shot_analysis;
mod prune;
mod race;
mod rank;
mod sample;
mod sample_budgets;
mod search;
mod select_architecture;
mod select_budget;
mod time;
mod train;

use std::error::Error as StdError;

use cache::{Digest, Fields};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::job::JobSummary;
use crate::recipe::Scoring;
use crate::train::{Divergence, TrainingResult};

pub use baselines::{Baselines, BaselinesReport, ScoreBaselines};
pub use budget_quality::{BudgetQuality, BudgetQualityReport, SearchedBudget};
pub use combined::{Combination, Combined, CombinedSearch};
pub use compare_searches::{
    CompareSearches, ComparedSearch, ComparedSearches, ComparedStrategy, FoundArchitecture, SearchComparison,
    Unsearched,
};
pub use diverged::DivergedTraining;
pub use evaluate::{Evaluate, EvaluatedBudget};
pub use evaluate_final::{EvaluateFinal, FinalReport, FinalSource, FinalTraining, Spread};
pub use fit_forest::FitForest;
pub use given_architectures::GivenArchitectures;
pub use given_budget::GivenBudget;
pub use inputs::{Handle, Input, Inputs, decode};
pub use jobs::{JobList, JobTemplate};
pub use mip::{Mip, MipReport, RaceReport, Round, RoundHandles};
pub use nas_search::{
    BestArchitecture, BudgetSource, FreshHandles, NasSearch, NasSearchReport, SearchBudget,
};
pub use one_shot_analysis::{OneShotAnalysis, OneShotReport, OneShotRow, RankedEpoch};
pub use prune::Prune;
pub use race::Racing;
pub use rank::{Rank, RankedBudget};
pub use sample::Sample;
pub use sample_budgets::{DrawnBudgets, ImageKind, SampleBudgets};
pub use search::{Evaluation, Search, SearchOutcome};
pub use select_architecture::SelectArchitecture;
pub use select_budget::SelectBudget;
pub use time::Time;
pub use train::{Architectures, Budgets, Train, TrainedBudget};

/// One kind of node. The engine keys its output by name, version, parameters and the digests of its inputs.
pub trait Stage: Send + Sync {
    /// What it gives. Stored as its bytes, and read by the stages after it.
    type Output: Serialize + DeserializeOwned;

    /// The stage's name as users write it, for example `fit-forest`.
    const NAME: &'static str;

    /// Raised whenever the same parameters and inputs would give another output than before.
    const VERSION: u32 = 1;

    /// Everything other than the inputs that the output depends on, named as in the configuration (`mip.lambda`).
    ///
    /// # Errors
    /// When two parameters have one name, or a number is not a number.
    fn parameters(&self) -> Result<Fields, Error>;

    /// The outputs that [`Stage::run`] reads, each in its role.
    fn inputs(&self) -> Vec<Input>;

    /// Computes the output.
    ///
    /// # Errors
    /// [`StageError::Failed`] when the science itself cannot go on, [`StageError::Untrained`] when trainings are missing; the
    /// others when an input is not what the stage reads.
    fn run(&self, inputs: &Inputs, jobs: &dyn JobRunner) -> Result<Self::Output, StageError>;

    /// The most trainings that [`Stage::run`] can ask for, whatever its inputs turn out to be.
    fn trainings_at_most(&self) -> u64 {
        0
    }

    /// What the trainings that [`Stage::run`] asks for do with the images: each way once, and none where it trains nothing.
    fn image_uses(&self) -> Vec<ImageUse> {
        Vec::new()
    }

    /// Whether [`Stage::run`] has supernets trained, which read images that are in memory.
    fn trains_supernets(&self) -> bool {
        false
    }

    /// Whether [`Stage::run`] asks for all of its trainings before it hears of any.
    fn asks_at_once(&self) -> bool {
        true
    }

    /// Whether the engine keeps, beside the output, how each training that was asked for came about ([`TrainingLog`]).
    fn logs_trainings(&self) -> bool {
        false
    }
}

/// The names of all stages, each with the version of what it gives.
pub const VERSIONS: &[(&str, u32)] = {
    macro_rules! versions {
        ($($stage:ident),* $(,)?) => { &[$((<$stage as Stage>::NAME, <$stage as Stage>::VERSION)),*] };
    }
    versions![
        Baselines,
        BudgetQuality,
        CompareSearches,
        Evaluate,
        EvaluateFinal,
        FitForest,
        GivenArchitectures,
        GivenBudget,
        Mip,
        NasSearch,
        OneShotAnalysis,
        Prune,
        Rank,
        Sample,
        SampleBudgets,
        ScoreBaselines,
        Search,
        SelectArchitecture,
        SelectBudget,
        Time,
        Train,
    ]
};

/// What trainings do with the images of a set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ImageUse {
    /// They are scored, so that something can be chosen or ranked by that.
    Scored(Scoring),
    /// They learn from all training images, and what counts is the accuracy on the test images after the last epoch.
    Final,
}

/// How a training that a stage asked for came about. It is no part of any output, for it may differ each time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrainingLog {
    /// Whether it ran for this stage; otherwise it was in the cache.
    pub ran: bool,
    /// How many results of the stage's trainings had come in before this one.
    pub arrival: u64,
    /// How long the training took, on whatever it ran at the time.
    pub elapsed_ms: u64,
}

/// Who has a stage's jobs trained: it remembers trainings and, if the engine is not merely planning, runs new ones.
pub trait JobRunner: Sync {
    /// The results of `jobs`, in the order of the jobs, each of its job's kind. Jobs that occur twice are done once.
    ///
    /// # Errors
    /// [`StageError::Untrained`] with its cause when at least one of them is not there in the end.
    fn run(&self, jobs: &dyn JobList) -> Result<Vec<JobSummary>, StageError>;

    /// How long trainings took that were done before, by the digests of their keys; `None` where nothing is known of one.
    ///
    /// # Errors
    /// [`StageError::Untrained`] when what is known cannot be read.
    fn elapsed_ms(&self, trainings: &[Digest]) -> Result<Vec<Option<u64>>, StageError>;
}

/// What later stages read of one training. The whole record lies in the cache under `key`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingSummary {
    /// Digest of the training's key.
    pub key: Digest,
    /// What architectures are ranked and searched by: percent correct under the job's scoring; 0 when it diverged.
    pub score: f64,
    /// Where it diverged, if it did.
    pub divergence: Option<Divergence>,
    /// Percent correct on the test images after the last epoch.
    pub test_accuracy: f64,
    /// Trainable numbers of the network, without the auxiliary head.
    pub parameters: u64,
    /// Multiply-adds of one image's forward pass.
    pub mult_adds: u64,
    /// Floating point operations of the whole training, forward and backward.
    pub training_flops: u64,
}

impl TrainingSummary {
    /// Of the result under the key `key`.
    pub fn new(key: Digest, result: &TrainingResult) -> Self {
        Self {
            key,
            score: result.score,
            divergence: result.divergence(),
            test_accuracy: result.test_accuracy,
            parameters: result.parameters,
            mult_adds: result.mult_adds,
            training_flops: result.training_flops,
        }
    }
}

/// Why a stage gave no output.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The stage's own computation failed.
    #[error(transparent)]
    Failed(#[from] Error),
    /// The output of an earlier node is not of the type that this version of its stage writes.
    #[error("the output of node {node} cannot be read ({source}); run again with --force {node}")]
    Unreadable {
        /// The earlier node.
        node: String,
        /// What the decoder says.
        source: cache::Error,
    },
    /// The output of an earlier node is of its type, and yet nothing that its stage writes.
    #[error("the output of node {node} {problem}; run again with --force {node}")]
    Unexpected {
        /// The earlier node.
        node: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The stage reads an output that it does not list among its inputs: a mistake in the stage.
    #[error("the stage reads the output of node number {node}, which is not among its inputs")]
    Undeclared {
        /// The number of the earlier node.
        node: usize,
    },
    /// The output cannot be encoded.
    #[error(transparent)]
    Output(#[from] cache::Error),
    /// The runner gave a result of another kind than the job's: a mistake of its.
    #[error("a job was answered by a result of another kind")]
    OtherKind,
    /// Trainings that the stage needs are missing, failed or were cancelled: the cause is the runner's.
    #[error(transparent)]
    Untrained(Box<dyn StdError + Send + Sync>),
}
