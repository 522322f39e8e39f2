//! Stage `rank`: how well each budget orders the architectures as full training does.

use cache::Fields;
use serde::{Deserialize, Serialize};

use super::{DivergedTraining, EvaluatedBudget, Handle, Input, Inputs, JobRunner, Stage, StageError};
use crate::Error;
use crate::mip::Trial;
use crate::rank::correlate;

/// Correlates scores under budgets with those of full training; the output is a list of [`RankedBudget`], one a budget.
#[derive(Clone, Copy, Debug)]
pub struct Rank {
    /// The scores of full training.
    pub truth: Handle<Vec<EvaluatedBudget>>,
    /// The scores under each budget.
    pub evaluated: Handle<Vec<EvaluatedBudget>>,
    /// Seed of the intervals' bootstrap.
    pub seed: u64,
}

/// One element of the paper's 𝒟, with what is printed beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankedBudget {
    /// The budget b, its mean training FLOPs and its rank correlation with f, the paper's `r_s`.
    pub trial: Trial,
    /// Interval (95%) of `r_s` over the architectures.
    pub interval: Option<(f64, f64)>,
    /// Mean training FLOPs under b divided by those under f.
    pub cost_ratio: f64,
    /// How many architectures are ranked.
    pub architectures: u64,
    /// Those of them that diverged under b, which share the last place.
    pub diverged: Vec<DivergedTraining>,
}

impl Stage for Rank {
    type Output = Vec<RankedBudget>;

    fn name(&self) -> &'static str {
        "rank"
    }

    fn version(&self) -> u32 {
        2
    }

    fn parameters(&self) -> Result<Fields, Error> {
        Ok(Fields::new().with("mip.seed", self.seed)?)
    }

    fn inputs(&self) -> Vec<Input> {
        vec![self.truth.role("truth"), self.evaluated.role("evaluated")]
    }

    fn run(&self, inputs: &Inputs, _: &dyn JobRunner) -> Result<Self::Output, StageError> {
        let truth = inputs.read_only(self.truth)?;
        let rank = |evaluated: &EvaluatedBudget| {
            let correlation = correlate(&evaluated.scores, &truth.scores, self.seed)?;
            Ok::<_, Error>(RankedBudget {
                trial: Trial {
                    budget: evaluated.budget,
                    cost: evaluated.mean_training_flops,
                    spearman: correlation.spearman,
                },
                interval: correlation.interval,
                cost_ratio: evaluated.mean_training_flops / truth.mean_training_flops,
                architectures: evaluated.scores.len() as u64,
                diverged: evaluated.diverged.clone(),
            })
        };
        Ok(inputs.read(self.evaluated)?.iter().map(rank).collect::<Result<_, _>>()?)
    }
}
