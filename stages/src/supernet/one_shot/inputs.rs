//! What the trainers of a one-shot supernet are made from, and how a sub-network is chosen in it.

use kernels::{Draw, GroupSettings, ImageSet, Trainer, TrainerSettings};

use crate::data::Dataset;
use crate::genotype::{Cell, EDGES, INPUTS, Operation, edges_into};
use crate::recipe::Recipe;
use crate::search::DenseCells;
use crate::supernet::decode::all_choices;
use crate::supernet::network::{self, MIXTURES, Plan, Supernet};
use crate::train::{image_sets, settings};
use crate::{Budget, Error, Genotype};

/// The number of an operation that is not chosen, where that of the chosen one is 0: far below what noise of Gumbel's
/// distribution reaches, which is at most 17 in 32 bits.
const NOT_CHOSEN: f32 = -1e4;

/// The supernet of all operations under a budget.
pub(super) fn supernet(budget: &Budget, channels: usize, classes: usize) -> Result<Supernet, Error> {
    let choices = [all_choices(), all_choices()];
    let plan = Plan {
        choices,
        // What is chosen is far above all noise, and the others need not be computed.
        draw: Some(Draw::OneHot),
        channel_parts: 1,
        weighs_edges: false,
        drops_skips: false,
        is_one_group: false,
    };
    network::build(budget, &plan, channels, classes)
}

/// What a trainer is made from.
pub(super) struct OneShotInputs {
    pub(super) supernet: Supernet,
    pub(super) settings: TrainerSettings,
    pub(super) sets: [ImageSet; 2],
}

impl OneShotInputs {
    pub(super) fn new(budget: &Budget, recipe: &Recipe, data: &Dataset, seed: u64) -> Result<Self, Error> {
        let supernet = supernet(budget, data.channels, data.classes.len())?;
        let mut settings = settings(budget, recipe, data, seed);
        // The mixtures' numbers say what is chosen, and no step updates them.
        settings.groups.push(GroupSettings::sgd(0.0, 0.0, f32::INFINITY));
        Ok(Self { supernet, settings, sets: image_sets(data)? })
    }
}

/// Chooses a sub-network: its operations have a weight of 1, and all others of 0.
pub(super) fn choose(trainer: &mut Trainer, cells: &DenseCells) -> Result<(), Error> {
    for (name, edges) in MIXTURES.iter().zip(cells.0.chunks(EDGES)) {
        let mut numbers = vec![NOT_CHOSEN; EDGES * Operation::ALL.len()];
        for (row, &operation) in numbers.chunks_mut(Operation::ALL.len()).zip(edges) {
            row[usize::from(operation)] = 0.0;
        }
        trainer.set_parameter(name, &numbers)?;
    }
    Ok(())
}

/// The sub-network of a supernet that an architecture is: its operations, and `none` on all other edges. None where a
/// node reads an input twice, which no sub-network does.
pub fn sub_network(genotype: &Genotype) -> Option<DenseCells> {
    let mut operations = [Operation::None as u8; 2 * EDGES];
    let mut fill = |cell: &Cell, first: usize| {
        for (node, edges) in cell.nodes.iter().enumerate() {
            for edge in edges.iter().filter(|edge| edge.operation != Operation::None) {
                let place = &mut operations[first + edges_into(node).start + edge.input];
                if edge.input >= INPUTS + node || *place != Operation::None as u8 {
                    return None;
                }
                *place = edge.operation as u8;
            }
        }
        Some(())
    };
    fill(&genotype.normal, 0)?;
    fill(&genotype.reduce, EDGES)?;
    Some(DenseCells(operations))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::sample::architectures;
    use crate::supernet::one_shot::{Draws, Schedule};

    #[test]
    fn one_shot_architectures_and_sub_networks_are_the_same() {
        for genotype in architectures(2, 20) {
            assert_eq!(sub_network(&genotype).unwrap().genotype(), genotype.canonical());
        }
        for cells in Draws::new(Schedule::Random, Random::new(0, "test", 0).bits()).take(20) {
            assert_eq!(sub_network(&cells.genotype()), Some(cells));
        }
        let mut twice = architectures(2, 1).remove(0);
        twice.normal.nodes[0][1].input = twice.normal.nodes[0][0].input;
        assert_eq!(sub_network(&twice), None);
    }
}
