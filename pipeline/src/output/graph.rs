//! The graph as DOT, and as indented text.

use std::fmt::Write;

use serde::Serialize;
use stages::stage::Input;

use crate::engine::node::{Dag, NodeIndex};

/// Graphviz's language. Nodes without a remembered output are dashed.
pub(crate) fn dot(dag: &Dag, cone: &[NodeIndex], stale: &dyn Fn(NodeIndex) -> bool) -> String {
    let mut text =
        String::from("digraph pipeline {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n");
    for &index in cone {
        let node = &dag.nodes()[index];
        let style = if stale(index) { ", style=dashed" } else { "" };
        let _ = writeln!(text, "  \"{}\" [label=\"{}\"{style}];", node.name, node.name);
        for input in &node.inputs {
            let source = &dag.nodes()[input.node].name;
            let _ = writeln!(text, "  \"{source}\" -> \"{}\" [label=\"{}\"];", node.name, input.role);
        }
    }
    text.push_str("}\n");
    text
}

/// One line a node, with the nodes that it reads.
pub(crate) fn text(dag: &Dag, cone: &[NodeIndex], stale: &dyn Fn(NodeIndex) -> bool) -> String {
    let width = cone.iter().map(|&index| dag.nodes()[index].name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for &index in cone {
        let node = &dag.nodes()[index];
        let sources: Vec<&str> =
            node.inputs.iter().map(|input| dag.nodes()[input.node].name.as_str()).collect();
        let state = if stale(index) { "stale " } else { "cached" };
        let arrow = if sources.is_empty() { String::new() } else { format!("  <- {}", sources.join(", ")) };
        let _ = writeln!(text, "{state}  {:<width$}{arrow}", node.name);
    }
    text
}

/// The graph as JSON.
#[derive(Serialize)]
pub(crate) struct Json<'a> {
    nodes: Vec<JsonNode<'a>>,
}

#[derive(Serialize)]
struct JsonNode<'a> {
    node: &'a str,
    stage: &'a str,
    stale: bool,
    inputs: Vec<JsonInput<'a>>,
}

#[derive(Serialize)]
struct JsonInput<'a> {
    role: &'a str,
    node: &'a str,
}

impl<'a> Json<'a> {
    /// The nodes of a cone with their inputs.
    pub(crate) fn of(dag: &'a Dag, cone: &[NodeIndex], stale: &dyn Fn(NodeIndex) -> bool) -> Self {
        let node = |&index: &NodeIndex| {
            let node = &dag.nodes()[index];
            let input =
                |input: &'a Input| JsonInput { role: input.role, node: &dag.nodes()[input.node].name };
            JsonNode {
                node: &node.name,
                stage: node.stage.name(),
                stale: stale(index),
                inputs: node.inputs.iter().map(input).collect(),
            }
        };
        Self { nodes: cone.iter().map(node).collect() }
    }
}
