//! Racing (Maron and Moore, 1994): architectures are trained a few at a time under all budgets, and a budget is dropped
//! as soon as it can hardly be the best, whatever its cost weighs. Knows accuracies and costs, and nothing that trains.

use std::ops::Range;

use rayon::prelude::*;

use super::{Objective, best_by};
use crate::Error;
use crate::random::Random;
use crate::statistics::completions;

mod measure;

pub use measure::{Entrant, Measured, Settings, measure};

/// Architectures before anything is dropped: an `r_s` of fewer says little, and its resamples too much.
const FIRST: usize = 10;
/// Architectures between two looks.
const EVERY: usize = 5;
/// Ways to complete a list of architectures that a look imagines.
const COMPLETIONS: usize = 200;

/// When a budget is dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// How sure it must be that a budget ends behind a leader before it is dropped, from .5 up to but not 1. It is the
    /// confidence of one comparison: what a whole race errs is for [`measure`] to say.
    pub confidence: f64,
    /// What budgets are to be good at. Of one that cannot race ([`Objective::can_race`]) nothing is dropped.
    pub objective: Objective,
    /// Of what looks imagine.
    pub seed: u64,
}

/// What is known of a budget that races.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Racer {
    /// What a training under it costs, in those of full training.
    pub cost: f64,
    /// The accuracies of architectures under it, in the order of the race.
    pub estimates: Vec<f64>,
}

/// A race of some budgets that is told, group by group, what trainings of the architectures gave.
///
/// After the first ten architectures, and then after every five, it looks: the architectures that are not trained yet
/// are made up of those that are, 200 times, as Pólya's urn has it. The budgets with the highest objective (Eq. 1) on
/// average lead: for λ = 0 the one that agrees best with full training, for larger λ cheaper ones, up to λ = 1. A
/// budget is dropped when each of the leaders, for every λ at which it leads, is ahead of it in all of these but a
/// share of 1 - confidence. So no race depends on the λ by which a budget is chosen in the end.
#[derive(Clone, Debug)]
pub struct Race<'a> {
    rule: Rule,
    truths: &'a [f64],
    /// Budgets that are tried already. They may lead, and cannot be dropped.
    known: Vec<Racer>,
    racers: Vec<Racer>,
    /// Those of them that are not dropped.
    left: Vec<usize>,
    /// Architectures that were told.
    told: usize,
}

/// A budget that has the highest objective on average for λ from the one to the other.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Leader {
    place: usize,
    from: f64,
    to: f64,
}

impl<'a> Race<'a> {
    /// Of so many `racers`, over architectures with these `truths`, beside budgets that have an accuracy of every one
    /// of them.
    ///
    /// # Errors
    /// [`Error::Numbers`] when one of these has more or fewer.
    pub fn new(rule: Rule, truths: &'a [f64], known: Vec<Racer>, racers: usize) -> Result<Self, Error> {
        if known.iter().any(|known| known.estimates.len() != truths.len()) {
            return Err(refused("a budget with more or fewer accuracies than there are architectures"));
        }
        let (left, racers) = ((0..racers).collect(), vec![Racer::default(); racers]);
        Ok(Self { rule, truths, known, racers, left, told: 0 })
    }

    /// The architectures to train next, under the budgets that are [`Race::left`]. None of them at the end of the race.
    pub fn next_group(&self) -> Range<usize> {
        let end = match self.told {
            told if self.left.is_empty() => told,
            _ if self.is_decided() => self.truths.len(),
            0 => FIRST,
            told => told + EVERY,
        };
        self.told..end.min(self.truths.len())
    }

    /// The budgets that are not dropped, ascending.
    pub fn left(&self) -> &[usize] {
        &self.left
    }

    /// How many architectures were trained under each budget: all where it was not dropped.
    pub fn trained(&self) -> Vec<usize> {
        self.racers.iter().map(|racer| racer.estimates.len()).collect()
    }

    /// Tells what training the architectures of [`Race::next_group`] gave under each budget of [`Race::left`], and what
    /// a training under it costs by all that is known of it now; drops those that can hardly be the best.
    ///
    /// # Errors
    /// [`Error::Numbers`] when there are more or fewer numbers than that, or some of them are none.
    pub fn tell(&mut self, found: Vec<Racer>) -> Result<(), Error> {
        let next = self.next_group();
        let is_whole = found.iter().all(|found| found.estimates.len() == next.len());
        if found.len() != self.left.len() || !is_whole {
            return Err(refused("more or fewer accuracies than were asked for"));
        }
        for (&place, found) in self.left.iter().zip(found) {
            self.racers[place].cost = found.cost;
            self.racers[place].estimates.extend(found.estimates);
        }
        self.told = next.end;
        if self.told < self.truths.len() && !self.is_decided() {
            self.look()?;
        }
        Ok(())
    }

    /// Whether there is nobody to be compared with.
    fn is_decided(&self) -> bool {
        self.left.len() + self.known.len() < 2
    }

    fn look(&mut self) -> Result<(), Error> {
        let (told, all) = (self.told, self.truths.len());
        let mut random = Random::new(self.rule.seed, "race: completions", told as u64);
        let imagined = completions(told, all, COMPLETIONS, &mut random);
        // What was tried before comes first, as it does where budgets are chosen.
        let entrants: Vec<&Racer> =
            self.known.iter().chain(self.left.iter().map(|&place| &self.racers[place])).collect();
        let agreements = |entrant: &&Racer| -> Result<Vec<f64>, Error> {
            let sides = (&entrant.estimates[..told], &self.truths[..told]);
            let agreements = self.rule.objective.of_samples(sides, &imagined)?;
            Ok(agreements.into_iter().map(|agreement| agreement.unwrap_or(f64::NEG_INFINITY)).collect())
        };
        let agreements: Vec<Vec<f64>> = entrants.par_iter().map(agreements).collect::<Result<_, Error>>()?;
        let mean = |agreements: &Vec<f64>| agreements.iter().sum::<f64>() / COMPLETIONS as f64;
        let lines: Vec<(f64, f64)> =
            agreements.iter().map(mean).zip(entrants.iter().map(|e| e.cost)).collect();
        let leaders = leaders(&lines);
        // A little more, for 200 · (1 - .9) is 19.999….
        let allowed = (1.0 - self.rule.confidence) * COMPLETIONS as f64 + 1e-9;
        let is_behind = |place: usize, Leader { place: leader, from, to }: &Leader| {
            let (own, most) = (lines[place].1, lines[*leader].1);
            // Of equal objectives the cheaper one is the better.
            let reaches = |lambda: f64, agreement: f64, best: f64| {
                let (objective, best) = (agreement - lambda * own, best - lambda * most);
                objective > best || (objective == best && own <= most)
            };
            // Objectives are linear in λ: what is behind at both ends is so in between.
            let pairs = agreements[place].iter().zip(&agreements[*leader]);
            let reached = pairs.filter(|&(&a, &b)| reaches(*from, a, b) || reaches(*to, a, b));
            reached.count() as f64 <= allowed
        };
        let is_dropped =
            |place: usize| !leaders.is_empty() && leaders.iter().all(|leader| is_behind(place, leader));
        let first = self.known.len();
        let stays: Vec<usize> = (0..self.left.len()).filter(|number| !is_dropped(first + number)).collect();
        self.left = stays.into_iter().map(|number| self.left[number]).collect();
        Ok(())
    }
}

/// The budgets that lead as λ goes from 0 to 1, one after the other, by their mean agreements and costs. None where no
/// agreement is defined.
fn leaders(lines: &[(f64, f64)]) -> Vec<Leader> {
    let places: Vec<usize> = (0..lines.len()).collect();
    let defined = |&place: &usize| Some(lines[place]).filter(|(mean, _)| mean.is_finite());
    let mut leaders = Vec::new();
    let mut leads = best_by(&places, defined).map(|&first| (first, 0.0));
    while let Some((place, from)) = leads {
        let (mean, cost) = lines[place];
        // Cheaper ones overtake it: of these the first, of several at once the cheapest.
        let overtakes = |&other: &usize| {
            let (other_mean, other_cost) = lines[other];
            let at = f64::max((mean - other_mean) / (cost - other_cost), from);
            (other_cost < cost && at <= 1.0).then_some((at, other_cost, other))
        };
        let next = places.iter().filter_map(overtakes);
        let next = next.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        leaders.push(Leader { place, from, to: next.map_or(1.0, |(at, ..)| at) });
        leads = next.map(|(at, _, other)| (other, at));
    }
    leaders
}

fn refused(problem: &str) -> Error {
    Error::Numbers { what: "race of budgets", problem: problem.to_owned() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
