//! What results name beside themselves: the images, and what trainings did with them.

use serde::Serialize;
use stages::data::{Dataset, held_out};
use stages::recipe::Scoring;
use stages::stage::ImageUse;

use super::format;

/// Modes of scoring without a split: that of the published trials, and none.
const PUBLISHED: &str = "published";
const NONE: &str = "none";

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
    /// Share of the pictures of each class that were drawn as test images; none where the set names them.
    #[serde(skip_serializing_if = "Option::is_none")]
    test_share: Option<f64>,
}

/// The scoring's name, and its split where it holds images out.
#[derive(Clone, Debug, Serialize)]
struct ScoringJson {
    /// `holdout`, `published`, or `none` where nothing was scored.
    mode: &'static str,
    holdout_fraction: Option<f64>,
    split_seed: Option<u64>,
    /// Training images that give scores and are not trained on.
    held_out_images: usize,
    /// Whether there are trainings that learn from all training images, and are worth what they reach after the last epoch.
    final_trainings: bool,
}

impl Conditions {
    /// Of one training, or of the evaluation of one.
    pub(crate) fn of(data: &Dataset, scoring: Scoring) -> Self {
        Self::of_uses(data, scoring, &[ImageUse::Scored(scoring)])
    }

    /// Of a run that chooses by `scoring`, if it chooses, and all of whose trainings do this with the images.
    pub(crate) fn of_uses(data: &Dataset, scoring: Scoring, uses: &[ImageUse]) -> Self {
        let (chooses, is_final): (Vec<&ImageUse>, Vec<_>) =
            uses.iter().partition(|image_use| **image_use == ImageUse::Scored(scoring));
        let (mode, holdout_fraction, split_seed) = match scoring {
            _ if chooses.is_empty() => (NONE, None, None),
            Scoring::Holdout { fraction, seed } => ("holdout", Some(fraction), Some(seed)),
            Scoring::Published => (PUBLISHED, None, None),
        };
        let held_out_images = holdout_fraction.map_or(0, |fraction| held_out(data.train.count, fraction));
        Self {
            data: Data {
                name: data.name.clone(),
                digest: data.digest.to_string(),
                train_images: data.train.count,
                test_images: data.test.count,
                test_share: data.drawn_test.map(|drawn| drawn.share),
            },
            scoring: ScoringJson {
                mode,
                holdout_fraction,
                split_seed,
                held_out_images,
                final_trainings: !is_final.is_empty(),
            },
        }
    }
}

impl std::fmt::Display for Conditions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { data, scoring } = self;
        let images = |count: usize| format::count(count as u64);
        let drawn = data
            .test_share
            .map_or_else(String::new, |share| format!(" ({} of each class)", format::percent(share)));
        let (all, test) =
            (images(data.train_images), format!("{} test images{drawn}", images(data.test_images)));
        let learnt = images(data.train_images - scoring.held_out_images.min(data.train_images));
        write!(formatter, "{}: ", data.name)?;
        match (scoring.mode, scoring.split_seed) {
            (_, Some(seed)) => {
                let held_out = images(scoring.held_out_images);
                write!(
                    formatter,
                    "{learnt} images to train on, {held_out} held out for scores (split seed {seed}), "
                )?;
                if scoring.final_trainings {
                    write!(formatter, "all {all} for final trainings, ")?;
                }
                write!(formatter, "{test}")
            }
            (PUBLISHED, None) => write!(
                formatter,
                "{learnt} images to train on, scores are the best epoch's on the {test}, as in the published trials"
            ),
            _ if scoring.final_trainings => {
                write!(formatter, "{learnt} images to train on, none held out, {test}")
            }
            _ => write!(formatter, "{all} training images, {test}"),
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
