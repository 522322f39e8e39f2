//! How long the kernels of a training take, by kind.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// What the kernels of one kind took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KernelTime {
    /// Kind of the kernel, in words; on a GPU its name.
    pub kind: &'static str,
    /// Seconds of all threads together.
    pub seconds: f64,
}

/// Adds up the time of kernels on any number of threads.
#[derive(Default)]
pub(crate) struct Profile {
    kinds: Vec<(&'static str, AtomicU64)>,
}

impl Profile {
    /// It will hear of kernels of these kinds too.
    pub(crate) fn know(&mut self, kinds: impl Iterator<Item = &'static str>) {
        for kind in kinds {
            if self.kinds.iter().all(|(known, _)| *known != kind) {
                self.kinds.push((kind, AtomicU64::new(0)));
            }
        }
    }

    /// A kernel of a kind began at `begun` and has ended now.
    pub(crate) fn add(&self, kind: &'static str, begun: Instant) {
        let nanoseconds = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if let Some((_, sum)) = self.kinds.iter().find(|(known, _)| *known == kind) {
            sum.fetch_add(nanoseconds, Ordering::Relaxed);
        }
    }

    /// What kernels of each kind took, kinds that did not run left out.
    pub(crate) fn times(&self) -> Vec<KernelTime> {
        let times = self.kinds.iter().map(|(kind, nanoseconds)| KernelTime {
            kind,
            seconds: nanoseconds.load(Ordering::Relaxed) as f64 * 1e-9,
        });
        times.filter(|time| time.seconds > 0.0).collect()
    }
}
