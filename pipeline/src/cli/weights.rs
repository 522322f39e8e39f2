//! Flags that name a file of weights.

use std::path::PathBuf;

use cache::Kind;
use clap::Args;
use stages::train::TrainingJob;
use stages::weights::{WeightsFile, training_of};

use super::Global;
use super::given::path;
use crate::error::Error;

/// A file of weights, in one of two formats.
#[derive(Args)]
pub(super) struct WeightsArgs {
    /// Weights and running statistics, as a safetensors file: of `train --save`, or of PyTorch
    #[arg(long, value_name = "F", value_parser = path())]
    weights: Option<PathBuf>,
    /// In place of --weights what a training that diverged had learnt before: the checkpoint that `train` named
    #[arg(long, value_name = "F", value_parser = path(), conflicts_with = "weights")]
    checkpoint: Option<PathBuf>,
}

impl WeightsArgs {
    /// The file that is named, if one is.
    pub(super) fn file(&self) -> Option<WeightsFile<'_>> {
        let weights = self.weights.as_deref().map(WeightsFile::Safetensors);
        weights.or_else(|| self.checkpoint.as_deref().map(WeightsFile::Checkpoint))
    }

    /// Finds out, as far as the cache knows the training of a checkpoint, whether it is of the architecture that is asked
    /// for: another one can have the same parameters.
    pub(super) fn check(&self, job: &TrainingJob, global: &Global) -> Result<(), Error> {
        let Some(path) = &self.checkpoint else { return Ok(()) };
        let (training, asked) = (training_of(path).map_err(Error::Input)?, job.key().map_err(Error::Stage)?);
        if training == *asked.digest() {
            return Ok(());
        }
        // Where there is no cache folder, nothing is known.
        let Some(record) = global
            .open_alone()
            .ok()
            .and_then(|store| store.get_digest(Kind::Training, &training).ok())
            .flatten()
        else {
            return Ok(());
        };
        for name in ["genotype", "architecture"] {
            let (kept, asked) = (record.key.fields().get(name), asked.fields().get(name));
            if kept == asked {
                continue;
            }
            let found = kept.map_or_else(|| "one of another kind".to_owned(), ToString::to_string);
            return Err(Error::Input(stages::Error::Data {
                path: path.clone(),
                problem: format!("is a checkpoint of another architecture, {found}"),
                remedy: format!(
                    "`pipeline explain {training}` says with which flags its training is asked for; give those"
                ),
            }));
        }
        Ok(())
    }
}
