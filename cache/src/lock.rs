//! Who may write: the folder's own lock, and `RocksDB`'s.
//!
//! The folder's lock (`flock`) decides which process is the writer. It can be lost: its file may be deleted by hand,
//! and some file systems have no such locks. `RocksDB` locks its database too (`fcntl`, on its file `LOCK`), and the
//! rebuild of a damaged one begins only when that lock is held, whatever the first one says.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use rustix::fs::FlockOperation;

use crate::{Error, Result};

/// The folder's lock, held until it is dropped.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the lock; `None` if another store has it.
    ///
    /// # Errors
    /// When the file cannot be made, so that the folder cannot be written to either.
    pub(crate) fn take(path: &Path) -> Result<Option<Self>> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(Error::io("open", path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            // A file system without locks: that of the database decides.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                Ok(Some(Self { _file: file }))
            }
            Err(TryLockError::Error(error)) => Err(Error::io("lock", path)(error)),
        }
    }
}

/// Device and inode of a file.
type FileId = (u64, u64);

/// The databases that this process has locked. A lock of `fcntl` belongs to a process: taking it twice succeeds, and
/// closing any handle of its file gives it up, so that a file in this list must not even be opened.
static HELD: LazyLock<Mutex<HashSet<FileId>>> = LazyLock::new(Mutex::default);

/// `RocksDB`'s lock of a database, held until it is dropped, which must be after the database is closed.
#[derive(Debug)]
pub(crate) struct DatabaseLock {
    file: File,
    path: PathBuf,
    id: FileId,
}

impl DatabaseLock {
    /// Takes the lock of the database in `database`, a folder that is made if it is missing; `None` if the database
    /// is open elsewhere, in this process or another.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub(crate) fn take(database: &Path) -> Result<Option<Self>> {
        fs::create_dir_all(database).map_err(Error::io("create", database))?;
        let path = database.join("LOCK");
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        if fs::metadata(&path).is_ok_and(|data| held.contains(&id(&data))) {
            return Ok(None);
        }
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        if !try_lock(&file, &path)? {
            return Ok(None);
        }
        let id = id(&file.metadata().map_err(Error::io("open", &path))?);
        held.insert(id);
        Ok(Some(Self { file, path, id }))
    }

    /// Takes the lock once more: `RocksDB`, when it could not open the database, closed the file, which gave it up.
    /// Says whether it could be had.
    pub(crate) fn take_again(&self) -> Result<bool> {
        try_lock(&self.file, &self.path)
    }
}

impl Drop for DatabaseLock {
    fn drop(&mut self) {
        HELD.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// Whether the lock could be had. A file system without locks is an error: `RocksDB` cannot open a database there.
fn try_lock(file: &File, path: &Path) -> Result<bool> {
    let Err(error) = rustix::fs::fcntl_lock(file, FlockOperation::NonBlockingLockExclusive) else {
        return Ok(true);
    };
    let error = io::Error::from(error);
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::PermissionDenied => Ok(false),
        _ => Err(Error::io("lock", path)(error)),
    }
}

fn id(data: &fs::Metadata) -> FileId {
    (data.dev(), data.ino())
}
