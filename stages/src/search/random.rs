//! Random search: what every other strategy has to beat.

use super::{Searcher, best};
use crate::Genotype;
use crate::sample::{ArchitectureList, RandomArchitectures};

/// Random search: architectures as [`crate::sample::architectures`] draws them, all asked for at once.
pub struct RandomSearch {
    drawn: RandomArchitectures,
    is_over: bool,
    scores: Vec<f64>,
}

impl RandomSearch {
    /// A search over `samples` random architectures.
    pub const fn new(samples: usize, seed: u64) -> Self {
        Self { drawn: RandomArchitectures { seed, count: samples }, is_over: false, scores: Vec::new() }
    }
}

impl Searcher for RandomSearch {
    fn ask(&mut self) -> Box<dyn ArchitectureList> {
        let count = if std::mem::replace(&mut self.is_over, true) { 0 } else { self.drawn.count };
        Box::new(RandomArchitectures { count, ..self.drawn })
    }

    fn tell(&mut self, score: f64) {
        self.scores.push(score);
    }

    fn finish(&self) -> Vec<Genotype> {
        best(&self.scores).map(|place| self.drawn.architecture(place)).into_iter().collect()
    }
}
