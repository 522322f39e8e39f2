//! What results name beside themselves: the images, and how trainings were scored.

use serde::Serialize;
use stages::data::{Dataset, held_out};
use stages::recipe::Scoring;

use super::format;

/// Data set, split and scoring of trainings.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Conditions {
    data: Data,
    scoring: ScoringJson,
}

#[derive(Clone, Debug, Serialize)]
struct Data {
    name: String,
    digest: String,
    train_images: usize,
    test_images: usize,
}

/// The scoring's name, and its split where it holds images out.
#[derive(Clone, Debug, Serialize)]
struct ScoringJson {
    mode: &'static str,
    holdout_fraction: Option<f64>,
    split_seed: Option<u64>,
    /// Training images that give scores and are not trained on.
    held_out_images: usize,
}

impl Conditions {
    pub(crate) fn of(data: &Dataset, scoring: Scoring) -> Self {
        let (mode, holdout_fraction, split_seed) = match scoring {
            Scoring::Holdout { fraction, seed } => ("holdout", Some(fraction), Some(seed)),
            Scoring::Published => ("published", None, None),
        };
        let held_out_images = holdout_fraction.map_or(0, |fraction| held_out(data.train.count, fraction));
        Self {
            data: Data {
                name: data.name.clone(),
                digest: data.digest.to_string(),
                train_images: data.train.count,
                test_images: data.test.count,
            },
            scoring: ScoringJson { mode, holdout_fraction, split_seed, held_out_images },
        }
    }
}

impl std::fmt::Display for Conditions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { data, scoring } = self;
        let images = |count: usize| format::count(count as u64);
        let trained = data.train_images - scoring.held_out_images.min(data.train_images);
        write!(formatter, "{}: {} images to train on, ", data.name, images(trained))?;
        match scoring.split_seed {
            Some(seed) => write!(
                formatter,
                "{} held out for scores (split seed {seed}), {} test images",
                images(scoring.held_out_images),
                images(data.test_images)
            ),
            None => write!(
                formatter,
                "scores are the best epoch's on the {} test images, as in the published trials",
                images(data.test_images)
            ),
        }
    }
}

/// Which images a score is the accuracy on.
pub(crate) fn scored_on(scoring: Scoring) -> &'static str {
    match scoring {
        Scoring::Holdout { .. } => "the held-out images in its best epoch",
        Scoring::Published => "the test images in its best epoch",
    }
}
