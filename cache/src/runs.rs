//! Runs that have begun: a file each until it has ended and left its manifest. One that is killed leaves its file, and so
//! says from when on there are records that no manifest tells of.

use std::fs;
use std::path::PathBuf;

use crate::claim::random_token;
use crate::{Result, Store, folder};

/// Where the files lie in a cache folder.
const FOLDER: &str = "runs";

/// A run that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BegunRun {
    /// When, in milliseconds since 1970.
    pub started_unix_ms: u64,
    path: PathBuf,
}

impl Store {
    /// Notes that a run begins. Where that cannot be written, nothing is noted.
    pub fn begin_run(&self, started_unix_ms: u64) -> BegunRun {
        let path = self.path().join(FOLDER).join(random_token());
        let _ = folder::replace_file(&path, &[started_unix_ms.to_string().as_bytes()]);
        BegunRun { started_unix_ms, path }
    }

    /// Notes that a run has ended, or that nothing of it matters any more.
    ///
    /// # Errors
    /// When its file cannot be removed.
    pub fn end_run(&self, run: &BegunRun) -> Result<()> {
        folder::remove_file(&run.path)
    }

    /// The runs that have begun and not ended: those at work, and those that were killed.
    ///
    /// # Errors
    /// When the folder of runs is there and cannot be read.
    pub fn begun_runs(&self) -> Result<Vec<BegunRun>> {
        let one = |path: PathBuf| {
            let started_unix_ms = fs::read_to_string(&path).ok()?.trim().parse().ok()?;
            Some(BegunRun { started_unix_ms, path })
        };
        Ok(folder::files(&self.path().join(FOLDER))?.into_iter().filter_map(one).collect())
    }
}
