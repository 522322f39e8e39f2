//! How well architectures are ranked without a training, beside a budget: the target `baselines`.

use serde::Serialize;
use stages::stage::BaselinesReport;
use stages::statistics::RankQuality;

use super::halves::OnHalves;
use super::rank_quality::{correlations, tops, why_undefined};
use super::table::Align;

/// The result of `baselines`.
#[derive(Serialize)]
pub(super) struct BaselinesJson {
    /// Size of the scored networks.
    size: String,
    budget: BudgetJson,
    baselines: Vec<BaselineJson>,
    halves: Option<OnHalves>,
}

#[derive(Serialize)]
struct BudgetJson {
    budget: String,
    #[serde(flatten)]
    quality: RankQuality,
}

#[derive(Serialize)]
struct BaselineJson {
    baseline: String,
    #[serde(flatten)]
    quality: RankQuality,
}

impl BaselinesJson {
    pub(super) fn of(report: &BaselinesReport) -> Self {
        let (budget, quality) = report.budget;
        let baseline = |(name, quality): &(String, RankQuality)| BaselineJson {
            baseline: name.clone(),
            quality: *quality,
        };
        Self {
            size: report.size.to_string(),
            budget: BudgetJson { budget: budget.to_string(), quality },
            baselines: report.baselines.iter().map(baseline).collect(),
            halves: halves(report),
        }
    }
}

fn halves(report: &BaselinesReport) -> Option<OnHalves> {
    let name = |place: &usize| match place.checked_sub(1).and_then(|place| report.baselines.get(place)) {
        Some((name, _)) => name.clone(),
        None => "budget".to_owned(),
    };
    report.halves.clone().map(|halves| OnHalves::new(halves, &|places| places.iter().map(name).collect()))
}

/// A row for the budget and one for each baseline: how each ranks all architectures, and what its top is worth; and what it is
/// worth to choose among them.
pub(super) fn baselines_text(report: &BaselinesReport) -> String {
    let budget = (vec!["budget".to_owned()], &report.budget.1);
    let baselines = report.baselines.iter().map(|(name, quality)| (vec![name.clone()], quality));
    let rows: Vec<(Vec<String>, &RankQuality)> = std::iter::once(budget).chain(baselines).collect();
    let leading = [("ranked by", Align::Left)];
    let halves = halves(report).map_or_else(String::new, |halves| format!("\n{}", halves.text()));
    let undefined = why_undefined(rows.iter().map(|(_, quality)| *quality));
    format!(
        "{}\n{}\n{}{halves}{}  budget: {}, with a seed that its choice has not seen\n  the others without a training, of networks \
         and images of the size of {}\n",
        super::heading("Baselines that cost no training"),
        correlations(&leading, &rows),
        tops(&leading, &rows),
        undefined.map_or_else(String::new, |why| format!("{why}\n")),
        report.budget.0,
        report.size,
    )
}
