//! What an architecture is worth after full training, as the paper's Tables 2 and 3 have it.

use std::fmt::Write;

use serde::Serialize;
use stages::Budget;
use stages::stage::{FinalReport, FinalTraining, Spread};

use super::format;

/// The result of `evaluate-final`.
#[derive(Serialize)]
pub(super) struct FinalJson<'a> {
    architecture: &'a str,
    /// Whether the search found it; otherwise it was given.
    found: bool,
    budget: Budget,
    parameters: u64,
    mult_adds: u64,
    /// Percent of the test images that are classified right, mean and deviation over the seeds; none where one diverged, and no
    /// deviation of one.
    test_accuracy: Option<f64>,
    /// Percent that are misclassified; the deviation is that of both.
    test_error: Option<f64>,
    deviation: Option<f64>,
    trainings: Vec<TrainingJson>,
}

#[derive(Serialize)]
struct TrainingJson {
    seed: u64,
    key: String,
    /// None where it diverged.
    test_accuracy: Option<f64>,
    diverged_at: Option<u64>,
}

impl<'a> FinalJson<'a> {
    pub(super) fn of(report: &'a FinalReport) -> Self {
        let FinalReport { architecture, found, budget, parameters, mult_adds, .. } = report;
        let accuracy = report.accuracy();
        Self {
            architecture,
            found: *found,
            budget: *budget,
            parameters: *parameters,
            mult_adds: *mult_adds,
            test_accuracy: accuracy.map(|accuracy| accuracy.mean),
            test_error: report.error().map(|error| error.mean),
            deviation: accuracy.and_then(|accuracy| accuracy.deviation),
            trainings: report.trainings.iter().map(TrainingJson::of).collect(),
        }
    }
}

impl TrainingJson {
    fn of(training: &FinalTraining) -> Self {
        Self {
            seed: training.seed,
            key: training.key.to_string(),
            test_accuracy: training.divergence.is_none().then_some(training.test_accuracy),
            diverged_at: training.divergence.map(|divergence| divergence.step),
        }
    }
}

pub(super) fn final_text(report: &FinalReport) -> String {
    let spread = |spread: Option<Spread>| {
        spread.map_or_else(|| "none: a training diverged".to_owned(), format::spread)
    };
    let source = if report.found { ", which the search found" } else { "" };
    let mut text = format!(
        "{}\n  {}{source}\n  {}\n  test error     {}\n  test accuracy  {}\n  {}, {} an image\n  \
         trained on all training images, with seeds that no choice has seen\n\n",
        super::heading("Final network"),
        report.architecture,
        report.budget,
        spread(report.error()),
        spread(report.accuracy()),
        format::large(report.parameters as f64, "parameters"),
        format::large(report.mult_adds as f64, "multiply-adds"),
    );
    for FinalTraining { seed, test_accuracy, divergence, .. } in &report.trainings {
        let outcome = match divergence {
            Some(divergence) => format!("diverged at step {}", format::count(divergence.step)),
            None => format!("{test_accuracy:.2}% of the test images after the last epoch"),
        };
        let _ = writeln!(text, "  seed {seed}: {outcome}");
    }
    text
}
