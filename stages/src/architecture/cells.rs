//! The two cells that an architecture stacks, of whatever space: nodes, edges, and which nodes are a cell's output.

use std::fmt;

use super::Primitive;
use crate::genotype::{self, Edge, Genotype, INPUTS, NODES, Operation};

/// One edge: `primitive` applied to what `input` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellEdge {
    /// 0 and 1 are the cell's inputs (the cell before the previous one, and the previous one), 2 is the first node.
    pub input: usize,
    /// What the edge computes.
    pub primitive: Primitive,
}

/// A cell: nodes that sum edges, of which some, concatenated, are its output.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CellGraph {
    /// The edges of each node, in the order of the text they came from. A node may have none.
    pub nodes: Vec<Vec<CellEdge>>,
    /// The nodes of the output, counted from 2 as inputs of edges are, in ascending order, each once.
    pub concat: Vec<usize>,
}

/// The normal and the reduction cell of an architecture in any space.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cells {
    /// The cell that keeps the image size.
    pub normal: CellGraph,
    /// The cell that halves the image size and doubles the channels.
    pub reduce: CellGraph,
}

impl CellGraph {
    /// The nodes that no edge other than `none` reads: a cell's loose ends.
    pub fn loose_ends(&self) -> Vec<usize> {
        let is_read = |node: &usize| {
            let mut edges = self.nodes.iter().flatten();
            edges.any(|edge| edge.input == *node && edge.primitive != Primitive::None)
        };
        (INPUTS..INPUTS + self.nodes.len()).filter(|node| !is_read(node)).collect()
    }

    /// The same cell with each node's edges sorted and without `none` edges.
    fn canonical(&self) -> Self {
        let sorted = |edges: &Vec<CellEdge>| {
            let mut edges = edges.clone();
            edges.retain(|edge| edge.primitive != Primitive::None);
            edges.sort_unstable();
            edges
        };
        Self { nodes: self.nodes.iter().map(sorted).collect(), concat: self.concat.clone() }
    }

    /// The cell in the DARTS space; none where it is not of it.
    fn darts(&self) -> Option<genotype::Cell> {
        if self.nodes.len() != NODES || !self.concat.iter().copied().eq(INPUTS..INPUTS + NODES) {
            return None;
        }
        let mut cell = genotype::Cell::default();
        for (edges, own) in cell.nodes.iter_mut().zip(&self.nodes) {
            for &CellEdge { input, primitive } in own {
                let operation =
                    Operation::ALL.into_iter().find(|&known| Primitive::from(known) == primitive)?;
                if edges.iter().any(|edge: &Edge| edge.input == input) {
                    return None;
                }
                edges.push(Edge { input, operation });
            }
        }
        Some(cell)
    }
}

impl Cells {
    /// The form that identifies an architecture: see [`Genotype::canonical`].
    #[must_use]
    pub fn canonical(&self) -> Self {
        Self { normal: self.normal.canonical(), reduce: self.reduce.canonical() }
    }

    /// The same architecture as a genotype of the DARTS space; none where it is not of it.
    pub fn genotype(&self) -> Option<Genotype> {
        Some(Genotype { normal: self.normal.darts()?, reduce: self.reduce.darts()? })
    }
}

impl From<&genotype::Cell> for CellGraph {
    fn from(cell: &genotype::Cell) -> Self {
        let edge = |edge: &Edge| CellEdge { input: edge.input, primitive: edge.operation.into() };
        let nodes = cell.nodes.iter().map(|edges| edges.iter().map(edge).collect()).collect();
        Self { nodes, concat: (INPUTS..INPUTS + NODES).collect() }
    }
}

impl From<&Genotype> for Cells {
    fn from(genotype: &Genotype) -> Self {
        Self { normal: (&genotype.normal).into(), reduce: (&genotype.reduce).into() }
    }
}

impl fmt::Display for CellGraph {
    /// Pairs, as they are published, where each node has two; otherwise a list of pairs for each node.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pair = |edge: &CellEdge| format!("('{}', {})", edge.primitive, edge.input);
        let pairs = |edges: &Vec<CellEdge>| edges.iter().map(pair).collect::<Vec<_>>().join(", ");
        let are_pairs = self.nodes.iter().all(|edges| edges.len() == 2);
        let node =
            |edges: &Vec<CellEdge>| if are_pairs { pairs(edges) } else { format!("[{}]", pairs(edges)) };
        write!(f, "[{}]", self.nodes.iter().map(node).collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Display for Cells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { normal, reduce } = self;
        write!(
            f,
            "Genotype(normal={normal}, normal_concat={:?}, reduce={reduce}, reduce_concat={:?})",
            normal.concat, reduce.concat
        )
    }
}
