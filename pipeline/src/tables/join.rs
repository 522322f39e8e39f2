//! Which row of one table belongs to which row of another: the same architecture, or the same place if that is asked for.

use std::collections::HashMap;

use stages::Genotype;
use stages::echo::shown;

use super::names::{KEYS, is_index, plain};
use super::table::InputTable;
use crate::error::Error;
use crate::output::format;

/// How rows are paired.
#[derive(Clone, Copy, Debug)]
pub(crate) enum How<'a> {
    /// By the column of this heading, or by the first of the usual keys that both tables have.
    Key(Option<&'a str>),
    /// The same, for who cannot pair rows by their place.
    KeyOnly(Option<&'a str>),
    /// The first row with the first one, and so on.
    Place,
}

/// Pairs of rows, and the rows that have no partner.
#[derive(Debug)]
pub(crate) struct Joined {
    /// The key's columns in the left and in the right table; none where rows are paired by place.
    pub(crate) keys: Option<(usize, usize)>,
    /// In the order of the left table.
    pub(crate) pairs: Vec<(usize, usize)>,
    pub(crate) only_left: Vec<usize>,
    pub(crate) only_right: Vec<usize>,
}

impl Joined {
    /// Pairs the rows of two tables.
    ///
    /// # Errors
    /// When there is no key, an architecture is in a table twice, or the tables have none in common.
    pub(crate) fn of(left: &InputTable, right: &InputTable, how: How<'_>) -> Result<Self, Error> {
        match how {
            How::Place => Self::by_place(left, right),
            How::Key(named) | How::KeyOnly(named) => {
                let is_only_way = matches!(how, How::KeyOnly(_));
                let (left_key, right_key) = shared_key(left, right, named, is_only_way)?;
                Self::by_key(left, left_key, right, right_key)
            }
        }
    }

    /// Pairs each row of a table with itself.
    ///
    /// # Errors
    /// When the table has a key, and an architecture twice.
    pub(crate) fn itself(table: &InputTable, how: How<'_>) -> Result<Self, Error> {
        let key = match how {
            How::Key(named) | How::KeyOnly(named) => key_column(table, named)?,
            How::Place => None,
        };
        if let Some(key) = key {
            architectures(table, key)?;
        }
        let pairs = table.rows().map(|row| (row, row)).collect();
        let keys = key.map(|key| (key, key));
        Ok(Self { keys, pairs, only_left: Vec::new(), only_right: Vec::new() })
    }

    fn by_place(left: &InputTable, right: &InputTable) -> Result<Self, Error> {
        let (left_rows, right_rows) = (left.rows().len(), right.rows().len());
        if left_rows != right_rows {
            return Err(left.problem(format!(
                "{}, but {} has {}; only tables of the same rows can be paired by place",
                format::plural(left_rows as u64, "row"),
                right.path().display(),
                format::count(right_rows as u64)
            )));
        }
        let pairs = left.rows().map(|row| (row, row)).collect();
        Ok(Self { keys: None, pairs, only_left: Vec::new(), only_right: Vec::new() })
    }

    fn by_key(
        left: &InputTable,
        left_key: usize,
        right: &InputTable,
        right_key: usize,
    ) -> Result<Self, Error> {
        let (lefts, rights) = (architectures(left, left_key)?, architectures(right, right_key)?);
        let mut joined =
            Self { keys: Some((left_key, right_key)), pairs: vec![], only_left: vec![], only_right: vec![] };
        let mut is_paired = vec![false; rights.len()];
        let places: HashMap<&str, usize> =
            rights.iter().enumerate().map(|(row, name)| (name.as_str(), row)).collect();
        for (row, name) in lefts.iter().enumerate() {
            if let Some(&partner) = places.get(name.as_str()) {
                joined.pairs.push((row, partner));
                is_paired[partner] = true;
            } else {
                joined.only_left.push(row);
            }
        }
        joined.only_right = right.rows().filter(|&row| !is_paired[row]).collect();
        if joined.pairs.is_empty() {
            return Err(left.problem(format!(
                "no {} is in {} as well: here they are like \"{}\", there like \"{}\"; --key joins by another column",
                left.headings()[left_key],
                right.path().display(),
                shown(left.cell(0, left_key)),
                shown(right.cell(0, right_key))
            )));
        }
        Ok(joined)
    }
}

/// The column that names a table's architectures: the one of this heading, or the first of the usual keys.
///
/// # Errors
/// When there is no column of this heading.
pub(crate) fn key_column(table: &InputTable, named: Option<&str>) -> Result<Option<usize>, Error> {
    match named {
        Some(heading) => table.find(heading).map(Some),
        None => Ok(KEYS.iter().find_map(|key| called(table, key))),
    }
}

/// The column that has the first of these names that there is.
pub(super) fn called(table: &InputTable, names: &[&str]) -> Option<usize> {
    let called = |name: &&str| table.headings().iter().position(|heading| plain(heading) == *name);
    names.iter().find_map(called)
}

fn shared_key(
    left: &InputTable,
    right: &InputTable,
    named: Option<&str>,
    is_only_way: bool,
) -> Result<(usize, usize), Error> {
    if let Some(heading) = named {
        return Ok((left.find(heading)?, right.find(heading)?));
    }
    let shared = KEYS.iter().find_map(|key| Some((called(left, key)?, called(right, key)?)));
    shared.ok_or_else(|| {
        let is_shared =
            |heading: &&str| !is_index(heading) && right.headings().iter().any(|other| other == heading);
        let candidates: Vec<&str> = left.headings().iter().map(String::as_str).filter(is_shared).collect();
        let advice = match candidates.as_slice() {
            [] => "give both a column `arch`".to_owned(),
            [one] => format!("--key {one:?} joins by the one heading that both have"),
            several => format!("--key joins by another heading that both have ({})", several.join(", ")),
        };
        let or_place = if is_only_way { "" } else { ", or --by-place pairs rows by their place" };
        left.problem(format!(
            "nothing to join it to {} by: no column {} is in both; {advice}{or_place}",
            right.path().display(),
            KEYS.concat().join(", ")
        ))
    })
}

/// The name of each row's architecture. A genotype is known in whatever way its text is laid out.
fn architectures(table: &InputTable, key: usize) -> Result<Vec<String>, Error> {
    distinct_names(table, key, "architecture")
}

/// The names in a column, one for each row; they name things of a kind.
///
/// # Errors
/// When a row has none, or the name of another row.
pub(crate) fn distinct_names(table: &InputTable, key: usize, kind: &str) -> Result<Vec<String>, Error> {
    let mut first: HashMap<String, usize> = HashMap::with_capacity(table.rows().len());
    let mut names = Vec::with_capacity(table.rows().len());
    for row in table.rows() {
        let text = table.cell(row, key);
        if text.is_empty() || text.eq_ignore_ascii_case("nan") {
            let problem = format!("names no {kind}; give it one, or delete the row");
            return Err(table.refuse(row, key, &problem));
        }
        let genotype = text.starts_with("Genotype(").then(|| text.parse::<Genotype>().ok()).flatten();
        let name = genotype.map_or_else(|| text.to_owned(), |genotype| genotype.canonical().to_string());
        if let Some(other) = first.insert(name.clone(), row) {
            let problem =
                format!("is in line {} as well; keep one row of each {kind}", table.line(other, key));
            return Err(table.refuse(row, key, &problem));
        }
        names.push(name);
    }
    Ok(names)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use super::*;

    fn table(name: &str, text: &str) -> InputTable {
        InputTable::parse(Path::new(name), text.into()).unwrap()
    }

    fn joined(left: &str, right: &str, how: How<'_>) -> Result<Joined, String> {
        Joined::of(&table("l.csv", left), &table("r.csv", right), how).map_err(|error| error.to_string())
    }

    #[test]
    fn rows_meet_by_a_usual_key_in_any_order_and_column() {
        for (left, right) in [
            ("arch,a\nx,1\ny,2\nz,3\n", "t,arch\n9,z\n8,x\n7,w\n"),
            // pandas' index counts rows and joins nothing.
            (",arch,a\n0,x,1\n1,y,2\n2,z,3\n", ",t,arch\n0,9,z\n1,8,x\n2,7,w\n"),
            ("Unnamed: 0,arch,a\n0,x,1\n1,y,2\n2,z,3\n", "Unnamed: 0,t,Arch\n0,9,z\n1,8,x\n2,7,w\n"),
            ("architecture,a\nx,1\ny,2\nz,3\n", "id,t,arch\nx,9,z\ny,8,x\nz,7,w\n"),
            // The first usual key that both have, not the first that one has.
            ("arch,id,a\n1,x,1\n2,y,2\n3,z,3\n", "id,t\nz,9\nx,8\nw,7\n"),
        ] {
            let joined = joined(left, right, How::Key(None)).unwrap();
            assert_eq!(joined.pairs, [(0, 1), (2, 0)], "{left}");
            assert_eq!((&joined.only_left[..], &joined.only_right[..]), (&[1][..], &[2][..]), "{left}");
        }
    }

    #[test]
    fn a_key_can_be_named_and_none_is_guessed() {
        let (left, right) = ("model,a\nx,1\ny,2\n", "model,t\ny,9\nx,8\n");
        assert_eq!(joined(left, right, How::Key(Some("model"))).unwrap().pairs, [(0, 1), (1, 0)]);
        let message = joined(left, right, How::Key(None)).unwrap_err();
        assert!(message.contains("--key \"model\"") && message.contains("--by-place"), "{message}");
        let message = joined(",a\n0,1\n", ",t\n0,1\n", How::Key(None)).unwrap_err();
        assert!(message.contains("give both a column `arch`"), "{message}");
        let message = joined(left, "arch,t\ny,9\n", How::Key(Some("model"))).unwrap_err();
        assert!(message.contains("r.csv: no column \"model\""), "{message}");
    }

    #[test]
    fn places_pair_only_tables_of_one_length() {
        assert_eq!(joined("a\n1\n2\n", "t\n1\n2\n", How::Place).unwrap().pairs, [(0, 0), (1, 1)]);
        let message = joined("a\n1\n2\n", "t\n1\n", How::Place).unwrap_err();
        assert!(message.contains("2 rows, but r.csv has 1"), "{message}");
    }

    #[test]
    fn an_architecture_stands_in_a_table_once() {
        let twice = "arch,a\nx,1\ny,2\nx,3\n";
        for (left, right, file) in [(twice, "arch,t\nx,1\n", "l.csv"), ("arch,t\nx,1\n", twice, "r.csv")] {
            let message = joined(left, right, How::Key(None)).unwrap_err();
            assert!(
                message.contains(&format!("{file}: line 4, column arch: \"x\" is in line 2")),
                "{message}"
            );
        }
        let itself = Joined::itself(&table("l.csv", twice), How::Key(None));
        assert!(itself.unwrap_err().to_string().contains("\"x\" is in line 2 as well"));
        let message = joined("arch,a\nx,1\n,2\n", "arch,t\nx,1\n", How::Key(None)).unwrap_err();
        assert!(message.contains("line 3, column arch: \"\" names no architecture"), "{message}");
        let message = joined("arch,a\n1.0,1\n", "arch,t\n1,1\n", How::Key(None)).unwrap_err();
        assert!(message.contains("no arch is in r.csv") && message.contains("\"1.0\""), "{message}");
    }

    #[test]
    fn one_genotype_is_one_architecture_however_it_is_written() {
        let node = |a: u8, b: u8| format!("[('skip_connect', {a}), ('sep_conv_3x3', {b})]");
        let concat = "range(2, 6)";
        let genotype = |cell: &str| {
            format!(
                "\"Genotype(normal=[{cell}], normal_concat={concat}, reduce=[{cell}], reduce_concat={concat})\""
            )
        };
        let cell = vec![node(0, 1); 4].join(", ");
        let swapped = ["[('sep_conv_3x3',1),('skip_connect',0)]"; 4].join(",");
        let left = format!("genotype,a\n{},1\n", genotype(&cell));
        let right = format!("genotype,t\n{},1\n", genotype(&swapped));
        assert_eq!(joined(&left, &right, How::Key(None)).unwrap().pairs, [(0, 0)]);
        let twice = format!("{left}{},2\n", genotype(&swapped));
        assert!(joined(&twice, &right, How::Key(None)).unwrap_err().contains("line 3, column genotype"));
    }
}
