//! Several budgets together: an architecture's ranks under each are added up, and ranked once more.

use stages::mip::pareto_by;
use stages::statistics::{rank_quality, rank_sum, spearman_of};

use super::Replay;
use crate::error::Error;
use crate::output::format;
use crate::output::replay::{Combination, Combinations, RankedTrial};

/// More combinations than these take minutes, and the best of them is luck.
const MOST: usize = 50_000;
/// How many are told of where there is no cost to choose by.
const TOLD: usize = 5;

/// Budgets together, by their places, and what they give.
struct Candidate {
    members: Vec<usize>,
    cost: Option<f64>,
    spearman: f64,
}

/// The combinations that no budget and no other combination is both cheaper and better than; without costs the best
/// ones.
pub(super) fn combined(
    asked: &Replay,
    trials: &[RankedTrial],
    estimates: &[Vec<Option<f64>>],
    truths: &[f64],
    k: usize,
) -> Result<Combinations, Error> {
    let has_cost = trials.iter().any(|trial| trial.cost.is_some());
    let usable: Vec<usize> = (0..trials.len())
        .filter(|&place| {
            trials[place].quality.spearman.is_some() && (!has_cost || trials[place].cost.is_some())
        })
        .collect();
    let mut all: Vec<Vec<usize>> = Vec::new();
    for size in 2..=usize::try_from(asked.combine).unwrap_or(usize::MAX) {
        if !add_subsets(&usable, size, &mut all) {
            return Err(Error::Flag {
                flag: "--combine",
                value: asked.combine.to_string(),
                problem: format!(
                    "there are more than {} combinations of {} budgets; combine fewer",
                    format::count(MOST as u64),
                    usable.len()
                ),
            });
        }
    }
    let tried = all.len();
    let mut candidates: Vec<Candidate> = Vec::new();
    for &place in &usable {
        if let Some(spearman) = trials[place].quality.spearman {
            candidates.push(Candidate { members: vec![place], cost: trials[place].cost, spearman });
        }
    }
    for members in all {
        let (sums, truths) = together(&members, estimates, truths);
        if let Some(spearman) = spearman_of(&sums, &truths).map_err(Error::Input)? {
            let cost = members.iter().map(|&place| trials[place].cost).sum();
            candidates.push(Candidate { members, cost, spearman });
        }
    }
    let mut told: Vec<&Candidate> = if has_cost {
        pareto_by(&candidates, |candidate| Some((candidate.cost?, candidate.spearman)))
    } else {
        candidates.iter().collect()
    };
    told.retain(|candidate| candidate.members.len() > 1);
    if !has_cost {
        told.sort_by(|a, b| b.spearman.total_cmp(&a.spearman));
        told.truncate(TOLD);
    }
    let tell = |candidate: &&Candidate| {
        let (sums, truths) = together(&candidate.members, estimates, truths);
        let alone = candidate.members.iter().filter_map(|&place| trials[place].quality.spearman);
        Ok(Combination {
            budgets: candidate.members.iter().map(|&place| trials[place].budget.clone()).collect(),
            cost: candidate.cost,
            best_alone: alone.fold(f64::NEG_INFINITY, f64::max),
            quality: rank_quality(&sums, &truths, k, asked.seed).map_err(Error::Input)?,
        })
    };
    Ok(Combinations { tried, told: told.iter().map(tell).collect::<Result<_, Error>>()? })
}

/// The rank sums of the architectures that have an accuracy under each of these budgets, and their truths.
fn together(members: &[usize], estimates: &[Vec<Option<f64>>], truths: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let whole: Vec<usize> = (0..truths.len())
        .filter(|&architecture| members.iter().all(|&place| estimates[place][architecture].is_some()))
        .collect();
    let list = |&place: &usize| -> Vec<f64> {
        whole.iter().filter_map(|&architecture| estimates[place][architecture]).collect()
    };
    let lists: Vec<Vec<f64>> = members.iter().map(list).collect();
    let lists: Vec<&[f64]> = lists.iter().map(Vec::as_slice).collect();
    (rank_sum(&lists), whole.iter().map(|&architecture| truths[architecture]).collect())
}

/// Adds all subsets of a size, in lexical order; false where there come to be too many.
fn add_subsets(of: &[usize], size: usize, all: &mut Vec<Vec<usize>>) -> bool {
    let mut places: Vec<usize> = (0..size).collect();
    while size <= of.len() {
        if all.len() == MOST {
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
mod tests {
    use super::*;

    #[test]
    fn subsets_come_once_each() {
        let subsets = |of: &[usize], size| {
            let mut all = Vec::new();
            assert!(add_subsets(of, size, &mut all));
            all
        };
        assert_eq!(subsets(&[1, 4, 6], 2), [[1, 4], [1, 6], [4, 6]]);
        assert_eq!((subsets(&[1, 4, 6, 7, 9], 3).len(), subsets(&[1], 2).len()), (10, 0));
        let many: Vec<usize> = (0..400).collect();
        assert!(!add_subsets(&many, 2, &mut Vec::new()));
    }

    #[test]
    fn ranks_are_added_up_over_the_architectures_that_all_have() {
        let estimates =
            [vec![Some(1.0), Some(2.0), None, Some(3.0)], vec![Some(7.0), Some(5.0), Some(1.0), Some(9.0)]];
        let (sums, truths) = together(&[0, 1], &estimates, &[10.0, 20.0, 30.0, 40.0]);
        assert_eq!(truths, [10.0, 20.0, 40.0]);
        assert_eq!(sums, [-2.0, -2.0, 4.0]);
    }
}
