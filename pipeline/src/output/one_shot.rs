//! How well one-shot supernets rank their sub-networks.

use serde::Serialize;
use stages::stage::{OneShotReport, OneShotRow, RankedEpoch};
use stages::statistics::RankQuality;

use super::diverged::DivergedJson;
use super::format;
use super::rank_quality::{Row, correlations, tops};
use super::table::{Align, Table};

/// The result of `one-shot-analysis`.
#[derive(Serialize)]
pub(super) struct OneShotJson {
    supernet_budget: String,
    /// What the local sub-networks were trained under.
    budget: String,
    schedules: Vec<ScheduleJson>,
    diverged_trainings: Vec<DivergedJson>,
}

#[derive(Serialize)]
struct ScheduleJson {
    schedule: &'static str,
    label: String,
    training_flops: u64,
    diverged_at: Option<u64>,
    epochs: Vec<EpochJson>,
}

#[derive(Serialize)]
struct EpochJson {
    epoch: u32,
    loss: f64,
    global: RankedJson,
    local: RankedJson,
}

/// How the accuracies of some sub-networks rank them, how many these are, and the mean in percent.
#[derive(Serialize)]
struct RankedJson {
    #[serde(flatten)]
    quality: RankQuality,
    count: usize,
    mean_accuracy: f64,
}

impl RankedJson {
    fn of(quality: RankQuality, mean_accuracy: f64) -> Self {
        Self { quality, count: quality.architectures, mean_accuracy }
    }
}

impl OneShotJson {
    pub(super) fn of(report: &OneShotReport) -> Self {
        let epoch = |of: &RankedEpoch| EpochJson {
            epoch: of.epoch,
            loss: of.loss,
            global: RankedJson::of(of.global, of.global_accuracy),
            local: RankedJson::of(of.local, of.local_accuracy),
        };
        let schedule = |row: &OneShotRow| ScheduleJson {
            schedule: row.schedule.name(),
            label: row.schedule.label(),
            training_flops: row.training_flops,
            diverged_at: row.diverged_at,
            epochs: row.epochs.iter().map(epoch).collect(),
        };
        Self {
            supernet_budget: report.settings.supernet_budget.to_string(),
            budget: report.settings.budget.to_string(),
            schedules: report.rows.iter().map(schedule).collect(),
            diverged_trainings: report.diverged.iter().map(DivergedJson::of).collect(),
        }
    }
}

pub(super) fn one_shot_text(report: &OneShotReport) -> String {
    let settings = &report.settings;
    let epochs: Vec<String> = settings.epochs.iter().map(|epoch| format!("epoch {epoch}")).collect();
    let mut headings = vec![("", Align::Left), ("", Align::Left)];
    for epoch in &epochs {
        headings.extend([(epoch.as_str(), Align::Right), ("95% interval", Align::Left)]);
    }
    let mut table = Table::new(&headings, 2);
    for row in &report.rows {
        for is_global in [true, false] {
            let label = if is_global { row.schedule.label() } else { String::new() };
            let kind = if is_global { "global r_s" } else { "local r_s" };
            let mut cells = vec![label, kind.to_owned()];
            for number in &settings.epochs {
                let ranked = row.epochs.iter().find(|epoch| epoch.epoch == *number);
                match ranked.map(|epoch| if is_global { epoch.global } else { epoch.local }) {
                    Some(found) => cells.extend([
                        format::correlation(found.spearman),
                        found.interval.map_or_else(String::new, |interval| format::interval(Some(interval))),
                    ]),
                    None => cells.extend(["diverged".to_owned(), String::new()]),
                }
            }
            table.row(cells);
        }
    }
    let counts = report.rows.iter().flat_map(|row| &row.epochs).map(|epoch| epoch.global.architectures).max();
    // Fewer than were asked for where fewer distinct ones were drawn.
    let latest = report.rows.iter().flat_map(|row| &row.epochs).map(|epoch| epoch.local.architectures).max();
    format!(
        "{}\n{table}\n{}  global: {} with the supernet's weights, against full training\n  local: the last {} sub-networks \
         just trained, with the supernet's weights, against training alone\n  trained alone under {}\n  supernet under {}\n",
        super::heading("One-shot: how well a supernet ranks its sub-networks"),
        beyond_spearman(report),
        format::plural(counts.unwrap_or(0) as u64, "sampled architecture"),
        latest.unwrap_or(0),
        settings.budget,
        settings.supernet_budget,
    )
}

/// What `r_s` hides, of each ranking: tables of the sampled architectures, and of those just trained.
fn beyond_spearman(report: &OneShotReport) -> String {
    let leading = [("supernet", Align::Left), ("epoch", Align::Right)];
    let tables = |title: &str, quality: fn(&RankedEpoch) -> &RankQuality| {
        let rows: Vec<Row<'_>> = report
            .rows
            .iter()
            .flat_map(|row| row.epochs.iter().map(move |epoch| (row.schedule.label(), epoch)))
            .map(|(label, epoch)| (vec![label, epoch.epoch.to_string()], quality(epoch)))
            .collect();
        if rows.is_empty() {
            return String::new();
        }
        let heading = super::heading(title);
        format!("{heading}\n{}\n{}\n", correlations(&leading, &rows), tops(&leading, &rows))
    };
    tables("Global: the whole ranking, and its top", |epoch| &epoch.global)
        + &tables("Local: the whole ranking, and its top", |epoch| &epoch.local)
}
