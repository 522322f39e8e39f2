//! `pipeline completions`: what a shell needs to complete commands and flags, from the definitions of the command line.

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::Shell;

use super::Cli;
use crate::error::Error;
use crate::output;

/// Print a script that makes a shell complete commands and flags
#[derive(Args)]
#[command(after_help = "Examples:
  pipeline completions bash > ~/.local/share/bash-completion/completions/pipeline
  pipeline completions zsh > ~/.zfunc/_pipeline
  pipeline completions fish > ~/.config/fish/completions/pipeline.fish")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: ShellName,
}

#[derive(Clone, Copy, ValueEnum)]
enum ShellName {
    Bash,
    Zsh,
    Fish,
}

impl Completions {
    pub(super) fn run(&self) -> Result<(), Error> {
        let shell = match self.shell {
            ShellName::Bash => Shell::Bash,
            ShellName::Zsh => Shell::Zsh,
            ShellName::Fish => Shell::Fish,
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "pipeline", &mut script);
        output::result(&String::from_utf8_lossy(&script))
    }
}
