//! Stage `evaluate`: what the trainings under each budget say about the architectures, and what they cost.

use cache::Fields;
use serde::{Deserialize, Serialize};

use super::{Halt, Inputs, Stage, TrainedBudget, Trainings, encode};
use crate::{Budget, Error};

/// Reads input `trained`; the output is a list of [`Evaluation`], one a budget.
#[derive(Clone, Copy, Debug)]
pub struct Evaluate;

/// The architectures under one budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The budget.
    pub budget: Budget,
    /// The score of each architecture in percent, in the order of the architectures: the paper's `R_b`.
    pub scores: Vec<f64>,
    /// Floating point operations of a training, averaged over the architectures.
    pub mean_training_flops: f64,
}

impl Stage for Evaluate {
    fn name(&self) -> &'static str {
        "evaluate"
    }

    fn parameters(&self) -> Result<Fields, Error> {
        Ok(Fields::new())
    }

    fn run(&self, inputs: &Inputs, _: &dyn Trainings) -> Result<Vec<u8>, Halt> {
        let trained: Vec<TrainedBudget> = inputs.one("trained")?;
        encode(&trained.iter().map(evaluation).collect::<Vec<_>>())
    }
}

fn evaluation(trained: &TrainedBudget) -> Evaluation {
    let flops = trained.trainings.iter().map(|training| training.training_flops as f64);
    Evaluation {
        budget: trained.budget,
        scores: trained.trainings.iter().map(|training| training.score).collect(),
        mean_training_flops: flops.sum::<f64>() / trained.trainings.len().max(1) as f64,
    }
}
