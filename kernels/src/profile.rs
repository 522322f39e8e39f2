//! How long the kernels of a training take, by kind.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::program::Call;

/// What the kernels of one kind took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KernelTime {
    /// Kind of the kernel, in words; on a GPU its name.
    pub kind: &'static str,
    /// Seconds of all threads together.
    pub seconds: f64,
}

/// Kinds of kernels.
const KINDS: [&str; 17] = [
    "images: load and augment",
    "drop path: draw",
    "dense convolution",
    "separable convolution",
    "pooling",
    "normalisation: statistics",
    "node sum",
    "window average",
    "cross-entropy",
    "normalisation: backward",
    "dense convolution: backward",
    "separable convolution: backward",
    "weight gradients: sums",
    "pooling: backward",
    "edge: backward",
    "window average: backward",
    "update",
];

/// Number of the kind that is no call: clipping and the step.
pub(crate) const UPDATE: usize = 16;

impl Call {
    /// Number of its kind.
    pub(crate) fn kind(&self) -> usize {
        match self {
            Self::LoadImages { .. } => 0,
            Self::DrawDropPath => 1,
            Self::Convolve { op } => 2 + usize::from(op.depthwise.is_some()),
            Self::Pool { .. } => 4,
            Self::NormStatistics { .. } => 5,
            Self::NodeSum { .. } => 6,
            Self::WindowAverage { .. } => 7,
            Self::CrossEntropy { .. } => 8,
            Self::NormGradientSums { .. } | Self::NormGradient { .. } => 9,
            Self::ConvolveBackward { op, .. } => 10 + usize::from(op.depthwise.is_some()),
            Self::WeightGradient { .. } => 12,
            Self::PoolBackward { .. } => 13,
            Self::EdgeBackward { .. } => 14,
            Self::WindowAverageBackward { .. } => 15,
            Self::Update => UPDATE,
        }
    }
}

/// Adds up the time of kernels on any number of threads.
#[derive(Default)]
pub(crate) struct Profile {
    nanoseconds: [AtomicU64; KINDS.len()],
}

impl Profile {
    /// A kernel of this kind began at `begun` and has ended now.
    pub(crate) fn add(&self, kind: usize, begun: Instant) {
        let nanoseconds = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds[kind].fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// What kernels of each kind took, kinds that did not run left out.
    pub(crate) fn times(&self) -> Vec<KernelTime> {
        let times = KINDS.iter().zip(&self.nanoseconds).map(|(kind, nanoseconds)| KernelTime {
            kind,
            seconds: nanoseconds.load(Ordering::Relaxed) as f64 * 1e-9,
        });
        times.filter(|time| time.seconds > 0.0).collect()
    }
}
