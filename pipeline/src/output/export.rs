//! What was exported, for a person and as JSON.

use std::path::Path;

use serde::Serialize;
use stages::echo::shown;

use super::format;
use super::table::{Align, Table};
use crate::error::Error;

#[derive(Serialize)]
struct ExportJson<'a> {
    folder: String,
    files: Vec<FileJson<'a>>,
}

#[derive(Serialize)]
struct FileJson<'a> {
    name: &'a str,
    bytes: usize,
}

/// Prints the files of a folder. `heading` is what they are of.
pub(crate) fn print(
    heading: &str,
    folder: &Path,
    files: &[(&'static str, Vec<u8>)],
    json: bool,
) -> Result<(), Error> {
    if json {
        let files = files.iter().map(|(name, bytes)| FileJson { name, bytes: bytes.len() }).collect();
        return super::json(&ExportJson { folder: folder.display().to_string(), files });
    }
    let mut table = Table::new(&[("file", Align::Left), ("size", Align::Right)], 2);
    for (name, bytes) in files {
        table.row(vec![(*name).to_owned(), format::large(bytes.len() as f64, "B")]);
    }
    super::result(&format!("{heading}\n  in {}\n{table}", shown(folder.display())))
}
