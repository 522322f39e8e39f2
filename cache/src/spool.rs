//! The spool: how processes that do not write the database hand their records to the one that does.
//!
//! One file a record, named by its key, holding its envelope. A file appears at once and complete: it is
//! written under another name, synced, and then linked to its own.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use tempfile::{NamedTempFile, PersistError};

use crate::folder::{self, Folder};
use crate::reserve::{self, Reserve};
use crate::{Digest, Error, Kind, Result};

const SUFFIX: &str = "record";

/// The spool of a cache folder.
#[derive(Debug)]
pub(crate) struct Spool {
    path: PathBuf,
    set_aside: PathBuf,
    reserve: Reserve,
}

/// What is under the name of a spool file.
pub(crate) enum Spooled {
    /// Nothing, or no longer.
    Missing,
    Bytes(Vec<u8>),
    /// No file, or one that cannot be read; what the system says of it.
    Unreadable(String),
}

/// What became of an envelope that was written to the spool.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spooling {
    Written,
    /// There is a file of that name already, which stays.
    AlreadyThere,
}

impl Spool {
    pub(crate) fn of(folder: &Folder) -> Self {
        let reserve = Reserve::of(folder.reserve());
        Self { path: folder.spool(), set_aside: folder.set_aside(), reserve }
    }

    /// The room that is given up when a record finds none.
    pub(crate) fn reserve(&self) -> &Reserve {
        &self.reserve
    }

    /// The file of a record. A record that supersedes others has a file of its own for each generation.
    pub(crate) fn file(&self, kind: Kind, digest: &Digest, generation: u64) -> PathBuf {
        match generation {
            0 => self.path.join(format!("{kind}-{digest}.{SUFFIX}")),
            _ => self.path.join(format!("{kind}-{digest}.{generation}.{SUFFIX}")),
        }
    }

    /// The file of a record of a later version of this program, which says what it is by its content alone.
    pub(crate) fn newer_file(&self, envelope: &[u8]) -> PathBuf {
        let digest = Digest::of("nas-pipeline cache spooled envelope v1", envelope);
        self.path.join(format!("newer-{digest}.{SUFFIX}"))
    }

    /// Writes an envelope under the name of `file`; it is durable when this returns. Where the disk is full, the
    /// reserve is given up for it; where the spool is gone, it is made again.
    pub(crate) fn write(&self, file: &Path, envelope: &[u8]) -> Result<Spooling> {
        let written = match self.try_write(file, envelope) {
            Err(error) if reserve::is_full(&error) && self.reserve.give_up() => {
                self.try_write(file, envelope)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(&self.path).and_then(|()| self.try_write(file, envelope))
            }
            written => written,
        };
        written.map_err(Error::io("write", file))
    }

    fn try_write(&self, file: &Path, envelope: &[u8]) -> io::Result<Spooling> {
        let mut unfinished = folder::unfinished(&self.path)?;
        unfinished.write_all(envelope)?;
        unfinished.as_file().sync_all()?;
        let spooling = match unfinished.persist_noclobber(file) {
            Ok(_) => Spooling::Written,
            Err(PersistError { error, .. }) if error.kind() == io::ErrorKind::AlreadyExists => {
                Spooling::AlreadyThere
            }
            // A file system without links. Two processes may then replace each other's file, with the same content
            // unless a key is wrong.
            Err(PersistError { file: unfinished, .. }) if fs::symlink_metadata(file).is_err() => {
                persist(unfinished, file)?
            }
            Err(PersistError { error, .. }) => return Err(error),
        };
        folder::try_sync_folder(&self.path)?;
        Ok(spooling)
    }

    /// What a spool file holds. Never waits: a pipe in the place of a file is unreadable.
    pub(crate) fn read(path: &Path) -> Spooled {
        let read = || {
            let mut file = OpenOptions::new()
                .read(true)
                .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
                .open(path)?;
            if !file.metadata()?.is_file() {
                return Err(io::Error::other("it is no file"));
            }
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => Spooled::Bytes(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Spooled::Missing,
            Err(error) => Spooled::Unreadable(format!("{}: {error}", path.display())),
        }
    }

    /// All that has the name of a complete file, sorted by name.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files = folder::entries(&self.path)?;
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

    /// Removes every file of a key.
    pub(crate) fn remove(&self, kind: Kind, digest: &Digest) -> Result<()> {
        let name = format!("{kind}-{digest}.");
        let is_of_key =
            |file: &PathBuf| file.file_name().is_some_and(|f| f.to_string_lossy().starts_with(&name));
        self.files()?.into_iter().filter(is_of_key).try_for_each(|file| folder::remove_file(&file))
    }

    /// How many files were set aside and are still there.
    pub(crate) fn set_aside_count(&self) -> u64 {
        folder::entries(&self.set_aside).map_or(0, |entries| entries.len() as u64)
    }

    /// Removes what killed processes left half written; their puts had not returned.
    pub(crate) fn clean(&self) {
        folder::remove_unfinished(&self.path);
    }
}

fn persist(unfinished: NamedTempFile, file: &Path) -> io::Result<Spooling> {
    unfinished.persist(file).map(|_| Spooling::Written).map_err(|error| error.error)
}
