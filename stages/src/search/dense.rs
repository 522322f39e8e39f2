//! Dense cells: every node reads every input. What evolution and reinforcement learning search over; a final cell keeps two
//! edges a node.

use crate::Genotype;
use crate::genotype::{Cell, EDGES, Edge, INPUTS, NODES, Operation, edges_into};
use crate::random::Random;
use crate::sample::EDGES_A_NODE;

/// Edges of both cells.
pub(super) const ALL_EDGES: usize = 2 * EDGES;

/// Operations that an edge of a dense cell may have: all but `none`.
pub(super) const CHOICES: usize = Operation::ALL.len() - 1;

/// The operation of every edge of both cells, by its number in [`Operation::ALL`]: the normal cell's 14 edges, node by node,
/// then the reduction cell's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DenseCells(pub [u8; ALL_EDGES]);

impl DenseCells {
    /// Every edge's operation drawn evenly.
    pub(super) fn draw(random: &mut Random) -> Self {
        Self(std::array::from_fn(|_| random.below(CHOICES as u64) as u8))
    }

    /// The same but for one edge, which has another operation.
    #[must_use]
    pub(super) fn mutated(mut self, random: &mut Random) -> Self {
        let edge = &mut self.0[random.below(ALL_EDGES as u64) as usize];
        let step = 1 + random.below(CHOICES as u64 - 1) as u8;
        *edge = (*edge + step) % CHOICES as u8;
        self
    }

    /// All edges, as an architecture.
    pub fn genotype(&self) -> Genotype {
        self.keeping(|_| true)
    }

    /// The architecture of two edges a node, those with the most of `worth`; of equal ones the first.
    pub(super) fn pruned_by(&self, worth: impl Fn(usize) -> f64) -> Genotype {
        let mut kept = [false; ALL_EDGES];
        for (cell, node) in [0, EDGES].into_iter().flat_map(|cell| (0..NODES).map(move |node| (cell, node))) {
            let mut order: Vec<usize> = edges_into(node).map(|edge| cell + edge).collect();
            order.sort_by(|&a, &b| worth(b).total_cmp(&worth(a)));
            order.into_iter().take(EDGES_A_NODE).for_each(|edge| kept[edge] = true);
        }
        self.keeping(|edge| kept[edge])
    }

    /// The architecture of two edges a node, drawn evenly.
    pub(super) fn pruned_at_random(&self, random: &mut Random) -> Genotype {
        let worth: [f64; ALL_EDGES] = std::array::from_fn(|_| random.uniform());
        self.pruned_by(|edge| worth[edge])
    }

    /// The architecture of the edges that are kept, in canonical form.
    fn keeping(&self, keeps: impl Fn(usize) -> bool) -> Genotype {
        let mut edge = 0;
        let mut cell = || {
            let mut cell = Cell::default();
            for (node, edges) in cell.nodes.iter_mut().enumerate() {
                for input in 0..INPUTS + node {
                    if keeps(edge) {
                        edges.push(Edge { input, operation: Operation::ALL[usize::from(self.0[edge])] });
                    }
                    edge += 1;
                }
            }
            cell
        };
        let normal = cell();
        Genotype { normal, reduce: cell() }.canonical()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dense_cells_have_every_edge_and_pruned_ones_two_a_node() {
        let cells = DenseCells::draw(&mut Random::new(0, "test", 0));
        let edges = |genotype: &Genotype| {
            let nodes = genotype.normal.nodes.iter().chain(&genotype.reduce.nodes);
            nodes.map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(edges(&cells.genotype()), [2, 3, 4, 5, 2, 3, 4, 5]);
        let pruned = cells.pruned_by(|edge| edge as f64);
        assert_eq!(edges(&pruned), [2; 8]);
        // The last edges are worth the most.
        assert_eq!(pruned.reduce.nodes[3].iter().map(|edge| edge.input).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(pruned.reduce.nodes[3][1].operation, Operation::ALL[usize::from(cells.0[27])]);
        // What is worth the same is kept in order.
        assert_eq!(cells.pruned_by(|_| 0.0).normal.nodes[2][1].input, 1);
    }

    #[test]
    fn a_mutation_changes_one_operation_to_any_other() {
        let (cells, mut random) = (DenseCells([3; ALL_EDGES]), Random::new(0, "test", 1));
        let mut met = [[0; CHOICES]; ALL_EDGES];
        for _ in 0..20_000 {
            let mutated = cells.mutated(&mut random);
            let changed: Vec<usize> = (0..ALL_EDGES).filter(|&edge| mutated.0[edge] != 3).collect();
            assert_eq!(changed.len(), 1);
            met[changed[0]][usize::from(mutated.0[changed[0]])] += 1;
        }
        // 20,000 over 28 edges of 6 operations each are 119; five standard deviations.
        for counts in met {
            assert_eq!(counts[3], 0);
            assert!(counts.iter().enumerate().all(|(op, n)| op == 3 || (65..175).contains(n)), "{counts:?}");
        }
    }
}
