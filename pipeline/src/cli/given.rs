//! What people give by name: paths, in which `~` is their home folder, files of text, and genotypes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::{PathBufValueParser, TypedValueParser};
use stages::Genotype;
use stages::architecture::file_and_choice;
use stages::config::MINUTES_MAX;
use stages::path::user_path;

use crate::encoding::decode;
use crate::error::Error;

/// Reads a path of the command line.
pub(super) fn path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(user_path)
}

/// Reads an age: a number and `d`, `h` or `m`.
pub(super) fn age(text: &str) -> Result<Duration, String> {
    let seconds = [("d", 86_400), ("h", 3600), ("m", 60)];
    let unit = seconds.into_iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)));
    let age = unit.and_then(|(number, seconds)| number.parse::<u64>().ok()?.checked_mul(seconds));
    age.map(Duration::from_secs)
        .ok_or_else(|| "is no age; give days, hours or minutes: 30d, 12h, 90m".to_owned())
}

/// Reads a number of minutes, fractions too.
pub(super) fn minutes(text: &str) -> Result<Duration, String> {
    let number = text.parse::<f64>().ok().filter(|minutes| (0.0..=MINUTES_MAX).contains(minutes));
    let time = number.map(|minutes| Duration::from_secs_f64(60.0 * minutes));
    time.ok_or_else(|| "is no number of minutes from 0 to 525600, a year".to_owned())
}

/// Reads a share in percent, with or without the sign.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse::<f64>().ok();
    number
        .filter(|share| *share > 0.0 && *share <= 100.0)
        .ok_or_else(|| "is no share; give percent above 0 and up to 100, as 5 or 5%".to_owned())
}

/// Reads a size in bytes: a number and `kB`, `MB`, `GB` or `TB`, in steps of 1,000.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let units = [("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12), ("B", 1.0)];
    let unit = units.into_iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, bytes)));
    let size = unit.and_then(|(number, bytes)| Some(number.trim().parse::<f64>().ok()? * bytes));
    let size = size.filter(|size| size.is_finite() && *size >= 0.0);
    size.map(|size| size as u64).ok_or_else(|| "is no size; give it as 500MB or 2GB".to_owned())
}

/// Reads a file of text.
pub(super) fn read_text(path: &Path) -> Result<String, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::Read { path: path.to_path_buf(), source })?;
    decode(bytes).map_err(|problem| Error::File { path: path.to_path_buf(), problem })
}

/// The genotype that a flag gives: a text, a published name, or `@FILE`, of which `:NAME` or `:LINE` chooses one.
pub(super) fn genotype(text: &str) -> Result<Genotype, Error> {
    let Some(file) = text.strip_prefix('@') else {
        return text.parse().map_err(Error::Input);
    };
    let (path, which) = file_and_choice(file).map_err(|problem| Error::Flag {
        flag: "--genotype",
        value: format!("@{file}"),
        problem,
    })?;
    stages::genotype::read(&read_text(&path)?, which)
        .map_err(|source| Error::File { problem: source.to_string(), path })
}
