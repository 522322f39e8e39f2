//! Where things are in a cache folder, and file operations that survive a crash.
//!
//! ```text
//! format               in which format the folder is (see `format`)
//! lock                 held by the process that writes (see `lock`)
//! db/                  the database (see `database`)
//! db/mark              how far the database had come (see `mark`)
//! db/rebuild-wanted    a writer met damage in its database: the next one rebuilds it
//! db.rebuild/          a database being built from a damaged one (see `salvage`)
//! db.damaged-1/        what was found damaged, kept for people to look at
//! spool/               records of processes that do not write (see `spool`)
//! set-aside/           spool files that are no intact records or contradict a stored one
//! claims/              which process is computing what (see `claim`)
//! checkpoints/         how far computations have come that are not done (see `checkpoint`)
//! outbox/              what waits for shares (see `share::outbox`)
//! pins                 records that people want to keep (see `pins`)
//! runs/                runs that have begun and not ended (see `runs`)
//! images/              what files of streamed images hold (written by who streams them; a copy of what can be read again)
//! weights/             state that records name and that is too large for them (see `weights`)
//! reserve              a little room for the moment when the disk is full (see `reserve`)
//! ```

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::NamedTempFile;

use crate::{Error, Result};

/// A cache folder.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// The folder at `path`, made if it is missing. What is missing in a folder that is there and cannot be made is
    /// missed when it is needed: such a folder can still be read.
    ///
    /// # Errors
    /// When there is no folder and none can be made.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let folder = Self(path.to_path_buf());
        match fs::create_dir_all(folder.spool()) {
            Err(error) if !path.is_dir() => Err(Error::io("create", path)(error)),
            _ => Ok(folder),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("db")
    }

    pub(crate) fn rebuild(&self) -> PathBuf {
        self.0.join("db.rebuild")
    }

    /// In the database's folder, so that it goes away together with what was damaged.
    pub(crate) fn rebuild_wanted(&self) -> PathBuf {
        self.database().join("rebuild-wanted")
    }

    pub(crate) fn format(&self) -> PathBuf {
        self.0.join("format")
    }

    pub(crate) fn claims(&self) -> PathBuf {
        self.0.join("claims")
    }

    pub(crate) fn reserve(&self) -> PathBuf {
        self.0.join("reserve")
    }

    pub(crate) fn spool(&self) -> PathBuf {
        self.0.join("spool")
    }

    pub(crate) fn set_aside(&self) -> PathBuf {
        self.0.join("set-aside")
    }

    /// A path that does not exist yet: `parent/name-1`, `-2`, …
    pub(crate) fn free_name(parent: &Path, name: &str) -> PathBuf {
        let mut n = 1_u64;
        loop {
            let path = parent.join(format!("{name}-{n}"));
            // A link to nothing is something.
            if fs::symlink_metadata(&path).is_err() {
                return path;
            }
            n += 1;
        }
    }
}

/// What the names of unfinished files end with.
pub(crate) const UNFINISHED_SUFFIX: &str = "unfinished";

/// A new file in `folder`, to be written and then given its own name; it is removed if it is not. Its name is random, so
/// that processes of two machines or containers never meet; who may read it is what it is for any new file, so that other
/// users of a folder can.
pub(crate) fn unfinished(folder: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix("")
        .suffix(&format!(".{UNFINISHED_SUFFIX}"))
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
}

/// Nothing takes this long to write: an unfinished file this old belongs to a process that was killed.
const UNFINISHED_AGE_MAX: Duration = Duration::from_secs(3600);

/// Removes what killed processes have left unfinished in a folder.
pub(crate) fn remove_unfinished(path: &Path) {
    for file in files(path).unwrap_or_default() {
        let is_unfinished = file.extension().is_some_and(|suffix| suffix == UNFINISHED_SUFFIX);
        let written = fs::metadata(&file).and_then(|data| data.modified()).ok();
        let age = written.and_then(|time| time.elapsed().ok());
        if is_unfinished && age.is_some_and(|age| age > UNFINISHED_AGE_MAX) {
            // What cannot be removed takes some room, and nothing else.
            let _ = remove_file(&file);
        }
    }
}

/// Renames within one file system and makes the rename survive a crash.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(Error::io("rename", from))?;
    [from, to].into_iter().filter_map(Path::parent).try_for_each(sync_folder)
}

/// Writes a file whole or not at all, in the place of an earlier one, so that it survives a crash; its folder is made where
/// it is missing. Until it is whole it lies at [`unfinished_path`], always the same, so that what a kill leaves is in the
/// place of the next one. Where two processes write one file at once, what they leave may be damaged: it needs a hash.
pub(crate) fn replace_file(path: &Path, parts: &[&[u8]]) -> Result<()> {
    let unfinished = unfinished_path(path);
    let write = || -> io::Result<()> {
        let parent = path.parent().ok_or(io::ErrorKind::NotFound)?;
        fs::create_dir_all(parent)?;
        let mut file = File::create(&unfinished)?;
        let written = parts.iter().try_for_each(|part| file.write_all(part)).and_then(|()| file.sync_all());
        if written.is_err() {
            // What it takes of a disk that is full others need.
            let _ = fs::remove_file(&unfinished);
        }
        written?;
        fs::rename(&unfinished, path)?;
        try_sync_folder(parent)
    };
    write().map_err(Error::io("write", path))
}

/// Where a file lies that [`replace_file`] has not finished.
pub(crate) fn unfinished_path(path: &Path) -> PathBuf {
    path.with_extension(UNFINISHED_SUFFIX)
}

/// Makes the names in a folder survive a crash.
pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    try_sync_folder(path).map_err(Error::io("sync", path))
}

pub(crate) fn try_sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Removes a folder with all it holds; that it is missing is fine.
pub(crate) fn remove_folder(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Removes a file; that it is missing is fine.
pub(crate) fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// The files in a folder, sorted by name; none if the folder is missing.
pub(crate) fn files(path: &Path) -> Result<Vec<PathBuf>> {
    let mut entries = entries(path)?;
    entries.retain(|entry| fs::symlink_metadata(entry).is_ok_and(|data| data.is_file()));
    Ok(entries)
}

/// Whatever is in a folder, sorted by name; nothing if the folder is missing.
pub(crate) fn entries(path: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io("list", path))?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(Error::io("list", path))?.path());
    }
    paths.sort();
    Ok(paths)
}
