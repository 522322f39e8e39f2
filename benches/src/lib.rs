//! What the benchmarks share: the control rows, and the trainings that are measured.
//!
//! A control row does what limits a benchmark and nothing else, on the same machine in the same run: a time means little without
//! it, least of all on a machine that others use too.

mod control;
mod training;

use criterion::Criterion;

pub use control::{copy, fma, threads};
pub use training::{ARCHITECTURES, IMAGES, NETWORKS, STEPS, Training, classes};

/// Few samples: what is measured takes long enough for its noise to come from the machine.
pub fn criterion() -> Criterion {
    Criterion::default().sample_size(10).configure_from_args()
}
