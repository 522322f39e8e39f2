//! Stage `mip`: what minimum importance pruning found, round by round.

use cache::Fields;
use serde::{Deserialize, Serialize};

use super::{Handle, Input, Inputs, JobRunner, RankedBudget, Stage, StageError};
use crate::hyperparameter::COUNT;
use crate::mip::{Fixed, MipState, Trial, pareto};
use crate::{Budget, Error};

/// Brings together what every round found, in order. The output is a [`MipReport`].
#[derive(Clone, Debug)]
pub struct Mip {
    /// The budget found.
    pub budget: Handle<Budget>,
    /// The rounds, in order.
    pub rounds: Vec<RoundHandles>,
}

/// The outputs of one round.
#[derive(Clone, Copy, Debug)]
pub struct RoundHandles {
    /// The budgets that were tried.
    pub trials: Handle<Vec<RankedBudget>>,
    /// The importance of each hyper-parameter.
    pub importances: Handle<[f64; COUNT]>,
    /// What is left of the space.
    pub pruned: Handle<MipState>,
}

/// The result of minimum importance pruning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MipReport {
    /// The budget found.
    pub found: Pick,
    /// What each round found out.
    pub rounds: Vec<Round>,
    /// The trials that none is both cheaper and better than, by ascending cost.
    pub pareto: Vec<Pick>,
    /// Different budgets that were tried.
    pub tried: u64,
}

/// A budget with what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pick {
    /// The budget.
    pub budget: Budget,
    /// `r_s` against full training; `None` when undefined.
    pub spearman: Option<f64>,
    /// Its interval (95%) over the architectures.
    pub interval: Option<(f64, f64)>,
    /// Cost against full training.
    pub cost_ratio: f64,
}

/// One round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// Importance of each hyper-parameter in the table's order, after the trials of this round.
    pub importances: [f64; COUNT],
    /// The hyper-parameters that this round fixed.
    pub fixed: Vec<Fixed>,
}

impl Stage for Mip {
    type Output = MipReport;

    fn name(&self) -> &'static str {
        "mip"
    }

    fn parameters(&self) -> Result<Fields, Error> {
        Ok(Fields::new())
    }

    fn inputs(&self) -> Vec<Input> {
        let each = |input: fn(&RoundHandles) -> Input| self.rounds.iter().map(input);
        [self.budget.role("budget")]
            .into_iter()
            .chain(each(|round| round.trials.role("trials")))
            .chain(each(|round| round.importances.role("importances")))
            .chain(each(|round| round.pruned.role("pruned")))
            .collect()
    }

    fn run(&self, inputs: &Inputs, _: &dyn JobRunner) -> Result<Self::Output, StageError> {
        let (mut ranked, mut rounds): (Vec<RankedBudget>, Vec<Round>) = (Vec::new(), Vec::new());
        let mut trials: Vec<Trial> = Vec::new();
        let mut fixed_before = 0;
        for handles in &self.rounds {
            ranked.extend(inputs.read(handles.trials)?);
            let state = inputs.read(handles.pruned)?;
            let fixed = state.fixed.get(fixed_before..).unwrap_or_default().to_vec();
            fixed_before = state.fixed.len();
            trials = state.trials;
            rounds.push(Round { importances: inputs.read(handles.importances)?, fixed });
        }
        let pick = |budget: &Budget| {
            let found = ranked.iter().find(|ranked| ranked.trial.budget == *budget);
            found
                .map(Pick::of)
                .ok_or_else(|| inputs.unexpected(self.budget, "is a budget that no round tried"))
        };
        Ok(MipReport {
            found: pick(&inputs.read(self.budget)?)?,
            rounds,
            pareto: pareto(&trials).into_iter().map(|trial| pick(&trial.budget)).collect::<Result<_, _>>()?,
            tried: trials.len() as u64,
        })
    }
}

impl Pick {
    /// What a round's ranking says about a budget.
    pub fn of(ranked: &RankedBudget) -> Self {
        Self {
            budget: ranked.trial.budget,
            spearman: ranked.trial.spearman,
            interval: ranked.interval,
            cost_ratio: ranked.cost_ratio,
        }
    }
}
