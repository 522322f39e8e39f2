//! What a comparison comes to, in a sentence or two.

use stages::compare::{Cheaper, Verdict, Way};

use super::Names;
use crate::output::format;

/// The answer in one sentence.
pub(super) fn answer(verdict: &Verdict, searched: usize) -> String {
    let Verdict { totals, worth_it, over_random_search, over_random_budget } = *verdict;
    let whether = match worth_it {
        0 => "It is not worth it to choose a budget first",
        all if all == totals => "It is worth it to choose a budget first",
        _ => "It is worth it to choose a budget first at some total costs only",
    };
    format!(
        "{whether}: of {}, MIP finds a better architecture than random search with full trainings at {} (a worse one \
         at {}), and a better one than a random budget that nobody chose at {} (a worse one at {}), in a pool of {}.",
        format::plural(totals as u64, "total cost"),
        over_random_search.better,
        over_random_search.worse,
        over_random_budget.better,
        over_random_budget.worse,
        format::count(searched as u64),
    )
}

/// Which way without a ground truth is better than MIP, and how often; none where none is.
pub(super) fn answer_of_cheaper(cheaper: &Cheaper, names: &Names) -> Option<String> {
    let Cheaper { ways, better_somewhere, best, over_pruning } = *cheaper;
    if better_somewhere == 0 {
        return None;
    }
    let best = match best {
        Way::Baseline(baseline) => format!("a ranking by {}, without a training", names.baselines[baseline]),
        way => names.way(way),
    };
    let finds = if better_somewhere == 1 { "finds" } else { "find" };
    Some(format!(
        "Without that ground truth {} of {} {finds} a better architecture than MIP at some total cost, most often \
         {best}: at {} (a worse one at {}).",
        format::count(better_somewhere as u64),
        format::plural(ways as u64, "other way"),
        over_pruning.better,
        over_pruning.worse,
    ))
}

#[cfg(test)]
mod tests {
    use stages::compare::Tally;

    use super::*;

    #[test]
    fn what_is_better_without_a_ground_truth_is_said_only_where_something_is() {
        let names = Names { budgets: vec![], hyperparameters: vec![], baselines: vec!["swap".to_owned()] };
        let said = |better_somewhere, best, better| {
            let over_pruning = Tally { better, worse: 1 };
            answer_of_cheaper(&Cheaper { ways: 4, better_somewhere, best, over_pruning }, &names)
        };
        assert_eq!(said(0, Way::Halving, 0), None);
        let one = "Without that ground truth 1 of 4 other ways finds a better architecture than MIP at some total cost, \
                   most often a ranking by swap, without a training: at 3 (a worse one at 1).";
        assert_eq!(said(1, Way::Baseline(0), 3).as_deref(), Some(one));
        assert!(said(2, Way::Hyperband, 1).is_some_and(|text| text.contains("2 of 4 other ways find ")));
    }
}
