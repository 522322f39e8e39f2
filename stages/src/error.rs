//! What can go wrong in this crate. Every message says what, where, and what to do.

use std::path::PathBuf;

use crate::echo::shown;

/// An error of the crate `stages`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A genotype text that the grammar does not accept.
    #[error("genotype, {place}: found {found}, expected {expected}")]
    Genotype {
        /// Where in the text: "character 12", or "line 3, character 12", counted from 1.
        place: String,
        /// What stands there.
        found: String,
        /// What the grammar accepts there.
        expected: String,
    },

    /// A budget, or a list of values for one hyper-parameter, that is not allowed or does not fit the network.
    #[error("{place}: {problem}")]
    Budget {
        /// The text or the part of it that is wrong, for example "budget `BPE-1,epochs=x`".
        place: String,
        /// What is wrong with it and what is allowed.
        problem: String,
    },

    /// A data set that cannot be read.
    #[error("{}: {problem}; {remedy}", shown(path.display()))]
    Data {
        /// The file or folder.
        path: PathBuf,
        /// What was found there.
        problem: String,
        /// What to do about it.
        remedy: String,
    },

    /// A configuration file, profile or `--set` override that is not accepted.
    #[error("{place}: {problem}")]
    Config {
        /// The file and line, or the override, that holds the mistake.
        place: String,
        /// What is wrong and what is accepted.
        problem: String,
    },

    /// Numbers that a statistic is not defined for.
    #[error("{what}: {problem}")]
    Numbers {
        /// The statistic, for example "rank correlation".
        what: &'static str,
        /// What is wrong with the numbers.
        problem: String,
    },

    /// Weights of a supernet that cannot be used.
    #[error("the weights {digest} {problem}")]
    Weights {
        /// What they are kept under.
        digest: cache::Digest,
        /// What is wrong with them, and what to do.
        problem: String,
    },

    /// A training that failed.
    #[error(transparent)]
    Network(#[from] kernels::Error),

    /// A value that the cache cannot make a key of.
    #[error(transparent)]
    Cache(#[from] cache::Error),
}
