//! `pipeline architectures`: which are known by name, and what each has and is worth.

use clap::Args;

use super::Global;
use crate::error::Error;
use crate::output;

#[derive(Args)]
#[command(after_help = "Examples:
  pipeline architectures
  pipeline architectures --json
  pipeline train --architecture NASNET_A --recipe cifar10-full,epochs=2")]
pub(crate) struct Architectures {}

impl Architectures {
    #[allow(clippy::unused_self, reason = "every command is called alike")]
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        output::architectures::print(global.json)
    }
}
