//! Where the parts of a cell lie in a picture of it: columns from left to right, a column of operations before each column of
//! nodes (Sugiyama, Tagawa and Toda, 1981, with barycentres).
//!
//! Whatever lies in a column has room of its own there: a line that passes a column has a place in it as an operation has. So no
//! label lies on another, and no line on a label.

use crate::architecture::{CellGraph, Primitive};
use crate::genotype::INPUTS;

/// Empty room above and below each part, in pixels.
const GAP: f64 = 14.0;
/// Sweeps over all columns, half of them from the left.
const SWEEPS: usize = 24;

/// What lies at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// An input of the cell or a node: numbered as in a genotype.
    State(usize),
    /// An edge's operation.
    Operation(Primitive),
    /// A line that passes the column.
    Passage,
    /// What the cell gives.
    Output,
}

impl Part {
    /// Height in pixels.
    pub(super) fn height(self) -> f64 {
        match self {
            Self::State(_) | Self::Output => 36.0,
            Self::Operation(_) => 28.0,
            Self::Passage => 4.0,
        }
    }
}

/// A part at its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub(super) part: Part,
    pub(super) column: usize,
    /// Of its centre, from the middle of the picture, in pixels.
    pub(super) y: f64,
}

/// A cell as it is drawn.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) parts: Vec<Placed>,
    /// Lines between parts of neighbouring columns, from left to right.
    pub(super) lines: Vec<(usize, usize)>,
    /// The parts of each column, from top to bottom.
    pub(super) columns: Vec<Vec<usize>>,
}

impl Layout {
    pub(super) fn new(cell: &CellGraph) -> Self {
        let depths = depths(cell);
        let last = depths.iter().max().map_or(0, |deepest| 2 * deepest + 1);
        let mut layout = Self { columns: vec![Vec::new(); last + 1], ..Self::default() };
        let states: Vec<usize> =
            (0..depths.len()).map(|state| layout.add(Part::State(state), 2 * depths[state])).collect();
        let output = layout.add(Part::Output, last);
        for (node, edges) in cell.nodes.iter().enumerate() {
            let to = states[INPUTS + node];
            for edge in edges.iter().filter(|edge| edge.primitive != Primitive::None) {
                let column = layout.parts[to].column - 1;
                let operation = layout.add(Part::Operation(edge.primitive), column);
                layout.connect(states[edge.input], operation);
                layout.connect(operation, to);
            }
        }
        cell.concat.iter().for_each(|&node| layout.connect(states[node], output));
        layout.order();
        layout
    }

    fn add(&mut self, part: Part, column: usize) -> usize {
        self.parts.push(Placed { part, column, y: 0.0 });
        self.columns[column].push(self.parts.len() - 1);
        self.parts.len() - 1
    }

    /// A line from a part to one of a later column, through those between.
    fn connect(&mut self, from: usize, to: usize) {
        let mut last = from;
        for column in self.parts[from].column + 1..self.parts[to].column {
            let passage = self.add(Part::Passage, column);
            self.lines.push((last, passage));
            last = passage;
        }
        self.lines.push((last, to));
    }

    /// Orders columns so that few lines cross: each part near the middle of those that it is connected with.
    fn order(&mut self) {
        (0..self.columns.len()).for_each(|column| self.stack(column));
        for sweep in 0..SWEEPS {
            let from_left = sweep % 2 == 0;
            for step in 1..self.columns.len() {
                let column = if from_left { step } else { self.columns.len() - 1 - step };
                let middles: Vec<f64> =
                    self.columns[column].iter().map(|&part| self.middle(part, from_left)).collect();
                let mut order: Vec<(f64, usize)> =
                    middles.into_iter().zip(self.columns[column].iter().copied()).collect();
                order.sort_by(|a, b| a.0.total_cmp(&b.0));
                self.columns[column] = order.into_iter().map(|(_, part)| part).collect();
                self.stack(column);
            }
        }
    }

    /// The mean place of what a part is connected with on one side; its own where there is nothing.
    fn middle(&self, part: usize, left: bool) -> f64 {
        let other = |&(from, to): &(usize, usize)| {
            let (own, other) = if left { (to, from) } else { (from, to) };
            (own == part).then_some(other)
        };
        let places: Vec<f64> = self.lines.iter().filter_map(other).map(|other| self.parts[other].y).collect();
        if places.is_empty() { self.parts[part].y } else { places.iter().sum::<f64>() / places.len() as f64 }
    }

    /// Puts the parts of a column below each other, around the middle.
    fn stack(&mut self, column: usize) {
        let height = |layout: &Self, part: usize| layout.parts[part].part.height() + GAP;
        let all: f64 = self.columns[column].iter().map(|&part| height(self, part)).sum();
        let mut top = -all / 2.0;
        for place in 0..self.columns[column].len() {
            let part = self.columns[column][place];
            let height = height(self, part);
            self.parts[part].y = top + height / 2.0;
            top += height;
        }
    }

    /// Height of all of it in pixels.
    pub(super) fn height(&self) -> f64 {
        let reach = |placed: &Placed| 2.0 * placed.y.abs() + placed.part.height();
        self.parts.iter().map(reach).fold(0.0, f64::max)
    }
}

/// Edges on the longest way to each state; at least one to a node, which stands to the right of the inputs.
fn depths(cell: &CellGraph) -> Vec<usize> {
    let mut depths = vec![0; INPUTS + cell.nodes.len()];
    for (node, edges) in cell.nodes.iter().enumerate() {
        let inputs = edges.iter().filter(|edge| edge.primitive != Primitive::None);
        depths[INPUTS + node] = 1 + inputs.map(|edge| depths[edge.input]).max().unwrap_or(0);
    }
    depths
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::architecture::{CellEdge, Cells};
    use crate::genotype::{Genotype, NODES};
    use crate::sample::architectures;

    #[test]
    fn parts_of_a_column_have_room_and_every_line_joins_neighbours() {
        for genotype in architectures(3, 20) {
            let Cells { normal, reduce } = (&genotype).into();
            for cell in [normal, reduce] {
                let layout = Layout::new(&cell);
                let operations =
                    layout.parts.iter().filter(|placed| matches!(placed.part, Part::Operation(_)));
                assert_eq!(operations.count(), 2 * NODES);
                for column in &layout.columns {
                    for pair in column.windows(2) {
                        let [above, below] = [pair[0], pair[1]].map(|part| layout.parts[part]);
                        let room = f64::midpoint(above.part.height(), below.part.height());
                        assert!(below.y - above.y >= room + GAP - 1e-9, "{above:?} {below:?}");
                    }
                }
                for &(from, to) in &layout.lines {
                    assert_eq!(layout.parts[from].column + 1, layout.parts[to].column);
                }
            }
        }
    }

    #[test]
    fn a_node_without_edges_is_drawn_and_none_is_no_edge() {
        let Cells { normal: mut cell, .. } = (&Genotype::default()).into();
        cell.nodes[2].push(CellEdge { input: 3, primitive: Primitive::None });
        let layout = Layout::new(&cell);
        let parts: Vec<Part> = layout.parts.iter().map(|placed| placed.part).collect();
        let states = (0..INPUTS + NODES).map(Part::State);
        assert_eq!(parts, states.chain([Part::Output]).collect::<Vec<_>>());
        // Each node is part of what the cell gives.
        assert_eq!(layout.lines.len(), NODES);
    }

    #[test]
    fn what_a_cell_does_not_concatenate_is_not_joined_to_its_output() {
        let Cells { normal: mut cell, .. } = (&"DARTS_V2".parse::<Genotype>().unwrap()).into();
        cell.concat = vec![4, 5];
        let layout = Layout::new(&cell);
        let output = layout.parts.iter().position(|placed| placed.part == Part::Output).unwrap();
        assert_eq!(layout.lines.iter().filter(|&&(_, to)| to == output).count(), 2);
    }
}
