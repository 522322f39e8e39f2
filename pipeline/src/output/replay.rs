//! What `pipeline replay` found, as text and as one JSON object that says the same.

use std::fmt::Write as _;

use serde::Serialize;
use stages::echo::shown;
use stages::statistics::RankQuality;

use super::halves::OnHalves;
use super::importance::{Hyperparameter, disagreement, table as importance_table};
use super::racing::Racing;
use super::rank_quality::{correlations, tops, why_undefined};
use super::table::{Align, Table};
use super::{format, heading};
use crate::error::Error;
use crate::report::PruningRound;
use crate::tables::{LeftOut, NotTaken, Source, Why};

/// Everything that tables of results say.
#[derive(Serialize)]
pub(crate) struct Replayed {
    /// The column that was judged by.
    pub(crate) truth: String,
    pub(crate) truth_table: String,
    pub(crate) truth_is: Why,
    pub(crate) joined_by: String,
    /// Those whose truth is known.
    pub(crate) architectures: usize,
    /// The column that names budgets.
    pub(crate) names: String,
    pub(crate) cost: Option<Chosen>,
    pub(crate) published: Option<Chosen>,
    pub(crate) tables: Vec<Source>,
    pub(crate) left_out: Vec<LeftOut>,
    pub(crate) not_taken: Vec<NotTaken>,
    /// In the order of their table.
    pub(crate) budgets: Vec<RankedTrial>,
    /// The most important first.
    pub(crate) hyperparameters: Vec<Hyperparameter>,
    /// Budgets behind the importances.
    pub(crate) learned_from: usize,
    pub(crate) pruning: Option<Pruning>,
    /// None where nobody asks for it.
    pub(crate) racing: Option<Racing>,
    /// Budgets that none is both cheaper and better than, the cheapest first. Empty without costs.
    pub(crate) pareto: Vec<String>,
    pub(crate) combinations: Combinations,
}

/// A column, and why it was chosen.
#[derive(Serialize)]
pub(crate) struct Chosen {
    pub(crate) column: String,
    pub(crate) column_is: Why,
}

/// A budget of the table.
#[derive(Serialize)]
pub(crate) struct RankedTrial {
    pub(crate) budget: String,
    pub(crate) cost: Option<f64>,
    #[serde(flatten)]
    pub(crate) quality: RankQuality,
    /// The `r_s` that somebody published.
    pub(crate) published: Option<f64>,
    /// Our `r_s` less the published one, and whether rounding cannot be why.
    pub(crate) difference: Option<f64>,
    pub(crate) differs: bool,
}

/// What minimum importance pruning finds in the table.
#[derive(Serialize)]
pub(crate) struct Pruning {
    pub(crate) lambda: f64,
    /// What costs are divided by; none where there are no costs.
    pub(crate) full_cost: Option<f64>,
    /// In the order of their columns.
    #[serde(skip)]
    pub(crate) hyperparameters: Vec<String>,
    pub(crate) rounds: Vec<PruningRound>,
    /// Budgets that were tried, of so many.
    pub(crate) tried: usize,
    pub(crate) of: usize,
    pub(crate) found: Option<String>,
    /// What there was to be found, had all of them been tried.
    pub(crate) best: Option<String>,
    pub(crate) spearman: Option<f64>,
    pub(crate) cost_ratio: Option<f64>,
}

/// Budgets that were ranked together.
#[derive(Serialize)]
pub(crate) struct Combinations {
    /// How many combinations were looked at.
    pub(crate) tried: usize,
    /// Those that are worth something, the cheapest first; without costs the best ones.
    pub(crate) told: Vec<Combination>,
    /// What the choice of the best is worth; none where there is nothing to choose from.
    pub(crate) halves: Option<OnHalves>,
}

/// Some budgets, and the ranking by the sums of their ranks.
#[derive(Serialize)]
pub(crate) struct Combination {
    pub(crate) budgets: Vec<String>,
    /// The sum of theirs.
    pub(crate) cost: Option<f64>,
    #[serde(flatten)]
    pub(crate) quality: RankQuality,
    /// The highest `r_s` that one of them has alone.
    pub(crate) best_alone: f64,
}

/// Prints it.
pub(crate) fn print(found: &Replayed, json: bool) -> Result<(), Error> {
    if json { super::json(found) } else { super::result(&text(found)) }
}

fn text(found: &Replayed) -> String {
    let mut text = format!(
        "Against {} of {} ({}), joined by {}: {}, {}\n",
        found.truth,
        shown(&found.truth_table),
        found.truth_is,
        found.joined_by,
        format::plural(found.architectures as u64, "architecture"),
        format::plural(found.budgets.len() as u64, "budget"),
    );
    for (what, chosen) in [("cost", &found.cost), ("published r_s", &found.published)] {
        if let Some(Chosen { column, column_is }) = chosen {
            let _ = writeln!(text, "  {what}: {column} ({column_is})");
        }
    }
    super::asides(&mut text, &found.left_out, &found.not_taken, &found.tables);
    ranking(&mut text, found);
    importances(&mut text, found);
    if let Some(pruning) = &found.pruning {
        pruned(&mut text, pruning);
    }
    if let Some(racing) = &found.racing {
        text += &racing.text();
    }
    front(&mut text, found);
    combinations(&mut text, found);
    text
}

/// The cells of a budget's cost, where there are costs.
fn cost(cost: Option<f64>) -> String {
    cost.map_or_else(|| "unknown".to_owned(), format::significant)
}

fn ranking(text: &mut String, found: &Replayed) {
    let named = |trial: &RankedTrial, has_more: bool| {
        let mut cells = vec![trial.budget.clone()];
        if has_more && found.cost.is_some() {
            cells.push(cost(trial.cost));
        }
        if has_more && found.published.is_some() {
            cells.push(trial.published.map_or_else(String::new, |published| format!("{published:.4}")));
        }
        cells
    };
    let rows = |has_more: bool| -> Vec<(Vec<String>, &RankQuality)> {
        found.budgets.iter().map(|trial| (named(trial, has_more), &trial.quality)).collect()
    };
    let mut leading = vec![("budget", Align::Left)];
    let _ = write!(
        text,
        "\n{}\n{}",
        heading("What the top of each ranking is worth"),
        tops(&leading, &rows(false))
    );
    if found.cost.is_some() {
        leading.push(("cost", Align::Right));
    }
    if found.published.is_some() {
        leading.push(("published", Align::Right));
    }
    let _ =
        write!(text, "\n{}\n{}", heading("How each ranks all of them"), correlations(&leading, &rows(true)));
    if let Some(why) = why_undefined(found.budgets.iter().map(|trial| &trial.quality)) {
        let _ = write!(text, "\n{why}");
    }
    if found.published.is_some() {
        let compared =
            found.budgets.iter().filter_map(|trial| Some((trial, trial.published?, trial.difference?)));
        let others: Vec<String> = compared
            .clone()
            .filter(|(trial, ..)| trial.differs)
            .map(|(trial, published, difference)| {
                format!("{} (published {published:.4}, here {:.4})", trial.budget, published + difference)
            })
            .collect();
        let most = compared.clone().map(|(.., difference)| difference.abs()).fold(0.0, f64::max);
        let said = match others.as_slice() {
            [] => {
                format!("{} of {} are those of the data, to {most:.5}", compared.count(), found.budgets.len())
            }
            others => format!("not those of the data: {}", others.join("; ")),
        };
        let _ = write!(text, "\nPublished r_s: {said}\n");
    }
}

fn importances(text: &mut String, found: &Replayed) {
    if found.hyperparameters.is_empty() {
        return;
    }
    let _ = write!(
        text,
        "\n{}\n{}",
        heading(&format!("Importance for r_s, in {}", format::plural(found.learned_from as u64, "budget"))),
        importance_table(&found.hyperparameters)
    );
    if found.hyperparameters.iter().any(|row| row.importance.is_none() && row.values > 1) {
        text.push_str("\nundefined: r_s is the same for all budgets, so nothing explains it\n");
    }
    if let Some(said) = disagreement(&found.hyperparameters) {
        let _ = write!(text, "\n{said}\n");
    }
}

fn pruned(text: &mut String, pruning: &Pruning) {
    let Pruning { lambda, full_cost, rounds, tried, of, .. } = pruning;
    let title = format!("Minimum importance pruning over the table: {tried} of {of} budgets tried");
    let _ = write!(text, "\n{}\n", heading(&title));
    if !rounds.is_empty() {
        let numbers: Vec<String> = (1..=rounds.len()).map(|round| format!("{round}")).collect();
        let mut headings = vec![("", Align::Left)];
        headings.extend(numbers.iter().map(|number| (number.as_str(), Align::Right)));
        headings.push(("fixed to", Align::Left));
        let mut table = Table::new(&headings, 0);
        for name in &pruning.hyperparameters {
            let fixed = rounds.iter().enumerate().find_map(|(round, found)| {
                found.fixed.iter().find(|fixed| fixed.hyperparameter == *name).map(|fixed| (round, fixed))
            });
            // What had no choice from the start has nothing to say.
            let Some((fixed_round, fixed)) = fixed else { continue };
            let mut cells = vec![name.clone()];
            cells.extend(rounds.iter().map(|round| {
                let observed = round.importances.values().flatten().count();
                format::importance(round.importances.get(name).copied().flatten(), observed)
            }));
            let why = fixed.reason.words();
            cells.push(format!("{} in round {}, {why}", fixed.value, fixed_round + 1));
            table.row(cells);
        }
        let _ = write!(text, "{table}");
    }
    let weighed = match full_cost {
        Some(full_cost) => {
            format!("r_s - {lambda} · cost / {}", format::significant(*full_cost))
        }
        None => "r_s alone, for no cost is known".to_owned(),
    };
    let _ = match &pruning.found {
        Some(found) => {
            let at = pruning.cost_ratio.map_or_else(String::new, |ratio| {
                format!(", at {} of that cost{}", format::percent(ratio), format::times_cheaper(ratio))
            });
            let missed = pruning.best.as_ref().filter(|best| *best != found);
            let missed = missed.map_or_else(String::new, |best| format!("; the whole table has {best}"));
            let spearman = format::correlation(pruning.spearman);
            writeln!(text, "Found by {weighed}: {found}, r_s {spearman}{at}{missed}")
        }
        None => writeln!(text, "Nothing found: no r_s is defined"),
    };
}

fn front(text: &mut String, found: &Replayed) {
    if found.pareto.is_empty() {
        return;
    }
    let on_it = |name: &String| found.budgets.iter().find(|trial| trial.budget == *name);
    let rows: Vec<(Vec<String>, &RankQuality)> = found
        .pareto
        .iter()
        .filter_map(on_it)
        .map(|trial| (vec![trial.budget.clone(), cost(trial.cost)], &trial.quality))
        .collect();
    let leading = [("budget", Align::Left), ("cost", Align::Right)];
    let _ = write!(
        text,
        "\n{}\n{}",
        heading("Pareto front: the best budgets at their cost"),
        correlations(&leading, &rows)
    );
}

fn combinations(text: &mut String, found: &Replayed) {
    let Combinations { tried, told, halves } = &found.combinations;
    if *tried == 0 {
        return;
    }
    let title = format!("Rank sums of budgets: {}", format::plural(*tried as u64, "combination"));
    let _ = write!(text, "\n{}\n", heading(&title));
    if told.is_empty() {
        text.push_str("none is better than a budget that costs no more\n");
        return;
    }
    let mut leading = vec![("budgets", Align::Left)];
    if found.cost.is_some() {
        leading.push(("cost", Align::Right));
    }
    leading.push(("best alone", Align::Right));
    let cells = |combination: &Combination| {
        let mut cells = vec![combination.budgets.join(" + ")];
        if found.cost.is_some() {
            cells.push(cost(combination.cost));
        }
        cells.push(format!("{:.3}", combination.best_alone));
        cells
    };
    let rows: Vec<(Vec<String>, &RankQuality)> =
        told.iter().map(|combination| (cells(combination), &combination.quality)).collect();
    let what = if found.cost.is_some() { "better than all that cost no more" } else { "the best" };
    let _ = writeln!(
        text,
        "{}{what}; the highest of so many is too high by luck, so try it on other architectures",
        correlations(&leading, &rows)
    );
    if let Some(halves) = halves {
        let _ = write!(text, "\n{}", halves.text());
    }
}
