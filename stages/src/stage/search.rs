//! Stage `search`: architectures proposed by a strategy, trained under a budget, the best kept.

use cache::Fields;
use serde::{Deserialize, Serialize};

use super::diverged::diverged;
use super::jobs::{self, JobGrid};
use super::{
    DivergedTraining, Handle, ImageUse, Input, Inputs, JobRunner, JobTemplate, Stage, StageError,
    TrainingSummary,
};
use crate::sample::ArchitectureList;
use crate::search::{self, Searcher, Strategy, SupernetStrategy, best};
use crate::supernet::SupernetResult;
use crate::{Budget, Error, Genotype};

/// Searches under a budget; the output is a [`SearchOutcome`].
#[derive(Clone, Debug)]
pub struct Search {
    /// The budget.
    pub budget: Handle<Budget>,
    /// What the trainings share.
    pub template: JobTemplate,
    /// The strategy, with settings as they were asked for.
    pub strategy: Strategy,
    /// Architectures that it may ask for.
    pub samples: usize,
    /// Seed of the strategy.
    pub seed: u64,
}

/// What a search met and what it found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchOutcome {
    /// The strategy, with the settings that it had in the end.
    pub strategy: Strategy,
    /// What shrank of the settings that were asked for, a sentence each.
    pub shrunk: Vec<String>,
    /// The best of what the strategy found in the end; of equal ones the first. None where that diverged.
    pub best: Option<Evaluation>,
    /// All that was scored: what the strategy asked for, in that order, then what it found in the end and had not asked for.
    pub evaluations: Vec<Evaluation>,
    /// How many of these the strategy asked for.
    pub asked: u64,
    /// The supernet that it trained, where it trained one.
    pub supernet: Option<SupernetResult>,
    /// The evaluations that diverged, with a score of 0.
    pub diverged: Vec<DivergedTraining>,
}

/// One architecture that a search had scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The architecture, in canonical form.
    pub genotype: Genotype,
    /// Its training under the search's budget.
    pub training: TrainingSummary,
}

impl SearchOutcome {
    /// What its best architecture is, or why there is none.
    ///
    /// # Errors
    /// When the supernet diverged, or the training of everything that was found.
    pub fn found(&self) -> Result<&Evaluation, Error> {
        let diverged = |what: String, step: u64| {
            let problem = format!(
                "{what} diverged under the search's budget, at step {step}; leave learning rates that are too high, or 16 bits, \
                 out of the space"
            );
            Error::Numbers { what: "architecture search", problem }
        };
        self.best.as_ref().ok_or_else(|| {
            if let Some(step) = self.supernet.as_ref().and_then(|supernet| supernet.diverged_at) {
                return diverged(format!("the supernet of {}", self.strategy.name()), step);
            }
            let step = self.diverged.last().map_or(0, |diverged| diverged.divergence.step);
            diverged("every training of what the strategy found".to_owned(), step)
        })
    }

    /// Floating point operations of all distinct trainings of the search.
    pub fn training_flops(&self) -> u64 {
        let mut trainings: Vec<(_, u64)> = self
            .evaluations
            .iter()
            .map(|Evaluation { training, .. }| (training.key, training.training_flops))
            .collect();
        trainings.sort_unstable();
        trainings.dedup();
        let supernet = self.supernet.as_ref().map_or(0, |supernet| supernet.training_flops);
        trainings.into_iter().map(|(_, flops)| flops).fold(supernet, u64::saturating_add)
    }
}

/// A search while it goes on.
struct Evaluations<'a> {
    template: &'a JobTemplate,
    budget: Budget,
    jobs: &'a dyn JobRunner,
    list: Vec<Evaluation>,
    diverged: Vec<DivergedTraining>,
}

impl Evaluations<'_> {
    /// Scores what a strategy asks for until it asks for nothing more; what it found.
    fn ask(&mut self, searcher: &mut dyn Searcher) -> Result<Vec<Genotype>, StageError> {
        loop {
            let (asked, before) = (searcher.ask(), self.list.len());
            if asked.count() == 0 {
                return Ok(searcher.finish());
            }
            self.add(&*asked)?;
            self.list[before..].iter().for_each(|evaluation| searcher.tell(evaluation.training.score));
        }
    }

    /// Scores architectures, in their order.
    fn add(&mut self, architectures: &dyn ArchitectureList) -> Result<(), StageError> {
        let grid = JobGrid { template: self.template, architectures, budgets: &[self.budget] };
        let trained = jobs::train(self.jobs, &grid)?;
        self.diverged.extend(diverged(&grid, 0, &trained));
        let evaluation =
            |(place, training)| Evaluation { genotype: architectures.architecture(place), training };
        self.list.extend(trained.into_iter().enumerate().map(evaluation));
        Ok(())
    }

    /// The places of the evaluations of architectures; those that have none yet are scored now, together.
    fn of(&mut self, found: &[Genotype]) -> Result<Vec<usize>, StageError> {
        let place = |list: &[Evaluation], genotype: &Genotype| {
            list.iter().position(|evaluation| evaluation.genotype == *genotype)
        };
        let new: Vec<Genotype> =
            found.iter().filter(|genotype| place(&self.list, genotype).is_none()).cloned().collect();
        if !new.is_empty() {
            self.add(&new)?;
        }
        Ok(found.iter().filter_map(|genotype| place(&self.list, genotype)).collect())
    }
}

impl Search {
    /// Has a supernet trained; what it found is nothing where it diverged.
    fn supernet(
        &self,
        strategy: &SupernetStrategy,
        budget: &Budget,
        jobs: &dyn JobRunner,
    ) -> Result<(Vec<Genotype>, SupernetResult), StageError> {
        let job = self.template.supernet(strategy, budget, self.seed);
        let (_, result) = jobs::train_supernets(jobs, vec![job])?.swap_remove(0);
        let found = if result.diverged_at.is_none() { result.found() } else { Vec::new() };
        Ok((found, result))
    }
}

impl Stage for Search {
    type Output = SearchOutcome;

    const NAME: &'static str = "search";
    const VERSION: u32 = 6;

    fn parameters(&self) -> Result<Fields, Error> {
        let mut fields = self.strategy.fields()?.with("search.seed", self.seed)?;
        if !matches!(self.strategy, Strategy::Supernet(_)) {
            fields.insert("search.samples", self.samples)?;
        }
        self.template.add_to(&mut fields)?;
        Ok(fields)
    }

    fn inputs(&self) -> Vec<Input> {
        vec![self.budget.role("budget")]
    }

    fn run(&self, inputs: &Inputs, jobs: &dyn JobRunner) -> Result<Self::Output, StageError> {
        let budget = inputs.read(self.budget)?;
        let (strategy, shrunk) = self.strategy.fitting(self.samples, &budget);
        let (list, diverged) = (Vec::new(), Vec::new());
        let mut evaluations = Evaluations { template: &self.template, budget, jobs, list, diverged };
        let (found, supernet) = match strategy.begin(self.samples, self.seed) {
            search::Search::Asked(mut searcher) => (evaluations.ask(&mut *searcher)?, None),
            search::Search::Supernet(strategy) => {
                let (found, supernet) = self.supernet(&strategy, &budget, jobs)?;
                (found, Some(supernet))
            }
        };
        let asked = evaluations.list.len() as u64;
        let found = evaluations.of(&found)?;
        let scores: Vec<f64> = found.iter().map(|&place| evaluations.list[place].training.score).collect();
        let best = best(&scores).map(|best| evaluations.list[found[best]].clone());
        let best = best.filter(|best| best.training.divergence.is_none());
        let Evaluations { list, diverged, .. } = evaluations;
        Ok(SearchOutcome { strategy, shrunk, best, evaluations: list, asked, supernet, diverged })
    }

    fn trainings_at_most(&self) -> u64 {
        let asked = match self.strategy {
            Strategy::Supernet(_) => 1,
            _ => self.samples as u64,
        };
        asked.saturating_add(self.strategy.found_at_most())
    }

    fn image_uses(&self) -> Vec<ImageUse> {
        vec![ImageUse::Scored(self.template.scoring)]
    }

    fn trains_supernets(&self) -> bool {
        matches!(self.strategy, Strategy::Supernet(_))
    }

    fn asks_at_once(&self) -> bool {
        matches!(self.strategy, Strategy::Random)
    }

    fn logs_trainings(&self) -> bool {
        true
    }
}
