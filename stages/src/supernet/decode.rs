//! From the numbers of mixtures to an architecture, and to the operations that a next stage keeps.

use super::network::Choices;
use super::result::SupernetEpoch;
use crate::Genotype;
use crate::genotype::{Cell, EDGES, Edge, NODES, Operation, edges_into};
use crate::portable::softmax;
use crate::sample::strongest;

/// Choices of an edge.
const CHOICES: usize = Operation::ALL.len();

/// The number of an operation that an edge does not have any more.
pub(super) const DROPPED: f32 = f32::MIN;

type Weights = [[f64; CHOICES]; EDGES];

/// The architecture of mixtures' numbers, edges node-major, operations in the order of [`Operation::ALL`]: per edge
/// the softmax, and the best operation other than `none`; per node the two edges whose best is best. Edges without
/// numbers count as 0.
pub fn decode(normal: &[f32], reduce: &[f32]) -> Genotype {
    Genotype { normal: strongest(&weights(normal, &[])), reduce: strongest(&weights(reduce, &[])) }
}

/// That of an epoch, with the weights of its edges where it has some, and at most so many skip connections in the
/// normal cell: of more the weakest are not taken.
pub(super) fn decode_epoch(epoch: &SupernetEpoch, most_skips: usize) -> Genotype {
    let mut normal = weights(&epoch.normal, &epoch.normal_edges);
    let mut cell = strongest(&normal);
    while skips(&cell) > most_skips {
        let Some(edge) = weakest_skip(&cell, &normal) else { break };
        normal[edge][Operation::SkipConnect as usize] = 0.0;
        cell = strongest(&normal);
    }
    Genotype { normal: cell, reduce: strongest(&weights(&epoch.reduce, &epoch.reduce_edges)) }
}

/// Softmaxes over the operations of each edge, times those over the edges of each node.
fn weights(numbers: &[f32], edges: &[f32]) -> Weights {
    let mut weights = [[0.0; CHOICES]; EDGES];
    for (row, numbers) in weights.iter_mut().zip(numbers.chunks(CHOICES)) {
        row.iter_mut().zip(numbers).for_each(|(weight, &number)| *weight = f64::from(number));
    }
    for row in &mut weights {
        softmax(row);
    }
    for node in 0..NODES {
        let into = edges_into(node);
        if let Some(edges) = edges.get(into.clone()) {
            let mut shares: Vec<f64> = edges.iter().map(|&number| f64::from(number)).collect();
            softmax(&mut shares);
            for (row, share) in weights[into].iter_mut().zip(shares) {
                for weight in row {
                    *weight *= share;
                }
            }
        }
    }
    weights
}

fn skips(cell: &Cell) -> usize {
    cell.nodes.iter().flatten().filter(|edge| edge.operation == Operation::SkipConnect).count()
}

/// The number of the edge of a cell whose skip connection has the least weight.
fn weakest_skip(cell: &Cell, weights: &Weights) -> Option<usize> {
    let of_node = |(node, edges): (usize, &Vec<Edge>)| {
        let first = edges_into(node).start;
        let is_skip = |edge: &&Edge| edge.operation == Operation::SkipConnect;
        edges.iter().filter(is_skip).map(|edge| first + edge.input).collect::<Vec<_>>()
    };
    let weight = |edge: &usize| weights[*edge][Operation::SkipConnect as usize];
    cell.nodes.iter().enumerate().flat_map(of_node).min_by(|a, b| weight(a).total_cmp(&weight(b)))
}

/// The `count` operations of each edge with the largest numbers, of equal ones the first.
pub(super) fn kept(numbers: &[f32], count: usize) -> Choices {
    let of_row = |row: &[f32]| {
        let mut order: Vec<usize> = (0..row.len()).filter(|&choice| row[choice] > DROPPED).collect();
        order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
        order.truncate(count);
        order.sort_unstable();
        order.into_iter().map(|choice| Operation::ALL[choice]).collect()
    };
    numbers.chunks(CHOICES).map(of_row).collect()
}

/// All operations of all edges.
pub(super) fn all_choices() -> Choices {
    vec![Operation::ALL.to_vec(); EDGES]
}

/// The numbers of `choices`, where `all` are those of all operations.
pub(super) fn of_choices(all: &[f32], choices: &Choices) -> Vec<f32> {
    let rows = choices.iter().zip(all.chunks(CHOICES));
    rows.flat_map(|(choices, row)| choices.iter().map(|&choice| row[choice as usize])).collect()
}

/// The numbers of all operations, where `numbers` are those of `choices`.
pub(super) fn of_all(numbers: &[f32], choices: &Choices) -> Vec<f32> {
    let mut all = vec![DROPPED; EDGES * CHOICES];
    let places = choices.iter().enumerate();
    let places =
        places.flat_map(|(edge, row)| row.iter().map(move |&choice| edge * CHOICES + choice as usize));
    places.zip(numbers).for_each(|(place, &number)| all[place] = number);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(of: &[(usize, Operation, f32)]) -> Vec<f32> {
        let mut numbers = vec![0.0; EDGES * CHOICES];
        for &(edge, operation, number) in of {
            numbers[edge * CHOICES + operation as usize] = number;
        }
        numbers
    }

    fn edge(input: usize, operation: Operation) -> Edge {
        Edge { input, operation }
    }

    #[test]
    fn edges_are_compared_by_their_softmax_and_none_takes_its_share() {
        // Node 1 has edges 2, 3 and 4. The largest number is that of edge 4, whose `none` is larger still.
        let normal = numbers(&[
            (2, Operation::SkipConnect, 1.0),
            (3, Operation::DilConv5x5, 0.8),
            (4, Operation::SepConv3x3, 2.0),
            (4, Operation::None, 6.0),
        ]);
        let decoded = decode(&normal, &[]);
        assert_eq!(
            decoded.normal.nodes[1],
            [edge(0, Operation::SkipConnect), edge(1, Operation::DilConv5x5)]
        );
        // Of equal weights the first wins.
        assert_eq!(decoded.reduce.nodes[0], [edge(0, Operation::MaxPool3x3), edge(1, Operation::MaxPool3x3)]);
        assert!((decoded.normal.skips() - 0.125).abs() < 1e-12 && Cell::default().skips() == 0.0);
    }

    #[test]
    fn weights_of_edges_and_bounds_on_skips_change_what_is_taken() {
        let skip = Operation::SkipConnect;
        let normal = numbers(&[
            (0, skip, 3.0),
            (1, skip, 2.0),
            (1, Operation::SepConv3x3, 1.0),
            (2, skip, 4.0),
            (3, Operation::DilConv3x3, 1.0),
            (4, Operation::DilConv5x5, 0.5),
        ]);
        let epoch = |edges: Vec<f32>| {
            let mut epoch = {
                let none = [Vec::new(), Vec::new()];
                SupernetEpoch::new(0.0, None, 0.0, [normal.clone(), normal.clone()], none, usize::MAX)
            };
            epoch.normal_edges = edges;
            epoch
        };
        let all = decode_epoch(&epoch(Vec::new()), usize::MAX).normal;
        assert_eq!(all.nodes[0], [edge(0, skip), edge(1, skip)]);
        assert_eq!(all.nodes[1], [edge(0, skip), edge(1, Operation::DilConv3x3)]);
        // The weakest skip is edge 1's, whose next operation is taken.
        let two = decode_epoch(&epoch(Vec::new()), 2).normal;
        assert_eq!(two.nodes[0], [edge(0, skip), edge(1, Operation::SepConv3x3)]);
        let mut edges = vec![0.0; EDGES];
        edges[2] = -9.0;
        let weighed = decode_epoch(&epoch(edges), usize::MAX).normal;
        assert_eq!(weighed.nodes[1], [edge(1, Operation::DilConv3x3), edge(2, Operation::DilConv5x5)]);
        let kept = kept(&normal, 2);
        assert_eq!(kept[1], [skip, Operation::SepConv3x3]);
        assert_eq!(kept[5], [Operation::MaxPool3x3, Operation::AvgPool3x3]);
        let few: Vec<f32> = (0..2 * EDGES).map(|number| number as f32).collect();
        let all = of_all(&few, &kept);
        assert_eq!(of_choices(&all, &kept), few);
        assert_eq!(all[CHOICES + skip as usize], 2.0);
        assert_eq!(all[CHOICES], DROPPED);
        assert_eq!(super::kept(&all, 1)[1], [Operation::SepConv3x3]);
    }
}
