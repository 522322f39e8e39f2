//! What can go wrong, each as a sentence that says what, where, and what to do; and the exit code that it means.

use std::path::PathBuf;

/// Finished what was asked.
pub(crate) const EXIT_OK: u8 = 0;
/// Could not do what was asked.
pub(crate) const EXIT_FAILED: u8 = 1;
/// Was asked for something that makes no sense.
pub(crate) const EXIT_USAGE: u8 = 2;

/// Any error of the program.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Input that a stage's own types refuse: genotypes, budgets, configuration, data files.
    #[error("{0}")]
    Input(#[source] stages::Error),
    #[error("there is no target {target:?}; a target is a stage ({stages}) or one node of it ({nodes})")]
    UnknownTarget { target: String, stages: String, nodes: String },
    #[error("cannot read {}: {source}; check that the file is there and may be read", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{}: {problem}", path.display())]
    File { path: PathBuf, problem: String },
    #[error("{flag} {value}: {problem}")]
    Flag { flag: &'static str, value: String, problem: String },
    #[error(
        "no node and no training has a key that begins with {name}; `pipeline log` and `pipeline plan` show what there is"
    )]
    UnknownKey { name: String },

    #[error("interrupted; what had finished is kept, and the next run goes on from there")]
    Interrupted,
    #[error("interrupted; nothing is kept of a measurement, and the next one begins anew")]
    InterruptedMeasurement,
    #[error("node {node} failed: {source}")]
    Node { node: String, source: stages::stage::Halt },
    #[error("node {node} failed: {} of {of} trainings failed. {}", failures.len(), first(failures))]
    Trainings { node: String, of: usize, failures: Vec<TrainingFailure> },
    #[error("node {node} failed: a training ended without a result; run again to train it")]
    Unreported { node: String },
    #[error("a training is not in the cache")]
    NotTrained,
    #[error("{0}")]
    Stage(#[source] stages::Error),
    #[error("{0}")]
    Device(#[source] kernels::Error),
    #[error(transparent)]
    Cache(#[from] cache::Error),
    #[error("cannot write to standard output: {0}")]
    Output(#[source] std::io::Error),
    #[error("cannot listen for Ctrl-C: {0}")]
    Signals(#[from] ctrlc::Error),
    #[error(
        "the cache is damaged: {records} records failed their checks; they are set aside and will be computed again when they are needed"
    )]
    DamagedCache { records: u64 },
}

/// A training that failed, by what it trained.
#[derive(Clone, Debug)]
pub(crate) struct TrainingFailure {
    pub(crate) genotype: String,
    pub(crate) budget: String,
    pub(crate) message: String,
}

impl std::fmt::Display for TrainingFailure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} under budget {}: {}", self.genotype, self.budget, self.message)
    }
}

fn first(failures: &[TrainingFailure]) -> String {
    let shown = failures.first().map_or_else(String::new, ToString::to_string);
    match failures.len() {
        0 | 1 => shown,
        more => format!("The first: {shown} (and {} more)", more - 1),
    }
}

impl Error {
    /// The exit code that this error means.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Input(_)
            | Self::UnknownTarget { .. }
            | Self::Read { .. }
            | Self::File { .. }
            | Self::Flag { .. }
            | Self::UnknownKey { .. }
            | Self::Stage(stages::Error::Network(kernels::Error::TensorFile { .. })) => EXIT_USAGE,
            _ => EXIT_FAILED,
        }
    }
}
