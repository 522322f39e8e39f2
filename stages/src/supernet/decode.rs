//! From the numbers of mixtures to an architecture.

use crate::Genotype;
use crate::genotype::{Cell, EDGES, Operation};
use crate::portable;
use crate::sample::strongest;

/// Choices of an edge.
const CHOICES: usize = Operation::ALL.len();

/// The architecture of mixtures' numbers, edges node-major, operations in the order of [`Operation::ALL`]: per edge the softmax,
/// and the best operation other than `none`; per node the two edges whose best is best. Edges without numbers count as 0.
pub fn decode(normal: &[f32], reduce: &[f32]) -> Genotype {
    Genotype { normal: cell(normal), reduce: cell(reduce) }
}

fn cell(numbers: &[f32]) -> Cell {
    let mut weights = [[0.0; CHOICES]; EDGES];
    for (row, numbers) in weights.iter_mut().zip(numbers.chunks(CHOICES)) {
        row.iter_mut().zip(numbers).for_each(|(weight, &number)| *weight = f64::from(number));
        softmax(row);
    }
    strongest(&weights)
}

/// With the same bits on every machine.
fn softmax(row: &mut [f64]) {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    row.iter_mut().for_each(|number| *number = portable::exp(*number - largest));
    let sum: f64 = row.iter().sum();
    row.iter_mut().for_each(|weight| *weight /= sum);
}

/// The share of a cell's edges that are skip connections.
pub(super) fn skip_share(cell: &Cell) -> f64 {
    let edges: Vec<_> = cell.nodes.iter().flatten().collect();
    let skips = edges.iter().filter(|edge| edge.operation == Operation::SkipConnect).count();
    skips as f64 / edges.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genotype::Edge;

    #[test]
    fn edges_are_compared_by_their_softmax_and_none_takes_its_share() {
        let mut normal = vec![0.0_f32; EDGES * CHOICES];
        let mut set = |edge: usize, operation: Operation, number: f32| {
            normal[edge * CHOICES + operation as usize] = number;
        };
        // Node 1 has edges 2, 3 and 4. The largest number is that of edge 4, whose `none` is larger still.
        set(2, Operation::SkipConnect, 1.0);
        set(3, Operation::DilConv5x5, 0.8);
        set(4, Operation::SepConv3x3, 2.0);
        set(4, Operation::None, 6.0);
        let decoded = decode(&normal, &[]);
        let edge = |input, operation| Edge { input, operation };
        assert_eq!(
            decoded.normal.nodes[1],
            [edge(0, Operation::SkipConnect), edge(1, Operation::DilConv5x5)]
        );
        // Of equal weights the first wins.
        assert_eq!(decoded.reduce.nodes[0], [edge(0, Operation::MaxPool3x3), edge(1, Operation::MaxPool3x3)]);
        assert!((skip_share(&decoded.normal) - 0.125).abs() < 1e-12 && skip_share(&Cell::default()) == 0.0);
    }
}
