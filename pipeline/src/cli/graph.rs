//! `pipeline graph`: the nodes of a target and what each reads.

use std::collections::{BTreeSet, HashSet};

use clap::{Args, ValueEnum};

use super::Global;
use super::folder::warn;
use super::selection::Selection;
use crate::engine::node::NodeIndex;
use crate::engine::plan::Plan;
use crate::error::Error;
use crate::output;

#[derive(Args)]
#[command(after_help = "Examples:
  pipeline graph
  pipeline graph --format dot | dot -Tsvg > graph.svg")]
pub(crate) struct Graph {
    #[command(flatten)]
    selection: Selection,
    /// Text, or Graphviz's language
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Dot,
}

impl Graph {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        let (loaded, targets) = self.selection.load(global)?;
        let store = global.open()?;
        let plan = Plan::make(&loaded.dag, &store, &targets, &BTreeSet::new())?;
        warn(&store);
        let stale: HashSet<NodeIndex> =
            plan.nodes.iter().filter(|node| node.reason.is_some()).map(|node| node.index).collect();
        let cone = loaded.dag.cone(&targets);
        let is_stale = |index: NodeIndex| stale.contains(&index);
        if global.json {
            return output::json(&output::graph::Json::of(&loaded.dag, &cone, &is_stale));
        }
        output::result(&match self.format {
            Format::Text => output::graph::text(&loaded.dag, &cone, &is_stale),
            Format::Dot => output::graph::dot(&loaded.dag, &cone, &is_stale),
        })
    }
}
