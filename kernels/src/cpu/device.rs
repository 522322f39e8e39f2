//! The processor as a device: its instructions, threads and name.

use std::sync::Arc;

use super::isa::Isa;

/// The processor.
pub(crate) struct CpuDevice {
    pub(super) isa: Isa,
    pub(super) threads: usize,
    pub(super) pool: Option<Arc<rayon::ThreadPool>>,
}

impl CpuDevice {
    /// The processor, with `threads` threads a training, or as many as the system lets start.
    pub(crate) fn new(threads: usize) -> Self {
        let mut threads = threads.max(1);
        let mut pool = None;
        while threads > 1 && pool.is_none() {
            match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
                Ok(built) => pool = Some(Arc::new(built)),
                Err(_) => threads /= 2,
            }
        }
        Self { isa: Isa::detect(), threads, pool }
    }

    /// One device for each instruction set that this processor has.
    #[cfg(test)]
    pub(crate) fn with_every_isa() -> Vec<Self> {
        Isa::all().into_iter().map(|isa| Self { isa, threads: 1, pool: None }).collect()
    }

    pub(crate) fn name(&self) -> String {
        format!(
            "{} ({}, {} thread{})",
            Self::model(),
            self.isa.name(),
            self.threads,
            if self.threads > 1 { "s" } else { "" }
        )
    }

    /// Name of the processor.
    pub(crate) fn model() -> String {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
    }

    /// Instructions that the kernels use.
    pub(crate) fn instructions() -> String {
        Isa::detect().name().to_owned()
    }
}
