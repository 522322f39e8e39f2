//! Stage `nas-search`: the whole result.

use cache::Fields;
use serde::{Deserialize, Serialize};

use super::{Handle, Input, Inputs, JobRunner, MipReport, SearchOutcome, Stage, StageError, TrainedBudget};
use crate::{Error, Genotype};

/// Brings everything together. The output is a [`NasSearchReport`].
#[derive(Clone, Copy, Debug)]
pub struct NasSearch {
    /// The budget found, and how.
    pub mip: Handle<MipReport>,
    /// The search under it.
    pub search: Handle<SearchOutcome>,
    /// The winner's full training.
    pub trained: Handle<Vec<TrainedBudget>>,
}

/// What a run was for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NasSearchReport {
    /// The budget found, and how.
    pub mip: MipReport,
    /// The best architecture that the search under it met.
    pub best: BestArchitecture,
}

/// An architecture after its full training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestArchitecture {
    /// The architecture.
    pub genotype: Genotype,
    /// Trainable numbers of the full network, without the auxiliary head.
    pub parameters: u64,
    /// Multiply-adds of one image's forward pass.
    pub mult_adds: u64,
    /// Percent correct on the test images, which no choice has seen.
    pub test_accuracy: f64,
    /// Its score under the budget found, by which it won.
    pub search_score: f64,
    /// How many architectures it won against, itself included.
    pub scored: u64,
}

impl Stage for NasSearch {
    type Output = NasSearchReport;

    fn name(&self) -> &'static str {
        "nas-search"
    }

    fn parameters(&self) -> Result<Fields, Error> {
        Ok(Fields::new())
    }

    fn inputs(&self) -> Vec<Input> {
        vec![self.mip.role("mip"), self.search.role("search"), self.trained.role("trained")]
    }

    fn run(&self, inputs: &Inputs, _: &dyn JobRunner) -> Result<Self::Output, StageError> {
        let search = inputs.read(self.search)?;
        let trained = inputs.read_only(self.trained)?;
        let [training] = trained.trainings.as_slice() else {
            return Err(inputs.unexpected(self.trained, "is not one training"));
        };
        Ok(NasSearchReport {
            mip: inputs.read(self.mip)?,
            best: BestArchitecture {
                genotype: search.best,
                parameters: training.parameters,
                mult_adds: training.mult_adds,
                test_accuracy: training.test_accuracy,
                search_score: search.training.score,
                scored: search.scored,
            },
        })
    }
}
