//! Stage `nas-search`: the whole result.

use cache::Fields;
use serde::{Deserialize, Serialize};

use super::{
    DivergedTraining, Handle, Input, Inputs, JobRunner, MipReport, SearchOutcome, Stage, StageError,
    TrainedBudget,
};
use crate::recipe::Scoring;
use crate::train::Divergence;
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
    /// How the trainings that chose it were scored.
    pub scoring: Scoring,
}

/// What a run was for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NasSearchReport {
    /// The budget found, and how.
    pub mip: MipReport,
    /// How trainings were scored, in the choice of the budget and in the search.
    pub scoring: Scoring,
    /// The best architecture that the search under it met.
    pub best: BestArchitecture,
    /// Every training that diverged, on the way to the budget, in the search and at its end.
    pub diverged: Vec<DivergedTraining>,
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
    /// Percent correct on the test images after the last epoch of a full training on all training images. Whether choices
    /// depend on the same test images, [`NasSearchReport::scoring`] says.
    pub test_accuracy: f64,
    /// Where that training diverged, if it did; then there is no accuracy.
    pub divergence: Option<Divergence>,
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

    fn version(&self) -> u32 {
        2
    }

    fn parameters(&self) -> Result<Fields, Error> {
        let mut fields = Fields::new();
        self.scoring.add_to(&mut fields)?;
        Ok(fields)
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
        let mip = inputs.read(self.mip)?;
        let diverged = [&mip.diverged, &search.diverged, &trained.diverged].map(|list| list.iter().cloned());
        Ok(NasSearchReport {
            diverged: diverged.into_iter().flatten().collect(),
            mip,
            scoring: self.scoring,
            best: BestArchitecture {
                genotype: search.best,
                parameters: training.parameters,
                mult_adds: training.mult_adds,
                test_accuracy: training.test_accuracy,
                divergence: training.divergence,
                search_score: search.training.score,
                scored: search.scored,
            },
        })
    }
}
