//! The trainings of a run as a Parquet file: the columns of the table, each of one type, and the learning curves.

use std::io;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, ListArray, RecordBatch, StringArray, StructArray,
    TimestampMillisecondArray, UInt64Array,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, Fields, Schema};
use parquet::arrow::ArrowWriter;

use super::trainings::{Cell, CellKind, Column, columns};
use crate::engine::logged::LoggedTraining;
use crate::error::Error;

/// What the items of lists are called, as the format has it.
const ELEMENT: &str = "element";

/// The bytes of a file with a row for each training; also where there are none.
///
/// # Errors
/// When a cell is not of its column's kind, or the writer fails.
pub(crate) fn file(trainings: &[LoggedTraining]) -> Result<Vec<u8>, Error> {
    let columns = columns();
    let mut arrays = columns
        .iter()
        .map(|column| Ok((column.name, array(column, trainings)?)))
        .collect::<Result<Vec<(&str, ArrayRef)>, Error>>()?;
    arrays.push(("curve", curves(trainings)?));
    let fields: Vec<Field> =
        arrays.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let arrays = arrays.into_iter().map(|(_, array)| array).collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(failed)?;
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, None).map_err(failed)?;
    writer.write(&batch).map_err(failed)?;
    writer.into_inner().map_err(failed)
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Output(io::Error::other(error))
}

/// A column's values of all trainings; what is empty is null.
fn array(column: &Column, trainings: &[LoggedTraining]) -> Result<ArrayRef, Error> {
    let cells = || trainings.iter().map(|training| (column.cell)(training));
    Ok(match column.kind {
        CellKind::Text => Arc::new(values(column, cells(), text)?.into_iter().collect::<StringArray>()),
        CellKind::Count => Arc::new(values(column, cells(), count)?.into_iter().collect::<UInt64Array>()),
        CellKind::Real => Arc::new(values(column, cells(), real)?.into_iter().collect::<Float64Array>()),
        CellKind::Flag => Arc::new(values(column, cells(), flag)?.into_iter().collect::<BooleanArray>()),
        CellKind::Moment => {
            let moment = |cell: &Cell| count(cell).and_then(|count| i64::try_from(count).ok());
            let moments = values(column, cells(), moment)?.into_iter().collect::<TimestampMillisecondArray>();
            Arc::new(moments.with_timezone("UTC"))
        }
        CellKind::Texts => {
            let all = values(column, cells(), texts)?;
            let nulls = all.iter().map(Option::is_some).collect::<NullBuffer>();
            let lengths: Vec<usize> = all.iter().map(|texts| texts.as_ref().map_or(0, Vec::len)).collect();
            let items = all.into_iter().flatten().flatten().map(Some).collect::<StringArray>();
            lists(Arc::new(items), lengths, Some(nulls))?
        }
    })
}

/// Lists of so many of the items each, which are never null.
fn lists(items: ArrayRef, lengths: Vec<usize>, nulls: Option<NullBuffer>) -> Result<ArrayRef, Error> {
    let element = Arc::new(Field::new(ELEMENT, items.data_type().clone(), false));
    let lists = ListArray::try_new(element, OffsetBuffer::from_lengths(lengths), items, nulls);
    Ok(Arc::new(lists.map_err(failed)?))
}

/// What `value` reads of each cell that is not empty.
fn values<T>(
    column: &Column,
    cells: impl Iterator<Item = Cell>,
    value: impl Fn(&Cell) -> Option<T>,
) -> Result<Vec<Option<T>>, Error> {
    let other = || {
        let Column { name, kind, .. } = column;
        failed(io::Error::other(format!("a value of the column {name} is not of the kind {kind:?}")))
    };
    let one = |cell| match cell {
        Cell::Empty => Ok(None),
        cell => value(&cell).map(Some).ok_or_else(other),
    };
    cells.map(one).collect()
}

fn text(cell: &Cell) -> Option<String> {
    if let Cell::Text(text) = cell { Some(text.clone()) } else { None }
}

fn texts(cell: &Cell) -> Option<Vec<String>> {
    if let Cell::Texts(texts) = cell { Some(texts.clone()) } else { None }
}

fn count(cell: &Cell) -> Option<u64> {
    if let Cell::Count(count) = cell { Some(*count) } else { None }
}

fn real(cell: &Cell) -> Option<f64> {
    if let Cell::Real(real) = cell { Some(*real) } else { None }
}

fn flag(cell: &Cell) -> Option<bool> {
    if let Cell::Flag(flag) = cell { Some(*flag) } else { None }
}

/// The epochs of each training, counted from 1.
fn curves(trainings: &[LoggedTraining]) -> Result<ArrayRef, Error> {
    let of = |training: &LoggedTraining| training.result.epochs.len();
    let epochs = || trainings.iter().flat_map(|training| &training.result.epochs);
    let numbers = trainings.iter().flat_map(|training| 1..=of(training) as u64);
    let fields = Fields::from(vec![
        Field::new("epoch", DataType::UInt64, false),
        Field::new("loss", DataType::Float64, false),
        Field::new("score_accuracy", DataType::Float64, true),
    ]);
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(numbers.collect::<UInt64Array>()),
        Arc::new(epochs().map(|epoch| epoch.loss).collect::<Float64Array>()),
        Arc::new(epochs().map(|epoch| epoch.score_accuracy).collect::<Float64Array>()),
    ];
    let items = StructArray::try_new(fields, arrays, None).map_err(failed)?;
    lists(Arc::new(items), trainings.iter().map(of).collect(), None)
}
