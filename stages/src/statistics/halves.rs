//! What it is worth to choose among rankings: the best of many on one half of the architectures, judged on the other half.
//! The best of many by the same architectures that it is chosen by is too high by luck.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::correlation::spearman_of_ranks;
use super::order::Ordered;
use super::{Interval, check, interval};
use crate::Error;
use crate::random::Random;

/// Times that architectures are parted into halves, where there are not so many to choose from that it would take minutes.
const SPLITS: u64 = 200;

/// The least of that.
const SPLITS_LEAST: u64 = 20;

/// Rank sums that are judged in all before it are fewer.
const JUDGED: u64 = 1_000_000;

/// Rankings that are chosen alone, and rank sums of several that are chosen, each on its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Halves {
    /// How often the architectures were parted into halves at random; those count in which all was defined.
    pub splits: usize,
    /// The best single ranking.
    pub alone: Unseen,
    /// The best rank sum of several.
    pub together: Unseen,
    /// By how much the second is better than the first on the unseen half.
    pub gain: f64,
    /// The middle 95% of that over the halves.
    pub gain_interval: Option<Interval>,
}

/// What was chosen, half by half.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unseen {
    /// Mean `r_s` on the halves that it was chosen by.
    pub seen: f64,
    /// Mean `r_s` on the others.
    pub unseen: f64,
    /// The middle 95% of the latter over the halves: how far halves differ, not how far the mean may be off.
    pub interval: Option<Interval>,
    /// What was chosen most often, by places in the list of rankings, and how often.
    pub favourite: (Vec<usize>, usize),
}

/// A choice on one half, and what it is worth on both.
#[derive(Clone)]
struct Choice {
    candidate: usize,
    seen: f64,
    unseen: f64,
}

/// Chooses among `rankings` (for each a number for each architecture, more is better) alone and among the rank sums of
/// `candidates`, which are places of rankings, several each. Where two are equal the first one is chosen. None where there is
/// nothing to choose from, or no halves in which `r_s` is defined. The same bits for the same numbers and `seed`.
///
/// # Errors
/// [`Error::Numbers`] when lists differ in length or hold NaN.
pub fn choose_on_halves(
    rankings: &[&[f64]],
    candidates: &[Vec<usize>],
    truths: &[f64],
    seed: u64,
) -> Result<Option<Halves>, Error> {
    rankings.iter().try_for_each(|ranking| check(ranking, truths))?;
    let ordered: Vec<Ordered> = rankings.iter().map(|ranking| Ordered::new(ranking)).collect();
    let truth = Ordered::new(truths);
    let singles: Vec<Vec<usize>> = (0..rankings.len()).map(|place| vec![place]).collect();
    let split = |number: u64| {
        let parted = halves(truths.len(), seed, number);
        let [choosing, judging] = parted.map(|half| Half::new(&half, &ordered, &truth));
        let choose = |among: &[Vec<usize>]| {
            let mut best: Option<Choice> = None;
            for (candidate, members) in among.iter().enumerate() {
                let Some(seen) = choosing.judge(members) else { continue };
                if best.as_ref().is_none_or(|best| seen > best.seen) {
                    best = Some(Choice { candidate, seen, unseen: f64::NAN });
                }
            }
            let best = best?;
            Some(Choice { unseen: judging.judge(&among[best.candidate])?, ..best })
        };
        Some((choose(&singles)?, choose(candidates)?))
    };
    let splits = SPLITS.min(JUDGED / candidates.len().max(1) as u64).max(SPLITS_LEAST);
    let chosen: Vec<(Choice, Choice)> = (0..splits).into_par_iter().filter_map(split).collect();
    if chosen.is_empty() {
        return Ok(None);
    }
    let (alone, together): (Vec<Choice>, Vec<Choice>) = chosen.into_iter().unzip();
    let gains: Vec<f64> = together.iter().zip(&alone).map(|(both, one)| both.unseen - one.unseen).collect();
    Ok(Some(Halves {
        splits: alone.len(),
        alone: unseen(&alone, &singles),
        together: unseen(&together, candidates),
        gain: mean(gains.iter().copied()),
        gain_interval: interval(gains),
    }))
}

/// Ranks of the architectures of one half among themselves.
struct Half {
    /// By ranking, in the order of the architectures.
    rankings: Vec<Vec<i64>>,
    truths: Vec<i64>,
    /// Each once.
    counts: Vec<u32>,
}

impl Half {
    fn new(inside: &[u32], rankings: &[Ordered], truth: &Ordered) -> Self {
        let ranks = |of: &Ordered| -> Vec<i64> {
            let all = of.doubled_ranks(inside).into_iter().zip(inside);
            all.filter(|(_, inside)| **inside > 0).map(|(rank, _)| rank).collect()
        };
        let truths = ranks(truth);
        Self { rankings: rankings.iter().map(ranks).collect(), counts: vec![1; truths.len()], truths }
    }

    /// `r_s` of the rank sums of some rankings.
    fn judge(&self, members: &[usize]) -> Option<f64> {
        let sum = |architecture: usize| {
            members.iter().map(|&place| self.rankings[place][architecture]).sum::<i64>() as f64
        };
        let sums: Vec<f64> = (0..self.truths.len()).map(sum).collect();
        spearman_of_ranks(&Ordered::new(&sums).doubled_ranks(&self.counts), &self.truths, &self.counts)
    }
}

/// Which architectures are in the one half and in the other; the other has one more of an odd number.
fn halves(count: usize, seed: u64, number: u64) -> [Vec<u32>; 2] {
    let mut order: Vec<usize> = (0..count).collect();
    Random::new(seed, "halves", number).shuffle(&mut order);
    let mut halves = [vec![0; count], vec![1; count]];
    for &architecture in &order[..count / 2] {
        halves[0][architecture] = 1;
        halves[1][architecture] = 0;
    }
    halves
}

fn unseen(choices: &[Choice], among: &[Vec<usize>]) -> Unseen {
    let mut times = vec![0; among.len()];
    for choice in choices {
        times[choice.candidate] += 1;
    }
    // The first of those that were chosen as often.
    let favourite = (0..among.len()).rev().max_by_key(|&candidate| times[candidate]).unwrap_or(0);
    Unseen {
        seen: mean(choices.iter().map(|choice| choice.seen)),
        unseen: mean(choices.iter().map(|choice| choice.unseen)),
        interval: interval(choices.iter().map(|choice| choice.unseen).collect()),
        favourite: (
            among.get(favourite).cloned().unwrap_or_default(),
            times.get(favourite).copied().unwrap_or(0),
        ),
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len().max(1) as f64;
    values.sum::<f64>() / count
}

/// More combinations than these take minutes, and the best of them is luck.
pub const COMBINATIONS: usize = 50_000;

/// All subsets of 2 to `most` places, smaller ones first and each size in lexical order; none where there are more than
/// [`COMBINATIONS`].
pub fn combinations(of: &[usize], most: usize) -> Option<Vec<Vec<usize>>> {
    let mut all = Vec::new();
    (2..=most).all(|size| add_subsets(of, size, &mut all)).then_some(all)
}

/// Adds all subsets of a size, in lexical order; false where there come to be too many.
fn add_subsets(of: &[usize], size: usize, all: &mut Vec<Vec<usize>>) -> bool {
    let mut places: Vec<usize> = (0..size).collect();
    while size <= of.len() {
        if all.len() == COMBINATIONS {
            return false;
        }
        all.push(places.iter().map(|&place| of[place]).collect());
        // The last place that can move on does, and those behind it follow.
        let Some(moved) = (0..size).rev().find(|&index| places[index] < of.len() - size + index) else {
            break;
        };
        places[moved] += 1;
        for index in moved + 1..size {
            places[index] = places[index - 1] + 1;
        }
    }
    true
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn subsets_come_once_each() {
        assert_eq!(combinations(&[1, 4, 6], 2).unwrap(), [[1, 4], [1, 6], [4, 6]]);
        assert_eq!(combinations(&[1, 4, 6, 7, 9], 3).unwrap().len(), 20);
        assert!(combinations(&[1], 2).unwrap().is_empty());
        let many: Vec<usize> = (0..400).collect();
        assert!(combinations(&many, 2).is_none());
    }

    #[test]
    fn halves_are_disjoint_and_complete_and_differ() {
        let [one, other] = halves(9, 3, 0);
        assert_eq!((one.iter().sum::<u32>(), other.iter().sum::<u32>()), (4, 5));
        assert!(one.iter().zip(&other).all(|(one, other)| one + other == 1));
        assert_ne!(halves(9, 3, 1), [one, other]);
    }

    fn numbers(count: usize, purpose: &str) -> Vec<f64> {
        let mut random = Random::new(7, purpose, 0);
        (0..count).map(|_| random.normal()).collect()
    }

    #[test]
    fn the_best_of_many_random_rankings_is_worth_nothing_on_the_other_half() {
        let truths = numbers(40, "truths");
        let random: Vec<Vec<f64>> = (0..20).map(|place| numbers(40, &format!("ranking {place}"))).collect();
        let rankings: Vec<&[f64]> = random.iter().map(Vec::as_slice).collect();
        let places: Vec<usize> = (0..20).collect();
        let candidates = combinations(&places, 2).unwrap();
        let found = choose_on_halves(&rankings, &candidates, &truths, 0).unwrap().unwrap();
        assert_eq!(found.splits as u64, SPLITS);
        assert!(found.alone.seen > 0.35 && found.together.seen > found.alone.seen, "{found:?}");
        assert!(found.alone.unseen.abs() < 0.15 && found.together.unseen.abs() < 0.15, "{found:?}");
    }

    #[test]
    fn two_rankings_with_errors_of_their_own_are_better_together_on_the_other_half_too() {
        let truths = numbers(60, "truths");
        let off = |purpose: &str| -> Vec<f64> {
            truths.iter().zip(numbers(60, purpose)).map(|(truth, error)| truth + error).collect()
        };
        let (one, other, neither) = (off("one"), off("other"), numbers(60, "neither"));
        let rankings = [&one[..], &other, &neither];
        let candidates = combinations(&[0, 1, 2], 2).unwrap();
        let found = choose_on_halves(&rankings, &candidates, &truths, 1).unwrap().unwrap();
        assert_eq!(found.together.favourite.0, [0, 1]);
        assert!(found.gain > 0.03 && found.together.unseen > found.alone.unseen, "{found:?}");
        assert!((found.gain - (found.together.unseen - found.alone.unseen)).abs() < 1e-12);
        let again = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(
            again.install(|| choose_on_halves(&rankings, &candidates, &truths, 1)).unwrap().unwrap(),
            found
        );
    }

    #[test]
    fn what_has_no_order_is_not_chosen() {
        let truths = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let flat = [1.0; 6];
        assert_eq!(choose_on_halves(&[&flat, &flat], &[vec![0, 1]], &truths, 0).unwrap(), None);
        assert_eq!(choose_on_halves(&[&truths], &[], &truths, 0).unwrap(), None);
        assert!(choose_on_halves(&[&flat[..2]], &[], &truths, 0).is_err());
        let found = choose_on_halves(&[&flat, &truths], &[vec![0, 1]], &truths, 0).unwrap().unwrap();
        assert_eq!((found.alone.favourite.0, found.alone.unseen), (vec![1], 1.0));
    }
}
