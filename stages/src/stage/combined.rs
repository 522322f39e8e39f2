//! What a search asks for each architecture, and what it makes of that: the score of one training, or the architecture's
//! place among the sampled ones by several numbers (`search.combine`).

use cache::{Digest, Fields};
use serde::{Deserialize, Serialize};

use super::{
    DivergedTraining, EvaluatedBudget, Evaluation, Handle, Input, Inputs, JobList, JobRunner, JobTemplate,
    StageError, TrainingSummary,
};
use crate::baselines::{BaselineScores, NAMES};
use crate::config::BaselinesConfig;
use crate::job::{Job, JobSummary};
use crate::sample::ArchitectureList;
use crate::search::{Combine, Ingredient, Reference, Standing};
use crate::{Budget, Error, Genotype};

/// What a search goes by beside its own trainings, and what the reference scores by each of that.
#[derive(Clone, Debug)]
pub struct CombinedSearch {
    /// The further ingredients.
    pub combine: Combine,
    /// The reference under the search's budget, then under the further ones.
    pub reference: Handle<Vec<EvaluatedBudget>>,
    /// Its baselines; where none is an ingredient they are not read.
    pub baselines: Handle<Vec<BaselineScores>>,
    /// On what baselines are found.
    pub config: BaselinesConfig,
    /// The size of the networks whose parameters and multiply-adds are counted.
    pub full: Budget,
}

/// The numbers that a search went by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Combination {
    /// The ingredients, the search's budget first.
    pub ingredients: Vec<Ingredient>,
    /// Architectures of the reference.
    pub reference: u64,
    /// Trainings of the reference that diverged; they have the last place under their budget.
    pub diverged: Vec<DivergedTraining>,
}

/// What an architecture was found to be beside the score of its training under the search's budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Combined {
    /// Its places among the reference, by the ingredients of the [`Combination`]; where its own training diverged, 0 is told.
    pub standing: Standing,
    /// Its trainings under the further budgets.
    pub further: Vec<TrainingSummary>,
    /// Digest of its baselines' key, and what they cost in floating point operations, where one is an ingredient.
    pub baselines: Option<(Digest, u64)>,
}

impl CombinedSearch {
    fn has_baselines(&self) -> bool {
        !self.combine.baselines.is_empty()
    }

    pub(super) fn add_to(&self, fields: &mut Fields) -> Result<(), Error> {
        fields.insert("search.combine", self.combine.text())?;
        if self.has_baselines() {
            fields.insert("baselines.budget", self.config.budget.to_string())?;
            fields.insert("baselines.seed", self.config.seed)?;
            fields.insert("full", self.full.to_string())?;
        }
        Ok(())
    }

    pub(super) fn inputs(&self) -> Vec<Input> {
        let baselines = self.has_baselines().then(|| self.baselines.role("reference baselines"));
        [self.reference.role("reference")].into_iter().chain(baselines).collect()
    }
}

/// How a search judges architectures.
pub(super) struct Judge<'a> {
    template: &'a JobTemplate,
    /// Under which each is trained: the search's own, then further ones.
    budgets: Vec<Budget>,
    /// None where the score of the one training is all.
    combined: Option<(&'a CombinedSearch, Reference)>,
    /// What diverged of the reference.
    diverged: Vec<DivergedTraining>,
}

impl<'a> Judge<'a> {
    /// One that goes by trainings under the budget, and by all else that is to be combined with it.
    pub(super) fn read(
        template: &'a JobTemplate,
        budget: Budget,
        combined: Option<&'a CombinedSearch>,
        inputs: &Inputs,
    ) -> Result<Self, StageError> {
        let Some(combined) = combined else {
            return Ok(Self { template, budgets: vec![budget], combined: None, diverged: Vec::new() });
        };
        let under = inputs.read(combined.reference)?;
        let mut columns: Vec<Vec<Option<f64>>> =
            under.iter().map(|one| one.scores.iter().copied().map(Some).collect()).collect();
        if combined.has_baselines() {
            let scores = inputs.read(combined.baselines)?;
            let column = |&place: &usize| scores.iter().map(|scores| scores.values()[place]).collect();
            columns.extend(combined.combine.baselines.iter().map(column));
        }
        let budgets: Vec<Budget> = under.iter().map(|one| one.budget).collect();
        let reference = Reference::new(&columns).filter(|_| budgets.first() == Some(&budget));
        let problem = "is no score of each sampled architecture under each budget";
        let reference = reference.ok_or_else(|| inputs.unexpected(combined.reference, problem))?;
        let diverged = under.into_iter().flat_map(|one| one.diverged).collect();
        Ok(Self { template, budgets, combined: Some((combined, reference)), diverged })
    }

    /// What it goes by, where that is several numbers.
    pub(super) fn combination(&self) -> Option<Combination> {
        let (combined, reference) = self.combined.as_ref()?;
        let budgets = self.budgets.iter().copied().map(Ingredient::Budget);
        let baseline = |&place: &usize| Ingredient::Baseline(NAMES[place].to_owned());
        Some(Combination {
            ingredients: budgets.chain(combined.combine.baselines.iter().map(baseline)).collect(),
            reference: reference.count() as u64,
            diverged: self.diverged.clone(),
        })
    }

    /// Has architectures judged, all at once; in their order.
    pub(super) fn judge(
        &self,
        architectures: &dyn ArchitectureList,
        runner: &dyn JobRunner,
    ) -> Result<Vec<Evaluation>, StageError> {
        let jobs = EvaluationJobs { judge: self, architectures };
        let mut summaries = runner.run(&jobs)?.into_iter();
        let evaluation = |place| self.evaluation(architectures.architecture(place), &mut summaries);
        (0..architectures.count()).map(evaluation).collect()
    }

    /// Of an architecture whose jobs' results come next.
    fn evaluation(
        &self,
        genotype: Genotype,
        summaries: &mut dyn Iterator<Item = JobSummary>,
    ) -> Result<Evaluation, StageError> {
        let mut training = || match summaries.next() {
            Some(JobSummary::Network(training)) => Ok(training),
            _ => Err(StageError::OtherKind),
        };
        let own = training()?;
        let Some((combined, reference)) = &self.combined else {
            return Ok(Evaluation { genotype, training: own, combined: None });
        };
        let further = self.budgets[1..].iter().map(|_| training()).collect::<Result<Vec<_>, _>>()?;
        let mut values: Vec<Option<f64>> =
            std::iter::once(&own).chain(&further).map(|training| Some(training.score)).collect();
        let mut baselines = None;
        if combined.has_baselines() {
            let Some(JobSummary::Baselines(key, scores)) = summaries.next() else {
                return Err(StageError::OtherKind);
            };
            values.extend(combined.combine.baselines.iter().map(|&place| scores.values()[place]));
            baselines = Some((key, scores.flops));
        }
        let mut standing = reference.standing(&values);
        if own.divergence.is_some() {
            standing.told = 0.0;
        }
        Ok(Evaluation { genotype, training: own, combined: Some(Combined { standing, further, baselines }) })
    }

    /// Whose trainings come first of an architecture, and then its baselines.
    fn jobs_of_each(&self) -> usize {
        let has_baselines = self.combined.as_ref().is_some_and(|(combined, _)| combined.has_baselines());
        self.budgets.len() + usize::from(has_baselines)
    }

    /// The budgets that architectures are trained under, in the order of an evaluation's trainings.
    pub(super) fn budgets(&self) -> &[Budget] {
        &self.budgets
    }
}

/// All jobs of the first architecture, then those of the second, and so on.
struct EvaluationJobs<'a> {
    judge: &'a Judge<'a>,
    architectures: &'a dyn ArchitectureList,
}

impl JobList for EvaluationJobs<'_> {
    fn count(&self) -> usize {
        self.architectures.count() * self.judge.jobs_of_each()
    }

    fn job(&self, place: usize) -> Job {
        let Judge { template, budgets, combined, .. } = self.judge;
        let genotype = self.architectures.architecture(place / self.judge.jobs_of_each());
        match (budgets.get(place % self.judge.jobs_of_each()), combined) {
            (None, Some((combined, _))) => {
                Job::Baselines(template.baselines(genotype, &combined.config, &combined.full))
            }
            (budget, _) => Job::Network(template.job(genotype, budget.unwrap_or(&budgets[0]))),
        }
    }

    fn budget(&self, place: usize) -> Budget {
        let Judge { budgets, combined, .. } = self.judge;
        let baselines = combined.as_ref().map_or(budgets[0], |(combined, _)| combined.config.budget);
        budgets.get(place % self.judge.jobs_of_each()).copied().unwrap_or(baselines)
    }
}
