//! Which shares are behind the cache folder, whom they are believed, and who this is.

use std::path::PathBuf;

use cache::{Identity, Sharing, Trust, TrustPolicy};
use stages::config::ShareConfig;
use stages::path::user_path;

use super::Global;
use super::folder::variable;
use crate::error::Error;
use crate::person::person;

const FLAG: &str = "--share";
const VARIABLE: &str = "NAS_SHARE";
const TRUST_FLAG: &str = "--trust";
const TRUST_VARIABLE: &str = "NAS_TRUST";

/// What becomes of shared records whose producer is not in the list of those who are trusted.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum TrustMode {
    /// They are used
    Off,
    /// They are used, and their producer is named once
    Warn,
    /// They are not used
    Require,
}

impl From<TrustMode> for TrustPolicy {
    fn from(mode: TrustMode) -> Self {
        match mode {
            TrustMode::Off => Self::Off,
            TrustMode::Warn => Self::Warn,
            TrustMode::Require => Self::Require,
        }
    }
}

impl Global {
    /// What is shared, and how: the flags, else the environment, else the configuration where there is one.
    pub(super) fn sharing(&self, config: Option<&ShareConfig>) -> Result<Sharing, Error> {
        let places = self.places(config)?;
        if places.is_empty() {
            return Ok(Sharing::default());
        }
        let trust = Trust::load(&trusted_file()?, self.policy(config)?)?;
        let identity = Identity::load(&identity_file()?)?;
        Ok(Sharing { places, trust, identity, person: person().to_owned() })
    }

    /// As [`Global::sharing`], for a command that means shares.
    pub(super) fn sharing_asked_for(&self, config: Option<&ShareConfig>) -> Result<Sharing, Error> {
        let sharing = self.sharing(config)?;
        if sharing.places.is_empty() {
            let problem =
                format!("is needed here: the folder or bucket that the team shares; {VARIABLE} gives it too");
            return Err(Error::Flag { flag: FLAG, value: String::new(), problem });
        }
        Ok(sharing)
    }

    fn places(&self, config: Option<&ShareConfig>) -> Result<Vec<PathBuf>, Error> {
        if !self.share.is_empty() {
            return Ok(self.share.clone());
        }
        if let Some(list) = std::env::var_os(VARIABLE).filter(|list| !list.is_empty()) {
            let refused = |value: String, problem: String| Error::Flag { flag: VARIABLE, value, problem };
            let list = list.into_string().map_err(|list| {
                refused(list.to_string_lossy().into_owned(), "is no text; give it as UTF-8".to_owned())
            })?;
            let expand = |place: &str| user_path(place).map_err(|problem| refused(place.to_owned(), problem));
            return list.split(',').map(str::trim).filter(|place| !place.is_empty()).map(expand).collect();
        }
        Ok(config.map_or_else(Vec::new, |config| config.places.clone()))
    }

    pub(super) fn policy(&self, config: Option<&ShareConfig>) -> Result<TrustPolicy, Error> {
        if let Some(mode) = self.trust {
            return Ok(mode.into());
        }
        if let Some(word) = std::env::var_os(TRUST_VARIABLE).filter(|word| !word.is_empty()) {
            let word = word.to_string_lossy().into_owned();
            let unknown = |()| Error::Flag {
                flag: TRUST_VARIABLE,
                value: word.clone(),
                problem: format!("is no policy; give off, warn or require, as {TRUST_FLAG} takes them"),
            };
            return word.parse().map_err(unknown);
        }
        Ok(config.map_or(TrustPolicy::Off, |config| config.trust))
    }
}

/// The file of the list of producers who are trusted, and of those who no more are.
pub(super) fn trusted_file() -> Result<PathBuf, Error> {
    Ok(settings_folder()?.join("trusted"))
}

/// The file of this person's key.
pub(super) fn identity_file() -> Result<PathBuf, Error> {
    Ok(settings_folder()?.join("identity"))
}

/// Where a person's own settings lie.
fn settings_folder() -> Result<PathBuf, Error> {
    let folder = match variable("XDG_CONFIG_HOME")? {
        Some(folder) => Some(folder),
        None => variable("HOME")?.map(|home| home.join(".config")),
    };
    folder.map(|folder| folder.join("nas-pipeline")).ok_or_else(|| Error::Flag {
        flag: TRUST_FLAG,
        value: String::new(),
        problem: "there is no home folder to keep keys in; set XDG_CONFIG_HOME".to_owned(),
    })
}
