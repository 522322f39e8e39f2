//! A configuration's values one by one, each with where it comes from. Knows nothing of what they mean.

use serde::Serialize;
use toml::Value;

/// The origin of what all profiles have alike, and how that of a profile's value begins.
pub(super) const DEFAULT: &str = "default";
pub(super) const PROFILE: &str = "profile ";

/// A key of a configuration with its value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Setting {
    /// The section, such as `mip` or `search.darts`.
    pub section: String,
    /// The key in it.
    pub key: String,
    /// The value, of the type that the profile's has.
    pub(super) value: Value,
    /// Where the value comes from: `profile quick`, `mine.toml, line 3`, `--set mip.lambda=0.2`, or `default` where all
    /// profiles have the same.
    pub origin: String,
}

impl Setting {
    /// Whether somebody gave it, rather than the profile.
    pub fn is_given(&self) -> bool {
        self.origin != DEFAULT && !self.origin.starts_with(PROFILE)
    }

    /// The value as TOML has it: read back to the same one.
    pub fn toml(&self) -> String {
        self.value.to_string()
    }
}
