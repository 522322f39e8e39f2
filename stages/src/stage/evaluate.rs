//! Stage `evaluate`: what the trainings under each budget say about the architectures, and what they cost.

use cache::Fields;
use serde::{Deserialize, Serialize};

use super::{DivergedTraining, Handle, Input, Inputs, JobRunner, Stage, StageError, TrainedBudget};
use crate::{Budget, Error};

/// The output is a list of [`EvaluatedBudget`], one a budget.
#[derive(Clone, Copy, Debug)]
pub struct Evaluate {
    /// The trainings.
    pub trained: Handle<Vec<TrainedBudget>>,
    /// How long they took, where that is their cost.
    pub seconds: Option<Handle<Vec<f64>>>,
}

/// The architectures under one budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluatedBudget {
    /// The budget.
    pub budget: Budget,
    /// The score of each architecture in percent, in the order of the architectures: the paper's `R_b`. Of the first
    /// ones only where racing dropped the budget.
    pub scores: Vec<f64>,
    /// Those that diverged; their scores are 0.
    pub diverged: Vec<DivergedTraining>,
    /// Floating point operations of a training, or the seconds that it took, averaged over these
    /// architectures.
    pub mean_cost: f64,
}

impl Stage for Evaluate {
    type Output = Vec<EvaluatedBudget>;

    const NAME: &'static str = "evaluate";
    const VERSION: u32 = 2;

    fn parameters(&self) -> Result<Fields, Error> {
        Ok(Fields::new())
    }

    fn inputs(&self) -> Vec<Input> {
        let seconds = self.seconds.map(|seconds| seconds.role("seconds"));
        [self.trained.role("trained")].into_iter().chain(seconds).collect()
    }

    fn run(&self, inputs: &Inputs, _: &dyn JobRunner) -> Result<Self::Output, StageError> {
        let mut evaluated: Vec<EvaluatedBudget> =
            inputs.read(self.trained)?.into_iter().map(evaluated).collect();
        if let Some(seconds) = inputs.read_optional(self.seconds)? {
            for (budget, seconds) in evaluated.iter_mut().zip(seconds) {
                budget.mean_cost = seconds;
            }
        }
        Ok(evaluated)
    }
}

fn evaluated(trained: TrainedBudget) -> EvaluatedBudget {
    let flops = trained.trainings.iter().map(|training| training.training_flops as f64);
    EvaluatedBudget {
        budget: trained.budget,
        scores: trained.trainings.iter().map(|training| training.score).collect(),
        mean_cost: flops.sum::<f64>() / trained.trainings.len().max(1) as f64,
        diverged: trained.diverged,
    }
}
