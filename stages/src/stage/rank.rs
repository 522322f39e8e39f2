//! Stage `rank`: how well each budget orders the architectures as full training does.

use cache::Fields;
use serde::{Deserialize, Serialize};

use super::{Evaluation, Halt, Inputs, Stage, Trainings, encode};
use crate::Error;
use crate::mip::Trial;
use crate::rank::correlate;

/// Correlates input `evaluated` with input `truth`; the output is a list of [`RankedBudget`], one a budget.
#[derive(Clone, Copy, Debug)]
pub struct Rank {
    /// Seed of the intervals' bootstrap.
    pub seed: u64,
}

/// One element of the paper's 𝒟, with what is printed beside it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankedBudget {
    /// The budget b, its mean training FLOPs and its rank correlation with f, the paper's `r_s`.
    pub trial: Trial,
    /// Interval (95%) of `r_s` over the architectures.
    pub interval: Option<(f64, f64)>,
    /// Mean training FLOPs under b divided by those under f.
    pub cost_ratio: f64,
}

impl Stage for Rank {
    fn name(&self) -> &'static str {
        "rank"
    }

    fn parameters(&self) -> Result<Fields, Error> {
        Ok(Fields::new().with("mip.seed", self.seed)?)
    }

    fn run(&self, inputs: &Inputs, _: &dyn Trainings) -> Result<Vec<u8>, Halt> {
        let truth: Vec<Evaluation> = inputs.one("truth")?;
        let evaluated: Vec<Evaluation> = inputs.one("evaluated")?;
        let [truth] = truth.as_slice() else { return Err(Halt::Wiring { role: "truth".to_owned() }) };
        let rank = |evaluation: &Evaluation| {
            let correlation = correlate(&evaluation.scores, &truth.scores, self.seed)?;
            Ok::<_, Error>(RankedBudget {
                trial: Trial {
                    budget: evaluation.budget,
                    cost: evaluation.mean_training_flops,
                    spearman: correlation.spearman,
                },
                interval: correlation.interval,
                cost_ratio: evaluation.mean_training_flops / truth.mean_training_flops,
            })
        };
        encode(&evaluated.iter().map(rank).collect::<Result<Vec<_>, _>>()?)
    }
}
