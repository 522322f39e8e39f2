//! The spool: how processes that do not write the database hand their records to the one that does.
//!
//! One file a record, named by its key, holding its envelope. A file appears at once and complete: it is
//! written under another name, synced, and then linked to its own.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::folder::{self, Folder};
use crate::{Digest, Error, Kind, Result};

const SUFFIX: &str = "record";
const UNFINISHED_SUFFIX: &str = "unfinished";
/// No put takes this long: an unfinished file this old belongs to a process that was killed.
const UNFINISHED_AGE_MAX: Duration = Duration::from_secs(3600);

static SEQUENCE: AtomicU64 = AtomicU64::new(0);

/// The spool of a cache folder.
#[derive(Debug)]
pub(crate) struct Spool {
    path: PathBuf,
    set_aside: PathBuf,
}

impl Spool {
    pub(crate) fn of(folder: &Folder) -> Self {
        Self { path: folder.spool(), set_aside: folder.set_aside() }
    }

    pub(crate) fn file(&self, kind: Kind, digest: &Digest) -> PathBuf {
        self.path.join(format!("{kind}-{digest}.{SUFFIX}"))
    }

    /// Writes an envelope; it is durable when this returns. `false`: there is a file of that key already,
    /// which stays.
    pub(crate) fn write(&self, kind: Kind, digest: &Digest, envelope: &[u8]) -> Result<bool> {
        let sequence = SEQUENCE.fetch_add(1, Relaxed);
        let unfinished = self.path.join(format!("{}-{sequence}.{UNFINISHED_SUFFIX}", process::id()));
        let written = File::create(&unfinished)
            .and_then(|mut file| file.write_all(envelope).and_then(|()| file.sync_all()))
            .map_err(Error::io("write", &unfinished));
        let file = self.file(kind, digest);
        let linked = written.and_then(|()| match fs::hard_link(&unfinished, &file) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            // A file system without links. Two processes may then replace each other's file, with the same
            // content unless a key is wrong.
            Err(_) if !file.exists() => {
                fs::rename(&unfinished, &file).map(|()| true).map_err(Error::io("create", &file))
            }
            Err(error) => Err(Error::io("create", &file)(error)),
        });
        folder::remove_file(&unfinished)?;
        let linked = linked?;
        folder::sync_folder(&self.path)?;
        Ok(linked)
    }

    /// The bytes of a spool file; `None` if there is none, or no longer.
    pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
        match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            bytes => bytes.map(Some).map_err(Error::io("read", path)),
        }
    }

    /// All complete files, sorted by name.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files = folder::files(&self.path)?;
        files.retain(|file| file.extension().is_some_and(|suffix| suffix == SUFFIX));
        Ok(files)
    }

    /// Moves a file out of the spool for people to look at, and says where it went; `None` if it is gone
    /// already.
    pub(crate) fn set_aside(&self, file: &Path) -> Result<Option<PathBuf>> {
        fs::create_dir_all(&self.set_aside).map_err(Error::io("create", &self.set_aside))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let to = Folder::free_name(&self.set_aside, &name);
        match folder::rename(file, &to) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            result => result.map(|()| Some(to)),
        }
    }

    /// How many files were set aside and are still there.
    pub(crate) fn set_aside_count(&self) -> Result<u64> {
        Ok(folder::files(&self.set_aside)?.len() as u64)
    }

    /// Removes what killed processes left half written; their puts had not returned.
    pub(crate) fn clean(&self) -> Result<()> {
        for file in folder::files(&self.path)? {
            let is_unfinished = file.extension().is_some_and(|suffix| suffix == UNFINISHED_SUFFIX);
            let age = fs::metadata(&file)
                .and_then(|data| data.modified())
                .ok()
                .and_then(|time| time.elapsed().ok());
            if is_unfinished && age.is_some_and(|age| age > UNFINISHED_AGE_MAX) {
                folder::remove_file(&file)?;
            }
        }
        Ok(())
    }
}
