//! `pipeline config`: what the configuration of a run is, and why.

use clap::{Args, Subcommand};

use super::Global;
use super::selection::Settings;
use crate::error::Error;
use crate::output;

#[derive(Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Subcommand)]
enum ConfigCommand {
    Show(Show),
}

/// Print the whole configuration as TOML, each value with where it comes from
///
/// `--config` reads what is printed again, to the same configuration.
#[derive(Args)]
#[command(after_help = "Examples:
  pipeline config show --config mine.toml --set mip.lambda=0.3
  pipeline config show --profile laptop > mine.toml")]
struct Show {
    #[command(flatten)]
    settings: Settings,
}

impl Config {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        let ConfigCommand::Show(Show { settings }) = &self.command;
        // Who asks why a run refuses a value wants to see all values, that one too.
        let (settings, problem) = settings.settings()?;
        let problem = problem.map(|error| error.to_string());
        output::settings::print(&settings, problem.as_deref(), global.json)
    }
}
