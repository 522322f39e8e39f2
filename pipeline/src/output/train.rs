//! What one training gave, for a person and as JSON.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use stages::echo::shown;
use stages::recipe::Scoring;
use stages::train::{Divergence, FinishedTraining, TrainingJob};

use super::conditions::{Conditions, scored_on};
use super::format;
use crate::engine::sources::Origin;
use crate::error::Error;

/// A training, new or remembered.
pub(crate) struct TrainReport {
    pub(crate) trained: FinishedTraining,
    /// Loss of each step; none where they were not kept.
    pub(crate) loss: Vec<f32>,
    /// Where it was found; none where it was trained just now.
    pub(crate) origin: Option<Origin>,
    /// From the start of the command until its first step was done, if one was.
    pub(crate) first_step: Option<Duration>,
    /// How long steps waited for images, where these were streamed and it was trained now.
    pub(crate) waited: Option<Duration>,
    /// Why a file that was asked for is not there, or the training not in the cache.
    pub(crate) unwritten: Option<stages::Error>,
    /// The last checkpoint before it diverged, where there is one.
    pub(crate) last_checkpoint: Option<PathBuf>,
}

#[derive(Serialize)]
struct TrainJson<'a> {
    /// The key that the training is remembered under; none when its key does not describe it.
    key: Option<&'a str>,
    #[serde(flatten)]
    conditions: &'a Conditions,
    steps: u64,
    loss: Vec<f32>,
    /// Percent of the test images after the last epoch, as in `run --json`; none when the training diverged.
    accuracy: Option<f64>,
    /// The best accuracy over the epochs on the images that give scores; 0 when the training diverged.
    score: f64,
    diverged_at: Option<u64>,
    /// The epoch of that step, counted from 1.
    diverged_in_epoch: Option<u64>,
    /// The file of the last checkpoint before it diverged, where there is one.
    last_checkpoint: Option<PathBuf>,
    /// The best accuracy before it diverged, on the images that give scores.
    best_score_before: Option<f64>,
    images_per_second: f64,
    first_step_seconds: Option<f64>,
    /// How long steps waited for images that are streamed; none where all are in memory, or when it is from the cache.
    waited_seconds: Option<f64>,
    parameters: u64,
    mult_adds: u64,
    cached: bool,
    /// Where it was found; none where it was trained just now.
    origin: Option<Origin>,
    device: &'a str,
}

/// Prints it. `genotype` is how the architecture was asked for, `steps` how many a whole training has.
pub(crate) fn print(
    job: &TrainingJob,
    genotype: &str,
    (key, conditions): (Option<&str>, &Conditions),
    report: TrainReport,
    steps: u64,
    json: bool,
) -> Result<(), Error> {
    let TrainReport { trained, loss, origin, first_step, waited, last_checkpoint, .. } = report;
    let result = &trained.result;
    let divergence = result.divergence();
    // The one behind those that ended well; where it diverged on the test images there is none.
    let epoch = (result.epochs.len() as u64 + 1).min(u64::from(job.budget.epochs));
    if json {
        return super::json(&TrainJson {
            key,
            conditions,
            steps: if loss.is_empty() { steps } else { loss.len() as u64 },
            loss,
            accuracy: divergence.is_none().then_some(result.test_accuracy),
            score: result.score,
            diverged_at: result.diverged_at,
            diverged_in_epoch: divergence.map(|_| epoch),
            last_checkpoint,
            best_score_before: divergence.and_then(|divergence| divergence.best_score),
            images_per_second: trained.images_per_second,
            first_step_seconds: first_step.map(|time| time.as_secs_f64()),
            waited_seconds: waited.map(|time| time.as_secs_f64()),
            parameters: result.parameters,
            mult_adds: result.mult_adds,
            cached: origin.is_some(),
            origin,
            device: &trained.device,
        });
    }
    let accuracy = match divergence {
        Some(divergence) => {
            let place = format!("in epoch {epoch} of {}", job.budget.epochs);
            diverged(divergence, &place, job.scoring)
                + &last_checkpoint.as_deref().map_or_else(String::new, of_checkpoint)
        }
        None => format!(
            "accuracy    {:.2}% of the test images after the last epoch\n  score       {:.2}% of {}",
            result.test_accuracy,
            result.score,
            scored_on(job.scoring)
        ),
    };
    let source =
        origin.map_or_else(|| "trained".to_owned(), |origin| format!("from the cache{origin}, trained"));
    let waited = waited.map_or_else(String::new, |waited| {
        let share = 1e5 * waited.as_secs_f64() / trained.elapsed_ms.max(1) as f64;
        format!("\n  waited for images {:.1} s, {share:.1}%", waited.as_secs_f64())
    });
    let key = key.map_or_else(String::new, |key| format!("\n  key         {key}"));
    super::result(&format!(
        "{}\n  {}\n  {accuracy}\n  network     {}, {} an image\n  loss        {}\n  \
         images      {conditions}\n  {source} in {} on {}, {} images/s{waited}{key}",
        super::heading(genotype),
        job.budget,
        format::large(result.parameters as f64, "parameters"),
        format::large(result.mult_adds as f64, "multiply-adds"),
        result.epochs.iter().map(|epoch| format!("{:.4}", epoch.loss)).collect::<Vec<_>>().join(" "),
        format::duration(trained.elapsed_ms),
        trained.device,
        format::count(trained.images_per_second as u64),
    ))
}

fn diverged(Divergence { step, best_score }: Divergence, place: &str, scoring: Scoring) -> String {
    let before =
        best_score.map_or_else(String::new, |score| format!(", after {score:.2}% of {}", scored_on(scoring)));
    format!(
        "diverged    the loss stopped being a number at step {step}, {place}{before}\n  \
         score       0; a lower learning rate or 32 bits may help"
    )
}

fn of_checkpoint(file: &Path) -> String {
    let file = shown(file.display());
    format!(
        "\n  checkpoint  the last one before that is in {file}, which stays until you remove it; `pipeline evaluate` and \
         `export` read it (--checkpoint)"
    )
}
