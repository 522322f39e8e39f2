//! What `pipeline importance` found, as text and as one JSON object that says the same.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Map, Value};
use stages::echo::{shown, shown_within};

use super::format;
use super::table::{Align, Table};
use crate::error::Error;
use crate::tables::{Kind, LeftOut, NAME_LONGEST, NotTaken, Source, Why};

/// What was explained, by what, and how much of it.
#[derive(Serialize)]
pub(crate) struct Explained {
    /// The column that was explained.
    pub(crate) column: String,
    pub(crate) column_is: Why,
    pub(crate) trials: usize,
    pub(crate) left_out: Vec<LeftOut>,
    pub(crate) not_taken: Vec<NotTaken>,
    pub(crate) table: Source,
    /// The most important first.
    pub(crate) hyperparameters: Vec<Hyperparameter>,
    /// By name; null for what was not observed.
    pub(crate) importances: Map<String, Value>,
}

/// One hyper-parameter.
#[derive(Serialize)]
pub(crate) struct Hyperparameter {
    pub(crate) name: String,
    pub(crate) column: String,
    pub(crate) kind: Kind,
    /// Different values in the trials.
    pub(crate) values: usize,
    /// None where the trials do not tell: one value of it, or of what is explained, in all of them.
    pub(crate) importance: Option<f64>,
    /// The first trial's value.
    #[serde(skip)]
    pub(crate) first: String,
}

/// Prints it.
pub(crate) fn print(found: &Explained, json: bool) -> Result<(), Error> {
    if json { super::json(found) } else { super::result(&text(found)) }
}

/// What is explained by what in the first line; then what was left out; then a row for each hyper-parameter.
fn text(found: &Explained) -> String {
    let mut text = format!(
        "For {} of {} ({}), by {} in {}\n",
        found.column,
        shown(&found.table.path),
        found.column_is,
        format::plural(found.hyperparameters.len() as u64, "hyper-parameter"),
        format::plural(found.trials as u64, "trial")
    );
    super::asides(&mut text, &found.left_out, &found.not_taken, std::slice::from_ref(&found.table));
    let headings = [
        ("hyper-parameter", Align::Left),
        ("column", Align::Left),
        ("values", Align::Right),
        ("importance", Align::Right),
        ("", Align::Left),
    ];
    let mut table = Table::new(&headings, 0);
    for row in &found.hyperparameters {
        let kind = match row.kind {
            Kind::Numbers => "",
            Kind::TruthValues => " (truth values)",
            Kind::Texts => " (texts)",
        };
        let (share, bar) = match row.importance {
            Some(share) => (format!("{share:.3}"), format::bar(share)),
            None if row.values == 1 => (
                "not observed".to_owned(),
                format!("{} in every trial", shown_within(&row.first, NAME_LONGEST)),
            ),
            None => ("undefined".to_owned(), String::new()),
        };
        table.row(vec![row.name.clone(), row.column.clone() + kind, row.values.to_string(), share, bar]);
    }
    let _ = write!(text, "\n{table}");
    if found.hyperparameters.iter().any(|row| row.importance.is_none() && row.values > 1) {
        let _ =
            write!(text, "\nundefined: {} is the same in all trials, so nothing explains it\n", found.column);
    }
    text
}
