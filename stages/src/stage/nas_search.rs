//! Stage `nas-search`: the whole result.

use cache::Fields;
use serde::{Deserialize, Serialize};

use super::{
    DivergedTraining, EvaluatedBudget, Evaluation, Handle, Input, Inputs, JobRunner, MipReport, RankedBudget,
    SearchOutcome, Stage, StageError, TrainedBudget, TrainingSummary,
};
use crate::recipe::Scoring;
use crate::train::Divergence;
use crate::{Budget, Error, Genotype};

/// Brings everything together. The output is a [`NasSearchReport`].
#[derive(Clone, Copy, Debug)]
pub struct NasSearch {
    /// The budget.
    pub budget: BudgetSource,
    /// The search under it. One that found nothing ends the run.
    pub search: Handle<SearchOutcome>,
    /// The winner's full training, with a seed that no choice has seen.
    pub trained: Handle<Vec<TrainedBudget>>,
    /// How the trainings that chose it were scored.
    pub scoring: Scoring,
}

/// Where the budget of a search comes from.
#[derive(Clone, Copy, Debug)]
pub enum BudgetSource {
    /// Minimum importance pruning.
    Found {
        /// What it found, and how.
        mip: Handle<MipReport>,
        /// The budget found, ranked once more with a seed that its choice has not seen.
        confirmed: Handle<Vec<RankedBudget>>,
        /// The same by architectures that its choice has not seen either, where they are asked for.
        fresh: Option<FreshHandles>,
    },
    /// The configuration (`search.budget`).
    Given(Handle<Budget>),
}

/// How the budget found ranks architectures that no choice has seen.
#[derive(Clone, Copy, Debug)]
pub struct FreshHandles {
    /// Their full training.
    pub truth: Handle<Vec<EvaluatedBudget>>,
    /// The budget's agreement with it.
    pub ranked: Handle<Vec<RankedBudget>>,
}

/// The budget of a search, by where it comes from, as [`BudgetSource`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SearchBudget {
    /// What minimum importance pruning found.
    Found {
        /// The budget, and how it was found.
        mip: Box<MipReport>,
        /// The same budget, ranked by trainings with a seed that its choice has not seen.
        confirmed: Box<RankedBudget>,
        /// The same by architectures, trained with that seed, that its choice has not seen either; none where none are asked
        /// for.
        fresh: Option<Box<RankedBudget>>,
    },
    /// What the configuration gave.
    Given(Budget),
}

/// What a run was for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NasSearchReport {
    /// The budget.
    pub budget: SearchBudget,
    /// How trainings were scored, in the choice of the budget and in the search.
    pub scoring: Scoring,
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
    /// Its score under the budget of the search.
    pub score: f64,
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

    const NAME: &'static str = "nas-search";
    const VERSION: u32 = 9;

    fn parameters(&self) -> Result<Fields, Error> {
        let mut fields = Fields::new();
        self.scoring.add_to(&mut fields)?;
        Ok(fields)
    }

    fn inputs(&self) -> Vec<Input> {
        let mut list = vec![self.search.role("search"), self.trained.role("trained")];
        match self.budget {
            BudgetSource::Found { mip, confirmed, fresh } => {
                list.extend([mip.role("mip"), confirmed.role("confirmed")]);
                let fresh = fresh.map(|fresh| [fresh.truth.role("fresh truth"), fresh.ranked.role("fresh")]);
                list.extend(fresh.into_iter().flatten());
            }
            BudgetSource::Given(budget) => list.push(budget.role("budget")),
        }
        list
    }

    fn run(&self, inputs: &Inputs, _: &dyn JobRunner) -> Result<Self::Output, StageError> {
        let search = inputs.read(self.search)?;
        let Evaluation { genotype, training: TrainingSummary { score, .. }, .. } = search.found()?.clone();
        let trained = inputs.read_only(self.trained)?;
        let [training] = trained.trainings.as_slice() else {
            return Err(inputs.unexpected(self.trained, "is not one training"));
        };
        let mut diverged = [&search.diverged[..], &trained.diverged[..]].concat();
        let mut of_reference =
            search.combination.as_ref().map_or_else(Vec::new, |combination| combination.diverged.clone());
        let budget = match self.budget {
            BudgetSource::Found { mip, confirmed, fresh } => {
                let (mip, confirmed) = (Box::new(inputs.read(mip)?), Box::new(inputs.read_only(confirmed)?));
                // Under the budget found the sampled architectures were trained when it was chosen.
                of_reference.retain(|one| !mip.diverged.contains(one));
                diverged.splice(..0, mip.diverged.iter().cloned().chain(std::mem::take(&mut of_reference)));
                diverged.extend(confirmed.diverged.iter().cloned());
                let fresh = fresh
                    .map(|FreshHandles { truth, ranked }| {
                        let ranked = inputs.read_only(ranked)?;
                        diverged.extend(inputs.read_only(truth)?.diverged);
                        diverged.extend(ranked.diverged.iter().cloned());
                        Ok::<_, StageError>(Box::new(ranked))
                    })
                    .transpose()?;
                SearchBudget::Found { mip, confirmed, fresh }
            }
            BudgetSource::Given(budget) => SearchBudget::Given(inputs.read(budget)?),
        };
        diverged.splice(..0, of_reference);
        Ok(NasSearchReport {
            diverged,
            budget,
            scoring: self.scoring,
            best: BestArchitecture {
                genotype,
                score,
                parameters: training.parameters,
                mult_adds: training.mult_adds,
                test_accuracy: training.test_accuracy,
                divergence: training.divergence,
            },
            search,
        })
    }
}
