//! What searches found under budgets of different worth.

use serde::Serialize;
use stages::Budget;
use stages::stage::{BudgetQualityReport, SearchedBudget};
use stages::statistics::RankQuality;

use super::diverged::DivergedJson;
use super::format;
use super::rank_quality::{most_at_the_top, sentences};
use super::search::has_collapsed;
use super::table::{Align, Table};

/// The result of `budget-quality`.
#[derive(Serialize)]
pub(super) struct QualityJson {
    budgets: Vec<SearchedJson>,
    /// Rank correlation of `spearman` with `accuracy`.
    correlation: Option<f64>,
    interval: Option<(f64, f64)>,
    /// The same with what it hides: budgets in the place of architectures.
    ranking: Option<RankQuality>,
    diverged_trainings: Vec<DivergedJson>,
}

#[derive(Serialize)]
struct SearchedJson {
    budget: Budget,
    #[serde(flatten)]
    quality: RankQuality,
    /// After how many architectures racing dropped it, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped_after: Option<u32>,
    cost_ratio: f64,
    search_flops: u64,
    diverged_at: Option<u64>,
    genotype: Option<String>,
    accuracy: Option<f64>,
    /// Share of skip connections in the normal cell.
    skips: Option<f64>,
}

impl QualityJson {
    pub(super) fn of(report: &BudgetQualityReport) -> Self {
        Self {
            budgets: report.searched.iter().map(SearchedJson::of).collect(),
            correlation: report.correlation.and_then(|ranking| ranking.spearman),
            interval: report.correlation.and_then(|ranking| ranking.interval),
            ranking: report.correlation,
            diverged_trainings: report.diverged.iter().map(DivergedJson::of).collect(),
        }
    }
}

impl SearchedJson {
    fn of(searched: &SearchedBudget) -> Self {
        let found = searched.found.as_ref();
        Self {
            budget: searched.budget,
            quality: searched.quality,
            dropped_after: searched.dropped_after,
            cost_ratio: searched.cost_ratio,
            search_flops: searched.search_flops,
            diverged_at: searched.divergence.map(|divergence| divergence.step),
            genotype: found.map(|(genotype, _)| genotype.to_string()),
            accuracy: found.and_then(|(_, accuracy)| *accuracy),
            skips: found.map(|(genotype, _)| genotype.normal.skips()),
        }
    }
}

/// For a person, where so many budgets were `asked` for.
pub(super) fn quality_text(report: &BudgetQualityReport, asked: usize) -> String {
    let precision =
        format!("top-{} precision", most_at_the_top(report.searched.iter().map(|one| &one.quality)));
    let some_dropped = report.searched.iter().any(|searched| searched.dropped_after.is_some());
    let mut headings = vec![
        ("r_s", Align::Right),
        ("95% interval", Align::Left),
        ("tau-b", Align::Right),
        (precision.as_str(), Align::Right),
        ("regret", Align::Right),
        ("accuracy", Align::Right),
        ("skips", Align::Right),
        ("cost", Align::Right),
        ("budget", Align::Left),
    ];
    if some_dropped {
        headings.insert(headings.len() - 1, ("race", Align::Left));
    }
    let mut table = Table::new(&headings, 2);
    for searched in &report.searched {
        let accuracy = match &searched.found {
            Some((_, Some(accuracy))) => format!("{accuracy:.2}%"),
            Some((_, None)) => "diverged".to_owned(),
            None => "search diverged".to_owned(),
        };
        let skips = searched.found.as_ref().map(|(genotype, _)| {
            let collapsed = if has_collapsed(genotype) { ", collapsed" } else { "" };
            format!("{}{collapsed}", format::percent(genotype.normal.skips()))
        });
        let mut row = vec![
            format::correlation(searched.quality.spearman),
            format::interval(searched.quality.interval),
            format::correlation(searched.quality.kendall),
            searched.quality.top.map_or_else(String::new, |top| format!("{:.3}", top.precision)),
            searched.quality.top.map_or_else(String::new, |top| format::significant(top.regret)),
            accuracy,
            skips.unwrap_or_default(),
            format::percent(searched.cost_ratio),
        ];
        if some_dropped {
            row.push(searched.dropped_after.map_or_else(String::new, format::dropped));
        }
        row.push(searched.budget.to_string());
        table.row(row);
    }
    let fewer = match report.searched.len() {
        count if count < asked => format!(
            "  {count} of the {asked} that were asked for (quality.budgets): no more have an r_s that were tried\n"
        ),
        _ => String::new(),
    };
    format!(
        "{}\n{table}{fewer}\n  Rank correlation of r_s with the accuracy of what was found: {} (95% interval {}).\n{}  \
         Accuracy: of the test images after full training on all training images.\n",
        super::heading("Budgets by what is found with them"),
        format::correlation(report.correlation.and_then(|ranking| ranking.spearman)),
        format::interval(report.correlation.and_then(|ranking| ranking.interval)),
        report.correlation.as_ref().map_or_else(String::new, of_budgets),
    )
}

/// What the correlation hides, with budgets in the place of architectures.
fn of_budgets(ranking: &RankQuality) -> String {
    let of = format::plural(ranking.architectures as u64, "budget");
    format!("  With {of} in the place of architectures:\n{}", sentences(ranking))
}
