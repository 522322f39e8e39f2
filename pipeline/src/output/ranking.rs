//! What `pipeline rank` found, as text and as one JSON object that says the same.

use std::fmt::Write as _;

use serde::Serialize;
use stages::echo::shown;
use stages::statistics::RankQuality;

use super::format;
use super::halves::OnHalves;
use super::rank_quality::{correlations, tops, why_undefined};
use super::table::Align;
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
    /// What the choice of the best column, or of several together, is worth, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) halves: Option<OnHalves>,
}

/// One column of estimates.
#[derive(Serialize)]
pub(crate) struct Judged {
    pub(crate) column: String,
    #[serde(flatten)]
    pub(crate) quality: RankQuality,
}

/// Prints it.
pub(crate) fn print(ranking: &Ranking, json: bool) -> Result<(), Error> {
    if json { super::json(ranking) } else { super::result(&text(ranking)) }
}

/// What was compared in the first line; then what was not; then two tables with a row for each column.
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
    let named = |with_count: bool| -> Vec<(Vec<String>, &RankQuality)> {
        let cells = |row: &Judged| {
            if with_count {
                vec![row.column.clone(), format::count(row.quality.architectures as u64)]
            } else {
                vec![row.column.clone()]
            }
        };
        ranking.correlations.iter().map(|row| (cells(row), &row.quality)).collect()
    };
    let columns = [("column", Align::Left), ("architectures", Align::Right)];
    let _ = write!(text, "\n{}", correlations(&columns, &named(true)));
    let _ = write!(text, "\n{}", tops(&columns[..1], &named(false)));
    if let Some(halves) = &ranking.halves {
        let _ = write!(text, "\n{}", halves.text());
    }
    if let Some(why) = why_undefined(ranking.correlations.iter().map(|row| &row.quality)) {
        let _ = write!(text, "\n{why}");
    }
    text
}
