//! What can go wrong, each as a sentence that says what, where, and what to do; and the exit code that it means.

use std::path::PathBuf;

use stages::echo::shown;
use stages::stage::StageError;

use crate::engine::manifest::MANIFESTS_MAX;

/// Finished what was asked.
pub(crate) const EXIT_OK: u8 = 0;
/// Could not do what was asked.
pub(crate) const EXIT_FAILED: u8 = 1;
/// Was asked for something that makes no sense.
pub(crate) const EXIT_USAGE: u8 = 2;
/// Was interrupted: what shells say of a program that Ctrl-C ended.
pub(crate) const EXIT_INTERRUPTED: u8 = 130;

/// Any error of the program.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Input that a stage's own types refuse: genotypes, budgets, configuration, data files.
    #[error("{0}")]
    Input(#[source] stages::Error),
    #[error(
        "there is no target `{}`; a target is a stage ({stages}) or one node of it ({nodes})",
        shown(target)
    )]
    UnknownTarget { target: String, stages: String, nodes: String },
    #[error("cannot read {}: {source}; check that the file is there and may be read", shown(path.display()))]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{}: {problem}", shown(path.display()))]
    File { path: PathBuf, problem: String },
    #[error("{flag} {}: {problem}", shown(value))]
    Flag { flag: &'static str, value: String, problem: String },
    #[error(
        "no node and no training has a key that begins with {}; `pipeline log` and `pipeline plan` show what there is",
        shown(name)
    )]
    UnknownKey { name: String },
    #[error(
        "no run of the last {} has an id that begins with {}; {}",
        MANIFESTS_MAX,
        shown(name),
        known_runs(known)
    )]
    UnknownRun { name: String, known: String },
    #[error("no run has been made with this cache folder yet; begin with `pipeline run --target nas-search`")]
    NoRuns,
    #[error("{name}: {count} begin with these digits, {one} and {other} among them; give more of them")]
    Ambiguous { name: String, count: usize, one: String, other: String },

    #[error("{what}: {problem}; {remedy}")]
    Download { what: String, problem: String, remedy: String },
    #[error(
        "{}: {} of its files or pictures are not what they should be; fetch or unpack the set again, or replace what is named",
        shown(set),
        bad
    )]
    WrongData { set: String, bad: usize },
    #[error("interrupted; what had finished is kept, and the next run goes on from there")]
    Interrupted,
    #[error("interrupted; nothing is kept of a measurement, and the next one begins anew")]
    InterruptedMeasurement,
    #[error("node {node} failed: {source}")]
    Node { node: String, source: StageError },
    #[error("node {node} failed: {} of {of} trainings failed. {}", failures.len(), first(failures))]
    Trainings { node: String, of: usize, failures: Vec<TrainingFailure> },
    #[error("node {node} failed: a training ended without a result; run again to train it")]
    Unreported { node: String },
    /// What failed in a run that kept going, in the order of its nodes.
    #[error("{} nodes failed:{}", .0.len(), listed(.0))]
    Several(Vec<Error>),
    #[error("a training is not in the cache")]
    NotTrained,
    #[error("{0}")]
    Stage(#[source] stages::Error),
    #[error("{0}")]
    Device(#[source] kernels::Error),
    #[error(transparent)]
    Cache(#[from] cache::Error),
    #[error("{source}. The run stops here, for nothing more could be kept; what was kept before is there")]
    NotStored { source: cache::Error },
    #[error(
        "the disk of the cache folder {} is full. The run stops here; what had finished is kept. Make room, and run \
         again to go on", folder.display()
    )]
    OutOfRoom { folder: PathBuf },
    #[error(
        "{source}; another folder for the cache can be given by --cache DIR, or by NAS_CACHE in the environment"
    )]
    CacheFolder { source: cache::Error },
    #[error("cannot write {}: {source}", shown(path.display()))]
    Unwritten { path: PathBuf, source: std::io::Error },
    #[error("cannot show {} in a browser: {source}; open it by hand", shown(path.display()))]
    Unopened { path: PathBuf, source: std::io::Error },
    #[error("cannot write to standard output: {0}")]
    Output(#[source] std::io::Error),
    #[error(
        "cannot start a thread: {0}; allow this process more threads (`ulimit -u`) or memory (`ulimit -v`)"
    )]
    Threads(#[source] rayon::ThreadPoolBuildError),
    #[error(
        "the address space is too small: {left_mib} MiB are left, {needed_mib} MiB are needed beside trainings; raise \
         `ulimit -v`"
    )]
    AddressSpace { left_mib: u64, needed_mib: u64 },
    #[error("cannot listen for Ctrl-C: {0}")]
    Signals(#[source] std::io::Error),
    #[error(
        "the cache is damaged: {records} records and {weights} files of weights failed their checks, {unlisted} parts of the \
         database could not be listed; what is lost is computed again when it is needed"
    )]
    DamagedCache { records: u64, weights: u64, unlisted: u64 },
    #[error(
        "of the trainings that were trained once more, {differ} gave another result on a device of the same name, and {failed} \
         failed: something that changes results is missing from their keys, or their producer is not to be believed"
    )]
    NotReproduced { differ: u64, failed: u64 },
    #[error(
        "another process is at work in {}, and what it makes could be taken for what nobody needs; try again when it has ended",
        folder.display()
    )]
    AtWork { folder: PathBuf },
    #[error(
        "{} was not written, and what had this name before stays: {left} records or files of weights found no place in it; the \
         warnings above say why", file.display()
    )]
    NotExported { left: u64, file: PathBuf },
    #[error(
        "it could not be told what a share holds, so that not everything may have been copied; the warnings above say why. A web \
         server that lists nothing cannot be pulled from: a run finds in it what it needs"
    )]
    Unlisted,
    #[error(
        "{left} records or files of weights could not be copied; the warnings above say why, and the same command goes on from \
         there"
    )]
    NotCopied { left: u64 },
    #[error(
        "the database in {} could not be read, so nothing is known of its records; when no other process uses the \
         folder, run this again", folder.display()
    )]
    UnreadCache { folder: PathBuf },
}

/// What there is in the place of a run that there is not.
fn known_runs(known: &str) -> String {
    if known.is_empty() {
        "there are no runs yet".to_owned()
    } else {
        format!("the newest are {known}; `pipeline log` lists them, and `last` names the last one")
    }
}

/// A training that failed, by what it trained.
#[derive(Clone, Debug)]
pub(crate) struct TrainingFailure {
    /// What was trained.
    pub(crate) subject: String,
    pub(crate) budget: String,
    pub(crate) message: String,
}

impl std::fmt::Display for TrainingFailure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} under budget {}: {}", self.subject, self.budget, self.message)
    }
}

fn first(failures: &[TrainingFailure]) -> String {
    let shown = failures.first().map_or_else(String::new, ToString::to_string);
    match failures.len() {
        0 | 1 => shown,
        more => format!("The first: {shown} (and {} more)", more - 1),
    }
}

/// More failures than these would hide the first ones, which most often explain the rest.
const LISTED: usize = 10;

fn listed(failures: &[Error]) -> String {
    let mut lines = vec![String::new()];
    lines.extend(failures.iter().take(LISTED).map(ToString::to_string));
    if failures.len() > LISTED {
        lines.push(format!("and {} more", failures.len() - LISTED));
    }
    lines.join("\n  ")
}

impl Error {
    /// The failure of a node: what its jobs failed of, where that is why.
    pub(crate) fn of_node(node: &str, error: StageError) -> Self {
        let source = match error {
            StageError::Untrained(cause) => match cause.downcast::<Self>() {
                Ok(own) => return *own,
                Err(other) => StageError::Untrained(other),
            },
            other => other,
        };
        Self::Node { node: node.to_owned(), source }
    }

    /// An error of a stage where only what a person gave can be wrong.
    pub(crate) fn of_input(error: stages::Error) -> Self {
        match error {
            stages::Error::Network(_) => Self::Stage(error),
            _ => Self::Input(error),
        }
    }

    /// Of two things, or more, that begin with the same digits.
    pub(crate) fn ambiguous(digits: &str, count: usize, one: &str, other: &str) -> Self {
        Self::Ambiguous { name: digits.to_owned(), count, one: one.to_owned(), other: other.to_owned() }
    }

    /// All failures of a run as one error; none where nothing failed.
    pub(crate) fn all(mut failures: Vec<Self>) -> Option<Self> {
        if failures.len() > 1 { Some(Self::Several(failures)) } else { failures.pop() }
    }

    /// The exit code that this error means.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Input(_)
            | Self::UnknownTarget { .. }
            | Self::Read { .. }
            | Self::File { .. }
            | Self::Flag { .. }
            | Self::UnknownKey { .. }
            | Self::UnknownRun { .. }
            | Self::NoRuns
            | Self::Ambiguous { .. }
            | Self::Cache(cache::Error::BadPublicKey(_))
            | Self::Stage(stages::Error::Network(kernels::Error::TensorFile { .. })) => EXIT_USAGE,
            Self::Interrupted | Self::InterruptedMeasurement => EXIT_INTERRUPTED,
            _ => EXIT_FAILED,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn failures(count: usize) -> Vec<Error> {
        (0..count).map(|node| Error::Unreported { node: format!("n{node}.") }).collect()
    }

    #[test]
    fn every_failure_is_listed_up_to_a_cap() {
        assert!(Error::all(Vec::new()).is_none());
        let one = Error::all(failures(1)).unwrap().to_string();
        assert!(one.starts_with("node n0. failed"), "{one}");
        let few = Error::all(failures(3)).unwrap().to_string();
        assert!(few.starts_with("3 nodes failed:\n"), "{few}");
        assert!((0..3).all(|node| few.contains(&format!("node n{node}. failed"))), "{few}");
        assert!(!few.contains("more"), "{few}");
        let many = Error::all(failures(LISTED + 2)).unwrap().to_string();
        assert_eq!(many.matches("failed: a training").count(), LISTED, "{many}");
        assert!(many.ends_with("and 2 more"), "{many}");
    }
}
