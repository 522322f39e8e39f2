//! The ways of working, and what each finds for its money in one seed.

use super::choice::{self, Chooser, Trying};
use super::purse::Purse;
use super::seed::Seed;
use super::{Axis, stream};
use crate::Error;

/// The share of what is left after the ground truth that may go into a choice and a ranking: the rest trains the
/// architectures that are ranked highest, without which a ranking is worth nothing.
const FOR_RANKING: f64 = 0.5;

/// A way of working.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Full trainings of random architectures, and nothing else (Li and Talwalkar, 2020).
    RandomSearch,
    /// A budget is chosen on the ground truth, and ranks the pool.
    Chosen(Chooser),
    /// A budget that is drawn from those which are cheap enough ranks all architectures. It is chosen by nothing, so no
    /// ground truth is paid.
    RandomBudget,
    /// Of those the one with the highest `r_s` over all architectures of the table, which nobody knows who works.
    Oracle,
    /// This budget.
    Fixed(usize),
}

/// What a way came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// The true accuracy of the best architecture that was trained fully.
    pub found: f64,
    /// What that one lacks to the best that could be found.
    pub regret: f64,
    /// In full trainings.
    pub spent: f64,
    /// Budgets that were tried for a choice.
    pub tried: usize,
    /// The budget that ranked; `None` where none could be paid, and random architectures were trained fully instead.
    pub budget: Option<usize>,
    /// Full trainings, with those of the ground truth.
    pub full_trainings: usize,
}

/// Every way that there is the money for, in one order for all seeds.
pub(super) fn all(
    seed: &mut Seed<'_>,
    axes: &[Axis],
    total: usize,
    searched: usize,
) -> Result<Vec<(Way, Outcome)>, Error> {
    let ground_truth = seed.settings.ground_truth;
    let rest = (total - ground_truth) as f64;
    let affordable = choice::affordable(seed, searched, FOR_RANKING * rest);
    if !seed.pruned.contains_key(&affordable) {
        let pruner = choice::pruner(seed, &affordable)?;
        seed.pruned.insert(affordable.clone(), pruner);
    }
    let seed = &*seed;
    let mut outcomes = vec![(Way::RandomSearch, finish(seed, searched, Purse::new(total as f64), None, 0))];
    let mut like_pruning = 0;
    let choosers = [Chooser::Pruning, Chooser::Random, Chooser::Grid, Chooser::Parzen].into_iter();
    for chooser in choosers.chain(axes.iter().map(|axis| Chooser::Axis(axis.factor))) {
        let planned = match chooser {
            Chooser::Axis(factor) => {
                axes.iter().find(|axis| axis.factor == factor).map_or(&[][..], |axis| &axis.budgets)
            }
            _ => &seed.pruned[&affordable],
        };
        let trying = Trying::new(seed, searched, FOR_RANKING * rest);
        let chosen = choice::choose(trying, chooser, &affordable, planned, like_pruning)?;
        if chooser == Chooser::Pruning {
            like_pruning = chosen.tried.len();
        }
        let mut purse = Purse::new(total as f64);
        // The affordable budgets are those for which this is true.
        let is_paid = purse.pay(ground_truth as f64) && purse.pay(chosen.cost);
        assert!(is_paid, "a choice tried more than it had money for");
        let ranker = chosen.budget.map(|budget| (budget, Whom::Pool));
        let outcome = finish(seed, searched, purse, ranker, ground_truth);
        outcomes.push((Way::Chosen(chooser), Outcome { tried: chosen.tried.len(), ..outcome }));
    }
    let cheap_enough: Vec<usize> = (0..seed.table.budgets.len())
        .filter(|&budget| seed.both(searched).len() as f64 * seed.cost(budget) <= FOR_RANKING * total as f64)
        .collect();
    let rank_by = |budget: Option<usize>| {
        let ranker = budget.map(|budget| (budget, Whom::Both));
        finish(seed, searched, Purse::new(total as f64), ranker, 0)
    };
    let mut random = stream(seed.settings, "comparison: one budget", seed.index);
    let drawn = (!cheap_enough.is_empty()).then(|| random.below(cheap_enough.len() as u64) as usize);
    outcomes.push((Way::RandomBudget, rank_by(drawn.map(|place| cheap_enough[place]))));
    let known = cheap_enough.iter().filter_map(|&budget| Some((seed.of_all[budget]?, budget)));
    let oracle = known.reduce(|best, next| if next.0 > best.0 { next } else { best });
    outcomes.push((Way::Oracle, rank_by(oracle.map(|(_, budget)| budget))));
    outcomes.extend(cheap_enough.iter().map(|&budget| (Way::Fixed(budget), rank_by(Some(budget)))));
    Ok(outcomes)
}

/// Whom a budget ranks.
#[derive(Clone, Copy)]
enum Whom {
    /// The pool; the ground truth is trained fully already.
    Pool,
    /// All, for there is no ground truth.
    Both,
}

/// Ranks by a budget, and trains the best fully as long as there is money. The first `trained` of the order are so
/// already, and paid. Without a budget the order itself goes on, which is random.
fn finish(
    seed: &Seed<'_>,
    searched: usize,
    mut purse: Purse,
    ranker: Option<(usize, Whom)>,
    trained: usize,
) -> Outcome {
    let both = seed.both(searched);
    let mut budget = None;
    let mut candidates = both[trained..].to_vec();
    if let Some((ranks, whom)) = ranker {
        let architectures = match whom {
            Whom::Pool => seed.pool(searched),
            Whom::Both => both,
        };
        if purse.pay(architectures.len() as f64 * seed.cost(ranks)) {
            candidates = seed.ranked(architectures, ranks);
            budget = Some(ranks);
        }
    }
    candidates.truncate(purse.full_trainings());
    let is_paid = purse.pay(candidates.len() as f64);
    assert!(is_paid, "more full trainings than there was money for");
    let fully = seed.ground_truth()[..trained].iter().chain(&candidates);
    let truth = |architecture: &usize| seed.table.truths[*architecture];
    let found = fully.map(truth).fold(f64::NEG_INFINITY, f64::max);
    let best = both.iter().map(truth).fold(f64::NEG_INFINITY, f64::max);
    Outcome {
        found,
        regret: best - found,
        spent: purse.spent(),
        tried: 0,
        budget,
        full_trainings: trained + candidates.len(),
    }
}
