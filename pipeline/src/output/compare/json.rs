//! A comparison as one JSON object.

use serde::Serialize;
use stages::compare::{Chooser, Compared, Row, Tally, Verdict, Way, break_even, cheaper, rungs, verdict};
use stages::statistics::Mean;

use super::{Names, Played, answer, answer_of_cheaper, largest_pool, not_possible};
use crate::output::replay::Chosen;
use crate::tables::{LeftOut, NotTaken, Source, Why};

#[derive(Serialize)]
pub(super) struct Object<'a> {
    verdict: Answer,
    truth: &'a str,
    truth_table: &'a str,
    truth_is: Why,
    joined_by: &'a str,
    architectures: usize,
    cost: &'a Chosen,
    full_cost: f64,
    /// Epochs of full training, and those at which trainings are halved, where there are learning curves.
    curves: Option<Curves>,
    ground_truth: usize,
    seeds: usize,
    compared: Vec<AtOneCost>,
    break_even: Vec<PaysFrom>,
    not_possible: Vec<Impossible>,
    tables: &'a [Source],
    left_out: &'a [LeftOut],
    not_taken: &'a [NotTaken],
}

#[derive(Serialize)]
struct Answer {
    text: String,
    /// Total costs, and those of them at which a choice is better than both ways without one.
    totals: usize,
    worth_it: usize,
    over_random_search: Count,
    over_random_budget: Count,
    /// The ways without a ground truth beside MIP, where there are any.
    cheaper: Option<CheaperAnswer>,
}

#[derive(Serialize)]
struct CheaperAnswer {
    /// None where none of them is better at any total cost.
    text: Option<String>,
    ways: usize,
    better_somewhere: usize,
    best: Name,
    over_mip: Count,
}

#[derive(Serialize)]
struct Curves {
    epochs: usize,
    rungs: Vec<usize>,
}

#[derive(Serialize)]
struct Count {
    better: usize,
    worse: usize,
}

/// All ways at one total cost, in full trainings, and size of the pool.
#[derive(Serialize)]
struct AtOneCost {
    total: usize,
    searched: usize,
    ways: Vec<OneWay>,
}

#[derive(Serialize)]
struct Name {
    way: &'static str,
    /// Of a fixed budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<String>,
    /// Of a hyper-parameter alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    hyperparameter: Option<String>,
    /// Of a ranking without a training.
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<String>,
}

#[derive(Serialize)]
struct OneWay {
    #[serde(flatten)]
    name: Name,
    /// Whether it needs what nobody knows beforehand.
    is_reference: bool,
    regret: Number,
    over_random_search: Number,
    over_random_budget: Number,
    over_mip: Number,
    tried: f64,
    full_trainings: f64,
    spent_max: f64,
    ranked: f64,
}

#[derive(Serialize)]
struct Number {
    mean: f64,
    interval: Option<(f64, f64)>,
}

#[derive(Serialize)]
struct PaysFrom {
    total: usize,
    from: Option<usize>,
}

#[derive(Serialize)]
struct Impossible {
    way: String,
    why: String,
}

pub(super) fn object(played: &Played) -> Object<'_> {
    let found = verdict(&played.compared);
    let Verdict { totals, worth_it, over_random_search, over_random_budget } = found;
    let count = |Tally { better, worse }: Tally| Count { better, worse };
    let from =
        break_even(&played.compared).into_iter().map(|one| PaysFrom { total: one.total, from: one.from });
    let impossible = not_possible(played).into_iter().map(|one| Impossible { way: one.way, why: one.why });
    Object {
        verdict: Answer {
            text: answer(&found, largest_pool(played)),
            totals,
            worth_it,
            over_random_search: count(over_random_search),
            over_random_budget: count(over_random_budget),
            cheaper: cheaper(&played.compared).map(|found| CheaperAnswer {
                text: answer_of_cheaper(&found, &played.names),
                ways: found.ways,
                better_somewhere: found.better_somewhere,
                best: name(found.best, &played.names),
                over_mip: count(found.over_pruning),
            }),
        },
        truth: &played.truth,
        truth_table: &played.truth_table,
        truth_is: played.truth_is,
        joined_by: &played.joined_by,
        architectures: played.architectures,
        cost: &played.cost,
        full_cost: played.full_cost,
        curves: (played.epochs > 0).then(|| Curves { epochs: played.epochs, rungs: rungs(played.epochs) }),
        ground_truth: played.settings.ground_truth,
        seeds: played.settings.seeds,
        compared: played.compared.iter().map(|one| at_one_cost(one, &played.names)).collect(),
        break_even: from.collect(),
        not_possible: impossible.collect(),
        tables: &played.tables,
        left_out: &played.left_out,
        not_taken: &played.not_taken,
    }
}

fn at_one_cost(compared: &Compared, names: &Names) -> AtOneCost {
    let ways = compared.rows.iter().map(|row| one_way(row, names)).collect();
    AtOneCost { total: compared.total, searched: compared.searched, ways }
}

fn name(way: Way, names: &Names) -> Name {
    let (mut budget, mut hyperparameter, mut score) = (None, None, None);
    let way = match way {
        Way::RandomSearch => "random_search",
        Way::Chosen(Chooser::Pruning) => "mip",
        Way::Chosen(Chooser::Random) => "random_choice",
        Way::Chosen(Chooser::Grid) => "grid_choice",
        Way::Chosen(Chooser::Parzen) => "tpe",
        Way::Chosen(Chooser::Axis(factor)) => {
            hyperparameter = Some(names.hyperparameters[factor].clone());
            "one_hyperparameter"
        }
        Way::RandomBudget => "random_budget",
        Way::OneEpoch => "one_epoch",
        Way::Halving => "successive_halving",
        Way::Hyperband => "hyperband",
        Way::Baseline(baseline) => {
            score = Some(names.baselines[baseline].clone());
            "baseline"
        }
        Way::Oracle => "oracle",
        Way::Fixed(fixed) => {
            budget = Some(names.budgets[fixed].clone());
            "fixed"
        }
    };
    Name { way, budget, hyperparameter, score }
}

fn one_way(row: &Row, names: &Names) -> OneWay {
    let number = |Mean { mean, interval }: Mean| Number { mean, interval };
    OneWay {
        name: name(row.way, names),
        is_reference: matches!(row.way, Way::Oracle | Way::Fixed(_)),
        regret: number(row.regret),
        over_random_search: number(row.over_random_search),
        over_random_budget: number(row.over_random_budget),
        over_mip: number(row.over_pruning),
        tried: row.tried,
        full_trainings: row.full_trainings,
        spent_max: row.spent_max,
        ranked: row.ranked,
    }
}
