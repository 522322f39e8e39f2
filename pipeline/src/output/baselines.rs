//! Scores that cost no training, as a table for other commands and as JSON.

use std::path::Path;

use serde_json::{Map, Value, json};
use stages::baselines::{BaselineScores, NAMES};

use super::format;
use crate::error::Error;
use crate::tables;

/// Architectures under the headings and names of the table that they come from, and their scores.
pub(crate) struct Scored {
    pub(crate) names: Vec<(String, Vec<String>)>,
    pub(crate) scores: Vec<BaselineScores>,
}

impl Scored {
    /// The table as CSV: names first; a score that is none is an empty cell.
    fn csv(&self) -> Result<String, Error> {
        let number = |score: Option<f64>| score.map_or_else(String::new, |score| score.to_string());
        let headings = self.names.iter().map(|(heading, _)| heading.clone());
        let headings = headings.chain(NAMES.map(str::to_owned)).collect();
        let row = |(row, scores): (usize, &BaselineScores)| {
            let names = self.names.iter().map(|(_, names)| names[row].clone());
            names.chain(scores.values().map(number)).collect()
        };
        let rows = std::iter::once(headings).chain(self.scores.iter().enumerate().map(row));
        tables::csv::<Vec<String>, _>(rows).map_err(Error::Output)
    }

    fn json(&self) -> Value {
        let row = |(row, scores): (usize, &BaselineScores)| {
            let names = self.names.iter().map(|(heading, names)| (heading.clone(), json!(names[row])));
            let scores =
                NAMES.iter().zip(scores.values()).map(|(name, score)| ((*name).to_owned(), json!(score)));
            Value::Object(names.chain(scores).collect::<Map<_, _>>())
        };
        json!({ "architectures": self.scores.iter().enumerate().map(row).collect::<Vec<_>>() })
    }
}

/// Prints it.
pub(crate) fn print(scored: &Scored, as_json: bool) -> Result<(), Error> {
    if as_json {
        return super::json(&scored.json());
    }
    super::result(&scored.csv()?)
}

/// Writes the table to a file, and says so, or prints it as JSON besides.
pub(crate) fn write(scored: &Scored, path: &Path, as_json: bool) -> Result<(), Error> {
    kernels::file::write(path, scored.csv()?.as_bytes())
        .map_err(|source| Error::Unwritten { path: path.to_path_buf(), source })?;
    if as_json {
        return super::json(&scored.json());
    }
    let architectures = format::plural(scored.scores.len() as u64, "architecture");
    super::message(&format!("{architectures} in {}", path.display()));
    Ok(())
}
