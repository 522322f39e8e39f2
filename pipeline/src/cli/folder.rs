//! Where the cache is, and opening it.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use cache::{ShareReport, Sharing, Store};
use stages::path::user_path;

use super::Global;
use crate::error::Error;
use crate::output::{self, format};

/// The flag's and the environment's word for the cache folder.
const FLAG: &str = "--cache";
const VARIABLE: &str = "NAS_CACHE";

/// A cache folder that a person chose, and by which word.
struct Chosen {
    folder: PathBuf,
    by: &'static str,
}

/// The path that the environment has under a name, if any.
pub(super) fn variable(name: &'static str) -> Result<Option<PathBuf>, Error> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty());
    let expand = |value| {
        user_path(&value).map_err(|problem| Error::Flag {
            flag: name,
            value: PathBuf::from(value).display().to_string(),
            problem,
        })
    };
    value.map(expand).transpose()
}

impl Global {
    /// Opens the cache folder and says on standard error what was wrong with it, if anything.
    pub(super) fn open(&self) -> Result<Store, Error> {
        self.open_with(self.sharing(None)?)
    }

    /// As [`Global::open`], without any share: for what concerns the folder alone.
    pub(super) fn open_alone(&self) -> Result<Store, Error> {
        self.open_with(Sharing::default())
    }

    /// As [`Global::open`], with these shares behind it.
    pub(super) fn open_with(&self, sharing: Sharing) -> Result<Store, Error> {
        let folder = self.folder()?;
        if folder.exists() && !folder.is_dir() {
            let problem = "is not a folder; give the folder of the cache, or one to make".into();
            let flag = self.chosen()?.map_or(FLAG, |chosen| chosen.by);
            return Err(Error::Flag { flag, value: folder.display().to_string(), problem });
        }
        let store = Store::open_shared(&folder, sharing).map_err(|source| match self.chosen() {
            Ok(Some(Chosen { by: FLAG, .. })) => Error::Cache(source),
            _ => Error::CacheFolder { source },
        })?;
        warn(&store);
        Ok(store)
    }

    /// The folder that a person chose, by the flag or else by the environment.
    fn chosen(&self) -> Result<Option<Chosen>, Error> {
        if let Some(folder) = &self.cache {
            return Ok(Some(Chosen { folder: folder.clone(), by: FLAG }));
        }
        Ok(variable(VARIABLE)?.map(|folder| Chosen { folder, by: VARIABLE }))
    }

    /// The cache folder: the flag, else the environment, else the user's cache folder.
    pub(super) fn folder(&self) -> Result<PathBuf, Error> {
        if let Some(chosen) = self.chosen()? {
            return Ok(chosen.folder);
        }
        let user = match variable("XDG_CACHE_HOME")? {
            Some(folder) => Some(folder),
            None => variable("HOME")?.map(|home| home.join(".cache")),
        };
        user.map(|folder| folder.join("nas-pipeline").join("cache")).ok_or_else(|| Error::Flag {
            flag: FLAG,
            value: String::new(),
            problem: format!(
                "there is no home folder to keep the cache in; give --cache DIR or set {VARIABLE}"
            ),
        })
    }
}

/// How long a run waits in the end until the shares have what it put into them.
const SHARING_MAX: Duration = Duration::from_secs(60);

/// Waits until the shares have what was put here, as far as they can take it; says what came of them.
pub(super) fn finish_sharing(store: &Store) -> Vec<ShareReport> {
    let reports = store.finish_sharing(SHARING_MAX);
    for report in &reports {
        let ShareReport { place, found, put, waiting, refused } = report;
        let mut text = format!(
            "share {place}: {} found, {} put into it",
            format::plural(*found, "record"),
            format::count(*put)
        );
        if *waiting > 0 {
            let _ = write!(text, ", {} waiting for the next run", format::count(*waiting));
        }
        if *refused > 0 {
            let _ = write!(text, ", {} not used", format::plural(*refused, "object"));
        }
        output::message(&text);
    }
    reports
}

/// Says what the store has to say: damaged records, conflicting results.
pub(super) fn warn(store: &Store) {
    for warning in store.drain_warnings() {
        output::message(&format!("warning: {warning}"));
    }
}
