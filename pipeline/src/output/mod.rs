//! Everything that the program writes: results to standard output, everything else to standard error.

pub(crate) mod architectures;
pub(crate) mod baselines;
pub(crate) mod bench;
pub(crate) mod compare;
pub(crate) mod conditions;
mod diverged;
pub(crate) mod evaluate;
pub(crate) mod export;
mod final_network;
pub(crate) mod format;
pub(crate) mod graph;
pub(crate) mod halves;
pub(crate) mod importance;
pub(crate) mod memory;
mod nas;
mod one_shot;
pub(crate) mod operations;
pub(crate) mod page;
pub(crate) mod parquet;
pub(crate) mod plan;
pub(crate) mod progress;
mod quality;
pub(crate) mod racing;
pub(crate) mod rank_quality;
pub(crate) mod ranking;
pub(crate) mod reading;
pub(crate) mod recorded;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod runs;
mod search;
pub(crate) mod settings;
mod stage_outputs;
pub(crate) mod table;
pub(crate) mod tensorboard;
pub(crate) mod train;
pub(crate) mod trainings;
pub(crate) mod transfer;
mod untrained;

use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use stages::echo::{printable, shown};

use crate::error::Error;
use crate::tables::{LeftOut, NotTaken, Source};

/// Writes a result. A reader that has gone away (`pipeline log | head`) is no error.
pub(crate) fn result(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    let mut written = out.write_all(text.as_bytes());
    if !text.ends_with('\n') {
        written = written.and_then(|()| out.write_all(b"\n"));
    }
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::Output(error)),
        _ => Ok(()),
    }
}

/// Writes a result as one JSON object.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<(), Error> {
    let text = serde_json::to_string(value).map_err(|error| Error::Output(error.into()))?;
    result(&text)
}

/// Writes a message for a person. Nobody is left to tell when that fails.
pub(crate) fn message(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", printable(text));
}

/// Writes what the command line's parser says: help to standard output, a mistake to standard error, in colours, unless
/// it repeats what a terminal would obey.
pub(crate) fn usage(said: &clap::Error) {
    let plain = said.render().to_string();
    if printable(&plain) == plain {
        let _ = said.print();
    } else {
        message(plain.trim_end());
    }
}

/// Whether messages go to a person's terminal.
pub(crate) fn messages_to_terminal() -> bool {
    io::stderr().is_terminal()
}

/// A heading: bold on a terminal, plain elsewhere.
pub(crate) fn heading(text: &str) -> String {
    let plain =
        !io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if plain { text.to_owned() } else { format!("\u{1b}[1m{text}\u{1b}[0m") }
}

/// Adds what a result leaves out, does not take, and how its tables are written, each in a line of its own.
pub(crate) fn asides(text: &mut String, left_out: &[LeftOut], not_taken: &[NotTaken], tables: &[Source]) {
    let mut line = |head: &str, what: String| {
        if !what.is_empty() {
            text.extend(["  ", head, ": ", &what, "\n"]);
        }
    };
    let left_out: Vec<String> = left_out.iter().map(ToString::to_string).collect();
    line("left out", left_out.join("; "));
    line("not taken", NotTaken::listed(not_taken));
    for table in tables {
        line(&shown(&table.path), table.dialect().unwrap_or_default());
    }
}
