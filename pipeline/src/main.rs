//! `pipeline`: plans, decides what is stale, runs, explains.
//!
//! The engine knows graphs and keys, the commands know people; only the module `output` writes anything.

mod cli;
mod engine;
mod error;
mod local;
mod nas;
mod output;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(()) => ExitCode::from(error::EXIT_OK),
        Err(error) => {
            output::message(&format!("pipeline: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}
