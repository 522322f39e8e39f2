//! The result of minimum importance pruning, and the whole result of `nas-search`.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;
use stages::Budget;
use stages::hyperparameter::HYPERPARAMETERS;
use stages::mip::{CostUnit, Objective};
use stages::recipe::Scoring;
use stages::stage::{DivergedTraining, MipReport, NasSearchReport, RaceReport, RankedBudget, SearchBudget};
use stages::statistics::RankQuality;

use super::diverged::DivergedJson;
use super::format;
use super::rank_quality::{most_at_the_top, sentences};
use super::search::{SearchJson, combined_text, cost, remarks};
use super::stage_outputs::named;
use super::table::{Align, Table};
use crate::engine::basis::Basis;
use crate::report::Reason;

/// The result of `nas-search`: the fields that programs rely on.
#[derive(Serialize)]
pub(super) struct NasSearchJson {
    #[serde(flatten)]
    budget: BudgetJson,
    search: SearchJson,
    best: BestJson,
}

/// The budget and where it comes from.
#[derive(Serialize)]
#[serde(untagged)]
enum BudgetJson {
    Found {
        #[serde(flatten)]
        mip: Box<MipJson>,
        /// The budget found, ranked again with a seed that its choice has not seen.
        confirmed: Box<RankedJson>,
        /// Ranked by architectures that its choice has not seen either; null where none are asked for.
        confirmed_on_fresh: Option<Box<RankedJson>>,
    },
    Given {
        budget: Budget,
        diverged_trainings: Vec<DivergedJson>,
    },
}

/// The result of `mip`.
#[derive(Serialize)]
pub(super) struct MipJson {
    /// The budget found.
    #[serde(flatten)]
    found: RankedJson,
    /// What it was chosen for, as `mip.objective` names it.
    objective: &'static str,
    /// In what costs are counted: `flops` or `seconds`.
    cost_in: &'static str,
    /// Architectures that diverged under full training.
    diverged_fully: u64,
    /// What racing saved, where budgets raced.
    #[serde(skip_serializing_if = "Option::is_none")]
    race: Option<RaceReport>,
    importances: BTreeMap<&'static str, Option<f64>>,
    /// How well two full trainings of the same architectures agree; null where there is one.
    noise_ceiling: Option<RankedJson>,
    pareto: Vec<RankedJson>,
    diverged_trainings: Vec<DivergedJson>,
}

/// A budget with what is known of it.
#[derive(Serialize)]
pub(super) struct RankedJson {
    budget: Budget,
    #[serde(flatten)]
    quality: RankQuality,
    /// Its `r_s` as a share of the noise ceiling, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    share_of_ceiling: Option<f64>,
    cost_ratio: f64,
    /// Architectures that diverged under it.
    diverged: usize,
    /// After how many architectures racing dropped it, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped_after: Option<u32>,
}

#[derive(Serialize)]
struct BestJson {
    genotype: String,
    parameters: u64,
    mult_adds: u64,
    /// Percent of the test images after the last epoch; none when the training diverged.
    accuracy: Option<f64>,
    diverged_at: Option<u64>,
    /// Whether no choice depends on these test images.
    unseen: bool,
    /// Its score under the budget of the search.
    score: f64,
}

impl NasSearchJson {
    pub(super) fn of(report: &NasSearchReport, search: Option<&Basis>) -> Self {
        let best = &report.best;
        Self {
            budget: match &report.budget {
                SearchBudget::Found { mip, confirmed, fresh } => {
                    let ranked = |ranked| Box::new(RankedJson::below(ranked, mip.ceiling.as_ref()));
                    BudgetJson::Found {
                        mip: Box::new(MipJson::of(mip, &report.diverged)),
                        confirmed: ranked(confirmed),
                        confirmed_on_fresh: fresh.as_deref().map(ranked),
                    }
                }
                SearchBudget::Given(budget) => BudgetJson::Given {
                    budget: *budget,
                    diverged_trainings: report.diverged.iter().map(DivergedJson::of).collect(),
                },
            },
            search: SearchJson::of(&report.search, search),
            best: BestJson {
                genotype: best.genotype.to_string(),
                parameters: best.parameters,
                mult_adds: best.mult_adds,
                accuracy: best.divergence.is_none().then_some(best.test_accuracy),
                diverged_at: best.divergence.map(|divergence| divergence.step),
                unseen: is_unseen(report.scoring),
                score: best.score,
            },
        }
    }
}

impl MipJson {
    /// What was found, with these trainings as those that diverged.
    pub(super) fn of(report: &MipReport, diverged: &[DivergedTraining]) -> Self {
        let below = |ranked| RankedJson::below(ranked, report.ceiling.as_ref());
        Self {
            found: below(&report.found),
            objective: report.objective.name(),
            cost_in: report.unit.name(),
            diverged_fully: report.diverged_fully,
            race: report.race,
            // The last forest has seen all trials.
            importances: report.rounds.last().map_or_else(BTreeMap::new, |round| named(&round.importances)),
            noise_ceiling: report.ceiling.as_ref().map(RankedJson::of),
            pareto: report.pareto.iter().map(below).collect(),
            diverged_trainings: diverged.iter().map(DivergedJson::of).collect(),
        }
    }
}

impl RankedJson {
    pub(super) fn of(ranked: &RankedBudget) -> Self {
        Self::below(ranked, None)
    }

    /// Of a budget below a noise ceiling, where that is known.
    fn below(ranked: &RankedBudget, ceiling: Option<&RankedBudget>) -> Self {
        Self {
            share_of_ceiling: share_of(ranked, ceiling),
            budget: ranked.trial.budget,
            quality: ranked.quality,
            cost_ratio: ranked.cost_ratio,
            diverged: ranked.diverged.len(),
            dropped_after: ranked.trial.dropped_after,
        }
    }
}

/// The `r_s` of a budget as a share of the noise ceiling. `None` without a ceiling, or below one that is not above 0.
fn share_of(ranked: &RankedBudget, ceiling: Option<&RankedBudget>) -> Option<f64> {
    let ceiling = ceiling?.quality.spearman.filter(|ceiling| *ceiling > 0.0)?;
    Some(ranked.quality.spearman? / ceiling)
}

/// The same behind an `r_s`, in words.
fn of_the_ceiling(ranked: &RankedBudget, ceiling: Option<&RankedBudget>) -> String {
    share_of(ranked, ceiling)
        .map_or_else(String::new, |share| format!(", {} of the noise ceiling", format::percent(share)))
}

/// Whether the test images are no part of any choice.
fn is_unseen(scoring: Scoring) -> bool {
    matches!(scoring, Scoring::Holdout { .. })
}

/// A budget without what all budgets of a table share would be shorter, but could not be copied into `--budget`. What
/// diverged has a column where something did, and what racing dropped likewise.
pub(super) fn ranked_table(ranked: &[RankedBudget], ceiling: Option<&RankedBudget>) -> Table {
    let some_diverged = ranked.iter().any(|ranked| !ranked.diverged.is_empty());
    let some_dropped = ranked.iter().any(|ranked| ranked.trial.dropped_after.is_some());
    let precision = format!("top-{} precision", most_at_the_top(ranked.iter().map(|ranked| &ranked.quality)));
    let mut headings = vec![
        ("cost", Align::Right),
        ("r_s", Align::Right),
        ("95% interval", Align::Left),
        ("tau-b", Align::Right),
        (precision.as_str(), Align::Right),
        ("regret", Align::Right),
    ];
    if ceiling.is_some() {
        headings.insert(3, ("of the ceiling", Align::Right));
    }
    if some_diverged {
        headings.push(("diverged", Align::Left));
    }
    if some_dropped {
        headings.push(("race", Align::Left));
    }
    headings.push(("budget", Align::Left));
    let mut table = Table::new(&headings, 2);
    for ranked in ranked {
        let mut row = vec![
            format::percent(ranked.cost_ratio),
            format::correlation(ranked.quality.spearman),
            format::interval(ranked.quality.interval),
            format::correlation(ranked.quality.kendall),
            ranked.quality.top.map_or_else(String::new, |top| format!("{:.3}", top.precision)),
            ranked.quality.top.map_or_else(String::new, |top| format::significant(top.regret)),
        ];
        if ceiling.is_some() {
            row.insert(3, share_of(ranked, ceiling).map_or_else(String::new, format::percent));
        }
        if some_diverged {
            row.push(match ranked.diverged.len() {
                0 => String::new(),
                count => format!("{count} of {}", ranked.quality.architectures),
            });
        }
        if some_dropped {
            row.push(ranked.trial.dropped_after.map_or_else(String::new, format::dropped));
        }
        row.push(ranked.trial.budget.to_string());
        table.row(row);
    }
    table
}

pub(super) fn mip_text(report: &MipReport) -> String {
    let found = &report.found;
    let mut text = format!(
        "{}\n  {}\n  ranks architectures like full training with r_s {} (95% interval {}){}\n{}{}  at {} of its {}{}\n{}",
        super::heading("Budget found"),
        found.trial.budget,
        format::correlation(found.quality.spearman),
        format::interval(found.quality.interval),
        of_the_ceiling(found, report.ceiling.as_ref()),
        sentences(&found.quality),
        chosen_for(report.objective),
        format::percent(found.cost_ratio),
        match report.unit {
            CostUnit::Flops => "cost",
            CostUnit::Seconds => "seconds",
        },
        format::times_cheaper(found.cost_ratio),
        report.race.as_ref().map_or_else(String::new, |race| raced(race, report.tried)),
    );
    if let Some(again) = &report.ceiling {
        let _ = writeln!(
            text,
            "  noise ceiling: full training with another seed ranks them with r_s {} (95% interval {})",
            format::correlation(again.quality.spearman),
            format::interval(again.quality.interval)
        );
    }
    let of = found.quality.architectures;
    if !found.diverged.is_empty() {
        let count = found.diverged.len();
        let _ = writeln!(text, "  {count} of {of} architectures diverged under it and share the last place");
    }
    if report.diverged_fully > 0 {
        let _ = writeln!(
            text,
            "  {} of {of} architectures diverged under full training and share the last place there: every r_s says\n  \
             in part which architectures diverge, and not which are better",
            report.diverged_fully
        );
    }
    let _ = writeln!(
        text,
        "\n{}\n{}",
        super::heading("Importance of each hyper-parameter, round by round"),
        rounds_table(report)
    );
    let _ = writeln!(
        text,
        "{}\n{}",
        super::heading(&format!(
            "Pareto front: the best of {} at their cost{}",
            format::plural(report.tried, "budget"),
            if report.objective == Objective::Spearman {
                String::new()
            } else {
                format!(", by {}", objective_words(report.objective))
            }
        )),
        ranked_table(&report.pareto, report.ceiling.as_ref())
    );
    text
}

/// What an objective is called where numbers are told.
fn objective_words(objective: Objective) -> &'static str {
    match objective {
        Objective::Spearman => "r_s",
        Objective::Kendall => "Kendall's tau-b",
        Objective::Precision => "the precision of its top",
        Objective::Regret => "its regret",
    }
}

/// A line that says what a budget was chosen for, where that is not `r_s`.
fn chosen_for(objective: Objective) -> String {
    match objective {
        Objective::Spearman => String::new(),
        other => format!("  chosen by {} and its cost (mip.objective), not by r_s\n", objective_words(other)),
    }
}

/// A line that says what racing saved.
fn raced(race: &RaceReport, tried: u64) -> String {
    format!(
        "  racing (mip.race) dropped {} of {}: {} of {}, {} saved\n",
        format::count(race.dropped),
        format::plural(tried, "budget"),
        format::count(race.trainings),
        format::plural(race.trainings_of_all, "training"),
        format::percent(race.saved()),
    )
}

fn rounds_table(report: &MipReport) -> Table {
    let numbers: Vec<String> = (1..=report.rounds.len()).map(|round| format!("{round}")).collect();
    let mut headings = vec![("", Align::Left)];
    headings.extend(numbers.iter().map(|number| (number.as_str(), Align::Right)));
    headings.push(("fixed to", Align::Left));
    let mut table = Table::new(&headings, 2);
    for (index, row) in HYPERPARAMETERS.iter().enumerate() {
        // What had no choice from the start has nothing to say.
        let fixed = report.rounds.iter().enumerate().find_map(|(round, found)| {
            found.fixed.iter().find(|fixed| fixed.index == index).map(|fixed| (round, fixed))
        });
        let Some((fixed_round, fixed)) = fixed else { continue };
        let mut cells = vec![row.name.to_owned()];
        cells.extend(report.rounds.iter().map(|found| {
            let observed = found.importances.iter().flatten().count();
            format::importance(found.importances[index], observed)
        }));
        let why = Reason::from(Some(fixed.reason)).words();
        cells.push(format!("{} in round {}, {why}", fixed.value, fixed_round + 1));
        table.row(cells);
    }
    table
}

/// What other trainings say of the budget found: of the same architectures, and of fresh ones.
fn confirmed_text(mip: &MipReport, confirmed: &RankedBudget, fresh: Option<&RankedBudget>) -> String {
    let said = |ranked: &RankedBudget, with: &str| {
        format!(
            "  r_s {} (95% interval {}) {with}{}\n{}",
            format::correlation(ranked.quality.spearman),
            format::interval(ranked.quality.interval),
            of_the_ceiling(ranked, mip.ceiling.as_ref()),
            sentences(&ranked.quality),
        )
    };
    let mut text = super::heading("Budget confirmed") + "\n";
    text += &said(confirmed, "with a seed that its choice has not seen");
    if let Some(fresh) = fresh {
        let with = format!(
            "on {} and with a seed that its choice has not seen",
            format::plural(fresh.quality.architectures as u64, "architecture")
        );
        text += &said(fresh, &with);
        let _ = writeln!(
            text,
            "  the choice among {} on {} said r_s {}",
            format::plural(mip.tried, "budget"),
            format::plural(mip.found.quality.architectures as u64, "architecture"),
            format::correlation(mip.found.quality.spearman),
        );
    }
    text + "\n"
}

pub(super) fn nas_search_text(report: &NasSearchReport, search: Option<&Basis>) -> String {
    let best = &report.best;
    let accuracy = match best.divergence {
        Some(divergence) => format!(
            "no accuracy: its full training on all training images diverged at step {}",
            format::count(divergence.step)
        ),
        None => format!(
            "{:.2}% of the test images after full training on all training images; {}",
            best.test_accuracy,
            if is_unseen(report.scoring) {
                "no choice has seen them"
            } else {
                "the same images chose budget and architecture"
            }
        ),
    };
    let (mut text, which) = match &report.budget {
        SearchBudget::Found { mip, confirmed, fresh } => {
            let again = confirmed_text(mip, confirmed, fresh.as_deref());
            (mip_text(mip) + &again, "found")
        }
        SearchBudget::Given(budget) => {
            (format!("{}\n  {budget}\n\n", super::heading("Budget given")), "given")
        }
    };
    let _ = writeln!(
        text,
        "{}\n  {}\n  {accuracy}\n  {}, {}\n  found by the strategy {} with {} under the budget {which} ({}), with a score of \
         {:.2}% of {}\n{}{}",
        super::heading("Best architecture"),
        best.genotype,
        format::large(best.parameters as f64, "parameters"),
        format::large(best.mult_adds as f64, "multiply-adds"),
        report.search.strategy.name(),
        format::plural(report.search.evaluations.len() as u64, "evaluation"),
        cost(&report.search, search),
        best.score,
        super::conditions::scored_on(report.scoring),
        combined_text(&report.search),
        remarks(&report.search),
    );
    text
}
