//! Stage `nas-search`: the whole result.

use cache::Fields;
use serde::{Deserialize, Serialize};

use super::{
    DivergedTraining, Handle, Input, Inputs, JobRunner, MipReport, RankedBudget, SearchOutcome, Stage,
    StageError, TrainedBudget,
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
    /// The winner's full training, with a seed that no choice has seen.
    pub trained: Handle<Vec<TrainedBudget>>,
    /// The budget found, ranked once more with such a seed.
    pub confirmed: Handle<Vec<RankedBudget>>,
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
    /// The same budget, ranked by trainings with a seed that its choice has not seen.
    pub confirmed: RankedBudget,
    /// The search under it.
    pub search: SearchOutcome,
    /// The best architecture that the search found.
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
}

impl Stage for NasSearch {
    type Output = NasSearchReport;

    fn name(&self) -> &'static str {
        "nas-search"
    }

    fn version(&self) -> u32 {
        3
    }

    fn parameters(&self) -> Result<Fields, Error> {
        let mut fields = Fields::new();
        self.scoring.add_to(&mut fields)?;
        Ok(fields)
    }

    fn inputs(&self) -> Vec<Input> {
        vec![
            self.mip.role("mip"),
            self.search.role("search"),
            self.trained.role("trained"),
            self.confirmed.role("confirmed"),
        ]
    }

    fn run(&self, inputs: &Inputs, _: &dyn JobRunner) -> Result<Self::Output, StageError> {
        let search = inputs.read(self.search)?;
        let trained = inputs.read_only(self.trained)?;
        let [training] = trained.trainings.as_slice() else {
            return Err(inputs.unexpected(self.trained, "is not one training"));
        };
        let mip = inputs.read(self.mip)?;
        let confirmed = inputs.read_only(self.confirmed)?;
        let diverged = [&mip.diverged, &search.diverged, &trained.diverged, &confirmed.diverged];
        Ok(NasSearchReport {
            diverged: diverged.into_iter().flatten().cloned().collect(),
            mip,
            scoring: self.scoring,
            confirmed,
            best: BestArchitecture {
                genotype: search.best.clone(),
                parameters: training.parameters,
                mult_adds: training.mult_adds,
                test_accuracy: training.test_accuracy,
                divergence: training.divergence,
            },
            search,
        })
    }
}
