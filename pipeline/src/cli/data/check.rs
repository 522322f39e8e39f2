//! `pipeline data check`: whether a set is what it should be.

use std::path::Path;

use clap::Args;
use serde::Serialize;
use stages::data::{FolderCheck, Reading, Source};
use stages::echo::shown;

use super::super::Global;
use super::{found, per_class, read};
use crate::download::published::{File, SETS};
use crate::download::sha256;
use crate::error::Error;
use crate::output::reading::ReadingProgress;
use crate::output::table::{Align, Table};
use crate::output::{self, format};

/// Check a set: its files against published digests, or that every picture of a folder can be decoded
#[derive(Args)]
#[command(after_help = "Examples:
  pipeline data check cifar-10-batches-bin
  pipeline data check imagenet")]
pub(super) struct Check {
    /// The folder of a data set
    #[arg(value_name = "DIR")]
    data: String,
}

/// What was found.
#[derive(Serialize)]
struct CheckJson {
    source: String,
    /// Published files, each with whether it is the published one.
    files: Vec<FileJson>,
    classes: Vec<ClassJson>,
    unreadable: Vec<NamedJson>,
    /// Pictures whose bytes are those of another one.
    duplicates: Vec<NamedJson>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct FileJson {
    name: &'static str,
    set: &'static str,
    is_published: bool,
}

#[derive(Serialize)]
struct ClassJson {
    name: String,
    train: usize,
    test: usize,
}

/// A picture, and why or whose.
#[derive(Serialize)]
struct NamedJson {
    name: String,
    what: String,
}

/// Names that a text lists of many.
const LISTED: usize = 10;

impl Check {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        let source = found(&self.data)?;
        let check = match &source {
            Source::Folder(folder) | Source::Stream(folder) => pictures(&source, folder)?,
            Source::Cifar10(folder) | Source::Cifar100(folder) | Source::Idx(folder) => {
                let data = read(&source, &Reading::default(), global)?;
                let counts = per_class(&data, &data.train).into_iter().zip(per_class(&data, &data.test));
                let classes = data.classes.iter().zip(counts);
                CheckJson {
                    source: source.to_string(),
                    files: published(folder)?,
                    classes: classes
                        .map(|(name, (train, test))| ClassJson { name: name.clone(), train, test })
                        .collect(),
                    unreadable: Vec::new(),
                    duplicates: Vec::new(),
                    notes: Vec::new(),
                }
            }
            Source::Embedded => {
                let problem =
                    "are the images of the program, and always right; give the folder of a set".to_owned();
                return Err(Error::Flag { flag: "check", value: self.data.clone(), problem });
            }
        };
        let bad = check.unreadable.len() + check.files.iter().filter(|file| !file.is_published).count();
        if global.json {
            output::json(&check)?;
        } else {
            output::result(&text(&check))?;
        }
        if bad > 0 { Err(Error::WrongData { set: check.source, bad }) } else { Ok(()) }
    }
}

/// The files in a folder that are called like those of a published set, against its digests. MNIST and its relatives call their
/// files alike: of them the one counts that has most of the digests.
fn published(folder: &Path) -> Result<Vec<FileJson>, Error> {
    let mut best: Vec<FileJson> = Vec::new();
    for set in &SETS {
        let known = set.files.iter().filter_map(|File { name, sha256 }| Some((*name, (*sha256)?)));
        let mut files = Vec::new();
        for (name, digest) in known.filter(|(name, _)| folder.join(name).is_file()) {
            let path = folder.join(name);
            let found = sha256(&path).map_err(|source| Error::Read { path, source })?;
            files.push(FileJson { name, set: set.title, is_published: found == digest });
        }
        let right = |files: &[FileJson]| files.iter().filter(|file| file.is_published).count();
        if best.is_empty() || right(&files) > right(&best) {
            best = files;
        }
    }
    Ok(best)
}

fn pictures(source: &Source, folder: &Path) -> Result<CheckJson, Error> {
    let progress = ReadingProgress::default();
    let check = FolderCheck::new(folder, &Reading::default(), &progress).map_err(Error::Input);
    progress.ended();
    let FolderCheck { classes, unreadable, duplicates, shorter_sides, mut notes } = check?;
    if let Some((least, most)) = shorter_sides {
        notes.push(format!("shorter sides have {least} to {most} pixels"));
    }
    let named =
        |list: Vec<(String, String)>| list.into_iter().map(|(name, what)| NamedJson { name, what }).collect();
    Ok(CheckJson {
        source: source.to_string(),
        files: Vec::new(),
        classes: classes.into_iter().map(|(name, train, test)| ClassJson { name, train, test }).collect(),
        unreadable: named(unreadable),
        duplicates: named(duplicates),
        notes,
    })
}

fn text(check: &CheckJson) -> String {
    let mut table = Table::new(&[("class", Align::Left), ("train", Align::Right), ("test", Align::Right)], 0);
    for ClassJson { name, train, test } in &check.classes {
        table.row(vec![name.clone(), format::count(*train as u64), format::count(*test as u64)]);
    }
    let mut lines = vec![output::heading(&shown(&check.source)), table.to_string()];
    for FileJson { name, set, is_published } in &check.files {
        let said = if *is_published { "is the published one" } else { "is NOT the published one" };
        lines.push(format!("{name} of {set} {said}"));
    }
    if check.files.is_empty() && check.unreadable.is_empty() && check.duplicates.is_empty() {
        lines.push("nothing is published to compare it with; every image can be read".to_owned());
    }
    for (heading, list) in
        [("cannot be decoded", &check.unreadable), ("has the bytes of another", &check.duplicates)]
    {
        let shown_of = |named: &NamedJson| format!("  {} ({})", shown(&named.name), shown(&named.what));
        if !list.is_empty() {
            lines.push(format!("{}:", format::plural(list.len() as u64, "picture") + " " + heading));
            lines.extend(list.iter().take(LISTED).map(shown_of));
            let more = list.len().saturating_sub(LISTED);
            lines.extend(
                (more > 0).then(|| format!("  and {} more; --json lists all", format::count(more as u64))),
            );
        }
    }
    lines.extend(check.notes.iter().cloned());
    lines.join("\n")
}
