//! Trainings whose loss stopped being a number, by architecture and budget.

use serde::Serialize;
use stages::Budget;
use stages::stage::DivergedTraining;
use stages::train::Divergence;

use super::format;
use super::table::{Align, Table};

/// More rows than these would hide the result; `--json` lists all.
const LISTED: usize = 10;

/// A training that diverged.
#[derive(Serialize)]
pub(super) struct DivergedJson {
    genotype: String,
    budget: Budget,
    step: u64,
    best_score: Option<f64>,
}

impl DivergedJson {
    pub(super) fn of(training: &DivergedTraining) -> Self {
        let Divergence { step, best_score } = training.divergence;
        Self { genotype: training.genotype.to_string(), budget: training.budget, step, best_score }
    }
}

/// What diverged, as a section of its own; nothing when nothing did.
pub(super) fn diverged_text<'a>(trainings: impl IntoIterator<Item = &'a DivergedTraining>) -> String {
    let trainings: Vec<&DivergedTraining> = trainings.into_iter().collect();
    if trainings.is_empty() {
        return String::new();
    }
    let headings = [
        ("at step", Align::Right),
        ("best before", Align::Right),
        ("budget", Align::Left),
        ("architecture", Align::Left),
    ];
    let mut table = Table::new(&headings, 2);
    for training in trainings.iter().take(LISTED) {
        let Divergence { step, best_score } = training.divergence;
        table.row(vec![
            format::count(step),
            best_score.map_or_else(|| "-".to_owned(), |score| format!("{score:.2}%")),
            training.budget.to_string(),
            training.genotype.to_string(),
        ]);
    }
    let more = match trainings.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!("  and {} more, which --json lists\n", format::count(more as u64)),
    };
    let count = format::plural(trainings.len() as u64, "training");
    let title = super::heading(&format!("Diverged: {count} whose loss stopped being a number; they score 0"));
    format!("{title}\n{table}{more}\n")
}
