//! `pipeline strategies`: how architectures can be searched for.

use clap::Args;
use serde::Serialize;
use stages::search::{Described, STRATEGIES};

use super::Global;
use crate::error::Error;
use crate::output;

#[derive(Args)]
#[command(after_help = "Example:
  pipeline run --target nas-search --set search.strategy=evolution")]
pub(crate) struct Strategies {}

#[derive(Serialize)]
struct StrategiesJson {
    strategies: [Described; STRATEGIES.len()],
}

impl Strategies {
    #[allow(clippy::unused_self, reason = "every command is called alike")]
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        if global.json {
            return output::json(&StrategiesJson { strategies: STRATEGIES });
        }
        let widest = STRATEGIES.iter().map(|strategy| strategy.name.len()).max().unwrap_or(0);
        let lines = STRATEGIES.iter().map(|Described { name, line, source }| {
            format!("{name:widest$}  {line}\n{:widest$}  {source}\n", "")
        });
        output::result(&lines.collect::<String>())
    }
}
