//! A little room on the disk that is kept for the moment when there is no other.
//!
//! Where a disk fills up in the middle of a run, the trainings in flight and the run's manifest are small, and giving
//! up this file makes room for them.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::folder;

/// The manifest of a large run, and hundreds of trainings.
const BYTES: usize = 1 << 20;
/// Room is kept only where it is a small part of what is there.
const FREE_BYTES_MIN: u64 = 32 << 20;

/// The file that holds the room.
#[derive(Debug)]
pub(crate) struct Reserve {
    file: PathBuf,
    is_given_up: AtomicBool,
}

impl Reserve {
    pub(crate) fn of(file: PathBuf) -> Self {
        Self { file, is_given_up: AtomicBool::new(false) }
    }

    /// Takes the room, if it is not taken and there is plenty. That there is none is no failure.
    pub(crate) fn take(&self) {
        if self.file.exists() || free_bytes(&self.file).is_none_or(|bytes| bytes < FREE_BYTES_MIN) {
            return;
        }
        let _ = self.file.parent().map_or(Ok(()), |parent| -> io::Result<()> {
            let mut file = folder::unfinished(parent)?;
            file.write_all(&vec![0x5a; BYTES])?;
            file.persist_noclobber(&self.file).map(drop).map_err(|error| error.error)
        });
    }

    /// Gives the room up; says whether there was any.
    pub(crate) fn give_up(&self) -> bool {
        let was_there = fs::remove_file(&self.file).is_ok();
        self.is_given_up.fetch_or(was_there, Ordering::Relaxed);
        was_there
    }

    /// Whether this process has given the room up.
    pub(crate) fn is_given_up(&self) -> bool {
        self.is_given_up.load(Ordering::Relaxed)
    }
}

/// Whether an error says that there is no room left.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn free_bytes(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path.parent()?).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_once_and_given_up_once() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve::of(dir.path().join("reserve"));
        reserve.take();
        reserve.take();
        assert_eq!(fs::metadata(dir.path().join("reserve")).unwrap().len(), BYTES as u64);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(reserve.give_up());
        assert!(!reserve.give_up());
    }
}
