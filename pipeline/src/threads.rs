//! The threads that all parallel loops of this process share.

use rayon::ThreadPoolBuilder;

use crate::error::Error;

/// What rayon reads too.
const ASKED: &str = "RAYON_NUM_THREADS";

/// Address space that the program needs beside its trainings, for its database above all.
const ADDRESS_SPACE_MIN: u64 = 180 << 20;

/// Address space for a thread: its stack, and that of one that trains beside it.
const STACK: u64 = 4 << 20;

/// Starts a thread for each core: fewer where they were asked for by `RAYON_NUM_THREADS`, or where the system does not let
/// so many start. Never more, for none of what they do waits for anything but a core.
///
/// # Errors
/// When not even one can be started, or the address space is too small for the program.
pub(crate) fn start() -> Result<(), Error> {
    kernels::prepare_software_driver();
    let left = kernels::save_address_space().unwrap_or(u64::MAX);
    let Some(for_stacks) = left.checked_sub(ADDRESS_SPACE_MIN) else {
        return Err(Error::AddressSpace { left_mib: left >> 20, needed_mib: ADDRESS_SPACE_MIN >> 20 });
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let asked =
        std::env::var(ASKED).ok().and_then(|text| text.parse::<usize>().ok()).filter(|&count| count > 0);
    let fitting = usize::try_from(for_stacks / STACK).unwrap_or(usize::MAX).max(1);
    let mut threads = asked.map_or(cores, |asked| asked.min(cores)).min(fitting);
    // Rayon lets its shared threads be started once only, whether they start or not: so it is tried with others first.
    while let Err(error) = ThreadPoolBuilder::new().num_threads(threads).build() {
        if threads == 1 {
            return Err(Error::Threads(error));
        }
        threads /= 2;
    }
    ThreadPoolBuilder::new().num_threads(threads).build_global().map_err(Error::Threads)
}
