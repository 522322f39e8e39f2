//! Stage `search`: architectures proposed by a strategy, trained under a budget, the best kept.

use cache::{Digest, Fields};
use serde::{Deserialize, Serialize};

use super::combined::Judge;
use super::jobs;
use super::{
    Combination, Combined, CombinedSearch, DivergedTraining, Handle, ImageUse, Input, Inputs, JobRunner,
    JobTemplate, Stage, StageError, TrainingSummary,
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
    /// What it goes by beside the trainings under the budget, where it does.
    pub combined: Option<CombinedSearch>,
}

/// What a search met and what it found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchOutcome {
    /// The strategy, with the settings that it had in the end.
    pub strategy: Strategy,
    /// What shrank of the settings that were asked for, a sentence each.
    pub shrunk: Vec<String>,
    /// What it went by, where that was more than the trainings under its budget.
    pub combination: Option<Combination>,
    /// The best of what the strategy found in the end; of equal ones the first. None where that diverged.
    pub best: Option<Evaluation>,
    /// All that was scored: what the strategy asked for, in that order, then what it found in the end and had not asked for.
    pub evaluations: Vec<Evaluation>,
    /// How many of these the strategy asked for.
    pub asked: u64,
    /// The supernet that it trained, where it trained one.
    pub supernet: Option<SupernetResult>,
    /// The trainings of these that diverged, with a score of 0.
    pub diverged: Vec<DivergedTraining>,
}

/// One architecture that a search had scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The architecture, in canonical form.
    pub genotype: Genotype,
    /// Its training under the search's budget.
    pub training: TrainingSummary,
    /// What else it was judged by, where the search combines several numbers.
    pub combined: Option<Combined>,
}

impl Evaluation {
    /// What the strategy was told: the score of the training, or [`Standing::told`](crate::search::Standing::told).
    pub fn told(&self) -> f64 {
        self.combined.as_ref().map_or(self.training.score, |combined| combined.standing.told)
    }

    /// Its trainings, that under the search's budget first.
    pub fn trainings(&self) -> impl Iterator<Item = &TrainingSummary> {
        let further = self.combined.iter().flat_map(|combined| &combined.further);
        std::iter::once(&self.training).chain(further)
    }

    /// Keys of all jobs behind it and their floating point operations, in the order in which they were asked for.
    pub fn jobs(&self) -> impl Iterator<Item = (Digest, u64)> {
        let baselines = self.combined.as_ref().and_then(|combined| combined.baselines);
        self.trainings().map(|training| (training.key, training.training_flops)).chain(baselines)
    }
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
            let step = self.evaluations.iter().rev().find_map(|one| one.training.divergence);
            diverged("every training of what the strategy found".to_owned(), step.map_or(0, |at| at.step))
        })
    }

    /// Floating point operations of all distinct trainings of the search, and of the baselines that it had found.
    pub fn training_flops(&self) -> u64 {
        let mut trainings: Vec<(_, u64)> = self.evaluations.iter().flat_map(Evaluation::jobs).collect();
        trainings.sort_unstable();
        trainings.dedup();
        let supernet = self.supernet.as_ref().map_or(0, |supernet| supernet.training_flops);
        trainings.into_iter().map(|(_, flops)| flops).fold(supernet, u64::saturating_add)
    }
}

/// A search while it goes on.
struct Evaluations<'a> {
    judge: Judge<'a>,
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
            self.list[before..].iter().for_each(|evaluation| searcher.tell(evaluation.told()));
        }
    }

    /// Scores architectures, in their order.
    fn add(&mut self, architectures: &dyn ArchitectureList) -> Result<(), StageError> {
        for evaluation in self.judge.judge(architectures, self.jobs)? {
            for (training, &budget) in evaluation.trainings().zip(self.judge.budgets()) {
                let genotype = || evaluation.genotype.clone();
                let of = |divergence| DivergedTraining { genotype: genotype(), budget, divergence };
                self.diverged.extend(training.divergence.map(of));
            }
            self.list.push(evaluation);
        }
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
    const VERSION: u32 = 7;

    fn parameters(&self) -> Result<Fields, Error> {
        let mut fields = self.strategy.fields()?.with("search.seed", self.seed)?;
        if !matches!(self.strategy, Strategy::Supernet(_)) {
            fields.insert("search.samples", self.samples)?;
        }
        self.template.add_to(&mut fields)?;
        if let Some(combined) = &self.combined {
            combined.add_to(&mut fields)?;
        }
        Ok(fields)
    }

    fn inputs(&self) -> Vec<Input> {
        let combined = self.combined.iter().flat_map(CombinedSearch::inputs);
        [self.budget.role("budget")].into_iter().chain(combined).collect()
    }

    fn run(&self, inputs: &Inputs, jobs: &dyn JobRunner) -> Result<Self::Output, StageError> {
        let budget = inputs.read(self.budget)?;
        let (strategy, shrunk) = self.strategy.fitting(self.samples, &budget);
        let judge = Judge::read(&self.template, budget, self.combined.as_ref(), inputs)?;
        let combination = judge.combination();
        let mut evaluations = Evaluations { judge, jobs, list: Vec::new(), diverged: Vec::new() };
        let (found, supernet) = match strategy.begin(self.samples, self.seed) {
            search::Search::Asked(mut searcher) => (evaluations.ask(&mut *searcher)?, None),
            search::Search::Supernet(strategy) => {
                let (found, supernet) = self.supernet(&strategy, &budget, jobs)?;
                (found, Some(supernet))
            }
        };
        let asked = evaluations.list.len() as u64;
        let found = evaluations.of(&found)?;
        let scores: Vec<f64> = found.iter().map(|&place| evaluations.list[place].told()).collect();
        let best = best(&scores).map(|best| evaluations.list[found[best]].clone());
        let best = best.filter(|best| best.training.divergence.is_none());
        let Evaluations { list, diverged, .. } = evaluations;
        Ok(SearchOutcome {
            strategy,
            shrunk,
            combination,
            best,
            evaluations: list,
            asked,
            supernet,
            diverged,
        })
    }

    fn trainings_at_most(&self) -> u64 {
        let jobs_of_each = self.combined.as_ref().map_or(1, |combined| combined.combine.jobs());
        let (supernets, asked) = match self.strategy {
            Strategy::Supernet(_) => (1, 0),
            _ => (0, self.samples as u64),
        };
        asked
            .saturating_add(self.strategy.found_at_most())
            .saturating_mul(jobs_of_each)
            .saturating_add(supernets)
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
