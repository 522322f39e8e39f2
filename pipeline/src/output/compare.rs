//! What `pipeline compare` found, as text and as one JSON object that says the same.

mod answer;
mod json;
mod not_possible;

use std::fmt::Write as _;

use stages::compare::{
    Axis, BreakEven, Chooser, Compared, Row, Settings, Way, break_even, cheaper, rungs, verdict,
};
use stages::echo::shown;
use stages::statistics::Mean;

use super::replay::Chosen;
use super::table::{Align, Table};
use super::{format, heading};
use crate::error::Error;
use crate::tables::{LeftOut, NotTaken, Source, Why};
use answer::{answer, answer_of_cheaper};
use not_possible::{NotPossible, not_possible};

/// A comparison, and what it was made of.
pub(crate) struct Played {
    pub(crate) truth: String,
    pub(crate) truth_table: String,
    pub(crate) truth_is: Why,
    pub(crate) joined_by: String,
    /// Those that have a truth and an accuracy under every budget.
    pub(crate) architectures: usize,
    pub(crate) cost: Chosen,
    /// In the unit of the cost column.
    pub(crate) full_cost: f64,
    /// Epochs of the learning curves of full training; 0 where there are none.
    pub(crate) epochs: usize,
    /// Whether the tables are those of a run.
    pub(crate) is_of_run: bool,
    pub(crate) names: Names,
    pub(crate) settings: Settings,
    pub(crate) compared: Vec<Compared>,
    pub(crate) axes: Vec<Axis>,
    pub(crate) tables: Vec<Source>,
    pub(crate) left_out: Vec<LeftOut>,
    pub(crate) not_taken: Vec<NotTaken>,
}

/// What budgets, hyper-parameters and scores without a training are called.
pub(crate) struct Names {
    pub(crate) budgets: Vec<String>,
    pub(crate) hyperparameters: Vec<String>,
    pub(crate) baselines: Vec<String>,
}

/// Prints it.
pub(crate) fn print(played: &Played, json: bool) -> Result<(), Error> {
    if json { super::json(&json::object(played)) } else { super::result(&text(played)) }
}

impl Names {
    /// What a way is called in a table.
    fn way(&self, way: Way) -> String {
        match way {
            Way::RandomSearch => "random search, full trainings only".to_owned(),
            Way::Chosen(Chooser::Pruning) => "budget chosen by MIP".to_owned(),
            Way::Chosen(Chooser::Random) => "budget chosen by random search".to_owned(),
            Way::Chosen(Chooser::Grid) => "budget chosen by grid search".to_owned(),
            Way::Chosen(Chooser::Parzen) => "budget chosen by TPE".to_owned(),
            Way::Chosen(Chooser::Axis(factor)) => {
                format!("budget chosen by {} alone", self.hyperparameters[factor])
            }
            Way::RandomBudget => "a random budget, unchosen".to_owned(),
            Way::OneEpoch => "one epoch of full training".to_owned(),
            Way::Halving => "successive halving".to_owned(),
            Way::Hyperband => "Hyperband".to_owned(),
            Way::Baseline(baseline) => format!("{}, without a training", self.baselines[baseline]),
            Way::Oracle => "(oracle: the highest r_s)".to_owned(),
            Way::Fixed(budget) => self.budgets[budget].clone(),
        }
    }
}

fn largest_pool(played: &Played) -> usize {
    played.settings.searched.iter().copied().max().unwrap_or(0)
}

fn text(played: &Played) -> String {
    let Settings { ground_truth, seeds, .. } = played.settings;
    let searched = largest_pool(played);
    let cheaper = cheaper(&played.compared).and_then(|cheaper| answer_of_cheaper(&cheaper, &played.names));
    let mut text = format!(
        "{}\n{}\nAgainst {} of {} ({}), joined by {}: {}, {}\n  cost: {} ({}), {} for full training\n",
        answer(&verdict(&played.compared), searched),
        cheaper.map_or_else(String::new, |sentence| format!("{sentence}\n")),
        played.truth,
        shown(&played.truth_table),
        played.truth_is,
        played.joined_by,
        format::plural(played.architectures as u64, "architecture"),
        format::plural(played.names.budgets.len() as u64, "budget"),
        played.cost.column,
        played.cost.column_is,
        format::significant(played.full_cost),
    );
    if played.epochs > 0 {
        let rungs: Vec<String> =
            rungs(played.epochs).into_iter().map(|rung| format::count(rung as u64)).collect();
        let epochs = format::plural(played.epochs as u64, "epoch");
        let _ = writeln!(text, "  learning curves: {epochs} of full training, rungs at {}", rungs.join(", "));
    }
    super::asides(&mut text, &played.left_out, &played.not_taken, &played.tables);
    let _ = writeln!(
        text,
        "  {ground_truth} trained fully to choose by, {} seeds; intervals are over the seeds, which split this one table",
        format::count(seeds as u64),
    );
    for compared in played.compared.iter().filter(|one| one.searched == searched) {
        at_one_cost(&mut text, compared, &played.names);
    }
    from_where(&mut text, &break_even(&played.compared));
    let not_possible = not_possible(played);
    if !not_possible.is_empty() {
        let _ = write!(text, "\n{}\n", heading("Not possible with these tables"));
    }
    for NotPossible { way, why } in not_possible {
        let _ = writeln!(text, "  {way}: {why}");
    }
    text
}

/// The budgets that were fixed, the best and the worst.
fn extremes(compared: &Compared) -> Option<(&Row, &Row)> {
    let is_fixed = |row: &&Row| matches!(row.way, Way::Fixed(_));
    let by_regret = |a: &&Row, b: &&Row| a.regret.mean.total_cmp(&b.regret.mean);
    let best = compared.rows.iter().filter(is_fixed).min_by(by_regret)?;
    let worst = compared.rows.iter().filter(is_fixed).max_by(by_regret)?;
    Some((best, worst))
}

fn at_one_cost(text: &mut String, compared: &Compared, names: &Names) {
    let title = format!(
        "At the cost of {} full trainings, {} searched",
        format::count(compared.total as u64),
        format::count(compared.searched as u64)
    );
    let mut table = Table::new(
        &[
            ("way", Align::Left),
            ("tried", Align::Right),
            ("full trainings", Align::Right),
            ("regret", Align::Right),
            ("95% interval", Align::Left),
            ("over random search", Align::Right),
            ("95% interval", Align::Left),
        ],
        0,
    );
    let mut add = |name: String, row: &Row| {
        let gain = row.over_random_search;
        let is_itself = row.way == Way::RandomSearch;
        table.row(vec![
            name,
            if matches!(row.way, Way::Chosen(_)) { format!("{:.1}", row.tried) } else { String::new() },
            format!("{:.1}", row.full_trainings),
            format!("{:.3}", row.regret.mean),
            format::interval(row.regret.interval),
            if is_itself { String::new() } else { signed(gain.mean) },
            if is_itself { String::new() } else { signed_interval(gain) },
        ]);
    };
    for row in compared.rows.iter().filter(|row| !matches!(row.way, Way::Fixed(_))) {
        add(names.way(row.way), row);
    }
    if let Some((best, worst)) = extremes(compared) {
        add(format!("(the best fixed budget: {})", names.way(best.way)), best);
        add(format!("(the worst fixed budget: {})", names.way(worst.way)), worst);
    }
    let fixed = compared.rows.iter().filter(|row| matches!(row.way, Way::Fixed(_))).count();
    let _ = write!(
        text,
        "\n{}\n{table}{fixed} of {} are cheap enough; what stands in brackets nobody knows beforehand\n",
        heading(&title),
        format::plural(names.budgets.len() as u64, "budget"),
    );
}

fn signed_interval(mean: Mean) -> String {
    mean.interval
        .map_or_else(|| "undefined".to_owned(), |(low, high)| format!("{} to {}", signed(low), signed(high)))
}

/// A difference of accuracies with its sign; what rounds to 0 has none.
fn signed(number: f64) -> String {
    let text = format!("{number:+.3}");
    if matches!(text.as_str(), "+0.000" | "-0.000") { "0".to_owned() } else { text }
}

fn from_where(text: &mut String, found: &[BreakEven]) {
    let Some(first) = found.first() else { return };
    let pools: Vec<String> = first
        .gains
        .iter()
        .map(|(searched, _)| format!("{} searched", format::count(*searched as u64)))
        .collect();
    let mut headings = vec![("full trainings", Align::Right)];
    headings.extend(pools.iter().map(|pool| (pool.as_str(), Align::Left)));
    headings.push(("pays", Align::Left));
    let mut table = Table::new(&headings, 0);
    for BreakEven { total, gains, from } in found {
        let mut cells = vec![format::count(*total as u64)];
        cells.extend(
            gains.iter().map(|(_, gain)| format!("{}, {}", signed(gain.mean), signed_interval(*gain))),
        );
        let above = gains.iter().filter(|(_, gain)| gain.is_above_0());
        let above: Vec<String> = above.map(|(searched, _)| format::count(*searched as u64)).collect();
        cells.push(match from {
            Some(from) => format!("from {} on", format::count(*from as u64)),
            None if above.is_empty() => "nowhere".to_owned(),
            None => format!("at {} only", above.join(", ")),
        });
        table.row(cells);
    }
    let title = "From how many architectures on MIP pays: how much better it is than random search";
    let _ = write!(text, "\n{}\n{table}", heading(title));
}
