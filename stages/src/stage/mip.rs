//! Stage `mip`: what minimum importance pruning found, round by round.

use cache::Fields;
use serde::{Deserialize, Serialize};

use super::{
    DivergedTraining, EvaluatedBudget, Handle, Input, Inputs, JobRunner, RankedBudget, Stage, StageError,
};
use crate::mip::{CostUnit, Fixed, Importances, MipState, Objective, Trial, pareto};
use crate::{Budget, Error};

/// Brings together what every round found, in order. The output is a [`MipReport`].
#[derive(Clone, Debug)]
pub struct Mip {
    /// Full training.
    pub truth: Handle<Vec<EvaluatedBudget>>,
    /// The budget found.
    pub budget: Handle<Budget>,
    /// The rounds, in order.
    pub rounds: Vec<RoundHandles>,
    /// How a second full training of the same architectures ranks them, where there is one.
    pub ceiling: Option<Handle<Vec<RankedBudget>>>,
    /// What the budget was chosen for.
    pub objective: Objective,
    /// In what its cost is counted.
    pub unit: CostUnit,
    /// The confidence with which budgets raced, if they did.
    pub race: Option<f64>,
}

/// The outputs of one round.
#[derive(Clone, Copy, Debug)]
pub struct RoundHandles {
    /// The budgets that were tried.
    pub trials: Handle<Vec<RankedBudget>>,
    /// The importance of each hyper-parameter.
    pub importances: Handle<Importances>,
    /// What is left of the space.
    pub pruned: Handle<MipState>,
}

/// The result of minimum importance pruning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MipReport {
    /// The budget found.
    pub found: RankedBudget,
    /// What it was chosen for.
    pub objective: Objective,
    /// In what costs are counted.
    pub unit: CostUnit,
    /// What each round found out.
    pub rounds: Vec<Round>,
    /// The trials that none is both cheaper and better than, by ascending cost.
    pub pareto: Vec<RankedBudget>,
    /// The noise ceiling: how well a second full training, with another seed, ranks the architectures as the first does. No
    /// budget can be expected to agree better with a training than training does with itself.
    pub ceiling: Option<RankedBudget>,
    /// Different budgets that were tried.
    pub tried: u64,
    /// What racing them saved, where they raced.
    pub race: Option<RaceReport>,
    /// How many architectures diverged under full training: no budget can rank those.
    pub diverged_fully: u64,
    /// Every training that diverged: under full training, then budget by budget.
    pub diverged: Vec<DivergedTraining>,
}

/// What racing saved.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RaceReport {
    /// How sure it had to be that a budget ends behind before it was dropped.
    pub confidence: f64,
    /// Budgets that were dropped.
    pub dropped: u64,
    /// Trainings under the budgets that were tried: each architecture under each, as far as that was not dropped
    /// before.
    pub trainings: u64,
    /// What they would have been without racing.
    pub trainings_of_all: u64,
}

impl RaceReport {
    /// The share of the trainings that was not needed.
    pub fn saved(&self) -> f64 {
        1.0 - self.trainings as f64 / self.trainings_of_all.max(1) as f64
    }

    fn new(confidence: f64, tried: &[RankedBudget], architectures: usize) -> Self {
        let dropped = tried.iter().filter(|budget| budget.trial.dropped_after.is_some());
        Self {
            confidence,
            dropped: dropped.count() as u64,
            trainings: tried.iter().map(|budget| budget.quality.architectures as u64).sum(),
            trainings_of_all: (tried.len() * architectures) as u64,
        }
    }
}

/// One round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// Importance of each hyper-parameter in the table's order, after the trials of this round.
    pub importances: Importances,
    /// The hyper-parameters that this round fixed.
    pub fixed: Vec<Fixed>,
}

impl Stage for Mip {
    type Output = MipReport;

    const NAME: &'static str = "mip";
    const VERSION: u32 = 5;

    fn parameters(&self) -> Result<Fields, Error> {
        let mut fields = Fields::new();
        self.objective.add_to(&mut fields)?;
        self.unit.add_to(&mut fields)?;
        if let Some(confidence) = self.race {
            fields.insert("mip.race", confidence)?;
        }
        Ok(fields)
    }

    fn inputs(&self) -> Vec<Input> {
        let each = |input: fn(&RoundHandles) -> Input| self.rounds.iter().map(input);
        [self.truth.role("truth"), self.budget.role("budget")]
            .into_iter()
            .chain(each(|round| round.trials.role("trials")))
            .chain(each(|round| round.importances.role("importances")))
            .chain(each(|round| round.pruned.role("pruned")))
            .chain(self.ceiling.map(|ceiling| ceiling.role("ceiling")))
            .collect()
    }

    fn run(&self, inputs: &Inputs, _: &dyn JobRunner) -> Result<Self::Output, StageError> {
        let (mut ranked, mut rounds): (Vec<RankedBudget>, Vec<Round>) = (Vec::new(), Vec::new());
        let mut trials: Vec<Trial> = Vec::new();
        let mut fixed_before = 0;
        for handles in &self.rounds {
            for budget in inputs.read(handles.trials)? {
                // What a round drew again is known already.
                if ranked.iter().all(|known| known.trial.budget != budget.trial.budget) {
                    ranked.push(budget);
                }
            }
            let state = inputs.read(handles.pruned)?;
            let fixed = state.fixed.get(fixed_before..).unwrap_or_default().to_vec();
            fixed_before = state.fixed.len();
            trials = state.trials;
            rounds.push(Round { importances: inputs.read(handles.importances)?, fixed });
        }
        let pick = |budget: &Budget| {
            let found = ranked.iter().find(|ranked| ranked.trial.budget == *budget);
            found.cloned().ok_or_else(|| inputs.unexpected(self.budget, "is a budget that no round tried"))
        };
        let EvaluatedBudget { scores, mut diverged, .. } = inputs.read_only(self.truth)?;
        let diverged_fully = diverged.len() as u64;
        let ceiling = self.ceiling.map(|ceiling| inputs.read_only(ceiling)).transpose()?;
        diverged.extend(ceiling.iter().flat_map(|again| again.diverged.iter().cloned()));
        diverged.extend(ranked.iter().flat_map(|budget| budget.diverged.iter().cloned()));
        Ok(MipReport {
            found: pick(&inputs.read(self.budget)?)?,
            objective: self.objective,
            unit: self.unit,
            rounds,
            pareto: pareto(&trials).into_iter().map(|trial| pick(&trial.budget)).collect::<Result<_, _>>()?,
            ceiling,
            tried: trials.len() as u64,
            race: self.race.map(|confidence| RaceReport::new(confidence, &ranked, scores.len())),
            diverged_fully,
            diverged,
        })
    }
}
