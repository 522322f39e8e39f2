//! `pipeline man`: manual pages, from the definitions of the command line.

use std::fs;
use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_mangen::Man as Page;

use super::Cli;
use super::given::path;
use crate::error::Error;
use crate::output;

/// Print the manual page, or write those of all commands
#[derive(Args)]
#[command(after_help = "Examples:
  pipeline man | man -l -
  pipeline man --out ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// Folder to write to, new or not: pipeline.1, pipeline-run.1 and so on
    #[arg(long, value_name = "DIR", value_parser = path())]
    out: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(&self) -> Result<(), Error> {
        if let Some(folder) = &self.out {
            let written =
                fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
            return written.map_err(|source| Error::Unwritten { path: folder.clone(), source });
        }
        let mut page = Vec::new();
        Page::new(Cli::command()).render(&mut page).map_err(Error::Output)?;
        output::result(&String::from_utf8_lossy(&page))
    }
}
