//! What racing would have saved, and what it would have lost.

use serde::Serialize;
use stages::mip::race::Measured;
use stages::statistics::Mean;

use super::{format, heading};

/// Races of the budgets of a table.
#[derive(Serialize)]
pub(crate) struct Racing {
    pub(crate) confidence: f64,
    /// Budgets that raced, of so many: those without a hole.
    pub(crate) budgets: usize,
    pub(crate) of: usize,
    pub(crate) architectures: usize,
    /// The budget that all trainings choose.
    pub(crate) chosen_by_all: Option<String>,
    #[serde(flatten)]
    pub(crate) measured: Measured,
}

impl Racing {
    /// For a person.
    pub(super) fn text(&self) -> String {
        let Measured { orders, saved, cost_saved, differs, spearman_lost, objective_lost, most_lost, .. } =
            &self.measured;
        let shares = |of: &Mean| with_interval(of, format::percent);
        let cost = cost_saved
            .as_ref()
            .map_or_else(String::new, |cost| format!(", and {} of their cost", shares(cost)));
        let without = self.chosen_by_all.as_deref().unwrap_or("none, for no r_s is defined");
        format!(
            "\n{}\n\
             {} of {} over {} random orders of {}; a budget is dropped once it is behind, \
             whatever its cost weighs, with a confidence of {}\n\
             saved: {} of the trainings{cost}\n\
             another budget than all trainings choose ({without}): in {} of the orders\n\
             lost by that on average: {} of r_s, {} of what is chosen by, {} of it at most\n",
            heading("Racing"),
            self.budgets,
            format::plural(self.of as u64, "budget"),
            format::count(*orders as u64),
            format::plural(self.architectures as u64, "architecture"),
            self.confidence,
            shares(saved),
            shares(differs),
            with_interval(spearman_lost, points),
            with_interval(objective_lost, points),
            points(*most_lost),
        )
    }
}

fn points(number: f64) -> String {
    format!("{number:.4}")
}

/// A mean and its interval.
fn with_interval(of: &Mean, shown: impl Fn(f64) -> String) -> String {
    let interval = of.interval.map(|(low, high)| format!(" ({} to {})", shown(low), shown(high)));
    shown(of.mean) + &interval.unwrap_or_default()
}
