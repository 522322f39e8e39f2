//! Stage `rank`: how well each budget orders the architectures as full training does.

use cache::Fields;
use serde::{Deserialize, Serialize};

use super::{DivergedTraining, EvaluatedBudget, Handle, Input, Inputs, JobRunner, Stage, StageError};
use crate::Error;
use crate::mip::{Objective, Trial};
use crate::statistics::{RankQuality, rank_quality, top_of};

/// Holds the ranking under each budget against that of full training; the output is a list of [`RankedBudget`], one a
/// budget.
#[derive(Clone, Copy, Debug)]
pub struct Rank {
    /// The scores of full training.
    pub truth: Handle<Vec<EvaluatedBudget>>,
    /// The scores under each budget.
    pub evaluated: Handle<Vec<EvaluatedBudget>>,
    /// The number by which budgets are compared.
    pub objective: Objective,
    /// Seed of the intervals' bootstrap.
    pub seed: u64,
}

/// One element of the paper's 𝒟, with what is printed beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankedBudget {
    /// The budget b, its mean cost and its agreement with f: the paper's `r_s`, or what is asked for.
    pub trial: Trial,
    /// How well it ranks the architectures, with intervals: `r_s` once more, and what that hides.
    pub quality: RankQuality,
    /// Mean cost of a training under b divided by that under f; the mean is that of the first architectures alone where
    /// racing dropped b.
    pub cost_ratio: f64,
    /// Those of them that diverged under b, which share the last place.
    pub diverged: Vec<DivergedTraining>,
}

impl Stage for Rank {
    type Output = Vec<RankedBudget>;

    const NAME: &'static str = "rank";
    const VERSION: u32 = 4;

    fn parameters(&self) -> Result<Fields, Error> {
        let mut fields = Fields::new().with("mip.seed", self.seed)?;
        self.objective.add_to(&mut fields)?;
        Ok(fields)
    }

    fn inputs(&self) -> Vec<Input> {
        vec![self.truth.role("truth"), self.evaluated.role("evaluated")]
    }

    fn run(&self, inputs: &Inputs, _: &dyn JobRunner) -> Result<Self::Output, StageError> {
        let truth = inputs.read_only(self.truth)?;
        let rank = |evaluated: &EvaluatedBudget| {
            // What racing dropped is judged by the architectures that it was tried on, which are the first ones.
            let count = evaluated.scores.len();
            let truths = truth.scores.get(..count).unwrap_or(&truth.scores);
            let quality = rank_quality(&evaluated.scores, truths, top_of(count), self.seed)?;
            Ok::<_, Error>(RankedBudget {
                trial: Trial {
                    budget: evaluated.budget,
                    cost: evaluated.mean_cost,
                    agreement: self.objective.agreement(&quality),
                    dropped_after: (count < truth.scores.len()).then_some(count as u32),
                },
                quality,
                cost_ratio: evaluated.mean_cost / truth.mean_cost,
                diverged: evaluated.diverged.clone(),
            })
        };
        Ok(inputs.read(self.evaluated)?.iter().map(rank).collect::<Result<_, _>>()?)
    }
}
