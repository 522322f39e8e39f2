//! Tables of trials, a row each: which columns are hyper-parameters, what they are called here, and which trials ended.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use stages::hyperparameter::HYPERPARAMETERS;

use super::names::plain;
use super::said::LeftOut;
use super::table::{InputTable, Values};
use crate::error::Error;

/// What other programs put in front of a hyper-parameter's name: Optuna, MLflow, Ray Tune, NePS.
const PREFIXES: [&str; 4] = ["params_", "params.", "config/", "config."];

/// Other names of hyper-parameters, as [`plain`] writes them.
const ALIASES: [(&str, &[&str]); 8] = [
    ("epochs", &["numepochs", "nepochs", "maxepochs"]),
    ("batch_size", &["bs", "batch"]),
    ("learning_rate", &["lr", "initlr", "baselr"]),
    ("layers", &["numlayers", "nlayers", "cells", "numcells", "ncells"]),
    ("channels", &["initchannels", "initch", "numchannels", "nchannels"]),
    ("image_size", &["imagesize", "imgsize", "imsize", "inputsize", "resolution"]),
    ("cutout", &["cutoutlength", "cutoutsize"]),
    ("float_bits", &["bits"]),
];

/// States of trials that ended well, and of others, as Optuna, MLflow, Ray Tune, W&B, NePS and SMAC write them, in lower
/// case.
const FINISHED: [&str; 7] =
    ["complete", "completed", "finished", "terminated", "success", "succeeded", "done"];
const UNFINISHED: [&str; 21] = [
    "fail",
    "failed",
    "pruned",
    "running",
    "waiting",
    "pending",
    "scheduled",
    "error",
    "crashed",
    "killed",
    "paused",
    "stopped",
    "cancelled",
    "canceled",
    "preempted",
    "evaluating",
    "external",
    "corrupted",
    "unknown",
    "timeout",
    "memoryout",
];

/// More texts than these are no choices of a hyper-parameter.
const CHOICES: usize = 100;

/// A column that is a hyper-parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Feature {
    pub(crate) column: usize,
    /// Its name here: that of a budget's hyper-parameter where it is one.
    pub(crate) name: String,
    /// Whether it is one of a budget's, which are numbers.
    is_known: bool,
}

/// What a hyper-parameter's column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Numbers,
    TruthValues,
    Texts,
}

impl Feature {
    fn of(table: &InputTable, column: usize) -> Self {
        let heading = &table.headings()[column];
        let bare = declared(heading).unwrap_or(heading);
        match known(bare) {
            Some(name) => Self { column, name: name.to_owned(), is_known: true },
            None => Self { column, name: bare.to_owned(), is_known: false },
        }
    }

    /// The heading of its column.
    pub(crate) fn heading(&self, table: &InputTable) -> String {
        table.headings()[self.column].clone()
    }

    /// What its column holds in some rows; none when all cells are missing.
    ///
    /// # Errors
    /// When numbers and texts are mixed, texts stand where numbers must, or there are too many texts to choose from.
    pub(crate) fn values<'a>(
        &self,
        table: &'a InputTable,
        rows: &[usize],
    ) -> Result<Option<(Kind, Values<'a>)>, Error> {
        let values = table.values(self.column, rows)?;
        let Some(Values::Texts(texts)) = &values else {
            return Ok(values.map(|numbers| (Kind::Numbers, numbers)));
        };
        let is_truth = |text: &&str| ["true", "false"].iter().any(|value| value.eq_ignore_ascii_case(text));
        let kind = if texts.iter().flatten().all(is_truth) { Kind::TruthValues } else { Kind::Texts };
        if self.is_known && kind == Kind::Texts {
            return table
                .numbers(self.column, rows)
                .map(|numbers| Some((Kind::Numbers, Values::Numbers(numbers))));
        }
        let choices = texts.iter().flatten().collect::<BTreeSet<_>>().len();
        if choices > CHOICES {
            return Err(table.problem(format!(
                "column {} holds {choices} different texts; a hyper-parameter has up to {CHOICES} to choose from",
                table.headings()[self.column]
            )));
        }
        Ok(values.map(|texts| (kind, texts)))
    }
}

/// The hyper-parameters of a table: the columns of these headings, or those that are called like one, but never
/// `objective`.
///
/// # Errors
/// When there are none, or one hyper-parameter twice.
pub(crate) fn features(
    table: &InputTable,
    asked: &[String],
    objective: Option<&str>,
) -> Result<Vec<Feature>, Error> {
    let headings = table.headings();
    let mut columns: Vec<usize> = Vec::new();
    for text in asked {
        // A heading may hold a comma itself.
        let names: Vec<&str> =
            if headings.contains(text) { vec![text] } else { text.split(',').map(str::trim).collect() };
        for name in names {
            columns.push(table.find(name)?);
        }
    }
    if asked.is_empty() {
        let is_feature = |heading: &str| declared(heading).is_some() || known(heading).is_some();
        columns.extend((0..headings.len()).filter(|&column| is_feature(&headings[column])));
    }
    columns.retain(|&column| Some(headings[column].as_str()) != objective);
    let features: Vec<Feature> = columns.iter().map(|&column| Feature::of(table, column)).collect();
    for (place, feature) in features.iter().enumerate() {
        if let Some(other) = features[..place].iter().find(|other| other.name == feature.name) {
            return Err(table.problem(format!(
                "columns {} and {} are both {}; choose with --columns",
                headings[other.column], headings[feature.column], feature.name
            )));
        }
    }
    if features.is_empty() {
        let names: Vec<&str> = HYPERPARAMETERS.iter().map(|row| row.name).collect();
        return Err(table.problem(format!(
            "no column is called like a hyper-parameter ({}); name them with --columns; {}",
            names.join(", "),
            table.columns()
        )));
    }
    Ok(features)
}

/// The name behind a prefix that other programs put in front of hyper-parameters.
fn declared(heading: &str) -> Option<&str> {
    PREFIXES.iter().find_map(|prefix| heading.strip_prefix(prefix)).filter(|name| !name.is_empty())
}

/// The budget's hyper-parameter that has this name, or is called so by others.
fn known(name: &str) -> Option<&'static str> {
    let name = plain(name);
    let by_name = HYPERPARAMETERS.iter().map(|row| row.name).find(|own| plain(own) == name);
    by_name
        .or_else(|| ALIASES.iter().find(|(_, others)| others.contains(&name.as_str())).map(|(own, _)| *own))
}

/// Which trials ended well, by a column `state` or `status`; all of them where there is none.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) column: Option<usize>,
    pub(crate) rows: Vec<usize>,
    /// What the trials of each other state are called.
    left_out: BTreeMap<String, Vec<String>>,
}

impl Finished {
    /// The trials that did not end well, by their state.
    pub(crate) fn left_out(&self, table: &InputTable) -> Vec<LeftOut> {
        let heading = self.column.map_or("", |column| &table.headings()[column]);
        let states = self.left_out.iter();
        states
            .filter_map(|(state, names)| LeftOut::rows(format!("with {heading} {state}"), names.clone()))
            .collect()
    }

    /// # Errors
    /// When a state is unknown.
    pub(crate) fn of(table: &InputTable, taken: &[usize]) -> Result<Self, Error> {
        let is_state = |column: &usize| {
            !taken.contains(column)
                && ["state", "status"].contains(&plain(&table.headings()[*column]).as_str())
        };
        let column = (0..table.headings().len()).find(is_state);
        let mut finished = Self { column, rows: Vec::new(), left_out: BTreeMap::new() };
        for row in table.rows() {
            let Some(column) = column else {
                finished.rows.push(row);
                continue;
            };
            let cell = table.cell(row, column);
            let state =
                ["TrialState.", "State."].iter().find_map(|kind| cell.strip_prefix(kind)).unwrap_or(cell);
            let is = |states: &[&str]| states.contains(&state.to_lowercase().as_str());
            if is(&FINISHED) {
                finished.rows.push(row);
            } else if is(&UNFINISHED) {
                let others = finished.left_out.entry(state.to_owned()).or_default();
                others.push(table.row_name(row, None));
            } else {
                let problem = "is no known state of a trial (COMPLETE, FAIL, PRUNED, …); write one, or rename the column \
                               if it holds something else";
                return Err(table.refuse(row, column, problem));
            }
        }
        Ok(finished)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use super::*;

    fn table(text: &str) -> InputTable {
        InputTable::parse(Path::new("t.csv"), text.into()).unwrap()
    }

    fn names(headings: &str, asked: &[&str], objective: Option<&str>) -> Result<Vec<String>, String> {
        let cells = vec!["x"; headings.split(',').count()].join(",");
        let table = table(&format!("{headings}\n{cells}\n"));
        let asked: Vec<String> = asked.iter().map(|&name| name.to_owned()).collect();
        let features = features(&table, &asked, objective).map_err(|error| error.to_string())?;
        Ok(features.into_iter().map(|feature| feature.name).collect())
    }

    #[test]
    fn aliases_are_other_names_of_the_hyper_parameters_that_there_are() {
        let own: Vec<&str> = ALIASES.iter().map(|(own, _)| *own).collect();
        let table: Vec<&str> = HYPERPARAMETERS.iter().map(|row| row.name).collect();
        assert_eq!(own, table);
        let mut all: Vec<&str> = ALIASES.iter().flat_map(|(_, others)| others.iter().copied()).collect();
        assert!(all.iter().all(|alias| plain(alias) == *alias));
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "an alias means one thing");
    }

    #[test]
    fn hyper_parameters_are_told_by_their_headings() {
        assert_eq!(
            names("trial,epochs,lr,Batch Size,init_channels,spearman", &[], None).unwrap(),
            ["epochs", "learning_rate", "batch_size", "channels"]
        );
        assert_eq!(
            names("number,value,params_lr,params_optimizer,state", &[], None).unwrap(),
            ["learning_rate", "optimizer"]
        );
        assert_eq!(names("a,b,lr,c", &["b", "c"], None).unwrap(), ["b", "c"]);
        assert_eq!(names("a,b,lr,c", &["c, lr"], None).unwrap(), ["c", "learning_rate"]);
        assert_eq!(names("epochs,lr", &[], Some("epochs")).unwrap(), ["learning_rate"]);
        assert!(names("lr,learning_rate", &[], None).unwrap_err().contains("are both learning_rate"));
        assert!(names("a,b", &[], None).unwrap_err().contains("--columns; the columns are a, b"));
        assert!(names("a,b", &["z"], None).unwrap_err().contains("no column \"z\""));
    }

    #[test]
    fn a_budgets_hyper_parameters_are_numbers_and_others_may_be_texts() {
        let trials = table("lr,cutout,params_opt,spearman\n\"0,1\",True,adam,1\n\"0,2\",False,sgd,2\n");
        let found = features(&trials, &[], None).unwrap();
        let kinds =
            |feature: &Feature| feature.values(&trials, &[0, 1]).map(|found| found.map(|(kind, _)| kind));
        let message = kinds(&found[0]).unwrap_err().to_string();
        assert!(
            message.contains("line 2, column lr: \"0,1\" is not a number; write a decimal point"),
            "{message}"
        );
        assert_eq!(kinds(&found[1]).unwrap(), Some(Kind::TruthValues));
        assert_eq!(kinds(&found[2]).unwrap(), Some(Kind::Texts));
        let words = table("lr,spearman\nfast,1\nslow,2\n");
        let lr = &features(&words, &[], None).unwrap()[0];
        assert!(lr.values(&words, &[0, 1]).unwrap_err().to_string().contains("line 2, column lr: \"fast\""));
        let many: Vec<String> = (0..=CHOICES).map(|number| format!("t{number},1\n")).collect();
        let many = table(&format!("params_x,spearman\n{}", many.concat()));
        let rows: Vec<usize> = many.rows().collect();
        let x = &features(&many, &[], None).unwrap()[0];
        assert!(x.values(&many, &rows).unwrap_err().to_string().contains("101 different texts"));
    }

    #[test]
    fn trials_that_did_not_end_are_counted_by_their_state() {
        let trials = table("lr,state\n1,COMPLETE\n2,FAIL\n3,TrialState.PRUNED\n4,finished\n5,FAIL\n");
        let finished = Finished::of(&trials, &[0]).unwrap();
        assert_eq!((finished.column, &finished.rows[..]), (Some(1), &[0, 3][..]));
        let states: Vec<String> =
            finished.left_out.iter().map(|(state, rows)| format!("{state}: {}", rows.join(", "))).collect();
        assert_eq!(states, ["FAIL: line 3, line 6", "PRUNED: line 4"]);
        let message = Finished::of(&table("lr,state\n1,Ohio\n"), &[0]).unwrap_err().to_string();
        assert!(message.contains("line 2, column state: \"Ohio\""), "{message}");
        assert_eq!(Finished::of(&table("lr,state\n1,Ohio\n"), &[0, 1]).unwrap().rows, [0]);
    }
}
