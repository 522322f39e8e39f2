//! What a result says of the tables behind it: how they are written, which rows and columns are not part of it, and why.

use std::fmt;

use serde::Serialize;
use stages::echo::shown_within;

use super::dialect::{Decimal, Delimiter};
use crate::output::format;

/// A table's file.
#[derive(Debug, Serialize)]
pub(crate) struct Source {
    /// For people; not every path is a text.
    pub(crate) path: String,
    pub(super) delimiter: Delimiter,
    pub(super) decimal: Decimal,
}

impl Source {
    /// How the file is written, where that is not with commas between cells and decimal points.
    pub(crate) fn dialect(&self) -> Option<String> {
        match (self.delimiter, self.decimal) {
            (Delimiter::Comma, _) => None,
            (delimiter, Decimal::Point) => Some(format!("{} between cells", delimiter.plural())),
            (delimiter, Decimal::Comma) => {
                Some(format!("{} between cells and decimal commas", delimiter.plural()))
            }
        }
    }
}

/// Rows that are not part of a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LeftOut {
    why: String,
    count: usize,
    /// What the rows are called.
    names: Vec<String>,
}

/// Rows that a text names at most.
const NAMED: usize = 3;
/// Characters of such a name at most: genotypes are long.
pub(crate) const NAME_LONGEST: usize = 40;

impl LeftOut {
    /// None where there are no such rows.
    pub(crate) fn rows(why: String, names: Vec<String>) -> Option<Self> {
        let count = names.len();
        (count > 0).then_some(Self { why, count, names })
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { why, count, names } = self;
        let more = if names.len() > NAMED { ", …" } else { "" };
        let named = names.iter().take(NAMED).map(|name| shown_within(name, NAME_LONGEST));
        let named: Vec<String> = named.collect();
        let named = named.join(", ");
        write!(formatter, "{} {why} ({named}{more})", format::count(*count as u64))
    }
}

/// A column that is not part of a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct NotTaken {
    pub(crate) column: String,
    pub(crate) why: &'static str,
}

impl NotTaken {
    /// Columns in one line: those of one reason together.
    pub(crate) fn listed(columns: &[Self]) -> String {
        let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
        for Self { column, why } in columns {
            let name = if column.is_empty() { "one column" } else { column };
            match groups.iter_mut().find(|(other, _)| other == why) {
                Some((_, names)) => names.push(name),
                None => groups.push((why, vec![name])),
            }
        }
        let group = |(why, names): &(&str, Vec<&str>)| format!("{} ({why})", names.join(", "));
        groups.iter().map(group).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_and_the_first_named() {
        let names = |count: u32| (0..count).map(|number| format!("g{number}")).collect();
        assert_eq!(LeftOut::rows("without acc".to_owned(), names(0)), None);
        let shown =
            |count| LeftOut::rows("without acc".to_owned(), names(count)).map(|rows| rows.to_string());
        assert_eq!(shown(2).as_deref(), Some("2 without acc (g0, g1)"));
        let odd = LeftOut::rows("x".to_owned(), vec!["\u{1b}[2J".to_owned(), "y".repeat(50)]);
        let odd = odd.map(|rows| rows.to_string());
        assert!(odd.is_some_and(|text| text.starts_with("2 x (\\u{1b}[2J, yy") && text.contains("y…y")));
        assert_eq!(shown(1234).as_deref(), Some("1,234 without acc (g0, g1, g2, …)"));
    }

    #[test]
    fn columns_of_one_reason_stand_together() {
        let column = |column: &str, why| NotTaken { column: column.to_owned(), why };
        let columns = [column("", "an index"), column("gpu", "no number"), column("n", "an index")];
        assert_eq!(NotTaken::listed(&columns), "one column, n (an index); gpu (no number)");
    }
}
