//! What people give by name: paths, in which `~` is their home folder, files of text, and genotypes.

use std::path::{Path, PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser};
use stages::Genotype;
use stages::path::user_path;

use crate::encoding::decode;
use crate::error::Error;

/// Reads a path of the command line.
pub(super) fn path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(user_path)
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
    let path = |text: &str| {
        user_path(text).map_err(|problem| Error::Flag {
            flag: "--genotype",
            value: format!("@{text}"),
            problem,
        })
    };
    let (whole, part) = (path(file)?, file.rsplit_once(':'));
    let (path, which) = match part {
        // The name of a file may hold a colon.
        Some((file, which)) if !whole.exists() && path(file)?.exists() => (path(file)?, Some(which)),
        _ => (whole, None),
    };
    stages::genotype::read(&read_text(&path)?, which)
        .map_err(|source| Error::File { problem: source.to_string(), path })
}
