//! The trainings of a run as a table: for people, as CSV and as JSON lines. The columns stand in one list, from which
//! CSV, JSON lines and Parquet files are made.

use std::iter;

use cache::FieldValue;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use stages::echo::shown_within;
use stages::hyperparameter::{Allowed, HYPERPARAMETERS, Hyperparameter};

use super::format;
use super::table::{Align, Table};
use crate::engine::explain::short;
use crate::engine::logged::{LoggedEpoch, LoggedTraining};
use crate::error::Error;
use crate::tables;

/// Characters of an architecture in a table for people, who find all of it in the other formats.
const ARCHITECTURE_LONGEST: usize = 40;

/// What the cells of a column hold that are not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CellKind {
    Text,
    Texts,
    Count,
    Real,
    Flag,
    /// Milliseconds since 1970, as a count.
    Moment,
}

/// A type whose values are cells of one kind.
trait OfKind: Into<Cell> {
    const KIND: CellKind;
}

impl<T: OfKind> OfKind for Option<T> {
    const KIND: CellKind = T::KIND;
}

/// A value of a column.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Cell {
    /// Nothing is known, or jobs of its kind have none.
    Empty,
    Text(String),
    Texts(Vec<String>),
    Count(u64),
    Real(f64),
    Flag(bool),
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

macro_rules! cell_from {
    ($($from:ty => $variant:ident),*) => {
        $(impl From<$from> for Cell {
            fn from(value: $from) -> Self {
                Self::$variant(value)
            }
        }

        impl OfKind for $from {
            const KIND: CellKind = CellKind::$variant;
        })*
    };
}
cell_from!(String => Text, Vec<String> => Texts, u64 => Count, f64 => Real, bool => Flag);

impl From<FieldValue> for Cell {
    fn from(value: FieldValue) -> Self {
        match value {
            FieldValue::Text(text) => Self::Text(text),
            FieldValue::Uint(count) => Self::Count(count),
            FieldValue::Float(real) => Self::Real(real),
            FieldValue::Bool(flag) => Self::Flag(flag),
            other => Self::Text(other.to_string()),
        }
    }
}

impl std::fmt::Display for Cell {
    /// As CSV has it: numbers with all their digits.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => Ok(()),
            Self::Text(text) => formatter.write_str(text),
            // Names of nodes hold no spaces.
            Self::Texts(texts) => formatter.write_str(&texts.join(" ")),
            Self::Count(count) => count.fmt(formatter),
            // With a point or an exponent: who guesses types by the text takes all of a column for numbers of one kind.
            Self::Real(real) => write!(formatter, "{real:?}"),
            Self::Flag(flag) => flag.fmt(formatter),
        }
    }
}

/// A column: its name, and what a training has in it.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: CellKind,
    pub(super) cell: Box<dyn Fn(&LoggedTraining) -> Cell>,
}

impl Column {
    fn new<T: OfKind>(name: &'static str, value: impl Fn(&LoggedTraining) -> T + 'static) -> Self {
        Self { name, kind: T::KIND, cell: Box::new(move |training| value(training).into()) }
    }

    /// The values that budgets have for the hyper-parameter of this place in the table.
    fn of_budget(index: usize, row: &Hyperparameter) -> Self {
        let kind = match row.allowed {
            Allowed::Counts(..) | Allowed::OneOf(_) => CellKind::Count,
            Allowed::PositiveUpTo(_) => CellKind::Real,
        };
        Self { name: row.name, kind, cell: Box::new(move |training| training.budget[index].clone().into()) }
    }
}

/// All columns, in their order.
pub(super) fn columns() -> Vec<Column> {
    let mut columns = vec![
        Column::new("nodes", |t| t.nodes.clone()),
        Column::new("job", |t| t.job.clone()),
        Column::new("architecture", |t| t.architecture.clone()),
    ];
    let hyperparameters = HYPERPARAMETERS.iter().enumerate();
    columns.extend(hyperparameters.map(|(index, row)| Column::of_budget(index, row)));
    columns.extend([
        Column::new("seed", |t| t.seed),
        Column::new("score", |t| t.result.score),
        Column::new("test_accuracy", |t| t.result.test_accuracy),
        Column::new("diverged", |t| t.result.diverged_at.is_some()),
        Column::new("diverged_at", |t| t.result.diverged_at),
        Column::new("parameters", |t| t.result.parameters),
        Column::new("mult_adds", |t| t.result.mult_adds),
        Column::new("training_flops", |t| t.training_flops),
        Column::new("seconds", |t| t.elapsed_ms as f64 / 1000.0),
        Column::new("images_per_second", |t| t.images_per_second),
        Column::new("device", |t| t.device.clone()),
        Column::new("person", |t| t.person.clone()),
        Column::new("producer", |t| t.producer.clone()),
        Column::new("found_in", |t| t.found_in.clone()),
        Column { kind: CellKind::Moment, ..Column::new("created_unix_ms", |t| t.created_unix_ms) },
        Column::new("key", |t| t.key.to_string()),
    ]);
    columns
}

/// A table with a row of names, also where there are no trainings.
pub(crate) fn csv(trainings: &[LoggedTraining]) -> Result<String, Error> {
    let columns = columns();
    let headings = columns.iter().map(|column| column.name.to_owned()).collect();
    let row = |training| columns.iter().map(|column| (column.cell)(training).to_string()).collect();
    let rows = iter::once(headings).chain(trainings.iter().map(row));
    tables::csv::<Vec<String>, _>(rows).map_err(Error::Output)
}

/// A training as an object: its columns, and its learning curve.
struct Line<'a>(&'a [Column], &'a LoggedTraining);

/// The epochs of a training, as a list.
struct Curve<'a>(&'a [LoggedEpoch]);

#[derive(Serialize)]
struct EpochJson {
    /// Counted from 1.
    epoch: usize,
    loss: f64,
    score_accuracy: Option<f64>,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let Self(columns, training) = self;
        for column in *columns {
            map.serialize_entry(column.name, &(column.cell)(training))?;
        }
        map.serialize_entry("curve", &Curve(&training.result.epochs))?;
        map.end()
    }
}

impl Serialize for Curve<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for (place, &LoggedEpoch { loss, score_accuracy }) in self.0.iter().enumerate() {
            list.serialize_element(&EpochJson { epoch: place + 1, loss, score_accuracy })?;
        }
        list.end()
    }
}

/// An object a line.
pub(crate) fn json_lines(trainings: &[LoggedTraining]) -> Result<String, Error> {
    let columns = columns();
    let mut text = String::new();
    for training in trainings {
        let line =
            serde_json::to_string(&Line(&columns, training)).map_err(|error| Error::Output(error.into()))?;
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}

/// A table for people. What all trainings have alike of their budgets is said once.
pub(crate) fn text(trainings: &[LoggedTraining]) -> String {
    let values = |index: usize, training: &LoggedTraining| {
        training.budget[index].as_ref().map_or_else(String::new, ToString::to_string)
    };
    let Some(first) = trainings.first() else { return "no trainings\n".to_owned() };
    let (alike, varied): (Vec<usize>, Vec<usize>) = (0..HYPERPARAMETERS.len())
        .partition(|&index| trainings.iter().all(|training| training.budget[index] == first.budget[index]));
    let mut headings = vec![("nodes", Align::Left), ("architecture", Align::Left)];
    headings.extend(varied.iter().map(|&index| (HYPERPARAMETERS[index].name, Align::Right)));
    headings.extend([
        ("seed", Align::Right),
        ("score", Align::Right),
        ("test", Align::Right),
        ("parameters", Align::Right),
        ("time", Align::Right),
        ("device", Align::Left),
        ("key", Align::Left),
    ]);
    let mut table = Table::new(&headings, 0);
    let percent = |accuracy: Option<f64>| accuracy.map_or_else(String::new, |a| format!("{a:.2}%"));
    for training in trainings {
        let result = &training.result;
        let subject = training.architecture.as_ref().unwrap_or(&training.job);
        let mut row = vec![training.nodes.join(" "), shown_within(subject, ARCHITECTURE_LONGEST)];
        row.extend(varied.iter().map(|&index| values(index, training)));
        row.extend([
            training.seed.map_or_else(String::new, |seed| seed.to_string()),
            if result.diverged_at.is_some() { "diverged".to_owned() } else { percent(result.score) },
            percent(result.test_accuracy),
            result.parameters.map_or_else(String::new, format::count),
            format::duration(training.elapsed_ms),
            training.device.clone().unwrap_or_default(),
            short(&training.key),
        ]);
        table.row(row);
    }
    let alike: Vec<String> = alike
        .iter()
        .map(|&index| format!("{}={}", HYPERPARAMETERS[index].name, values(index, first)))
        .collect();
    if alike.is_empty() { table.to_string() } else { format!("All under {}\n\n{table}", alike.join(",")) }
}
