//! Racing (Maron and Moore, 1994): architectures are trained one after the other under all budgets, and a budget is dropped as
//! soon as it can hardly end as the best. Knows accuracies and costs, and nothing that trains.

use rayon::prelude::*;
use serde::Serialize;

use super::best_by;
use crate::Error;
use crate::random::Random;
use crate::statistics::{Interval, completed, completions, mean_intervals, spearman_of};

/// Architectures before anything is dropped: an `r_s` of fewer says little, and its resamples too much.
const FIRST: usize = 10;
/// Architectures between two looks.
const EVERY: usize = 5;
/// Ways to complete a list of architectures that a look imagines.
const COMPLETIONS: usize = 200;

/// A budget that races.
#[derive(Clone, Copy, Debug)]
pub struct Entrant<'a> {
    /// What a training under it costs, in any unit.
    pub cost: f64,
    /// The accuracy of each architecture under it.
    pub estimates: &'a [f64],
}

/// How budgets race.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How sure it must be that a budget ends behind the leader before it is dropped, from .5 up to but not 1.
    pub confidence: f64,
    /// Weight of the cost in Eq. 1, 0 ≤ λ < 1.
    pub lambda: f64,
    /// The cost of full training, in the unit of the costs.
    pub full_cost: f64,
    /// Of what looks imagine.
    pub seed: u64,
}

/// A race.
#[derive(Clone, Debug, PartialEq)]
pub struct Raced {
    /// For each budget the architectures that were trained under it: all where it was not dropped.
    pub trained: Vec<usize>,
    /// The budget with the highest objective (Eq. 1) of those that were not dropped; `None` when no `r_s` is defined.
    pub found: Option<usize>,
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

/// A mean over orders with its bootstrap interval (95%).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mean {
    /// The mean.
    pub mean: f64,
    /// What another draw of the orders would change. `None` of a single order.
    pub interval: Option<Interval>,
}

/// Races the budgets over the architectures in this `order`.
///
/// At each look the architectures that are not trained yet are made up of those that are, 200 times, as Pólya's urn has it,
/// and a budget whose objective comes up to the leader's in at most 1 - confidence of these is dropped. The confidence is that of one
/// comparison: what a whole race errs is for [`measure`] to say.
///
/// # Errors
/// [`Error::Numbers`] for lists of different lengths and accuracies that are not numbers.
pub fn race(
    truths: &[f64],
    entrants: &[Entrant<'_>],
    order: &[usize],
    settings: &Settings,
) -> Result<Raced, Error> {
    check(truths, entrants, order)?;
    let all = order.len();
    let mut trained = vec![all; entrants.len()];
    let mut left: Vec<usize> = (0..entrants.len()).collect();
    for known in (FIRST..all).step_by(EVERY) {
        if left.len() < 2 {
            break;
        }
        let of = |list: &[f64]| -> Vec<f64> { order[..known].iter().map(|&place| list[place]).collect() };
        let mut random = Random::new(settings.seed, "race: completions", known as u64);
        let (truths, imagined) = (of(truths), completions(known, all, COMPLETIONS, &mut random));
        let objectives: Vec<Vec<f64>> = left
            .iter()
            .map(|&budget| {
                let spearmans = completed(&of(entrants[budget].estimates), &truths, &imagined)?;
                let objective = |spearman: Option<f64>| {
                    spearman
                        .map_or(f64::NEG_INFINITY, |spearman| spearman - price(&entrants[budget], settings))
                };
                Ok(spearmans.into_iter().map(objective).collect())
            })
            .collect::<Result<_, Error>>()?;
        let mean =
            |place: &usize| Some((objectives[*place].iter().sum::<f64>(), entrants[left[*place]].cost));
        let places: Vec<usize> = (0..left.len()).collect();
        let Some(&leader) = best_by(&places, mean) else { break };
        let dropped = |&place: &usize| {
            let reaches = objectives[place].iter().zip(&objectives[leader]).filter(|(own, most)| own >= most);
            place != leader && reaches.count() as f64 <= (1.0 - settings.confidence) * COMPLETIONS as f64
        };
        let dropped: Vec<usize> = places.into_iter().filter(dropped).map(|place| left[place]).collect();
        for &budget in &dropped {
            trained[budget] = known;
        }
        left.retain(|budget| !dropped.contains(budget));
    }
    let spearmans: Vec<Option<f64>> =
        entrants.iter().map(|entrant| spearman_of(entrant.estimates, truths)).collect::<Result<_, _>>()?;
    Ok(Raced { trained, found: best(entrants, &spearmans, &left, settings) })
}

/// Races over so many random orders of the architectures. The same bits for the same numbers and settings, whatever the
/// threads.
///
/// # Errors
/// As [`race`].
pub fn measure(
    truths: &[f64],
    entrants: &[Entrant<'_>],
    orders: usize,
    settings: &Settings,
) -> Result<Measured, Error> {
    let all: Vec<usize> = (0..truths.len()).collect();
    check(truths, entrants, &all)?;
    let spearmans: Vec<Option<f64>> =
        entrants.iter().map(|entrant| spearman_of(entrant.estimates, truths)).collect::<Result<_, _>>()?;
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
    let intervals = mean_intervals(&lists, settings.seed);
    let mean = |which: usize| Mean {
        mean: lists[which].iter().sum::<f64>() / orders.max(1) as f64,
        interval: intervals[which],
    };
    Ok(Measured {
        orders,
        without,
        saved: mean(0),
        cost_saved: (total > 0.0).then(|| mean(1)),
        differs: mean(2),
        spearman_lost: mean(3),
        objective_lost: mean(4),
        most_lost: lists[4].iter().copied().fold(0.0, f64::max),
    })
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
    let refuse = |problem: &str| Err(Error::Numbers { what: "race of budgets", problem: problem.to_owned() });
    if entrants.iter().any(|entrant| entrant.estimates.len() != truths.len()) {
        return refuse("a budget with more or fewer accuracies than there are architectures");
    }
    let mut sorted = order.to_vec();
    sorted.sort_unstable();
    if sorted.into_iter().ne(0..truths.len()) {
        return refuse("an order that does not hold every architecture once");
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings { confidence: 0.95, lambda: 0.1, full_cost: 10.0, seed: 3 };

    fn truths(count: usize) -> Vec<f64> {
        (0..count).map(|truth| truth as f64).collect()
    }

    /// Truths with so much noise.
    fn noisy(count: usize, noise: f64, stream: u64) -> Vec<f64> {
        let mut random = Random::new(1, "test", stream);
        (0..count).map(|truth| truth as f64 + noise * random.normal()).collect()
    }

    #[test]
    fn what_ranks_at_random_is_dropped_at_the_first_look_and_the_best_stays() {
        let truths = truths(60);
        let (good, bad) = (truths.clone(), noisy(60, 1e9, 0));
        let entrants =
            [&bad, &good, &bad].map(|estimates| Entrant { cost: 1.0, estimates: estimates.as_slice() });
        let raced = race(&truths, &entrants, &(0..60).collect::<Vec<_>>(), &SETTINGS).unwrap();
        assert_eq!(raced, Raced { trained: vec![FIRST, 60, FIRST], found: Some(1) });
        // 60 + 2 · 10 of 180 trainings.
        let measured = measure(&truths, &entrants, 20, &SETTINGS).unwrap();
        assert!((measured.saved.mean - 100.0 / 180.0).abs() < 0.06, "{measured:?}");
        assert_eq!(measured.cost_saved.unwrap().mean, measured.saved.mean);
        let lost = [measured.differs, measured.spearman_lost, measured.objective_lost].map(|one| one.mean);
        assert_eq!((lost, measured.most_lost, measured.without), ([0.0; 3], 0.0, Some(1)));
    }

    #[test]
    fn equals_race_to_the_end_and_the_cheaper_wins() {
        let truths = truths(40);
        let estimates = noisy(40, 10.0, 1);
        let entrant = |cost| Entrant { cost, estimates: &estimates };
        let order: Vec<usize> = (0..40).rev().collect();
        let even = Settings { lambda: 0.0, ..SETTINGS };
        let raced = race(&truths, &[entrant(2.0), entrant(1.0)], &order, &even).unwrap();
        assert_eq!(raced, Raced { trained: vec![40, 40], found: Some(1) });
        // Of two that rank alike the dearer one is behind by λ·cost, which no architecture makes up for.
        let raced = race(&truths, &[entrant(2.0), entrant(1.0)], &order, &SETTINGS).unwrap();
        assert_eq!(raced, Raced { trained: vec![FIRST, 40], found: Some(1) });
    }

    #[test]
    fn little_confidence_saves_more_and_errs_more() {
        let truths = truths(60);
        let lists: Vec<Vec<f64>> = (0..8).map(|place| noisy(60, 20.0 + place as f64, place)).collect();
        let entrants: Vec<Entrant<'_>> =
            lists.iter().map(|estimates| Entrant { cost: 0.0, estimates }).collect();
        let of = |confidence| measure(&truths, &entrants, 60, &Settings { confidence, ..SETTINGS }).unwrap();
        let [rash, careful] = [0.6, 0.999].map(of);
        assert!(rash.saved.mean > careful.saved.mean + 0.1, "{rash:?} {careful:?}");
        assert!(rash.differs.mean > careful.differs.mean, "{rash:?} {careful:?}");
        // Without costs the best r_s is what is chosen by, so that another choice loses some.
        assert!(rash.spearman_lost.mean > 0.0 && rash.spearman_lost == rash.objective_lost);
        assert_eq!(rash.cost_saved, None);
        let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(one_thread.install(|| of(0.6)), rash);
    }

    #[test]
    fn few_architectures_and_none_end_well() {
        let truths = truths(FIRST);
        let flat = vec![1.0; FIRST];
        let entrants = [Entrant { cost: 1.0, estimates: &flat }; 2];
        let raced = race(&truths, &entrants, &(0..FIRST).collect::<Vec<_>>(), &SETTINGS).unwrap();
        assert_eq!(raced, Raced { trained: vec![FIRST; 2], found: None });
        assert_eq!(measure(&truths, &entrants, 3, &SETTINGS).unwrap().saved.mean, 0.0);
        assert_eq!(race(&[], &[], &[], &SETTINGS).unwrap().found, None);
        assert!(race(&truths, &entrants, &[0; FIRST], &SETTINGS).is_err());
        assert!(race(&truths[1..], &entrants, &[], &SETTINGS).is_err());
    }
}
