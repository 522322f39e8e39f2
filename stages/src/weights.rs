//! Weights of a network in a file: of a training that ended, or of where one stood.

use std::fs;
use std::path::Path;

use cache::Digest;
use kernels::{Graph, Weights};

use crate::Error;
use crate::checkpoint::Standing;
use crate::echo::shown;
use crate::train::{TrainedEpoch, TrainingJob};

/// A file that holds weights and running statistics of a network.
#[derive(Clone, Copy, Debug)]
pub enum WeightsFile<'a> {
    /// A safetensors file, of this program or of PyTorch.
    Safetensors(&'a Path),
    /// A checkpoint of a training.
    Checkpoint(&'a Path),
}

impl WeightsFile<'_> {
    /// Reads it for the network of a job; also what a person should know of how it was read.
    ///
    /// # Errors
    /// When the file cannot be read, or is of another network.
    pub(crate) fn read(self, job: &TrainingJob, graph: &Graph) -> Result<(Weights, Vec<String>), Error> {
        let (path, (weights, notes)) = match self {
            Self::Safetensors(path) => (path, graph.weights(path, &|name: &str| job.tensor_name(name))?),
            Self::Checkpoint(path) => (path, checkpoint(path, job, graph)?),
        };
        let notes = notes.iter().map(|note| format!("{}: {note}", shown(path.display()))).collect();
        Ok((weights, notes))
    }
}

/// The digest of the key of the training that a checkpoint is of.
///
/// # Errors
/// When the file cannot be read, or is no checkpoint of a network's training.
pub fn training_of(checkpoint: &Path) -> Result<Digest, Error> {
    Ok(KeptCheckpoint::read(checkpoint)?.training)
}

fn checkpoint(path: &Path, job: &TrainingJob, graph: &Graph) -> Result<(Weights, Vec<String>), Error> {
    let KeptCheckpoint { training, epochs, steps, trainer } = KeptCheckpoint::read(path)?;
    let weights = trainer.weights(graph).map_err(|error| match error {
        kernels::Error::Checkpoint { problem } => Error::Data {
            path: path.into(),
            problem: format!("is a checkpoint of another training: {problem}"),
            remedy: format!(
                "`pipeline explain {training}` says with which flags its training is asked for; give those"
            ),
        },
        other => other.into(),
    })?;
    let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let begun = if steps == 0 { String::new() } else { format!(" and {} of the next", count(steps, "step")) };
    let mut notes = vec![format!("as training stood after {}{begun}", count(epochs, "epoch"))];
    // Another seed or scoring, say, or other images: of the same network.
    if *job.key()?.digest() != training {
        notes.push(format!(
            "of another training than the flags ask for, {training}, whose network has the same parameters"
        ));
    }
    Ok((weights, notes))
}

/// Where the training of a network stood.
struct KeptCheckpoint {
    /// Of which: the digest of its key.
    training: Digest,
    /// Epochs that were done, and steps of the next one.
    epochs: usize,
    steps: usize,
    trainer: kernels::Checkpoint,
}

impl KeptCheckpoint {
    /// Reads it.
    ///
    /// # Errors
    /// When the file cannot be read, or is something else.
    fn read(path: &Path) -> Result<Self, Error> {
        let error = |problem: String| {
            Error::Data {
            path: path.into(),
            problem,
            remedy: "give a file that `pipeline train` named when a training diverged; safetensors files are given with \
                     --weights"
                .into(),
        }
        };
        let bytes = fs::read(path).map_err(|source| error(format!("cannot be read ({source})")))?;
        let read = |bytes: &[u8]| Standing::<TrainedEpoch>::of_any(bytes).ok();
        let standing =
            cache::whole_checkpoint(bytes, |bytes| Some(read(bytes)?.job)).and_then(|bytes| read(&bytes));
        let kept = standing.and_then(|Standing { job, epochs, trainer, steps, .. }| {
            let trainer = kernels::Checkpoint::from_bytes(&trainer).ok()?;
            Some(Self { training: job, epochs: epochs.len(), steps: steps.len(), trainer })
        });
        kept.ok_or_else(|| {
            error(
                "is no checkpoint of a network's training, or damaged, or of another version of the program"
                    .into(),
            )
        })
    }
}
