//! Which training images are held out for validation.

use crate::random::Random;

/// Image numbers of the two parts of a training set, each in ascending order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Images to train on.
    pub train: Vec<u32>,
    /// Images that give the score.
    pub validation: Vec<u32>,
}

/// Images that [`holdout`] holds out of `count`.
pub fn held_out(count: usize, fraction: f64) -> usize {
    let share = (count as f64 * fraction).round() as usize;
    share.clamp(1.min(count), count.saturating_sub(1).max(1)).min(count)
}

/// Holds a random `fraction` (above 0, below 1) of `count` images out, rounded to whole images; at least one image
/// stays on each side when there are two or more. Depends on `count`, `fraction` and `seed` only.
pub fn holdout(count: usize, fraction: f64, seed: u64) -> Split {
    let mut order: Vec<u32> = (0..count as u32).collect();
    Random::new(seed, "holdout split", 0).shuffle(&mut order);
    let mut train = order.split_off(held_out(count, fraction));
    train.sort_unstable();
    order.sort_unstable();
    Split { train, validation: order }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_disjoint_and_complete_and_of_the_asked_size() {
        for (count, fraction, held_out) in [(50_000, 0.1, 5_000), (10, 0.5, 5), (3, 0.01, 1), (3, 0.99, 2)] {
            let Split { train, validation } = holdout(count, fraction, 3);
            assert_eq!(validation.len(), held_out);
            let mut all = [train, validation].concat();
            all.sort_unstable();
            assert_eq!(all, (0..count as u32).collect::<Vec<_>>());
        }
    }

    #[test]
    fn depends_on_the_seed_only() {
        assert_eq!(holdout(1000, 0.1, 1), holdout(1000, 0.1, 1));
        assert_ne!(holdout(1000, 0.1, 1), holdout(1000, 0.1, 2));
    }
}
