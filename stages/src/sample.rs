//! Random architectures: each depends on the seed and its own number only, so a larger set begins with the smaller one.

use rayon::prelude::*;

use crate::genotype::{Cell, EDGES, Edge, Genotype, INPUTS, Operation};
use crate::random::Random;

/// Edges that a node keeps.
pub(crate) const EDGES_A_NODE: usize = 2;

/// Architectures by their place in a row, each made when it is asked for.
pub trait ArchitectureList: Send + Sync {
    /// How many there are.
    fn count(&self) -> usize;

    /// The architecture at a place below [`ArchitectureList::count`].
    fn architecture(&self, place: usize) -> Genotype;
}

impl ArchitectureList for Vec<Genotype> {
    fn count(&self) -> usize {
        self.len()
    }

    fn architecture(&self, place: usize) -> Genotype {
        self[place].clone()
    }
}

/// Random architectures, in canonical form.
#[derive(Clone, Copy, Debug)]
pub struct RandomArchitectures {
    /// Seed of all of them.
    pub seed: u64,
    /// How many.
    pub count: usize,
}

impl ArchitectureList for RandomArchitectures {
    fn count(&self) -> usize {
        self.count
    }

    fn architecture(&self, place: usize) -> Genotype {
        architecture(self.seed, place as u64).canonical()
    }
}

/// The first `count` random architectures under `seed`. Per edge there is one standard normal weight for each operation, and
/// the strongest other than `none` is the edge's; per node the two strongest edges are kept, strongest first.
pub fn architectures(seed: u64, count: usize) -> Vec<Genotype> {
    (0..count as u64).into_par_iter().map(|index| architecture(seed, index)).collect()
}

/// Random architecture number `index` under `seed`: one standard normal weight per edge and operation, from which the
/// strongest two edges of each node are taken.
pub(crate) fn architecture(seed: u64, index: u64) -> Genotype {
    let mut random = Random::new(seed, "architectures", index);
    let mut cell = || {
        let weights: [[f64; Operation::ALL.len()]; EDGES] =
            std::array::from_fn(|_| std::array::from_fn(|_| random.normal()));
        strongest(&weights)
    };
    let normal = cell();
    Genotype { normal, reduce: cell() }
}

/// Decodes the weights of a cell (edges node-major, operations in the order of [`Operation::ALL`]): per edge the
/// strongest operation other than `none`, per node the two strongest edges, strongest first. Of equal weights the first
/// wins.
pub(crate) fn strongest(weights: &[[f64; Operation::ALL.len()]; EDGES]) -> Cell {
    let mut cell = Cell::default();
    let mut rows = weights.iter();
    for (node, edges) in cell.nodes.iter_mut().enumerate() {
        let mut candidates: Vec<(f64, Edge)> = rows
            .by_ref()
            .take(INPUTS + node)
            .enumerate()
            .map(|(input, row)| {
                let candidates =
                    row.iter().copied().zip(Operation::ALL).filter(|(_, op)| *op != Operation::None);
                let best = candidates.reduce(|best, next| if next.0 > best.0 { next } else { best });
                let (weight, operation) = best.unwrap_or((f64::NEG_INFINITY, Operation::None));
                (weight, Edge { input, operation })
            })
            .collect();
        candidates.sort_by(|a, b| b.0.total_cmp(&a.0));
        *edges = candidates.into_iter().take(EDGES_A_NODE).map(|(_, edge)| edge).collect();
    }
    cell
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_architecture_changes_none_of_the_earlier() {
        let many = architectures(5, 30);
        assert_eq!(architectures(5, 7), many[..7]);
        assert_ne!(architectures(6, 7), many[..7]);
    }

    #[test]
    fn the_first_architecture_never_changes() {
        // Recorded trainings belong to it.
        assert_eq!(
            architecture(0, 0).to_string(),
            "Genotype(normal=[[('max_pool_3x3', 0), ('avg_pool_3x3', 1)], [('dil_conv_3x3', 1), ('dil_conv_5x5', 0)], \
             [('sep_conv_3x3', 2), ('sep_conv_5x5', 1)], [('max_pool_3x3', 4), ('sep_conv_3x3', 1)]], \
             normal_concat=range(2, 6), \
             reduce=[[('dil_conv_3x3', 1), ('avg_pool_3x3', 0)], [('dil_conv_5x5', 1), ('avg_pool_3x3', 2)], \
             [('dil_conv_5x5', 1), ('sep_conv_3x3', 0)], [('skip_connect', 0), ('skip_connect', 1)]], reduce_concat=range(2, 6))"
        );
    }

    #[test]
    fn decodes_the_strongest_edges_first_and_skips_none() {
        let mut weights = [[-1.0; 8]; EDGES];
        weights[0][7] = 9.0; // `none` of node 2, input 0: never taken, however strong
        weights[0][1] = 0.5;
        weights[1][3] = 2.0;
        weights[9 + 4][6] = 3.0; // node 5, input 4
        weights[9 + 2][2] = 4.0; // node 5, input 2
        let cell = strongest(&weights);
        assert_eq!(
            cell.nodes[0],
            [
                Edge { input: 1, operation: Operation::SepConv3x3 },
                Edge { input: 0, operation: Operation::AvgPool3x3 }
            ]
        );
        assert_eq!(
            cell.nodes[3],
            [
                Edge { input: 2, operation: Operation::SkipConnect },
                Edge { input: 4, operation: Operation::DilConv5x5 }
            ]
        );
    }

    #[test]
    fn operations_and_inputs_are_drawn_evenly() {
        let cells =
            architectures(1, 4000).into_iter().flat_map(|genotype| [genotype.normal, genotype.reduce]);
        let (mut operations, mut inputs) = ([0u32; 7], [0u32; 5]);
        for cell in cells {
            for edges in &cell.nodes {
                assert_eq!(edges.len(), 2);
                assert_ne!(edges[0].input, edges[1].input);
                for edge in edges {
                    operations[edge.operation as usize] += 1;
                }
            }
            for edge in &cell.nodes[3] {
                inputs[edge.input] += 1;
            }
        }
        // 64,000 edges over 7 operations, 16,000 over 5 inputs; five standard deviations.
        assert!(operations.iter().all(|&n| (9143 - 450..9143 + 450).contains(&n)), "{operations:?}");
        assert!(inputs.iter().all(|&n| (3200 - 250..3200 + 250).contains(&n)), "{inputs:?}");
    }
}
