//! What weights of a file are worth, for a person and as JSON.

use serde::Serialize;
use stages::evaluation::{Evaluated, WeightsEvaluation};
use stages::train::TrainingJob;

use super::conditions::Conditions;
use super::format;
use crate::error::Error;

/// An evaluation, and what it was made on.
pub(crate) struct EvaluationReport {
    pub(crate) evaluation: WeightsEvaluation,
    pub(crate) conditions: Conditions,
    pub(crate) device: String,
}

#[derive(Serialize)]
struct EvaluationJson<'a> {
    #[serde(flatten)]
    conditions: &'a Conditions,
    test: EvaluatedJson,
    /// None where the scoring holds no images out.
    held_out: Option<EvaluatedJson>,
    parameters: u64,
    mult_adds: u64,
    device: &'a str,
}

#[derive(Serialize)]
struct EvaluatedJson {
    images: u64,
    correct: u64,
    /// In percent.
    accuracy: f64,
    /// Mean cross-entropy; none where it is no number.
    loss: Option<f64>,
}

impl From<Evaluated> for EvaluatedJson {
    fn from(Evaluated { images, correct, accuracy, loss }: Evaluated) -> Self {
        Self { images, correct, accuracy, loss: loss.is_finite().then_some(loss) }
    }
}

/// Prints it. `genotype` is how the architecture was asked for.
pub(crate) fn print(
    job: &TrainingJob,
    genotype: &str,
    report: &EvaluationReport,
    json: bool,
) -> Result<(), Error> {
    let EvaluationReport { evaluation, conditions, device } = report;
    let WeightsEvaluation { test, held_out, parameters, mult_adds } = *evaluation;
    if json {
        return super::json(&EvaluationJson {
            conditions,
            test: test.into(),
            held_out: held_out.map(Into::into),
            parameters,
            mult_adds,
            device,
        });
    }
    let held_out = held_out.map_or_else(String::new, |found| line("held out", found, "held-out"));
    super::result(&format!(
        "{}\n  {}{}{held_out}\n  network     {}, {} an image\n  images      {conditions}\n  evaluated on {device}",
        super::heading(genotype),
        job.budget,
        line("test", test, "test"),
        format::large(parameters as f64, "parameters"),
        format::large(mult_adds as f64, "multiply-adds"),
    ))
}

fn line(head: &str, Evaluated { images, accuracy, loss, .. }: Evaluated, kind: &str) -> String {
    let loss = if loss.is_finite() {
        format!("cross-entropy {loss:.4}")
    } else {
        "cross-entropy is no number".to_owned()
    };
    format!("\n  {head:<11} {accuracy:.2}% of the {} {kind} images, {loss}", format::count(images))
}
