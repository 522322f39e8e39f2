//! How well one-shot supernets rank their sub-networks.

use serde::Serialize;
use stages::stage::{OneShotReport, OneShotRow, RankedEpoch};
use stages::statistics::Correlation;

use super::diverged::DivergedJson;
use super::format;
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

/// How the accuracies of some sub-networks rank them, and their mean in percent.
#[derive(Serialize)]
struct RankedJson {
    #[serde(flatten)]
    correlation: Correlation,
    mean_accuracy: f64,
}

impl OneShotJson {
    pub(super) fn of(report: &OneShotReport) -> Self {
        let epoch = |of: &RankedEpoch| EpochJson {
            epoch: of.epoch,
            loss: of.loss,
            global: RankedJson { correlation: of.global, mean_accuracy: of.global_accuracy },
            local: RankedJson { correlation: of.local, mean_accuracy: of.local_accuracy },
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
    let counts = report.rows.iter().flat_map(|row| &row.epochs).map(|epoch| epoch.global.count).max();
    // Fewer than were asked for where fewer distinct ones were drawn.
    let latest = report.rows.iter().flat_map(|row| &row.epochs).map(|epoch| epoch.local.count).max();
    format!(
        "{}\n{table}\n  global: {} with the supernet's weights, against full training\n  local: the last {} sub-networks \
         just trained, with the supernet's weights, against training alone\n  trained alone under {}\n  supernet under {}\n",
        super::heading("One-shot: how well a supernet ranks its sub-networks"),
        format::plural(counts.unwrap_or(0) as u64, "sampled architecture"),
        latest.unwrap_or(0),
        settings.budget,
        settings.supernet_budget,
    )
}
