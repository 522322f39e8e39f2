//! The ways of working, and what each finds for its money in one seed.

use super::choice::{self, Chooser, Trying};
use super::purse::Purse;
use super::rungs::{Trainings, rungs};
use super::seed::{Seed, ranked};
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
    /// One epoch of the full training of each architecture, and then the best of them fully.
    OneEpoch,
    /// Successive halving (Jamieson and Talwalkar, 2016) over the epochs of full trainings.
    Halving,
    /// Hyperband (Li et al., 2018) over the epochs of full trainings.
    Hyperband,
    /// A score that costs no training ranks all architectures: [`super::Table::baselines`], by its place.
    Baseline(usize),
    /// Of the budgets that are cheap enough the one with the highest `r_s` over all architectures of the table, which
    /// nobody knows who works.
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
    outcomes.extend(by_epochs(seed, searched, total));
    outcomes.extend((0..seed.table.baselines.len()).map(|baseline| {
        let ranked = ranked(seed.both(searched), &seed.table.baselines[baseline]);
        (Way::Baseline(baseline), train(seed, searched, Purse::new(total as f64), ranked, 0))
    }));
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
            candidates = ranked(architectures, &seed.table.budgets[ranks].estimates);
            budget = Some(ranks);
        }
    }
    Outcome { budget, ..train(seed, searched, purse, candidates, trained) }
}

/// Trains the first candidates fully, as many as there is money for, beside the first `trained` of the order, which
/// are so already and paid.
fn train(
    seed: &Seed<'_>,
    searched: usize,
    mut purse: Purse,
    mut candidates: Vec<usize>,
    trained: usize,
) -> Outcome {
    candidates.truncate(purse.full_trainings());
    let is_paid = purse.pay(candidates.len() as f64);
    assert!(is_paid, "more full trainings than there was money for");
    candidates.extend(&seed.ground_truth()[..trained]);
    judged(seed, searched, &purse, &candidates)
}

/// The ways that look at full trainings after some epochs, where there are curves with enough of them.
fn by_epochs(seed: &Seed<'_>, searched: usize, total: usize) -> Vec<(Way, Outcome)> {
    let curves = &seed.table.curves;
    let epochs = seed.table.epochs();
    let begin = || Trainings::new(curves, seed.both(searched), total);
    let mut played = Vec::new();
    if epochs > 1 {
        let most = (FOR_RANKING * (total * epochs) as f64) as usize;
        played.push((Way::OneEpoch, begin().one_epoch(most)));
    }
    if rungs(epochs).len() > 1 {
        played.push((Way::Halving, begin().halve()));
        played.push((Way::Hyperband, begin().hyperband()));
    }
    let outcome = |trainings: &Trainings<'_>| {
        let mut purse = Purse::new(total as f64);
        let is_paid = purse.pay(trainings.cost());
        assert!(is_paid, "more epochs than there was money for");
        judged(seed, searched, &purse, &trainings.fully())
    };
    played.iter().map(|(way, trainings)| (*way, outcome(trainings))).collect()
}

/// What it came to that these were trained fully.
fn judged(seed: &Seed<'_>, searched: usize, purse: &Purse, fully: &[usize]) -> Outcome {
    let truth = |architecture: &usize| seed.table.truths[*architecture];
    let found = fully.iter().map(truth).fold(f64::NEG_INFINITY, f64::max);
    let best = seed.both(searched).iter().map(truth).fold(f64::NEG_INFINITY, f64::max);
    Outcome {
        found,
        regret: best - found,
        spent: purse.spent(),
        tried: 0,
        budget: None,
        full_trainings: fully.len(),
    }
}
