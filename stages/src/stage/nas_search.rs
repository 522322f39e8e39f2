//! Stage `nas-search`: the whole result.

use cache::Fields;
use serde::{Deserialize, Serialize};

use super::{Halt, Inputs, MipReport, SearchOutcome, Stage, TrainedBudget, Trainings, encode};
use crate::{Error, Genotype};

/// Brings together inputs `mip`, `search` and `trained` (the winner's full training). The output is a [`Report`].
#[derive(Clone, Copy, Debug)]
pub struct NasSearch;

/// What a run was for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
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
    fn name(&self) -> &'static str {
        "nas-search"
    }

    fn parameters(&self) -> Result<Fields, Error> {
        Ok(Fields::new())
    }

    fn run(&self, inputs: &Inputs, _: &dyn Trainings) -> Result<Vec<u8>, Halt> {
        let mip: MipReport = inputs.one("mip")?;
        let search: SearchOutcome = inputs.one("search")?;
        let trained: Vec<TrainedBudget> = inputs.one("trained")?;
        let training = trained.first().and_then(|budget| budget.trainings.first());
        let training = training.ok_or_else(|| Halt::Wiring { role: "trained".to_owned() })?;
        encode(&Report {
            mip,
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
