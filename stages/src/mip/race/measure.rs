//! What races over many orders of the architectures would save where all trainings are known already, and what that
//! costs.

use rayon::prelude::*;
use serde::Serialize;

use super::{Race, Racer, Rule, refused};
use crate::Error;
use crate::mip::{Objective, best_by};
use crate::random::Random;
use crate::statistics::{Mean, means, spearman_of};

/// A budget whose accuracies are known.
#[derive(Clone, Copy, Debug)]
pub struct Entrant<'a> {
    /// What a training under it costs, in any unit.
    pub cost: f64,
    /// The accuracy of each architecture under it.
    pub estimates: &'a [f64],
}

/// How budgets race, by `r_s`, and how one is chosen in the end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// As [`Rule::confidence`].
    pub confidence: f64,
    /// Weight of the cost in the choice (Eq. 1), 0 ≤ λ < 1. No race depends on it.
    pub lambda: f64,
    /// The cost of full training, in the unit of the costs.
    pub full_cost: f64,
    /// Of orders, and of what looks imagine.
    pub seed: u64,
}

/// A race.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Raced {
    /// For each budget the architectures that were trained under it: all where it was not dropped.
    pub(super) trained: Vec<usize>,
    /// The budget with the highest objective (Eq. 1) of those that were not dropped; `None` when no `r_s` is defined.
    pub(super) found: Option<usize>,
}

/// What races over many orders of the architectures save, and what that costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// Orders.
    pub orders: usize,
    /// The budget that is chosen without racing, by all architectures.
    #[serde(skip)]
    pub without: Option<usize>,
    /// Share of the trainings that were not needed.
    pub saved: Mean,
    /// Share of their cost; none where nothing costs anything.
    pub cost_saved: Option<Mean>,
    /// Share of the orders in which another budget is chosen.
    pub differs: Mean,
    /// By how much its `r_s` is lower, on average over all orders; negative where the other one's is higher.
    pub spearman_lost: Mean,
    /// By how much its objective is lower, which is what is chosen by.
    pub objective_lost: Mean,
    /// The most that an order lost of the objective.
    pub most_lost: f64,
}

/// Races the budgets over the architectures in this `order`.
pub(super) fn race(
    truths: &[f64],
    entrants: &[Entrant<'_>],
    order: &[usize],
    settings: &Settings,
) -> Result<Raced, Error> {
    check(truths, entrants, order)?;
    let rule = Rule { confidence: settings.confidence, objective: Objective::Spearman, seed: settings.seed };
    let in_order: Vec<f64> = order.iter().map(|&place| truths[place]).collect();
    let mut race = Race::new(rule, &in_order, Vec::new(), entrants.len())?;
    loop {
        let next = &order[race.next_group()];
        if next.is_empty() {
            break;
        }
        let found = |&budget: &usize| Racer {
            cost: entrants[budget].cost / settings.full_cost,
            estimates: next.iter().map(|&place| entrants[budget].estimates[place]).collect(),
        };
        race.tell(race.left().iter().map(found).collect())?;
    }
    let spearmans = spearmans(truths, entrants)?;
    Ok(Raced { trained: race.trained(), found: best(entrants, &spearmans, race.left(), settings) })
}

/// Races over so many random orders of the architectures. The same bits for the same numbers and settings, whatever the
/// threads.
///
/// # Errors
/// [`Error::Numbers`] for lists of different lengths and accuracies that are not numbers.
pub fn measure(
    truths: &[f64],
    entrants: &[Entrant<'_>],
    orders: usize,
    settings: &Settings,
) -> Result<Measured, Error> {
    let all: Vec<usize> = (0..truths.len()).collect();
    check(truths, entrants, &all)?;
    let spearmans = spearmans(truths, entrants)?;
    let budgets: Vec<usize> = (0..entrants.len()).collect();
    let without = best(entrants, &spearmans, &budgets, settings);
    let total: f64 = entrants.iter().map(|entrant| entrant.cost).sum();
    let play = |index: usize| {
        let mut order = all.clone();
        Random::new(settings.seed, "race: order of architectures", index as u64).shuffle(&mut order);
        let settings = Settings {
            seed: Random::new(settings.seed, "race: seed of an order", index as u64).bits(),
            ..*settings
        };
        let Raced { trained, found } = race(truths, entrants, &order, &settings)?;
        let share = |of: f64, whole: f64| if whole > 0.0 { 1.0 - of / whole } else { 0.0 };
        let count = trained.iter().sum::<usize>() as f64;
        let paid: f64 =
            entrants.iter().zip(&trained).map(|(entrant, &count)| entrant.cost * count as f64).sum();
        let lost = |worth: &dyn Fn(usize) -> Option<f64>| {
            without.and_then(worth).zip(found.and_then(worth)).map_or(0.0, |(without, found)| without - found)
        };
        Ok([
            share(count, (all.len() * entrants.len()) as f64),
            share(paid, total * all.len() as f64),
            f64::from(u8::from(found != without)),
            lost(&|budget| spearmans[budget]),
            lost(&|budget| Some(spearmans[budget]? - price(&entrants[budget], &settings))),
        ])
    };
    let played: Vec<[f64; 5]> = (0..orders).into_par_iter().map(play).collect::<Result<_, Error>>()?;
    let lists: Vec<Vec<f64>> =
        (0..5).map(|which| played.iter().map(|numbers| numbers[which]).collect()).collect();
    let means = means(&lists, settings.seed);
    Ok(Measured {
        orders,
        without,
        saved: means[0],
        cost_saved: (total > 0.0).then(|| means[1]),
        differs: means[2],
        spearman_lost: means[3],
        objective_lost: means[4],
        most_lost: lists[4].iter().copied().fold(0.0, f64::max),
    })
}

fn spearmans(truths: &[f64], entrants: &[Entrant<'_>]) -> Result<Vec<Option<f64>>, Error> {
    entrants.iter().map(|entrant| spearman_of(entrant.estimates, truths)).collect()
}

/// What Eq. 1 takes off the `r_s` of a budget.
fn price(entrant: &Entrant<'_>, settings: &Settings) -> f64 {
    settings.lambda * entrant.cost / settings.full_cost
}

/// Of some budgets the one with the highest objective.
fn best(
    entrants: &[Entrant<'_>],
    spearmans: &[Option<f64>],
    of: &[usize],
    settings: &Settings,
) -> Option<usize> {
    let measure = |&budget: &usize| {
        let entrant = &entrants[budget];
        Some((spearmans[budget]? - price(entrant, settings), entrant.cost))
    };
    best_by(of, measure).copied()
}

fn check(truths: &[f64], entrants: &[Entrant<'_>], order: &[usize]) -> Result<(), Error> {
    if entrants.iter().any(|entrant| entrant.estimates.len() != truths.len()) {
        return Err(refused("a budget with more or fewer accuracies than there are architectures"));
    }
    let mut sorted = order.to_vec();
    sorted.sort_unstable();
    if sorted.into_iter().ne(0..truths.len()) {
        return Err(refused("an order that does not hold every architecture once"));
    }
    Ok(())
}
