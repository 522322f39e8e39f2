//! Aging evolution (Real, Aggarwal, Huang and Le, 2019, Algorithm 1): the best of a few of the population has a child that
//! differs in one operation, and the oldest of the population dies.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::dense::DenseCells;
use super::{Searcher, best};
use crate::Genotype;
use crate::random::Random;
use crate::sample::ArchitectureList;

/// Prunings of the best cells from which the final ones are taken.
pub(super) const PRUNINGS: u64 = 10;

/// Settings of evolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evolution {
    /// Architectures that are alive; at least 2. The first ones are drawn at random.
    pub population: usize,
    /// Of how many of them, drawn with replacement, the best becomes a parent; from 1 to the population.
    pub tournament: usize,
    /// Children that are asked for together: each has a parent of those that were scored before.
    pub at_once: usize,
}

impl Evolution {
    /// What fits a search of `samples` architectures: half of them are children, and tournaments shrink with the population.
    #[must_use]
    pub fn fitting(self, samples: usize) -> Self {
        let population = self.population.min((samples / 2).max(2));
        if population == self.population {
            return self;
        }
        // Rounded up, and of at least two, for a tournament of one chooses nothing.
        let tournament = (self.tournament * population).div_ceil(self.population).clamp(2, population);
        Self { population, tournament: tournament.min(self.tournament), ..self }
    }
}

/// A search by evolution.
pub(super) struct EvolutionSearch {
    settings: Evolution,
    samples: usize,
    seed: u64,
    /// All that were asked for, in that order.
    asked: Vec<DenseCells>,
    /// Scores of the first of them.
    scores: Vec<f64>,
    /// Those that are alive, the oldest first, as places in `asked`.
    alive: VecDeque<usize>,
}

impl EvolutionSearch {
    pub(super) fn new(settings: Evolution, samples: usize, seed: u64) -> Self {
        Self { settings, samples, seed, asked: Vec::new(), scores: Vec::new(), alive: VecDeque::new() }
    }

    /// A child of the best of a few. A tie goes to the one that was drawn first.
    fn child(&self, number: usize) -> DenseCells {
        let mut random = Random::new(self.seed, "evolution: child", number as u64);
        let drawn = (0..self.settings.tournament)
            .map(|_| self.alive[random.below(self.alive.len() as u64) as usize])
            .collect::<Vec<_>>();
        let scores: Vec<f64> = drawn.iter().map(|&place| self.scores[place]).collect();
        let parent = drawn[best(&scores).unwrap_or(0)];
        self.asked[parent].mutated(&mut random)
    }
}

impl Searcher for EvolutionSearch {
    fn ask(&mut self) -> Box<dyn ArchitectureList> {
        let before = self.asked.len();
        let end = if before == 0 { self.settings.population } else { before + self.settings.at_once };
        for number in before..end.min(self.samples) {
            let cells = if before == 0 {
                DenseCells::draw(&mut Random::new(self.seed, "evolution: population", number as u64))
            } else {
                self.child(number)
            };
            self.asked.push(cells);
        }
        Box::new(self.asked[before..].iter().map(DenseCells::genotype).collect::<Vec<_>>())
    }

    fn tell(&mut self, score: f64) {
        self.alive.push_back(self.scores.len());
        self.scores.push(score);
        if self.alive.len() > self.settings.population {
            self.alive.pop_front();
        }
    }

    /// Ten random prunings of the best cells that ever lived.
    fn finish(&self) -> Vec<Genotype> {
        let Some(place) = best(&self.scores) else { return Vec::new() };
        let prune = |number| {
            self.asked[place].pruned_at_random(&mut Random::new(self.seed, "evolution: pruning", number))
        };
        let mut found: Vec<Genotype> = Vec::new();
        for genotype in (0..PRUNINGS).map(prune) {
            if !found.contains(&genotype) {
                found.push(genotype);
            }
        }
        found
    }
}
