//! `pipeline`: plans, decides what is stale, runs, explains.
//!
//! The engine knows graphs and keys, the commands know people; only the module `output` writes anything. A library, so
//! that the end-to-end tests can build the same program.

mod cli;
mod engine;
mod error;
mod local;
mod nas;
mod output;
mod tables;
mod threads;

use std::process::ExitCode;

use clap::Parser;

/// Runs the program with the arguments of this process: exit code 0 when it did what was asked, 1 when it could not, 2
/// when what was asked makes no sense, 130 when it was interrupted.
pub fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match threads::start().and_then(|()| cli.run()) {
        Ok(()) => ExitCode::from(error::EXIT_OK),
        Err(error) => {
            output::message(&format!("pipeline: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}
