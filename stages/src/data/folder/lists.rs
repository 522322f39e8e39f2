//! Pictures and their classes in two tables, `train.csv` and `val.csv`, with the columns `path` and `label`; paths are
//! relative to the tables.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use super::files::{File, Files, TEST, TRAIN, interleaved, listed};
use crate::Error;
use crate::data::ReadingObserver;

/// A row: its place in the set, and its class.
struct Row {
    name: String,
    label: String,
}

fn train_list(folder: &Path) -> PathBuf {
    folder.join(TRAIN).with_extension("csv")
}

fn test_list(folder: &Path) -> Option<PathBuf> {
    TEST.iter().map(|name| folder.join(name).with_extension("csv")).find(|path| path.is_file())
}

/// Whether the tables lie in a folder.
pub(super) fn is_here(folder: &Path) -> bool {
    train_list(folder).is_file()
}

/// The pictures of the tables in a folder, ordered as those of folders are. Classes that are all numbers stand in their order.
///
/// # Errors
/// When a table is missing or malformed, a picture is not there or named twice, or a class has no training images.
pub(super) fn read(folder: &Path, test_share: f64, observer: &dyn ReadingObserver) -> Result<Files, Error> {
    let train = rows(&train_list(folder))?;
    let test = match test_list(folder) {
        Some(list) => Some((rows(&list)?, list)),
        None if test_share > 0.0 => None,
        None => {
            return Err(Error::Data {
                path: folder.into(),
                problem: "there is no table val.csv of test images".into(),
                remedy: "move a share of train.csv's rows of each class to val.csv, or have a share drawn (data.test_share)"
                    .into(),
            });
        }
    };
    let mut classes: Vec<&str> = train.iter().map(|row| row.label.as_str()).collect();
    classes.sort_by_cached_key(|label| (label.parse::<u64>().unwrap_or(u64::MAX), *label));
    classes.dedup();
    if classes.len() > usize::from(u16::MAX) {
        return Err(Error::Data {
            path: train_list(folder),
            problem: format!("names {} classes", classes.len()),
            remedy: "65,535 can be told apart".into(),
        });
    }
    let numbers: BTreeMap<&str, u16> =
        classes.iter().zip(0..).map(|(class, number)| (*class, number)).collect();
    let mut named = HashSet::new();
    let mut part = |list: &Path, rows: &[Row]| {
        let mut by_class = vec![Vec::new(); classes.len()];
        for Row { name, label } in rows {
            let error = |problem: String, remedy: &str| Error::Data {
                path: list.into(),
                problem,
                remedy: remedy.into(),
            };
            let shown = listed([name.as_str()].into_iter());
            let Some(&label) = numbers.get(label.as_str()) else {
                let class = listed([label.as_str()].into_iter());
                return Err(error(
                    format!("the class {class} of {shown} has no training image"),
                    "list one in train.csv",
                ));
            };
            if !named.insert(name.clone()) {
                return Err(error(
                    format!("{shown} is listed twice"),
                    "leave one row of each picture, in one table",
                ));
            }
            let path = folder.join(name);
            if !path.is_file() {
                return Err(error(format!("{shown} is no file"), "paths are relative to the table's folder"));
            }
            observer.picture();
            by_class[usize::from(label)].push(File { path, name: name.clone(), label });
        }
        for files in &mut by_class {
            files.sort_by(|a, b| a.name.cmp(&b.name));
        }
        Ok(by_class)
    };
    let train = part(&train_list(folder), &train)?;
    let test = test.map(|(rows, list)| part(&list, &rows)).transpose()?;
    let files = Files { classes: classes.into_iter().map(str::to_owned).collect(), ..Files::default() };
    match test {
        Some(test) => Ok(Files { train: interleaved(train), test: interleaved(test), ..files }),
        None => files.with_drawn_test(folder, "table val.csv", train, test_share),
    }
}

fn rows(list: &Path) -> Result<Vec<Row>, Error> {
    let error = |problem: String| Error::Data {
        path: list.into(),
        problem,
        remedy: "write a table with the heading path,label and a row for each picture".into(),
    };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(list)
        .map_err(|source| error(format!("cannot be read ({source})")))?;
    let headings = reader.headers().map_err(|source| error(format!("cannot be read ({source})")))?.clone();
    // A byte order mark may stand before the first heading.
    let column = |name: &str| {
        let is_it = |heading: &str| heading.trim_start_matches('\u{feff}').eq_ignore_ascii_case(name);
        headings.iter().position(is_it).ok_or_else(|| error(format!("has no column {name}")))
    };
    let (path, label) = (column("path")?, column("label")?);
    let mut rows = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|source| error(source.to_string()))?;
        let line = row.position().map_or(0, csv::Position::line);
        match (row.get(path), row.get(label)) {
            (Some(path), Some(label)) if !path.is_empty() && !label.is_empty() => {
                rows.push(Row { name: path.to_owned(), label: label.to_owned() });
            }
            _ => return Err(error(format!("line {line} has no path or no label"))),
        }
    }
    if rows.is_empty() {
        return Err(error("has no rows".to_owned()));
    }
    Ok(rows)
}
