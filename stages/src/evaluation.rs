//! Weights of a file, evaluated: what an architecture that was trained here or elsewhere is worth on images.

use kernels::{Device, Trainer};

use crate::Error;
use crate::data::Dataset;
use crate::recipe::Scoring;
use crate::train::{Adapter, Feed, Observer, TEST, TrainerInputs, TrainingJob, all, learnt_and_scored};
use crate::weights::WeightsFile;

/// What weights are worth on some images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluated {
    /// How many there were.
    pub images: u64,
    /// How many of them were told rightly.
    pub correct: u64,
    /// Top-1 accuracy in percent.
    pub accuracy: f64,
    /// Mean cross-entropy, without label smoothing; no number where a score is none.
    pub loss: f64,
}

/// What weights are worth on the images of a set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WeightsEvaluation {
    /// On the test images.
    pub test: Evaluated,
    /// On the training images that the scoring holds out, where it holds some out.
    pub held_out: Option<Evaluated>,
    /// Trained parameters of the network, without the auxiliary head.
    pub parameters: u64,
    /// Multiply-adds of one image in inference.
    pub mult_adds: u64,
}

/// Evaluates the weights of a file in the network of a job, on its images. The observer hears of evaluated images,
/// and how the file was read.
///
/// # Errors
/// When the budget does not fit the network, the file cannot be read or holds other tensors than the network has, the device
/// fails, or the observer stops it.
pub fn evaluate_weights(
    job: &TrainingJob,
    data: &Dataset,
    weights: WeightsFile<'_>,
    device: &Device,
    observer: &dyn Observer,
) -> Result<WeightsEvaluation, Error> {
    let TrainerInputs { graph, mut settings, sets } = TrainerInputs::new(job, data)?;
    settings.label_smoothing = 0.0;
    // What the file holds is found out before memory for a training is taken.
    let (tensors, notes) = weights.read(job, &graph)?;
    for note in notes {
        observer.note(&note);
    }
    let mut trainer = Trainer::new(device, &graph, &settings, &sets)?;
    trainer.set_weights(&tensors)?;
    let monitor = Adapter { observer, counts: true };
    let test = (TEST, all(data.test.count));
    let held_out = match (job.scoring, learnt_and_scored(job.scoring, data)) {
        (Scoring::Holdout { .. }, (_, scored)) => Some(scored),
        (Scoring::Published, _) => None,
    };
    let in_order = [Some(test.clone()), held_out.clone()].into_iter().flatten().collect();
    let mut feed = Feed::of_evaluations(job, data, in_order)?;
    let mut evaluated = |(set, images): (usize, Vec<u32>)| -> Result<Evaluated, Error> {
        let found = feed.evaluate(&mut trainer, (set, &images), &monitor)?;
        let accuracy = if found.images == 0 { 0.0 } else { found.accuracy() };
        Ok(Evaluated { images: found.images, correct: found.correct, accuracy, loss: found.loss })
    };
    let test = evaluated(test)?;
    let held_out = held_out.map(evaluated).transpose()?;
    let cost = graph.cost();
    Ok(WeightsEvaluation { test, held_out, parameters: cost.parameters, mult_adds: cost.mult_adds })
}
