//! Architectures as people give them: a name, a text, or a file with one.

use std::path::PathBuf;

use super::{Architecture, CellSpace};
use crate::Error;
use crate::echo::shown;
use crate::path::user_path;

/// The architecture that a text gives: a name, a genotype, or `@FILE` with one, of which `:NAME` or `:LINE` chooses one; in
/// the forms of a space that is built in or that a file defines (the DARTS space where none is given).
///
/// # Errors
/// [`Error::Genotype`] or [`Error::Config`] with the file and the place in it.
pub fn given(text: &str, space: Option<&str>) -> Result<Architecture, Error> {
    let space = space.map(CellSpace::given).transpose()?;
    let Some(file) = text.strip_prefix('@') else {
        return Architecture::read(text, None, space.as_ref());
    };
    let place = |problem: String| Error::Config { place: format!("@{}", shown(file)), problem };
    let (path, which) = file_and_choice(file).map_err(place)?;
    let text = std::fs::read_to_string(&path).map_err(|error| place(format!("cannot be read ({error})")))?;
    Architecture::read(&text, which, space.as_ref()).map_err(|error| place(error.to_string()))
}

/// The path of `FILE`, `FILE:NAME` or `FILE:LINE`, and what chooses one of its genotypes.
///
/// # Errors
/// The problem as text, when the path cannot be what a person means.
pub fn file_and_choice(file: &str) -> Result<(PathBuf, Option<&str>), String> {
    let whole = user_path(file)?;
    match file.rsplit_once(':') {
        // The name of a file may hold a colon.
        Some((file, which)) if !whole.exists() && user_path(file)?.exists() => {
            Ok((user_path(file)?, Some(which)))
        }
        _ => Ok((whole, None)),
    }
}

impl CellSpace {
    /// A space by its name, or that of a TOML file.
    ///
    /// # Errors
    /// [`Error::Config`] with file and line, or with the nearest known name.
    pub fn given(text: &str) -> Result<Self, Error> {
        if Self::names().any(|known| known == text) {
            return Self::named(text);
        }
        let wrong = |problem| Error::Config { place: format!("cell space {}", shown(text)), problem };
        let path = user_path(text).map_err(wrong)?;
        match std::fs::read_to_string(&path) {
            Ok(table) => Self::parse(text, &table),
            // Who mistypes a name hears of the names.
            Err(_) if !path.exists() => Self::named(text),
            Err(error) => Err(wrong(format!("cannot be read ({error})"))),
        }
    }
}
