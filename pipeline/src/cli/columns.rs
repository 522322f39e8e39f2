//! Tables that people bring: comma-separated files with a row of headings.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// A file's rows, each as long as its row of headings.
pub(super) struct Columns {
    path: PathBuf,
    headings: Vec<String>,
    /// Line number in the file, and the cells.
    rows: Vec<(u64, Vec<String>)>,
}

impl Columns {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, a row is longer or shorter than the headings, or there are no rows.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let problem = |problem: String| Error::File { path: path.to_path_buf(), problem };
        let file =
            std::fs::File::open(path).map_err(|source| Error::Read { path: path.to_path_buf(), source })?;
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
        let headings: Vec<String> = match reader.headers() {
            Ok(headings) => {
                headings.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect()
            }
            Err(error) => return Err(problem(sentence(&error))),
        };
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| problem(sentence(&error)))?;
            let line = record.position().map_or(0, csv::Position::line);
            rows.push((line, record.iter().map(str::to_owned).collect()));
        }
        if rows.is_empty() {
            return Err(problem(
                "no rows below the headings; a table of comma-separated values is expected".into(),
            ));
        }
        Ok(Self { path: path.to_path_buf(), headings, rows })
    }

    pub(super) fn headings(&self) -> &[String] {
        &self.headings
    }

    /// The column with this heading.
    ///
    /// # Errors
    /// When there is none, with those that there are.
    pub(super) fn find(&self, heading: &str) -> Result<usize, Error> {
        self.headings.iter().position(|name| name == heading).ok_or_else(|| {
            self.problem(format!("no column {heading:?}; the columns are {}", self.headings.join(", ")))
        })
    }

    /// Columns in which every cell is a finite number.
    pub(super) fn numeric(&self) -> Vec<usize> {
        (0..self.headings.len()).filter(|&column| self.numbers(column).is_ok()).collect()
    }

    /// A column's numbers.
    ///
    /// # Errors
    /// When a cell is no finite number, with its line.
    pub(super) fn numbers(&self, column: usize) -> Result<Vec<f64>, Error> {
        let number = |(line, cells): &(u64, Vec<String>)| {
            let cell = &cells[column];
            cell.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| {
                let heading = &self.headings[column];
                self.problem(format!(
                    "line {line}, column {heading}: {cell:?} is not a number; write one like 71.25"
                ))
            })
        };
        self.rows.iter().map(number).collect()
    }

    /// A column's texts.
    pub(super) fn texts(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().map(move |(_, cells)| cells[column].as_str())
    }

    /// Whether rows of the two are joined by the text in their first column.
    pub(super) fn joins_by_name(&self, other: &Self) -> bool {
        self.path != other.path
            && !self.headings.is_empty()
            && self.headings.first() == other.headings.first()
    }

    /// For every row of `self` the row of `other` with the same text in the column that both begin with, or the row
    /// in the same place when it is one file, or the files do not begin with a column of the same heading.
    ///
    /// # Errors
    /// When a row has no partner, a text occurs twice, or the files differ in length and cannot be joined.
    pub(super) fn join(&self, other: &Self) -> Result<Vec<usize>, Error> {
        if !self.joins_by_name(other) {
            if self.rows.len() != other.rows.len() {
                return Err(self.problem(format!(
                    "{} rows, but {} has {}; give both the same rows, or the same first column to join them by",
                    self.rows.len(),
                    other.path.display(),
                    other.rows.len()
                )));
            }
            return Ok((0..self.rows.len()).collect());
        }
        let mut places = HashMap::new();
        for (place, text) in other.texts(0).enumerate() {
            if places.insert(text, place).is_some() {
                return Err(other.problem(format!("{} {text:?} occurs twice", other.headings[0])));
            }
        }
        self.texts(0)
            .map(|text| {
                places.get(text).copied().ok_or_else(|| {
                    self.problem(format!("{} {text:?} is not in {}", self.headings[0], other.path.display()))
                })
            })
            .collect()
    }

    /// An error about this file.
    pub(super) fn problem(&self, problem: String) -> Error {
        Error::File { path: self.path.clone(), problem }
    }
}

fn sentence(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => format!(
            "line {}: {len} cells, but {expected_len} headings; quote cells that contain commas",
            pos.as_ref().map_or(0, csv::Position::line)
        ),
        csv::ErrorKind::Utf8 { pos, .. } => {
            format!(
                "line {}: not UTF-8 text; save the table as UTF-8",
                pos.as_ref().map_or(0, csv::Position::line)
            )
        }
        _ => error.to_string(),
    }
}
