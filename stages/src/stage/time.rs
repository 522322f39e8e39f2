//! Stage `time`: how long the trainings under each budget took where they ran.

use cache::{Digest, Fields};

use super::{Handle, Input, Inputs, JobRunner, Stage, StageError, TrainedBudget};
use crate::Error;

/// The output is the mean seconds of a training, one number a budget. It is remembered for what was trained: what reads it has
/// the seconds in its key, and keeps them where a training is found again, or done again elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    /// The trainings.
    pub trained: Handle<Vec<TrainedBudget>>,
}

impl Stage for Time {
    type Output = Vec<f64>;

    const NAME: &'static str = "time";

    fn parameters(&self) -> Result<Fields, Error> {
        Ok(Fields::new())
    }

    fn inputs(&self) -> Vec<Input> {
        vec![self.trained.role("trained")]
    }

    fn run(&self, inputs: &Inputs, jobs: &dyn JobRunner) -> Result<Self::Output, StageError> {
        let mean = |budget: TrainedBudget| {
            let keys: Vec<Digest> = budget.trainings.iter().map(|training| training.key).collect();
            let known: Vec<u64> = jobs.elapsed_ms(&keys)?.into_iter().flatten().collect();
            if known.len() < keys.len() {
                let problem = format!(
                    "{} of {} trainings under {} are in the cache no longer, and only their records say how long they took; \
                     run again with --force on their train node, or set mip.cost = \"flops\"",
                    keys.len() - known.len(),
                    keys.len(),
                    budget.budget
                );
                return Err(Error::Numbers { what: "seconds", problem }.into());
            }
            // What took less than a millisecond took some time.
            let sum: u64 = known.iter().map(|elapsed| (*elapsed).max(1)).sum();
            Ok(sum as f64 / 1000.0 / known.len().max(1) as f64)
        };
        inputs.read(self.trained)?.into_iter().map(mean).collect()
    }
}
