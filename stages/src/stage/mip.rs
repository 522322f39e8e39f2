//! Stage `mip`: what minimum importance pruning found, round by round.

use cache::Fields;
use serde::{Deserialize, Serialize};

use super::{Halt, Inputs, RankedBudget, Stage, Trainings, encode};
use crate::hyperparameter::COUNT;
use crate::mip::{Fixed, MipState, Trial, pareto};
use crate::{Budget, Error};

/// Brings together input `budget` and, of every round in order, `trials`, `importances` and `pruned`. The output is
/// a [`MipReport`].
#[derive(Clone, Copy, Debug)]
pub struct Mip;

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
    fn name(&self) -> &'static str {
        "mip"
    }

    fn parameters(&self) -> Result<Fields, Error> {
        Ok(Fields::new())
    }

    fn run(&self, inputs: &Inputs, _: &dyn Trainings) -> Result<Vec<u8>, Halt> {
        let budget: Budget = inputs.one("budget")?;
        let ranked: Vec<Vec<RankedBudget>> = inputs.all("trials")?;
        let importances: Vec<[f64; COUNT]> = inputs.all("importances")?;
        let states: Vec<MipState> = inputs.all("pruned")?;
        let missing = |role: &str| Halt::Wiring { role: role.to_owned() };
        let pick = |budget: &Budget| {
            let found = ranked.iter().flatten().find(|ranked| ranked.trial.budget == *budget);
            found.map(Pick::of).ok_or_else(|| missing("trials"))
        };
        let mut rounds = Vec::with_capacity(states.len());
        let mut fixed_before = 0;
        for (state, importances) in states.iter().zip(importances) {
            let fixed = state.fixed.get(fixed_before..).unwrap_or_default().to_vec();
            fixed_before = state.fixed.len();
            rounds.push(Round { importances, fixed });
        }
        let trials: &[Trial] = &states.last().ok_or_else(|| missing("pruned"))?.trials;
        encode(&MipReport {
            found: pick(&budget)?,
            rounds,
            pareto: pareto(trials).into_iter().map(|trial| pick(&trial.budget)).collect::<Result<_, _>>()?,
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
