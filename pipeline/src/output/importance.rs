//! What `pipeline importance` found, as text and as one JSON object that says the same.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Map, Value};
use stages::echo::{shown, shown_within};
use stages::statistics::Interval;

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
    /// What the importances of bootstrap samples of the trials span (95%), where they were asked for.
    pub(crate) spread: Option<Interval>,
    /// Its share of the variance of the forest's predictions.
    pub(crate) fanova: Option<f64>,
    /// Its share of the divergences between the best trials and all.
    pub(crate) ped_anova: Option<f64>,
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
    let _ = write!(text, "\n{}", table(&found.hyperparameters));
    if let Some(said) = disagreement(&found.hyperparameters) {
        let _ = write!(text, "\n{said}\n");
    }
    if found.hyperparameters.iter().any(|row| row.importance.is_none() && row.values > 1) {
        let _ =
            write!(text, "\nundefined: {} is the same in all trials, so nothing explains it\n", found.column);
    }
    text
}

/// A row for each hyper-parameter.
pub(crate) fn table(hyperparameters: &[Hyperparameter]) -> Table {
    let observed = hyperparameters.iter().filter_map(|row| row.importance).count();
    let has_spread = hyperparameters.iter().any(|row| row.spread.is_some());
    let mut headings = vec![
        ("hyper-parameter", Align::Left),
        ("column", Align::Left),
        ("values", Align::Right),
        ("importance", Align::Right),
    ];
    if has_spread {
        headings.push(("95% of resamples", Align::Left));
    }
    headings.extend([("fANOVA", Align::Right), ("PED-ANOVA", Align::Right), ("", Align::Left)]);
    let mut table = Table::new(&headings, 0);
    for row in hyperparameters {
        let kind = match row.kind {
            Kind::Numbers => "",
            Kind::TruthValues => " (truth values)",
            Kind::Texts => " (texts)",
        };
        let (share, bar) = match row.importance {
            Some(share) => {
                // What is the only one has no share to show.
                let bar = if observed > 1 { format::bar(share) } else { String::new() };
                (format::importance(Some(share), observed), bar)
            }
            None if row.values == 1 => (
                "not observed".to_owned(),
                format!("{} in every trial", shown_within(&row.first, NAME_LONGEST)),
            ),
            None => ("undefined".to_owned(), String::new()),
        };
        let other = |share: Option<f64>| share.map_or_else(String::new, |share| format!("{share:.3}"));
        let mut cells = vec![row.name.clone(), row.column.clone() + kind, row.values.to_string(), share];
        if has_spread {
            cells.push(row.spread.map_or_else(String::new, |spread| format::interval(Some(spread))));
        }
        cells.extend([other(row.fanova), other(row.ped_anova), bar]);
        table.row(cells);
    }
    table
}

/// One of the importances of a hyper-parameter.
type Share = fn(&Hyperparameter) -> Option<f64>;

/// What to say where the three kinds of importance put different hyper-parameters first and second.
pub(crate) fn disagreement(hyperparameters: &[Hyperparameter]) -> Option<String> {
    let kinds: [(&str, Share); 3] = [
        ("impurity", |row| row.importance),
        ("fANOVA", |row| row.fanova),
        ("PED-ANOVA", |row| row.ped_anova),
    ];
    let first_two = |share: Share| -> Vec<&str> {
        let mut told: Vec<(f64, &str)> =
            hyperparameters.iter().filter_map(|row| Some((share(row)?, row.name.as_str()))).collect();
        told.sort_by(|a, b| b.0.total_cmp(&a.0));
        told.into_iter().take(2).map(|(_, name)| name).collect()
    };
    let all: Vec<(&str, Vec<&str>)> = kinds.iter().map(|(name, share)| (*name, first_two(*share))).collect();
    if all.iter().all(|(_, names)| *names == all[0].1) {
        return None;
    }
    let said: Vec<String> =
        all.iter().map(|(kind, names)| format!("{kind} says {}", names.join(", "))).collect();
    Some(format!("They disagree on the order of the first two: {}", said.join("; ")))
}
