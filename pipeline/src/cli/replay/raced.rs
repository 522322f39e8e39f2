//! Races of the budgets of the table, over random orders of the architectures.

use stages::mip::race::{Entrant, Settings, measure};

use super::super::inputs::Inputs;
use super::{ORDERS, Replay};
use crate::error::Error;
use crate::output::racing::Racing;
use crate::output::replay::RankedTrial;

/// Races those budgets that have an accuracy of every architecture, and a cost where others have; `None` where that is
/// not asked for.
///
/// # Errors
/// When fewer than two can race.
pub(super) fn raced(
    asked: &Replay,
    inputs: &Inputs,
    trials: &[RankedTrial],
    estimates: &[Vec<Option<f64>>],
) -> Result<Option<Racing>, Error> {
    let truths = &inputs.known.truths;
    let Some(confidence) = asked.race else { return Ok(None) };
    let has_cost = trials.iter().any(|trial| trial.cost.is_some());
    let whole = |place: usize| -> Option<(usize, f64, Vec<f64>)> {
        let cost = if has_cost { trials[place].cost? } else { 0.0 };
        Some((place, cost, estimates[place].iter().copied().collect::<Option<_>>()?))
    };
    let racing: Vec<(usize, f64, Vec<f64>)> = (0..trials.len()).filter_map(whole).collect();
    if racing.len() < 2 {
        return Err(Error::Flag {
            flag: "--race",
            value: confidence.to_string(),
            problem: "needs two budgets with an accuracy of every architecture and a known cost".to_owned(),
        });
    }
    let entrants: Vec<Entrant<'_>> =
        racing.iter().map(|(_, cost, estimates)| Entrant { cost: *cost, estimates }).collect();
    let dearest = entrants.iter().map(|entrant| entrant.cost).fold(0.0, f64::max);
    let settings = Settings {
        confidence,
        lambda: asked.weight(has_cost),
        full_cost: asked.unit(inputs, dearest),
        seed: asked.seed,
    };
    let measured = measure(truths, &entrants, ORDERS, &settings).map_err(Error::Input)?;
    let name = |entrant: usize| trials[racing[entrant].0].budget.clone();
    Ok(Some(Racing {
        confidence,
        budgets: racing.len(),
        of: trials.len(),
        architectures: truths.len(),
        chosen_by_all: measured.without.map(name),
        measured,
    }))
}
