//! How much memory trainings may take together. Linux promises more than there is and ends a program that uses it, so
//! what is asked for is counted before it is allocated.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::Error;

/// Bytes that all trainings of this process have reserved.
static RESERVED: AtomicUsize = AtomicUsize::new(0);

/// Bytes that are counted as taken until this is dropped.
pub(crate) struct Reservation(usize);

impl Reservation {
    /// Reserves so many bytes.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] when all that is reserved would be more than the machine has.
    pub(crate) fn new(bytes: usize) -> Result<Self, Error> {
        let before = RESERVED.fetch_add(bytes, Ordering::Relaxed);
        let reservation = Self(bytes);
        match machine_bytes() {
            Some(all) if before.saturating_add(bytes) > all => Err(out_of_memory(bytes)),
            _ => Ok(reservation),
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        RESERVED.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// The error for a buffer of so many bytes.
pub(crate) fn out_of_memory(bytes: usize) -> Error {
    let reserved = RESERVED.load(Ordering::Relaxed);
    let available = machine_bytes().unwrap_or(0).saturating_sub(reserved.saturating_sub(bytes));
    Error::OutOfMemory {
        device: "cpu".into(),
        needed_mib: (bytes >> 20) as u64,
        available_mib: (available >> 20) as u64,
    }
}

/// Memory of the machine, where it says so.
fn machine_bytes() -> Option<usize> {
    static BYTES: std::sync::OnceLock<Option<usize>> = std::sync::OnceLock::new();
    *BYTES.get_or_init(|| {
        let info = std::fs::read_to_string("/proc/meminfo").ok()?;
        let line = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.trim().strip_suffix(" kB")?.parse::<usize>().ok().map(|kib| kib.saturating_mul(1024))
    })
}
