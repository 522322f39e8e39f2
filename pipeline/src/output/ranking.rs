//! What `pipeline rank` found, as text and as one JSON object that says the same.

use std::fmt::Write as _;

use serde::Serialize;
use stages::echo::shown;
use stages::rank::Top;

use super::format;
use super::table::{Align, Table};
use crate::error::Error;
use crate::tables::{LeftOut, NotTaken, Source, Why};

/// What was compared with what, and how well it ranks.
#[derive(Serialize)]
pub(crate) struct Ranking {
    /// The column that was judged by.
    pub(crate) truth: String,
    pub(crate) truth_table: String,
    pub(crate) truth_is: Why,
    /// None where rows are paired by their place, or stand in one table.
    pub(crate) joined_by: Option<String>,
    /// Architectures in both tables that have a truth.
    pub(crate) rows: usize,
    pub(crate) left_out: Vec<LeftOut>,
    pub(crate) not_taken: Vec<NotTaken>,
    pub(crate) tables: Vec<Source>,
    pub(crate) correlations: Vec<Judged>,
}

/// One column of estimates.
#[derive(Serialize)]
pub(crate) struct Judged {
    pub(crate) column: String,
    pub(crate) spearman: Option<f64>,
    pub(crate) interval: Option<(f64, f64)>,
    pub(crate) top: Option<Top>,
    pub(crate) architectures: usize,
}

/// Prints it.
pub(crate) fn print(ranking: &Ranking, json: bool) -> Result<(), Error> {
    if json { super::json(ranking) } else { super::result(&text(ranking)) }
}

/// What was compared in the first line; then what was not; then a row for each column.
fn text(ranking: &Ranking) -> String {
    let joined = match (&ranking.joined_by, ranking.tables.len()) {
        (Some(key), _) => format!(", joined by {key}"),
        (None, 1) => String::new(),
        (None, _) => ", paired by place".to_owned(),
    };
    let mut text = format!(
        "Against {} of {} ({}){joined}: {}\n",
        ranking.truth,
        shown(&ranking.truth_table),
        ranking.truth_is,
        format::plural(ranking.rows as u64, "architecture")
    );
    super::asides(&mut text, &ranking.left_out, &ranking.not_taken, &ranking.tables);
    let k = ranking.correlations.iter().filter_map(|row| Some(row.top?.k)).max().unwrap_or(1);
    let precision = format!("top-{k} precision");
    let mut table = Table::new(
        &[
            ("column", Align::Left),
            ("r_s", Align::Right),
            ("95% interval", Align::Left),
            (&precision, Align::Right),
            ("regret", Align::Right),
            ("architectures", Align::Right),
        ],
        0,
    );
    for row in &ranking.correlations {
        let of_top = |shown: fn(Top) -> String| row.top.map_or_else(|| "undefined".to_owned(), shown);
        table.row(vec![
            row.column.clone(),
            format::correlation(row.spearman),
            format::interval(row.interval),
            of_top(|top| format!("{:.3}", top.precision)),
            of_top(|top| format::significant(top.regret)),
            format::count(row.architectures as u64),
        ]);
    }
    let _ = write!(text, "\n{table}");
    if ranking.correlations.iter().any(|row| row.spearman.is_none()) {
        text.push_str(
            "\nundefined: fewer than two architectures, or one value for all of them, have no order\n",
        );
    }
    text
}
