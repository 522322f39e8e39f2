//! Section `[share]`: what a team shares.

use std::path::PathBuf;

use cache::TrustPolicy;

use super::section::Section;
use crate::Error;
use crate::path::user_path;

/// Where a team shares its records, and whose are used. No result depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareConfig {
    /// The folders, in the order in which they are looked into.
    pub places: Vec<PathBuf>,
    /// What becomes of the records of producers who are not in the list of those who are trusted.
    pub trust: TrustPolicy,
}

impl ShareConfig {
    pub(super) fn typed(section: &Section<'_>) -> Result<Self, Error> {
        let place = |text: &str| user_path(text).map_err(|problem| section.wrong("places", problem));
        let places = section.texts("places")?.into_iter().map(place).collect::<Result<_, _>>()?;
        // One of the known words.
        let trust = section.choice("trust", &["off", "warn", "require"])?.parse().unwrap_or_default();
        Ok(Self { places, trust })
    }
}
