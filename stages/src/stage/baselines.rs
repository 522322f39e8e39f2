//! Stages `score-baselines` and `baselines`: what architectures score without a training, and how well that ranks them beside
//! a budget, which has to be better to be worth its trainings.

use cache::Fields;
use serde::{Deserialize, Serialize};

use super::{
    Architectures, EvaluatedBudget, Handle, Input, Inputs, JobRunner, JobTemplate, Stage, StageError,
};
use crate::baselines::{BASELINES, BaselineScores, NAMES};
use crate::config::BaselinesConfig;
use crate::job::{Job, JobSummary};
use crate::statistics::{Halves, RankQuality, choose_on_halves, combinations, rank_quality, top_of};
use crate::{Budget, Error};

/// Rankings of one rank sum, at most.
const TOGETHER: usize = 3;

/// Scores every architecture; the output is a list of [`BaselineScores`], in the order of the architectures.
#[derive(Clone, Debug)]
pub struct ScoreBaselines {
    /// What to score.
    pub architectures: Architectures,
    /// The size of the scored networks, and the seed.
    pub config: BaselinesConfig,
    /// The size of the networks whose parameters and multiply-adds are counted.
    pub full: Budget,
    /// The images.
    pub template: JobTemplate,
}

impl Stage for ScoreBaselines {
    const NAME: &'static str = "score-baselines";

    type Output = Vec<BaselineScores>;

    fn parameters(&self) -> Result<Fields, Error> {
        let BaselinesConfig { budget, seed } = &self.config;
        let mut fields = Fields::new()
            .with("baselines.budget", budget.to_string().as_str())?
            .with("baselines.seed", *seed)?
            .with("full", self.full.to_string().as_str())?;
        self.template.data.add_to(&mut fields)?;
        self.template.scoring.add_to(&mut fields)?;
        Ok(fields)
    }

    fn inputs(&self) -> Vec<Input> {
        vec![self.architectures.list.role("architectures")]
    }

    fn run(&self, inputs: &Inputs, runner: &dyn JobRunner) -> Result<Self::Output, StageError> {
        let job = |genotype| Job::Baselines(self.template.baselines(genotype, &self.config, &self.full));
        let jobs: Vec<Job> = inputs.read(self.architectures.list)?.into_iter().map(job).collect();
        let scores = |summary| match summary {
            JobSummary::Baselines(_, scores) => Ok(scores),
            _ => Err(StageError::OtherKind),
        };
        runner.run(&jobs)?.into_iter().map(scores).collect()
    }

    fn trainings_at_most(&self) -> u64 {
        self.architectures.count as u64
    }
}

/// Ranks the architectures by each baseline and by a budget; the output is a [`BaselinesReport`].
#[derive(Clone, Copy, Debug)]
pub struct Baselines {
    /// The scores.
    pub scores: Handle<Vec<BaselineScores>>,
    /// The accuracies of full training.
    pub truth: Handle<Vec<EvaluatedBudget>>,
    /// Those under a budget, with a seed that its choice has not seen.
    pub evaluated: Handle<Vec<EvaluatedBudget>>,
    /// Size of the scored networks.
    pub size: Budget,
    /// Seed of the intervals' bootstrap and of the halves.
    pub seed: u64,
}

/// How well architectures are ranked without a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaselinesReport {
    /// Size of the scored networks.
    pub size: Budget,
    /// The budget that they stand beside, and how well it ranks.
    pub budget: (Budget, RankQuality),
    /// Each baseline's name and how well it ranks.
    pub baselines: Vec<(String, RankQuality)>,
    /// The best of budget and baselines alone, and of the rank sums of two or three of them, chosen on one half of the
    /// architectures and judged on the other. Places are 0 for the budget, then those of the baselines.
    pub halves: Option<Halves>,
}

impl Stage for Baselines {
    const NAME: &'static str = "baselines";

    type Output = BaselinesReport;

    fn parameters(&self) -> Result<Fields, Error> {
        Ok(Fields::new()
            .with("baselines.budget", self.size.to_string().as_str())?
            .with("mip.seed", self.seed)?)
    }

    fn inputs(&self) -> Vec<Input> {
        vec![self.scores.role("scores"), self.truth.role("truth"), self.evaluated.role("evaluated")]
    }

    fn run(&self, inputs: &Inputs, _: &dyn JobRunner) -> Result<Self::Output, StageError> {
        let truth = inputs.read_only(self.truth)?.scores;
        let EvaluatedBudget { budget, scores: of_budget, .. } = inputs.read_only(self.evaluated)?;
        let scores: Vec<[Option<f64>; BASELINES]> =
            inputs.read(self.scores)?.iter().map(BaselineScores::values).collect();
        // An architecture without a score is ranked last.
        let column = |place: usize| scores.iter().map(|row| row[place].unwrap_or(f64::MIN)).collect();
        let columns: Vec<Vec<f64>> = std::iter::once(of_budget).chain((0..BASELINES).map(column)).collect();
        let quality = |column: &Vec<f64>| rank_quality(column, &truth, top_of(truth.len()), self.seed);
        let mut qualities = columns.iter().map(quality).collect::<Result<Vec<_>, _>>()?.into_iter();
        let of_budget = qualities.next().ok_or(StageError::OtherKind)?;
        let all: Vec<usize> = (0..columns.len()).collect();
        let candidates = combinations(&all, TOGETHER).unwrap_or_default();
        let lists: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        Ok(BaselinesReport {
            size: self.size,
            budget: (budget, of_budget),
            baselines: NAMES.iter().map(|name| (*name).to_owned()).zip(qualities).collect(),
            halves: choose_on_halves(&lists, &candidates, &truth, self.seed)?,
        })
    }
}
