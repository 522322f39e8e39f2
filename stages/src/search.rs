//! Architecture search: a strategy proposes architectures (ask) and hears their scores (tell).

use crate::sample::{ArchitectureList, RandomArchitectures};

/// The names of the strategies that [`strategy`] makes.
pub const STRATEGIES: [&str; 1] = ["random"];

/// A search strategy. A search alternates [`ask`](Strategy::ask), training, and [`tell`](Strategy::tell) until `ask` has
/// nothing more to propose.
pub trait Strategy {
    /// The next architectures to score, in canonical form; they may be scored at the same time. None when the search is over.
    fn ask(&mut self) -> Box<dyn ArchitectureList>;

    /// The scores of the architectures that the last [`ask`](Strategy::ask) returned, in its order; higher is better.
    fn tell(&mut self, scores: &[f64]);
}

/// The strategy `name` with a budget of `samples` architectures. `None` for a name that is not in [`STRATEGIES`].
pub fn strategy(name: &str, samples: usize, seed: u64) -> Option<Box<dyn Strategy>> {
    match name {
        "random" => Some(Box::new(RandomSearch::new(samples, seed))),
        _ => None,
    }
}

/// Random search: architectures as [`crate::sample::architectures`] draws them, all proposed at once.
pub struct RandomSearch {
    samples: usize,
    seed: u64,
}

impl RandomSearch {
    /// A search over `samples` random architectures.
    pub const fn new(samples: usize, seed: u64) -> Self {
        Self { samples, seed }
    }
}

impl Strategy for RandomSearch {
    fn ask(&mut self) -> Box<dyn ArchitectureList> {
        Box::new(RandomArchitectures { seed: self.seed, count: std::mem::take(&mut self.samples) })
    }

    fn tell(&mut self, _scores: &[f64]) {}
}

/// The index of the best score; of equal scores the first. `None` when there are none. NaN is never best.
pub fn best(scores: &[f64]) -> Option<usize> {
    let better = |best: usize, next: usize| if scores[next] > scores[best] { next } else { best };
    (0..scores.len()).filter(|&index| !scores[index].is_nan()).reduce(better)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Genotype;
    use crate::sample::architectures;

    #[test]
    fn random_search_asks_once_for_everything() {
        let mut search = RandomSearch::new(5, 3);
        let asked = search.ask();
        let asked: Vec<_> = (0..asked.count()).map(|place| asked.architecture(place)).collect();
        assert_eq!(asked, architectures(3, 5).iter().map(Genotype::canonical).collect::<Vec<_>>());
        search.tell(&[1.0; 5]);
        assert_eq!(search.ask().count(), 0);
    }

    #[test]
    fn every_named_strategy_exists() {
        assert!(STRATEGIES.iter().all(|name| strategy(name, 1, 0).is_some()));
        assert!(strategy("no such strategy", 1, 0).is_none());
    }

    #[test]
    fn the_best_score_wins_and_the_first_of_equals() {
        assert_eq!(best(&[1.0, 3.0, f64::NAN, 3.0, 2.0]), Some(1));
        assert_eq!(best(&[f64::NAN, 0.0]), Some(1));
        assert_eq!(best(&[]), None);
    }
}
