//! Training FLOPs of many architectures under one budget, without a graph for each.
//!
//! FLOPs are a sum: of what every network of a budget has, and of what each edge adds. What an edge adds depends on its
//! operation, on its cell, and on whether it reads an input of the cell, which a reduction cell halves. So a handful of
//! networks with one edge each tell the FLOPs of all.

use super::{Cost, cost};
use crate::genotype::{Cell, Edge, INPUTS, Operation};
use crate::{Budget, Error, Genotype};

/// Where an edge lies, as far as its FLOPs depend on it.
#[derive(Clone, Copy)]
enum Place {
    Normal,
    /// In a reduction cell, from an input of the cell.
    Halving,
    /// In a reduction cell, from a node.
    Reduced,
}

impl Place {
    const ALL: [Self; 3] = [Self::Normal, Self::Halving, Self::Reduced];

    /// The architecture whose cells of this kind have one edge of `operation` and no other.
    fn probe(self, operation: Operation) -> Genotype {
        let input = if matches!(self, Self::Reduced) { INPUTS } else { 0 };
        let mut cell = Cell::default();
        // The second node may read the first.
        cell.nodes[1] = vec![Edge { input, operation }];
        match self {
            Self::Normal => Genotype { normal: cell, ..Genotype::default() },
            Self::Halving | Self::Reduced => Genotype { reduce: cell, ..Genotype::default() },
        }
    }
}

/// Training FLOPs of an image for every architecture under one budget.
#[derive(Clone, Debug)]
pub struct EdgeFlops {
    /// Of a network without edges.
    base: u64,
    /// What an edge adds, by place and operation.
    added: [[u64; Operation::ALL.len()]; Place::ALL.len()],
}

impl EdgeFlops {
    /// The table for a budget, and images of `channels` colour channels and `classes` classes.
    ///
    /// # Errors
    /// [`Error::Budget`] when the budget's sizes do not fit a network of every operation.
    pub fn new(budget: &Budget, channels: usize, classes: usize) -> Result<Self, Error> {
        let flops = |genotype: &Genotype| {
            cost(genotype, budget, channels, classes).map(|Cost { training_flops, .. }| training_flops)
        };
        let base = flops(&Genotype::default())?;
        let mut added = [[0; Operation::ALL.len()]; Place::ALL.len()];
        for (row, place) in added.iter_mut().zip(Place::ALL) {
            for (slot, operation) in row.iter_mut().zip(Operation::ALL) {
                *slot = flops(&place.probe(operation))?.saturating_sub(base);
            }
        }
        Ok(Self { base, added })
    }

    /// Those of one architecture: what [`cost`] says.
    pub fn of(&self, genotype: &Genotype) -> u64 {
        let added = |place: Place, edge: &Edge| self.added[place as usize][edge.operation as usize];
        let normal = genotype.normal.nodes.iter().flatten().map(|edge| added(Place::Normal, edge));
        let reduce = genotype.reduce.nodes.iter().flatten().map(|edge| {
            let place = if edge.input < INPUTS { Place::Halving } else { Place::Reduced };
            added(place, edge)
        });
        normal.chain(reduce).fold(self.base, u64::saturating_add)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Any cell: nodes without edges, edges from all inputs, every operation.
    fn cell(random: &mut Random) -> Cell {
        let mut cell = Cell::default();
        for (node, edges) in cell.nodes.iter_mut().enumerate() {
            for input in 0..INPUTS + node {
                if random.below(3) > 0 {
                    let operation = Operation::ALL[random.below(8) as usize];
                    edges.push(Edge { input, operation });
                }
            }
        }
        cell
    }

    #[test]
    fn the_sum_over_edges_is_the_cost_of_the_network() {
        let mut random = Random::new(0, "edge flops", 0);
        for budget in ["BPE-1", "BPE-1,layers=3", "BPE-1,layers=4,image_size=8", "DARTS,layers=5", "full"] {
            let budget: Budget = budget.parse().unwrap();
            let table = EdgeFlops::new(&budget, 3, 10).unwrap();
            for _ in 0..20 {
                let genotype = Genotype { normal: cell(&mut random), reduce: cell(&mut random) };
                let whole = cost(&genotype, &budget, 3, 10).unwrap().training_flops;
                assert_eq!(table.of(&genotype), whole, "{budget}: {genotype}");
            }
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let small: Budget = "BPE-1,image_size=6".parse().unwrap();
        assert!(EdgeFlops::new(&small, 3, 10).unwrap_err().to_string().contains("image_size"));
    }
}
