//! Tables that people bring: a file is read into rows under headings, columns are chosen by their headings, two tables
//! are joined by a key, and a cell is a number, a text or missing.
//!
//! Which column is chosen never depends on the cells, so that one bad cell cannot change what is compared. Knows nothing
//! of what is computed from a table.

mod beside;
mod cell;
mod choice;
mod dialect;
mod encoded;
mod epochs;
mod join;
mod known;
mod names;
mod observed;
mod said;
mod smac;
mod table;
mod trials;

pub(crate) use beside::{Beside, number_columns};
pub(crate) use choice::{Choice, Why, budget_names, cost, is_minimized, objective, published, truth};
pub(crate) use epochs::epochs;
pub(crate) use join::{How, Joined, distinct_names};
pub(crate) use known::{Estimates, Known};
pub(crate) use names::{is_accuracy, is_key, is_machine, unnamed};
pub(crate) use observed::{Observed, whole};
pub(crate) use said::{LeftOut, NAME_LONGEST, NotTaken, Source};
pub(crate) use table::{InputTable, csv};
pub(crate) use trials::{Feature, Finished, Kind, features};
