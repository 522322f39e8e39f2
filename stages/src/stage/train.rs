//! Stage `train`: every architecture under every budget, each a training of its own.

use cache::Fields;
use serde::{Deserialize, Serialize};

use super::diverged::diverged;
use super::jobs::{self, JobGrid};
use super::{
    DivergedTraining, DrawnBudgets, Handle, ImageUse, Input, Inputs, JobRunner, JobTemplate, Racing, Stage,
    StageError, TrainingSummary,
};
use crate::{Budget, Error, Genotype};

/// Which architectures to train.
#[derive(Clone, Copy, Debug)]
pub struct Architectures {
    /// The architectures.
    pub list: Handle<Vec<Genotype>>,
    /// The most that they can be.
    pub count: usize,
}

/// Which budgets to train them under.
#[derive(Clone, Debug)]
pub enum Budgets {
    /// The full budget f of the configuration.
    Full(Budget),
    /// One that was selected.
    Selected(Handle<Budget>),
    /// One that was selected, and further ones; where it is one of these they are one.
    Combined {
        /// The one that was selected.
        selected: Handle<Budget>,
        /// The further ones, each once.
        further: Vec<Budget>,
    },
    /// Those of a round.
    Drawn {
        /// The budgets.
        drawn: Handle<DrawnBudgets>,
        /// The most that they can be.
        count: usize,
    },
    /// Those of a round, which race.
    Raced {
        /// The budgets.
        drawn: Handle<DrawnBudgets>,
        /// The most that they can be.
        count: usize,
        /// Against what, and how.
        racing: Racing,
    },
}

/// Trains every architecture under every budget; where budgets race, only as many as it takes. The output is a list of
/// [`TrainedBudget`], in the order of the budgets.
#[derive(Clone, Debug)]
pub struct Train {
    /// What the trainings share.
    pub template: JobTemplate,
    /// What to train.
    pub architectures: Architectures,
    /// Under what.
    pub budgets: Budgets,
}

/// The architectures under one budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainedBudget {
    /// The budget.
    pub budget: Budget,
    /// A training for each architecture, in the order of the architectures; where racing dropped the budget, of the
    /// first ones only.
    pub trainings: Vec<TrainingSummary>,
    /// Those that diverged.
    pub diverged: Vec<DivergedTraining>,
}

impl Stage for Train {
    type Output = Vec<TrainedBudget>;

    const NAME: &'static str = "train";
    const VERSION: u32 = 2;

    fn parameters(&self) -> Result<Fields, Error> {
        let mut fields = Fields::new();
        self.template.add_to(&mut fields)?;
        match &self.budgets {
            Budgets::Full(budget) => {
                for (name, value) in budget.fields()?.iter() {
                    fields.insert(&format!("full.{name}"), value.clone())?;
                }
            }
            Budgets::Combined { further, .. } => {
                let texts: Vec<String> = further.iter().map(ToString::to_string).collect();
                fields.insert("search.combine", texts.join(" "))?;
            }
            Budgets::Raced { racing, .. } => racing.add_to(&mut fields)?,
            Budgets::Selected(_) | Budgets::Drawn { .. } => {}
        }
        Ok(fields)
    }

    fn inputs(&self) -> Vec<Input> {
        let mut list = vec![self.architectures.list.role("architectures")];
        match &self.budgets {
            Budgets::Full(_) => {}
            Budgets::Selected(selected) | Budgets::Combined { selected, .. } => {
                list.push(selected.role("budget"));
            }
            Budgets::Drawn { drawn, .. } => list.push(drawn.role("budgets")),
            Budgets::Raced { drawn, racing, .. } => {
                list.push(drawn.role("budgets"));
                list.extend(racing.inputs());
            }
        }
        list
    }

    fn run(&self, inputs: &Inputs, jobs: &dyn JobRunner) -> Result<Self::Output, StageError> {
        let architectures = inputs.read(self.architectures.list)?;
        let budgets = match &self.budgets {
            Budgets::Full(budget) => vec![*budget],
            Budgets::Selected(selected) => vec![inputs.read(*selected)?],
            Budgets::Combined { selected, further } => {
                let selected = inputs.read(*selected)?;
                let others = further.iter().copied().filter(|budget| *budget != selected);
                std::iter::once(selected).chain(others).collect()
            }
            Budgets::Drawn { drawn, .. } => inputs.read(*drawn)?.budgets,
            Budgets::Raced { drawn, racing, .. } => {
                let budgets = inputs.read(*drawn)?.budgets;
                return racing.train((inputs, jobs), &self.template, &architectures, &budgets);
            }
        };
        let grid = JobGrid { template: &self.template, architectures: &architectures, budgets: &budgets };
        let (mut trained, mut first) = (jobs::train(jobs, &grid)?.into_iter(), 0);
        let under = |&budget: &Budget| {
            let trainings: Vec<TrainingSummary> = trained.by_ref().take(architectures.len()).collect();
            let diverged = diverged(&grid, first, &trainings);
            first += trainings.len();
            TrainedBudget { budget, trainings, diverged }
        };
        Ok(budgets.iter().map(under).collect())
    }

    fn trainings_at_most(&self) -> u64 {
        let budgets = match &self.budgets {
            Budgets::Full(_) | Budgets::Selected(_) => 1,
            Budgets::Combined { further, .. } => 1 + further.len(),
            Budgets::Drawn { count, .. } | Budgets::Raced { count, .. } => *count,
        };
        (self.architectures.count * budgets) as u64
    }

    fn asks_at_once(&self) -> bool {
        !matches!(self.budgets, Budgets::Raced { .. })
    }

    fn image_uses(&self) -> Vec<ImageUse> {
        vec![ImageUse::Scored(self.template.scoring)]
    }
}
