//! Architecture search: a strategy is asked for architectures, is told their scores, and says in the end what it found.
//!
//! A strategy is a function of its settings, its seed and the scores that it was told: it knows no clock, no machine and
//! nobody's order of arrival. So two machines that search with the same seed ask for the same architectures, a search
//! that was killed goes on as if it had not been, and what one of them has trained the other finds in the cache.

mod combined;
mod dense;
mod evolution;
mod random;
mod reinforcement;
mod strategy;
#[cfg(test)]
mod tests;

pub use combined::{Combine, Ingredient, Place, Reference, Standing};
pub use dense::DenseCells;
pub use evolution::Evolution;
pub use random::RandomSearch;
pub use reinforcement::Reinforcement;
pub use strategy::{Described, STRATEGIES, Search, Strategies, Strategy, SupernetStrategy};

use crate::Genotype;
use crate::sample::ArchitectureList;

/// A search that is asked and told. It is asked, all that it asked for is scored, it is told, and so on until it asks for
/// nothing more; then it is asked what it found.
pub trait Searcher: Send {
    /// The next architectures to score, in canonical form, as many as go together; they are scored at the same time. None
    /// when the search is over. It is asked only when it has been told the scores of all that it asked for before.
    fn ask(&mut self) -> Box<dyn ArchitectureList>;

    /// The score of one architecture, higher is better, in the order of asking.
    fn tell(&mut self, score: f64);

    /// What the search found, in canonical form: of several the one with the best score, which may have to be trained first,
    /// for they may be architectures that it never asked for. None when it was told no score.
    fn finish(&self) -> Vec<Genotype>;
}

/// The index of the best score; of equal scores the first. `None` when there are none. NaN is never best.
pub fn best(scores: &[f64]) -> Option<usize> {
    let better = |best: usize, next: usize| if scores[next] > scores[best] { next } else { best };
    (0..scores.len()).filter(|&index| !scores[index].is_nan()).reduce(better)
}
