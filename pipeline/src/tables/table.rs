//! A table as it lies in a file: rows of texts under headings, each with the line on which an editor shows it.

use std::path::{Path, PathBuf};

use stages::echo::shown;
use stages::tables::FILES;

use super::cell::Cell;
use super::dialect::{Decimal, Delimiter, has_decimal_comma};
use super::said::Source;
use super::smac;
use crate::encoding::{breaks, decode};
use crate::error::Error;
use crate::output::format;

/// A file's rows, each as long as the row of headings.
#[derive(Debug)]
pub(crate) struct InputTable {
    path: PathBuf,
    headings: Vec<String>,
    rows: Vec<Row>,
    delimiter: Delimiter,
    decimal: Decimal,
}

#[derive(Debug)]
struct Row {
    /// The line on which the row begins, counted from 1.
    line: usize,
    cells: csv::StringRecord,
}

impl Row {
    /// What to say of a row that is longer or shorter than the row of headings.
    fn uneven(&self, headings: usize, delimiter: Delimiter) -> String {
        let advice = if self.cells.iter().any(|cell| cell.starts_with(" \"")) {
            "let no space stand before a quote".to_owned()
        } else if self.cells.len() < headings {
            "leave a cell empty where there is nothing to write, but do not leave it out".to_owned()
        } else {
            format!("quote cells that contain {}", delimiter.plural())
        };
        format!(
            "line {}: {}, but {}; {advice}",
            self.line,
            format::plural(self.cells.len() as u64, "cell"),
            format::plural(headings as u64, "heading")
        )
    }
}

/// What a column holds in some rows; none where a cell is missing.
#[derive(Debug, PartialEq)]
pub(crate) enum Values<'a> {
    Numbers(Vec<Option<f64>>),
    Texts(Vec<Option<&'a str>>),
}

impl Values<'_> {
    /// Whether the cell at a place is missing.
    pub(crate) fn is_missing(&self, place: usize) -> bool {
        match self {
            Self::Numbers(numbers) => numbers[place].is_none(),
            Self::Texts(texts) => texts[place].is_none(),
        }
    }
}

/// What the names of tables begin with that come with the program.
const KNOWN: &str = "known:";

/// A table that comes with the program.
fn known(name: &str) -> Result<Vec<u8>, String> {
    let found = FILES.iter().find(|file| file.name == name);
    found.map(|file| file.text.as_bytes().to_vec()).ok_or_else(|| {
        let names: Vec<String> = FILES.iter().map(|file| format!("{KNOWN}{}", file.name)).collect();
        format!("no such table comes with the program; there are {}", names.join(", "))
    })
}

/// Columns that a message names at most.
const LISTED: usize = 30;
/// Ends every text that is read, so that a quote that is never closed shows: it swallows the mark. No text holds it.
const END: &str = "\u{0}";

impl InputTable {
    /// Reads a file, or, behind `known:`, one that comes with the program.
    ///
    /// # Errors
    /// When it cannot be read, is no table with headings and rows, or has two columns of one heading.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let bytes = match path.to_str().and_then(|path| path.strip_prefix(KNOWN)) {
            Some(name) => known(name).map_err(|problem| Error::File { path: path.to_path_buf(), problem })?,
            None => std::fs::read(path).map_err(|source| Error::Read { path: path.to_path_buf(), source })?,
        };
        Self::parse(path, bytes).map_err(|problem| Error::File { path: path.to_path_buf(), problem })
    }

    /// A table that is no file, with the name that messages call it by.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn of_text(name: &Path, text: String) -> Result<Self, Error> {
        Self::parse(name, text.into_bytes())
            .map_err(|problem| Error::File { path: name.to_path_buf(), problem })
    }

    /// Reads the bytes of a file.
    pub(super) fn parse(path: &Path, bytes: Vec<u8>) -> Result<Self, String> {
        let mut text = decode(bytes)?;
        if let Some(rows) = smac::rows(&text) {
            text = csv(&rows?).map_err(|error| error.to_string())?;
        }
        if text.trim().is_empty() {
            return Err("empty; a row of headings with rows below it is expected".to_owned());
        }
        text.extend(["\n", END]);
        let is_end = |letter: char| matches!(letter, '\r' | '\n');
        let stated_line = text.split(is_end).next().unwrap_or_default();
        let (start, stated) = match Delimiter::stated(stated_line) {
            Some(delimiter) => (stated_line.len(), Some(delimiter)),
            None => (0, None),
        };
        let mut lines = text[start..].split(is_end);
        let heading_line = lines.find(|line| !line.trim().is_empty()).unwrap_or_default();
        let delimiter = stated.unwrap_or_else(|| Delimiter::of_headings(heading_line));
        let mut rows = split(&text, start, delimiter)?;
        if rows.is_empty() {
            return Err("no headings; a row of headings with rows below it is expected".to_owned());
        }
        let Row { line, cells } = rows.remove(0);
        let headings = headings(line, &cells, &rows)?;
        if let Some(row) = rows.iter().find(|row| row.cells.len() != headings.len()) {
            return Err(row.uneven(headings.len(), delimiter));
        }
        if let Some(name) = other_delimiter(&headings, &rows) {
            return Err(format!("{name} stand between cells; write commas, semicolons or tabs there"));
        }
        // Spreadsheets write rows of nothing below a table.
        while rows.pop_if(|row| row.cells.iter().all(|cell| cell.trim().is_empty())).is_some() {}
        if rows.is_empty() {
            return Err("no rows below the headings".to_owned());
        }
        let mut cells = rows.iter().flat_map(|row| row.cells.iter());
        let has_commas = delimiter != Delimiter::Comma && cells.any(|cell| has_decimal_comma(cell.trim()));
        let decimal = if has_commas { Decimal::Comma } else { Decimal::Point };
        Ok(Self { path: path.to_path_buf(), headings, rows, delimiter, decimal })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn headings(&self) -> &[String] {
        &self.headings
    }

    /// The numbers of all rows.
    pub(crate) fn rows(&self) -> std::ops::Range<usize> {
        0..self.rows.len()
    }

    /// The column with this heading.
    ///
    /// # Errors
    /// When there is none, with those that there are.
    pub(crate) fn find(&self, heading: &str) -> Result<usize, Error> {
        let found = self.headings.iter().position(|name| name == heading && !name.is_empty());
        found.ok_or_else(|| self.problem(format!("no column {heading:?}; {}", self.columns())))
    }

    /// The columns, for a message.
    pub(crate) fn columns(&self) -> String {
        let named: Vec<&str> =
            self.headings.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
        match named.len() {
            1 => format!("the only column is {} (cells end at commas, semicolons or tabs)", named[0]),
            count if count > LISTED => {
                format!("the columns are {} and {} more", named[..LISTED].join(", "), count - LISTED)
            }
            _ => format!("the columns are {}", named.join(", ")),
        }
    }

    /// A cell without white space around it.
    pub(crate) fn cell(&self, row: usize, column: usize) -> &str {
        self.rows[row].cells[column].trim()
    }

    /// The line on which a cell begins.
    pub(crate) fn line(&self, row: usize, column: usize) -> usize {
        let Row { line, cells } = &self.rows[row];
        line + cells.iter().take(column).map(|cell| breaks(cell.as_bytes())).sum::<usize>()
    }

    /// What a row is called: by its key, or by its line.
    pub(crate) fn row_name(&self, row: usize, key: Option<usize>) -> String {
        match key {
            Some(key) => self.cell(row, key).to_owned(),
            None => format!("line {}", self.line(row, 0)),
        }
    }

    /// A column's numbers in some rows.
    ///
    /// # Errors
    /// When a cell is no number and not missing, with its line.
    pub(crate) fn numbers(&self, column: usize, rows: &[usize]) -> Result<Vec<Option<f64>>, Error> {
        let number = |&row: &usize| match self.value(row, column) {
            Cell::Number(number) => Ok(Some(number)),
            Cell::Missing => Ok(None),
            Cell::Odd(advice) => Err(self.refuse(row, column, &format!("is not a number; {advice}"))),
            Cell::Text => Err(self.refuse(
                row,
                column,
                "is not a number; write one like 71.25, or leave the cell empty where there is none",
            )),
        };
        rows.iter().map(number).collect()
    }

    /// What a column holds in some rows: texts when no cell is meant as a number, none when all cells are missing.
    ///
    /// # Errors
    /// When a text stands among numbers, with its line.
    pub(crate) fn values(&self, column: usize, rows: &[usize]) -> Result<Option<Values<'_>>, Error> {
        if self.holds_numbers(column, rows) {
            return self.numbers(column, rows).map(|numbers| Some(Values::Numbers(numbers)));
        }
        if rows.iter().all(|&row| self.value(row, column) == Cell::Missing) {
            return Ok(None);
        }
        // Among texts `none` is one as well: augmentation = none, or flip.
        let is_missing = |text: &&str| text.is_empty() || text.eq_ignore_ascii_case("nan");
        let texts = rows.iter().map(|&row| Some(self.cell(row, column)).filter(|text| !is_missing(text)));
        Ok(Some(Values::Texts(texts.collect())))
    }

    /// Whether a cell of these rows is meant as a number.
    pub(crate) fn holds_numbers(&self, column: usize, rows: &[usize]) -> bool {
        rows.iter().any(|&row| matches!(self.value(row, column), Cell::Number(_) | Cell::Odd(_)))
    }

    fn value(&self, row: usize, column: usize) -> Cell {
        Cell::read(self.cell(row, column), self.decimal)
    }

    /// An error about a cell.
    pub(crate) fn refuse(&self, row: usize, column: usize, problem: &str) -> Error {
        let (line, heading) = (self.line(row, column), &self.headings[column]);
        let cell = shown(self.cell(row, column));
        self.problem(format!("line {line}, column {heading}: \"{cell}\" {problem}"))
    }

    /// An error about this file.
    pub(crate) fn problem(&self, problem: String) -> Error {
        Error::File { path: self.path.clone(), problem }
    }

    /// Where it comes from and how it is written.
    pub(crate) fn source(&self) -> Source {
        Source { path: self.path.display().to_string(), delimiter: self.delimiter, decimal: self.decimal }
    }
}

/// The rows of a text that ends in [`END`], from byte `start` on.
fn split(text: &str, start: usize, delimiter: Delimiter) -> Result<Vec<Row>, String> {
    let body = &text.as_bytes()[start..];
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter.byte())
        .from_reader(body);
    let mut rows: Vec<Row> = Vec::new();
    let (mut line, mut counted) = (1 + breaks(&text.as_bytes()[..start]), 0);
    for record in reader.records() {
        let cells = record.map_err(|error| error.to_string())?;
        // The reader's own line numbers leave out what ends a line as CR LF does, and empty lines.
        let before = cells.position().map_or(0, |position| position.byte() as usize);
        let skipped = body[before..].iter().take_while(|byte| b"\r\n".contains(byte)).count();
        line += breaks(&body[counted..before + skipped]);
        counted = before + skipped;
        if cells.len() == 1 && &cells[0] == END {
            return Ok(rows);
        }
        if let (1, Some(last)) = (cells.len(), rows.last()) {
            let next = last.line + 1 + last.cells.iter().map(|cell| breaks(cell.as_bytes())).sum::<usize>();
            if line > next && last.cells.len() == 1 {
                return Err(format!(
                    "line {next}: empty; in a table of one column a missing value is written NaN"
                ));
            }
        }
        rows.push(Row { line, cells });
    }
    let opened = rows.last().map_or(line, |Row { line, cells }| {
        line + cells.iter().take(cells.len() - 1).map(|cell| breaks(cell.as_bytes())).sum::<usize>()
    });
    Err(format!("line {opened}: a quote is opened and never closed"))
}

/// What else seems to separate cells: every line of a single column holds it equally often.
fn other_delimiter(headings: &[String], rows: &[Row]) -> Option<&'static str> {
    let [heading] = headings else { return None };
    let words = |text: &str| text.split_whitespace().count();
    let bars = |text: &str| text.split('|').count();
    let is = |count: &dyn Fn(&str) -> usize| {
        let cells = count(heading);
        cells > 1 && !rows.is_empty() && rows.iter().all(|row| count(&row.cells[0]) == cells)
    };
    if is(&bars) { Some("bars") } else { is(&words).then_some("spaces") }
}

/// The headings, each on one line.
/// Rows of one length as a text that is read to the same cells.
///
/// # Errors
/// When there is no memory for it.
pub(crate) fn csv<R, C>(rows: impl IntoIterator<Item = R>) -> std::io::Result<String>
where
    R: IntoIterator<Item = C>,
    C: AsRef<[u8]>,
{
    let mut writer = csv::Writer::from_writer(Vec::new());
    rows.into_iter().try_for_each(|row| writer.write_record(row))?;
    let bytes = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
    String::from_utf8(bytes).map_err(std::io::Error::other)
}

/// The names of the columns. Of two that are called alike and say the same in every row, as in exports of NePS, the second
/// has no name.
fn headings(line: usize, cells: &csv::StringRecord, rows: &[Row]) -> Result<Vec<String>, String> {
    let is_gap = |letter: char| letter.is_whitespace() || letter.is_control();
    let words = |cell: &str| cell.split(is_gap).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let mut headings: Vec<String> = cells.iter().map(words).collect();
    if headings.iter().all(|heading| heading.is_empty() || heading.parse::<f64>().is_ok()) {
        return Err(format!("line {line} has no headings but numbers; write the columns' names above them"));
    }
    for place in 0..headings.len() {
        let heading = &headings[place];
        if let Some(first) = headings[..place].iter().position(|other| other == heading && !other.is_empty())
        {
            let is_same = |row: &Row| row.cells.get(first) == row.cells.get(place);
            if !rows.is_empty() && rows.iter().all(is_same) {
                headings[place].clear();
                continue;
            }
            return Err(format!(
                "line {line}: columns {} and {} are both called {heading}; give each its own heading",
                first + 1,
                place + 1
            ));
        }
    }
    Ok(headings)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
