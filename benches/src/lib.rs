//! What the benchmarks share: the control rows, and the architectures that are trained.
//!
//! A control row does what limits a benchmark and nothing else, on the same machine in the same run: a time means little without
//! it, least of all on a machine that others use too.

mod control;

use std::sync::LazyLock;

use criterion::Criterion;
use stages::Genotype;

pub use control::{copy, fma, threads};

/// The first four random architectures of seed 0, as a run samples them.
pub static ARCHITECTURES: LazyLock<Vec<Genotype>> = LazyLock::new(|| stages::sample::architectures(0, 4));

/// Few samples: what is measured takes long enough for its noise to come from the machine.
pub fn criterion() -> Criterion {
    Criterion::default().sample_size(10).configure_from_args()
}
