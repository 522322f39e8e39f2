//! Tables that people bring: a file is read into rows under headings, columns are chosen by their headings, two tables
//! are joined by a key, and a cell is a number, a text or missing.
//!
//! Which column is chosen never depends on the cells, so that one bad cell cannot change what is compared. Knows nothing
//! of what is computed from a table.

mod cell;
mod choice;
mod dialect;
mod encoded;
mod join;
mod names;
mod said;
mod table;
mod trials;

pub(crate) use choice::{Choice, Why, objective, truth};
pub(crate) use encoded::Encoded;
pub(crate) use join::{How, Joined};
pub(crate) use names::{is_index, is_key};
pub(crate) use said::{LeftOut, NAME_LONGEST, NotTaken, Source};
pub(crate) use table::{InputTable, Values};
pub(crate) use trials::{Feature, Finished, Kind, features};
