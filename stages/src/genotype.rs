//! Architectures of the DARTS cell space: operations, edges, cells, genotypes, and their canonical text.
//!
//! A genotype is data only: what an operation computes is `network`'s business.

mod find;
mod lexer;
mod nasbench;
mod parser;

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use crate::Error;
use crate::architecture::{CellSpace, Cells};

/// Intermediate nodes of a cell.
pub const NODES: usize = 4;
/// Edges of a fully connected cell: 2 + 3 + 4 + 5.
pub const EDGES: usize = 14;
/// Inputs of a cell: the outputs of the two cells before it. Node `i` of a cell may read inputs `0..INPUTS + i`.
pub const INPUTS: usize = 2;

/// The edges into a node, counted from 0, among those of a fully connected cell, node by node.
pub(crate) fn edges_into(node: usize) -> std::ops::Range<usize> {
    let first = (0..node).map(|before| INPUTS + before).sum();
    first..first + INPUTS + node
}

/// What an edge computes. The order is that of the 28-integer form, where `None` is 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operation {
    /// 3×3 max pooling, then batch normalisation.
    MaxPool3x3,
    /// 3×3 average pooling over the pixels inside the image, then batch normalisation.
    AvgPool3x3,
    /// Identity; in a reduction cell on inputs 0 and 1 a factorised stride-2 reduction.
    SkipConnect,
    /// Two depthwise separable 3×3 convolutions.
    SepConv3x3,
    /// Two depthwise separable 5×5 convolutions.
    SepConv5x5,
    /// One dilated (rate 2) depthwise separable 3×3 convolution.
    DilConv3x3,
    /// One dilated (rate 2) depthwise separable 5×5 convolution.
    DilConv5x5,
    /// No connection.
    None,
}

impl Operation {
    /// All operations, in the order of the integer form.
    pub const ALL: [Self; 8] = [
        Self::MaxPool3x3,
        Self::AvgPool3x3,
        Self::SkipConnect,
        Self::SepConv3x3,
        Self::SepConv5x5,
        Self::DilConv3x3,
        Self::DilConv5x5,
        Self::None,
    ];

    /// The name that genotype texts use, for example `sep_conv_3x3`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MaxPool3x3 => "max_pool_3x3",
            Self::AvgPool3x3 => "avg_pool_3x3",
            Self::SkipConnect => "skip_connect",
            Self::SepConv3x3 => "sep_conv_3x3",
            Self::SepConv5x5 => "sep_conv_5x5",
            Self::DilConv3x3 => "dil_conv_3x3",
            Self::DilConv5x5 => "dil_conv_5x5",
            Self::None => "none",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One edge of a cell: `operation` applied to what `input` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Edge {
    /// 0 and 1 are the cell's inputs (the cell before the previous one, and the previous one), 2 is the first node.
    pub input: usize,
    /// What the edge computes.
    pub operation: Operation,
}

/// A cell: for each of its four nodes the edges that are summed, each from another input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cell {
    /// The edges of nodes 2, 3, 4 and 5, in the order of the text they came from. A node may have none.
    pub nodes: [Vec<Edge>; NODES],
}

impl Cell {
    /// The same cell with each node's edges sorted by (input, operation) and without `none` edges.
    #[must_use]
    pub fn canonical(&self) -> Self {
        Self {
            nodes: self.nodes.clone().map(|mut edges| {
                edges.retain(|edge| edge.operation != Operation::None);
                edges.sort_unstable();
                edges
            }),
        }
    }

    /// Its edges, other than `none`, that are skip connections.
    pub fn skip_count(&self) -> usize {
        self.nodes.iter().flatten().filter(|edge| edge.operation == Operation::SkipConnect).count()
    }

    /// The share of its edges, other than `none`, that are skip connections; 0 without edges. A search in which skips take over
    /// has collapsed (Zela et al., 2020).
    pub fn skips(&self) -> f64 {
        let edges = self.nodes.iter().flatten().filter(|edge| edge.operation != Operation::None);
        let (edges, skips) = edges.fold((0, 0), |(edges, skips), edge| {
            (edges + 1, skips + u32::from(edge.operation == Operation::SkipConnect))
        });
        f64::from(skips) / f64::from(edges.max(1))
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let comma = |index| if index == 0 { "" } else { ", " };
        f.write_str("[")?;
        for (node, edges) in self.nodes.iter().enumerate() {
            write!(f, "{}[", comma(node))?;
            for (place, edge) in edges.iter().enumerate() {
                write!(f, "{}('{}', {})", comma(place), edge.operation, edge.input)?;
            }
            f.write_str("]")?;
        }
        f.write_str("]")
    }
}

/// An architecture: the normal and the reduction cell. The output of a cell is always the concatenation of its four
/// nodes.
///
/// [`FromStr`] reads every text form (nested, flat, its fields as JSON, 28 integers, NAS-Bench-301 dictionary, published
/// name) by a grammar, with a log's or a file's text around it; [`Display`](fmt::Display) writes the nested form, from
/// which the same value is read back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Genotype {
    /// The cell that keeps the image size.
    pub normal: Cell,
    /// The cell that halves the image size and doubles the channels.
    pub reduce: Cell,
}

impl Genotype {
    /// The form that identifies an architecture: two genotypes compute the same network (up to the order of sums)
    /// when their canonical forms are equal. See [`Cell::canonical`].
    #[must_use]
    pub fn canonical(&self) -> Self {
        Self { normal: self.normal.canonical(), reduce: self.reduce.canonical() }
    }
}

impl fmt::Display for Genotype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (normal, reduce) = (&self.normal, &self.reduce);
        write!(
            f,
            "Genotype(normal={normal}, normal_concat=range(2, 6), reduce={reduce}, reduce_concat=range(2, 6))"
        )
    }
}

impl FromStr for Genotype {
    type Err = Error;

    /// # Errors
    /// As [`read`].
    fn from_str(text: &str) -> Result<Self, Error> {
        read(text, None)
    }
}

/// Reads the genotype of a text; of several the one that `which` names, or that begins in the line of that number.
///
/// # Errors
/// [`Error::Genotype`] with the place, what was found there and what the grammar expects; also where several are there
/// and none is chosen.
pub fn read(text: &str, which: Option<&str>) -> Result<Genotype, Error> {
    let cells = read_cells(text, which, &CellSpace::darts())?;
    cells.genotype().ok_or_else(|| Error::Genotype {
        place: "text".to_owned(),
        found: "cells of another space".to_owned(),
        expected: "cells of the DARTS space".to_owned(),
    })
}

/// Reads the cells of a text in the forms of a space. Lists of integers and NAS-Bench-301 dictionaries are of the DARTS
/// space, whichever is given.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_cells(text: &str, which: Option<&str>, space: &CellSpace) -> Result<Cells, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    find::cells(text, which, space).map_err(|wrong| Error::Genotype {
        place: place(text, wrong.start),
        found: wrong.found,
        expected: wrong.expected,
    })
}

/// Reads the genotypes of a text, a list or a table of them, in their order.
///
/// # Errors
/// As [`read`] for the first that cannot be read; also where there is none, and where two are the same architecture.
pub fn read_all(text: &str) -> Result<Vec<Genotype>, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let wrong = |start, found, expected| Error::Genotype { place: place(text, start), found, expected };
    let found = find::all(text, &CellSpace::darts())
        .map_err(|problem| wrong(problem.start, problem.found, problem.expected))?;
    let mut first_met = HashMap::new();
    let mut genotypes = Vec::with_capacity(found.len());
    for (start, cells) in found {
        let other = || wrong(start, "cells of another space".into(), "cells of the DARTS space".into());
        let genotype = cells.genotype().ok_or_else(other)?;
        if let Some(earlier) = first_met.insert(genotype.canonical(), start) {
            let found = format!("the architecture of {} once more", place(text, earlier));
            return Err(wrong(start, found, "each architecture once".to_owned()));
        }
        genotypes.push(genotype);
    }
    Ok(genotypes)
}

/// How messages name a place: by its line where there are several.
fn place(text: &str, byte: usize) -> String {
    let line_start = text[..byte].rfind('\n').map_or(0, |end| end + 1);
    let character = format!("character {}", 1 + text[line_start..byte].chars().count());
    if text.trim_end().contains('\n') {
        format!("line {}, {character}", find::line(text, byte))
    } else {
        character
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
