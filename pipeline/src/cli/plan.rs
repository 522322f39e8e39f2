//! `pipeline plan`: what a run would do, and why.

use std::collections::BTreeSet;

use clap::Args;

use super::Global;
use super::folder::warn;
use super::selection::Selection;
use crate::engine;
use crate::error::Error;
use crate::output;

#[derive(Args)]
#[command(after_help = "Examples:
  pipeline plan
  pipeline plan --target rank@2 --set mip.lambda=0.3")]
pub(crate) struct Plan {
    #[command(flatten)]
    selection: Selection,
}

impl Plan {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        let (loaded, targets) = self.selection.load(global)?;
        let store = global.open_with(global.sharing(Some(&loaded.share))?)?;
        let plan = engine::plan::Plan::make(&loaded.dag, &store, &targets, &BTreeSet::new())?;
        warn(&store);
        output::plan::print(&plan, &self.selection.target, global.json)
    }
}
