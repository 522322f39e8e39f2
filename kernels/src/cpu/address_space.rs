//! The address space of the process, where `ulimit -v` bounds it.

use std::path::Path;

use crate::limits::address_space_left;

/// Where the address space is limited, has the allocator take none of it ahead, and says how many bytes are left. To be
/// called before threads start: glibc takes 64 MiB for each that allocates, until none is left for the stack of the next,
/// and libraries that start threads of their own then end the program.
pub fn save_address_space() -> Option<u64> {
    let left = address_space_left(Path::new("/"))?;
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the call sets a number of the allocator, under its own lock.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
    Some(left)
}
