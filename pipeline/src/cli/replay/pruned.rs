//! Minimum importance pruning over the budgets of the table.

use stages::importance::Factor;
use stages::mip::tabulated::{Pruned, PrunedRound, Settings, TabulatedFixed, TabulatedTrial, prune};

use super::super::inputs::Inputs;
use super::Replay;
use crate::error::Error;
use crate::output::replay::{Pruning, RankedTrial};
use crate::report::{FixedTo, PruningRound};
use crate::tables::Observed;

/// Prunes over the `whole` trials, as far as their cost is known; `None` where there are none.
pub(super) fn pruned(
    asked: &Replay,
    inputs: &Inputs,
    observed: &[Observed<'_>],
    whole: &[usize],
    trials: &[RankedTrial],
) -> Result<Option<Pruning>, Error> {
    let has_cost = inputs.cost.is_some();
    let used: Vec<usize> =
        whole.iter().copied().filter(|&place| !has_cost || trials[place].cost.is_some()).collect();
    if used.is_empty() || observed.is_empty() {
        return Ok(None);
    }
    let factors: Vec<Factor> = observed.iter().map(|one| one.factor(&used).0).collect();
    let names: Vec<String> = observed.iter().map(|one| one.feature.name.clone()).collect();
    let tabulated: Vec<TabulatedTrial> = used
        .iter()
        .map(|&place| TabulatedTrial {
            cost: trials[place].cost.unwrap_or(0.0),
            spearman: trials[place].quality.spearman,
        })
        .collect();
    let dearest = tabulated.iter().map(|trial| trial.cost).fold(0.0, f64::max);
    let settings = Settings {
        a_round: asked.samples.map_or(usize::MAX, |samples| usize::try_from(samples).unwrap_or(usize::MAX)),
        temperature: 1.0,
        lambda: asked.weight(has_cost),
        full_cost: asked.unit(inputs, dearest),
        trees: asked.forest.trees as usize,
        seed: asked.seed,
    };
    let Pruned { rounds, tried, found, best } =
        prune(&names, &factors, &tabulated, &settings).map_err(Error::Input)?;
    let fixed = |fixed: &TabulatedFixed| FixedTo {
        hyperparameter: names[fixed.factor].clone(),
        value: inputs
            .trials
            .cell(inputs.budgets[used[fixed.value_of]].row, observed[fixed.factor].feature.column)
            .to_owned(),
        reason: fixed.reason.into(),
    };
    let round = |round: &PrunedRound| PruningRound {
        tried: round.tried,
        importances: names.iter().cloned().zip(round.importances.iter().copied()).collect(),
        fixed: round.fixed.iter().map(fixed).collect(),
    };
    let ratio = |trial: &TabulatedTrial| has_cost.then(|| trial.cost / settings.full_cost);
    Ok(Some(Pruning {
        lambda: settings.lambda,
        full_cost: has_cost.then_some(settings.full_cost),
        rounds: rounds.iter().map(round).collect(),
        hyperparameters: names.clone(),
        tried: tried.len(),
        of: used.len(),
        found: found.map(|found| trials[used[found]].budget.clone()),
        best: best.map(|best| trials[used[best]].budget.clone()),
        spearman: found.and_then(|found| tabulated[found].spearman),
        cost_ratio: found.and_then(|found| ratio(&tabulated[found])),
    }))
}
