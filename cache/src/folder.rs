//! Where things are in a cache folder, and file operations that survive a crash.
//!
//! ```text
//! lock                 held by the process that writes
//! db/                  the database (see `database`)
//! db.rebuild/          a database being built from a damaged one (see `salvage`)
//! db.damaged-1/        what was found damaged, kept for people to look at
//! rebuild-wanted       a writer met damage in its database: the next one rebuilds it
//! spool/               records of processes that do not write (see `spool`)
//! set-aside/           spool files that are no intact records or contradict a stored one
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// A cache folder.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// The folder at `path`, made if it is missing.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let folder = Self(path.to_path_buf());
        fs::create_dir_all(folder.spool()).map_err(Error::io("create", &folder.spool()))?;
        Ok(folder)
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

    pub(crate) fn rebuild_wanted(&self) -> PathBuf {
        self.0.join("rebuild-wanted")
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
            if !path.exists() {
                return path;
            }
            n += 1;
        }
    }
}

/// Renames within one file system and makes the rename survive a crash.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(Error::io("rename", from))?;
    [from, to].into_iter().filter_map(Path::parent).try_for_each(sync_folder)
}

/// Makes the names in a folder survive a crash. Systems that cannot open folders order such changes
/// themselves.
pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    if cfg!(unix) {
        File::open(path).and_then(|folder| folder.sync_all()).map_err(Error::io("sync", path))?;
    }
    Ok(())
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
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io("list", path))?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::io("list", path))?;
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}
