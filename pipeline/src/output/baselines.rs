//! Scores that cost no training, as a table for other commands and as JSON.

use std::path::Path;

use serde_json::{Map, Value, json};
use stages::baselines::{BaselineScores, NAMES};

use super::format;
use crate::error::Error;

/// Architectures under the headings and names of the table that they come from, and their scores.
pub(crate) struct Scored {
    pub(crate) names: Vec<(String, Vec<String>)>,
    pub(crate) scores: Vec<BaselineScores>,
}

impl Scored {
    /// The table as CSV: names first; a score that is none is an empty cell.
    fn csv(&self) -> Result<Vec<u8>, Error> {
        let unwritten = |error: csv::Error| Error::Output(error.into());
        let mut writer = csv::Writer::from_writer(Vec::new());
        let headings = self.names.iter().map(|(heading, _)| heading.as_str()).chain(NAMES);
        writer.write_record(headings).map_err(unwritten)?;
        for (row, scores) in self.scores.iter().enumerate() {
            let number = |score: Option<f64>| score.map_or_else(String::new, |score| score.to_string());
            let names = self.names.iter().map(|(_, names)| names[row].clone());
            writer.write_record(names.chain(scores.values().map(number))).map_err(unwritten)?;
        }
        writer.into_inner().map_err(|error| Error::Output(error.into_error()))
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
    super::result(&String::from_utf8_lossy(&scored.csv()?))
}

/// Writes the table to a file, and says so, or prints it as JSON besides.
pub(crate) fn write(scored: &Scored, path: &Path, as_json: bool) -> Result<(), Error> {
    kernels::file::write(path, &scored.csv()?)
        .map_err(|source| Error::Unwritten { path: path.to_path_buf(), source })?;
    if as_json {
        return super::json(&scored.json());
    }
    let architectures = format::plural(scored.scores.len() as u64, "architecture");
    super::message(&format!("{architectures} in {}", path.display()));
    Ok(())
}
