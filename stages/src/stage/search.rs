//! Stage `search`: architectures proposed by a strategy, trained under the budget found, the best kept.

use cache::Fields;
use serde::{Deserialize, Serialize};

use super::diverged::diverged;
use super::jobs::JobGrid;
use super::{
    DivergedTraining, Handle, Input, Inputs, JobRunner, JobTemplate, Stage, StageError, TrainingSummary,
};
use crate::search::{best, strategy};
use crate::train::Divergence;
use crate::{Budget, Error, Genotype};

/// Searches under the budget found; the output is a [`SearchOutcome`].
#[derive(Clone, Debug)]
pub struct Search {
    /// The budget found.
    pub budget: Handle<Budget>,
    /// What the trainings share.
    pub template: JobTemplate,
    /// Name of the strategy.
    pub strategy: String,
    /// Architectures that it may train.
    pub samples: usize,
    /// Seed of the strategy.
    pub seed: u64,
}

/// What a search met and what it found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchOutcome {
    /// The architecture with the highest score; of equal ones that which was proposed first.
    pub best: Genotype,
    /// Its training under the search's budget.
    pub training: TrainingSummary,
    /// How many architectures were scored.
    pub scored: u64,
    /// Those of them that diverged, with a score of 0.
    pub diverged: Vec<DivergedTraining>,
}

impl Stage for Search {
    type Output = SearchOutcome;

    fn name(&self) -> &'static str {
        "search"
    }

    fn version(&self) -> u32 {
        2
    }

    fn parameters(&self) -> Result<Fields, Error> {
        let mut fields = Fields::new()
            .with("search.strategy", self.strategy.as_str())?
            .with("search.samples", self.samples)?
            .with("search.seed", self.seed)?;
        self.template.add_to(&mut fields)?;
        Ok(fields)
    }

    fn inputs(&self) -> Vec<Input> {
        vec![self.budget.role("budget")]
    }

    fn run(&self, inputs: &Inputs, jobs: &dyn JobRunner) -> Result<Self::Output, StageError> {
        let budget = inputs.read(self.budget)?;
        let nothing =
            |problem: &str| Error::Numbers { what: "architecture search", problem: problem.to_owned() };
        let mut strategy = strategy(&self.strategy, self.samples, self.seed)
            .ok_or_else(|| nothing(&format!("there is no strategy {:?}", self.strategy)))?;
        let mut found: Option<(Genotype, TrainingSummary)> = None;
        let (mut scored, mut all_diverged) = (0, Vec::new());
        loop {
            let asked = strategy.ask();
            if asked.count() == 0 {
                break;
            }
            let grid = JobGrid { template: &self.template, architectures: &*asked, budgets: &[budget] };
            let mut trained = jobs.run(&grid)?;
            let scores: Vec<f64> = trained.iter().map(|training| training.score).collect();
            strategy.tell(&scores);
            scored += trained.len() as u64;
            all_diverged.extend(diverged(&grid, 0, &trained));
            if let Some(place) = best(&scores)
                && found.as_ref().is_none_or(|(_, before)| scores[place] > before.score)
            {
                found = Some((asked.architecture(place), trained.swap_remove(place)));
            }
        }
        let (best, training) =
            found.ok_or_else(|| nothing("the strategy proposed no architecture with a score"))?;
        if let Some(Divergence { step, .. }) = training.divergence {
            return Err(nothing(&format!(
                "every training under the budget found diverged, that of {best} at step {step}; leave learning rates \
                 that are too high, or 16 bits, out of the space"
            ))
            .into());
        }
        Ok(SearchOutcome { best, training, scored, diverged: all_diverged })
    }

    fn trainings_at_most(&self) -> u64 {
        self.samples as u64
    }
}
