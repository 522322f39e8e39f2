//! `pipeline`: plans, decides what is stale, runs, explains.
//!
//! The engine knows graphs and keys, the commands know people; only the module `output` writes anything. A library, so
//! that the end-to-end tests can build the same program.

mod cli;
mod download;
mod encoding;
mod engine;
mod error;
mod local;
mod nas;
mod output;
mod person;
mod report;
mod tables;
mod threads;

use std::process::ExitCode;

use clap::Parser;

/// Runs the program with the arguments of this process: exit code 0 when it did what was asked, 1 when it could not, 2
/// when what was asked makes no sense, 130 when it was interrupted.
pub fn main() -> ExitCode {
    let command = match cli::Cli::try_parse() {
        Ok(command) => command,
        Err(said) => {
            output::usage(&said);
            // Help was asked for, or a mistake was made.
            return ExitCode::from(if said.exit_code() == 0 { error::EXIT_OK } else { error::EXIT_USAGE });
        }
    };
    match threads::start().and_then(|()| command.run()) {
        Ok(()) => ExitCode::from(error::EXIT_OK),
        Err(error) => {
            output::message(&format!("pipeline: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}
