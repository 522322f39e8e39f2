//! The memory that trainings take together. Linux promises more than there is and ends a program that uses it, so what a
//! training will take is counted before any of it is allocated.

use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use crate::error::Error;
use crate::limits::{Limit, Room, rooms};
use crate::lock::lock;

/// Bytes that all trainings of this process have reserved.
static RESERVED: Mutex<u64> = Mutex::new(0);

fn reserved() -> MutexGuard<'static, u64> {
    lock(&RESERVED)
}

fn now(reserved: u64) -> Vec<Room> {
    rooms(Path::new("/"), reserved)
}

/// Bytes that all trainings of this process can take together; none where nothing is known to bound them.
pub fn memory_for_trainings() -> Option<u64> {
    now(*reserved()).iter().map(|room| room.most).min()
}

/// Bytes that are counted as taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Reservation(u64);

/// Why there is not enough memory for a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// It is more than trainings can ever have.
    Never { available: u64, limit: Limit },
    /// Others hold what it needs.
    InUse { free: u64 },
}

impl Refusal {
    fn error(self, device: &str, needed: u64) -> Error {
        let (device, needed_mib) = (device.to_owned(), needed.div_ceil(1 << 20));
        match self {
            Self::Never { available, limit } => {
                Error::OutOfMemory { device, needed_mib, available_mib: available >> 20, limit }
            }
            Self::InUse { free } => Error::MemoryInUse { device, needed_mib, free_mib: free >> 20 },
        }
    }
}

/// Whether a training of so many bytes may begin beside those that have reserved some. What other processes take holds one
/// back only while trainings of this process end and give memory back: alone it is not kept waiting for a stranger.
fn admit(rooms: &[Room], others: u64, bytes: u64) -> Result<(), Refusal> {
    if let Some(room) = rooms.iter().filter(|room| bytes > room.most).min_by_key(|room| room.most) {
        return Err(Refusal::Never { available: room.most, limit: room.limit });
    }
    let free = rooms.iter().map(|room| room.free.min(room.most.saturating_sub(others))).min();
    match free {
        Some(free) if others > 0 && bytes > free => Err(Refusal::InUse { free }),
        _ => Ok(()),
    }
}

impl Reservation {
    /// Reserves so many bytes for a training on `device`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] when trainings cannot have so much, [`Error::MemoryInUse`] when others hold it now.
    pub(crate) fn new(device: &str, bytes: u64) -> Result<Self, Error> {
        let mut reserved = reserved();
        admit(&now(*reserved), *reserved, bytes).map_err(|refusal| refusal.error(device, bytes))?;
        *reserved += bytes;
        Ok(Self(bytes))
    }

    /// The error where the system refuses what was reserved.
    pub(crate) fn refused(&self, device: &str) -> Error {
        let reserved = *reserved();
        let (rooms, others) = (now(reserved), reserved.saturating_sub(self.0));
        let tightest = rooms.iter().min_by_key(|room| room.most);
        let refusal = match tightest {
            Some(room) if others > 0 => Refusal::InUse { free: room.free },
            Some(room) => Refusal::Never { available: room.most, limit: room.limit },
            None => Refusal::Never { available: 0, limit: Limit::Machine },
        };
        refusal.error(device, self.0)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        *reserved() -= self.0;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ROOMS: [Room; 2] = [
        Room { limit: Limit::Machine, most: 1000, free: 400 },
        Room { limit: Limit::ControlGroup, most: 600, free: 500 },
    ];

    #[test]
    fn what_fits_is_admitted_and_what_does_not_waits_or_is_refused() {
        assert_eq!(admit(&ROOMS, 0, 600), Ok(()), "alone nothing but the limits counts");
        let never = Refusal::Never { available: 600, limit: Limit::ControlGroup };
        assert_eq!(admit(&ROOMS, 0, 601), Err(never));
        assert_eq!(admit(&ROOMS, 100, 601), Err(never), "waiting would not help");
        assert_eq!(admit(&ROOMS, 100, 400), Ok(()));
        assert_eq!(admit(&ROOMS, 100, 401), Err(Refusal::InUse { free: 400 }));
        assert_eq!(admit(&ROOMS, 300, 301), Err(Refusal::InUse { free: 300 }));
        assert_eq!(admit(&[], 300, u64::MAX), Ok(()));
    }

    #[test]
    fn messages_say_how_much_is_needed_and_what_there_is() {
        let text = |refusal: Refusal| refusal.error("cpu", 3 << 30).to_string();
        let never = text(Refusal::Never { available: 1 << 30, limit: Limit::ControlGroup });
        assert!(
            never.contains("3072 MiB") && never.contains("1024 MiB") && never.contains("container"),
            "{never}"
        );
        let in_use = text(Refusal::InUse { free: 1 << 30 });
        assert!(in_use.contains("3072 MiB") && in_use.contains("1024 MiB"), "{in_use}");
    }

    #[test]
    fn what_is_dropped_is_free_again() {
        let whole = memory_for_trainings().unwrap();
        let refused = Reservation::new("cpu", 2 * whole).unwrap_err();
        assert!(matches!(refused, Error::OutOfMemory { .. }), "{refused}");
        // Other tests of this process may hold some of it too.
        let before = *reserved();
        let half = Reservation::new("cpu", whole / 4).unwrap();
        assert!(*reserved() >= whole / 4);
        drop(half);
        assert!(*reserved() < before + whole / 4);
    }
}
