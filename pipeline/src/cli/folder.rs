//! Where the cache is, and opening it.

use std::path::PathBuf;

use cache::Store;

use super::Global;
use crate::error::Error;
use crate::output;

/// The environment's word for the cache folder.
const VARIABLE: &str = "NAS_CACHE";

impl Global {
    /// Opens the cache folder and says on standard error what was wrong with it, if anything.
    pub(super) fn open(&self) -> Result<Store, Error> {
        let folder = self.folder()?;
        if folder.exists() && !folder.is_dir() {
            let problem = "is not a folder; give the folder of the cache, or one to make".into();
            return Err(Error::Flag { flag: "--cache", value: folder.display().to_string(), problem });
        }
        let store = Store::open(&folder)?;
        warn(&store);
        Ok(store)
    }

    /// The cache folder: the flag, else the environment, else the user's cache folder.
    pub(super) fn folder(&self) -> Result<PathBuf, Error> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(folder) = self.cache.clone().or_else(|| set(VARIABLE)) {
            return Ok(folder);
        }
        let user = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
        user.map(|folder| folder.join("nas-pipeline").join("cache")).ok_or_else(|| Error::Flag {
            flag: "--cache",
            value: String::new(),
            problem: format!(
                "there is no home folder to keep the cache in; give --cache DIR or set {VARIABLE}"
            ),
        })
    }
}

/// Says what the store has to say: damaged records, conflicting results.
pub(super) fn warn(store: &Store) {
    for warning in store.drain_warnings() {
        output::message(&format!("warning: {warning}"));
    }
}
