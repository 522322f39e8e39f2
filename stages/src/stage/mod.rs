//! The science as nodes of a graph: what each stage reads, what it writes, and what its result depends on.
//!
//! A stage knows nothing of files, caches or devices. It gets its inputs' outputs as bytes, asks for trainings through
//! [`Trainings`], and gives back the bytes of its own output. Everything that changes that output and is not an input
//! is in [`Stage::parameters`], from which the engine builds the key under which the output is remembered.

mod evaluate;
mod fit_forest;
mod mip;
mod nas_search;
mod prune;
mod rank;
mod sample;
mod sample_budgets;
mod search;
mod select_budget;
mod train;

use std::sync::Arc;

use cache::{Digest, Fields, codec};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::train::TrainJob;

pub use evaluate::{Evaluate, Evaluation};
pub use fit_forest::FitForest;
pub use mip::{Mip, MipReport, Pick, Round};
pub use nas_search::{BestArchitecture, NasSearch, Report};
pub use prune::Prune;
pub use rank::{Rank, RankedBudget};
pub use sample::Sample;
pub use sample_budgets::{DrawnBudgets, ImageKind, SampleBudgets};
pub use search::{Search, SearchOutcome};
pub use select_budget::SelectBudget;
pub use train::{Architectures, Budgets, JobTemplate, Train, TrainedBudget};

/// One kind of node. The engine keys its output by name, version, parameters and the digests of its inputs.
pub trait Stage: Send + Sync {
    /// The stage's name as users write it, for example `fit-forest`.
    fn name(&self) -> &'static str;

    /// Raised whenever the same parameters and inputs would give another output than before.
    fn version(&self) -> u32 {
        1
    }

    /// Everything other than the inputs that the output depends on, named as in the configuration (`mip.lambda`).
    ///
    /// # Errors
    /// When two parameters have one name, or a number is not a number.
    fn parameters(&self) -> Result<Fields, Error>;

    /// Computes the output.
    ///
    /// # Errors
    /// [`Halt::Failed`] when the science itself cannot go on, [`Halt::Wiring`] when an input is not what the stage reads,
    /// [`Halt::Untrained`] when trainings are missing.
    fn run(&self, inputs: &Inputs, trainings: &dyn Trainings) -> Result<Vec<u8>, Halt>;

    /// The most trainings that [`Stage::run`] can ask for, whatever its inputs turn out to be.
    fn trainings_at_most(&self) -> u64 {
        0
    }
}

/// Where a stage gets trained networks from: remembered ones and, if the engine is not merely planning, new ones.
pub trait Trainings: Sync {
    /// The trainings of `jobs`, in the order of the jobs. Jobs that occur twice are trained once.
    ///
    /// # Errors
    /// [`Halt::Untrained`] when at least one of them is not there in the end; why is known to whoever implements this.
    fn train(&self, jobs: &[TrainJob]) -> Result<Vec<Training>, Halt>;
}

/// What later stages read of one training. The whole record lies in the cache under `key`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// Digest of the training's key.
    pub key: Digest,
    /// What architectures are ranked and searched by: percent correct under the job's scoring.
    pub score: f64,
    /// Percent correct on the test images after the last epoch.
    pub test_accuracy: f64,
    /// Trainable numbers of the network, without the auxiliary head.
    pub parameters: u64,
    /// Multiply-adds of one image's forward pass.
    pub mult_adds: u64,
    /// Floating point operations of the whole training, forward and backward.
    pub training_flops: u64,
}

/// Why a stage gave no output.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    /// The stage's own computation failed.
    #[error(transparent)]
    Failed(#[from] Error),
    /// An input is missing or holds something else: the graph is wired wrongly, or a stage changed without a new version.
    #[error(
        "input `{role}` is missing or is not what this stage reads; run it again with --force on the node before it"
    )]
    Wiring {
        /// The input's role.
        role: String,
    },
    /// The output cannot be encoded.
    #[error(transparent)]
    Output(#[from] cache::Error),
    /// Trainings that the stage needs are missing, failed or were cancelled.
    #[error("trainings are missing")]
    Untrained,
}

/// The outputs of a node's inputs, each under the role it plays for the stage.
#[derive(Clone, Default)]
pub struct Inputs {
    outputs: Vec<(String, Arc<[u8]>)>,
}

impl Inputs {
    /// Adds one input's output. Roles may repeat: `trials` of round 1, then of round 2.
    pub fn push(&mut self, role: impl Into<String>, output: Arc<[u8]>) {
        self.outputs.push((role.into(), output));
    }

    /// The one output with this role.
    ///
    /// # Errors
    /// When the role is missing or its bytes are not a `T`: both mean that the graph is wired wrongly or that the
    /// stage that wrote it changed without raising its version.
    pub fn one<T: DeserializeOwned>(&self, role: &str) -> Result<T, Halt> {
        let found = self.outputs.iter().find(|(name, _)| name == role);
        let (_, bytes) = found.ok_or_else(|| Halt::Wiring { role: role.to_owned() })?;
        decode(role, bytes)
    }

    /// The output with this role, or `None` when the node has no such input.
    ///
    /// # Errors
    /// As [`Inputs::one`], a missing role apart.
    pub fn optional<T: DeserializeOwned>(&self, role: &str) -> Result<Option<T>, Halt> {
        let found = self.outputs.iter().find(|(name, _)| name == role);
        found.map(|(_, bytes)| decode(role, bytes)).transpose()
    }

    /// All outputs with this role, in the order in which they were added.
    ///
    /// # Errors
    /// As [`Inputs::one`]; no output at all is an empty list.
    pub fn all<T: DeserializeOwned>(&self, role: &str) -> Result<Vec<T>, Halt> {
        self.outputs.iter().filter(|(name, _)| name == role).map(|(_, bytes)| decode(role, bytes)).collect()
    }
}

/// Reads an output that a stage wrote; `role` names it in the error.
///
/// # Errors
/// [`Halt::Wiring`] when the bytes are not a `T`.
pub fn decode<T: DeserializeOwned>(role: &str, bytes: &[u8]) -> Result<T, Halt> {
    codec::decode(bytes).map_err(|_| Halt::Wiring { role: role.to_owned() })
}

fn encode<T: Serialize>(output: &T) -> Result<Vec<u8>, Halt> {
    Ok(codec::encode(output)?)
}
