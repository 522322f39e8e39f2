//! Several budgets together: an architecture's ranks under each are added up, and ranked once more.

use stages::mip::pareto_by;
use stages::statistics::{
    COMBINATIONS, Halves, choose_on_halves, combinations, rank_quality, rank_sum, spearman_of,
};

use super::Replay;
use crate::error::Error;
use crate::output::format;
use crate::output::halves::OnHalves;
use crate::output::replay::{Combination, Combinations, RankedTrial};

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
    let most = usize::try_from(asked.combine).unwrap_or(usize::MAX);
    let all = combinations(&usable, most).ok_or_else(|| Error::Flag {
        flag: "--combine",
        value: asked.combine.to_string(),
        problem: format!(
            "there are more than {} combinations of {} budgets; combine fewer",
            format::count(COMBINATIONS as u64),
            usable.len()
        ),
    })?;
    let tried = all.len();
    let halves = on_halves(&usable, &all, estimates, truths, asked.seed)?;
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
    let told = told.iter().map(tell).collect::<Result<_, Error>>()?;
    let names = |places: &[usize]| places.iter().map(|&place| trials[place].budget.clone()).collect();
    Ok(Combinations { tried, told, halves: halves.map(|halves| OnHalves::new(halves, &names)) })
}

/// The best budget, and the best combination of all that there are, chosen on one half of the architectures that have an
/// accuracy under each budget.
fn on_halves(
    usable: &[usize],
    all: &[Vec<usize>],
    estimates: &[Vec<Option<f64>>],
    truths: &[f64],
    seed: u64,
) -> Result<Option<Halves>, Error> {
    let (lists, truths) = whole(usable, estimates, truths);
    // Places among the usable ones.
    let place = |budget: &usize| usable.iter().position(|usable| usable == budget);
    let candidates: Vec<Vec<usize>> =
        all.iter().map(|members| members.iter().filter_map(place).collect()).collect();
    let lists: Vec<&[f64]> = lists.iter().map(Vec::as_slice).collect();
    let mut halves = choose_on_halves(&lists, &candidates, &truths, seed).map_err(Error::Input)?;
    for chosen in halves.iter_mut().flat_map(|halves| [&mut halves.alone, &mut halves.together]) {
        chosen.favourite.0.iter_mut().for_each(|place| *place = usable[*place]);
    }
    Ok(halves)
}

/// The rank sums of the architectures that have an accuracy under each of these budgets, and their truths.
fn together(members: &[usize], estimates: &[Vec<Option<f64>>], truths: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (lists, truths) = whole(members, estimates, truths);
    let lists: Vec<&[f64]> = lists.iter().map(Vec::as_slice).collect();
    (rank_sum(&lists), truths)
}

/// The accuracies of the architectures that have one under each of these budgets, budget by budget, and their truths.
fn whole(members: &[usize], estimates: &[Vec<Option<f64>>], truths: &[f64]) -> (Vec<Vec<f64>>, Vec<f64>) {
    let whole: Vec<usize> = (0..truths.len())
        .filter(|&architecture| members.iter().all(|&place| estimates[place][architecture].is_some()))
        .collect();
    let list = |&place: &usize| -> Vec<f64> {
        whole.iter().filter_map(|&architecture| estimates[place][architecture]).collect()
    };
    let lists = members.iter().map(list).collect();
    (lists, whole.iter().map(|&architecture| truths[architecture]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_added_up_over_the_architectures_that_all_have() {
        let estimates =
            [vec![Some(1.0), Some(2.0), None, Some(3.0)], vec![Some(7.0), Some(5.0), Some(1.0), Some(9.0)]];
        let (sums, truths) = together(&[0, 1], &estimates, &[10.0, 20.0, 30.0, 40.0]);
        assert_eq!(truths, [10.0, 20.0, 40.0]);
        assert_eq!(sums, [-2.0, -2.0, 4.0]);
    }
}
