//! The supernet under a budget: in every cell all 14 edges, each a mixture of all operations, with weights that cells of a kind
//! share.
//!
//! Stem, inputs of cells and classifier are those of the evaluation network. Nothing has scales and shifts behind its
//! normalisation, not the stem either; there is no auxiliary head and no drop path.

use kernels::{Graph, Group, Mixture, Shape, Term, ValueId};

use crate::genotype::{EDGES, INPUTS, NODES, Operation};
use crate::network::layers::{self, CellPlace, Normalise};
use crate::{Budget, Error};

/// Names of the parameters of the mixtures of normal and of reduction cells, as DARTS's code has them.
pub(super) const MIXTURES: [&str; 2] = ["alphas_normal", "alphas_reduce"];

/// Layers have no scales and shifts: weights of a mixture would do their work.
const NORMALISE: Normalise = Graph::batch_norm_plain;

/// A supernet, and the group of its architecture.
pub(super) struct Supernet {
    pub(super) graph: Graph,
    pub(super) architecture: Group,
}

/// Builds the supernet for images of `channels` colour channels and `classes` classes.
pub(super) fn build(budget: &Budget, channels: usize, classes: usize) -> Result<Supernet, Error> {
    build_layers(budget, channels, classes).map_err(|error| Error::Budget {
        place: format!("a supernet under budget `{budget}`"),
        problem: error.to_string(),
    })
}

fn build_layers(budget: &Budget, channels: usize, classes: usize) -> Result<Supernet, kernels::Error> {
    let size = budget.image_size as usize;
    let (mut graph, image) = Graph::new(Shape::new(channels, size, size), classes);
    let architecture = graph.group();
    let [normal, reduce] = MIXTURES
        .map(|name| graph.in_group(architecture, |graph| graph.mixture(name, EDGES, Operation::ALL.len())));
    let (normal, reduce) = (normal?, reduce?);
    layers::stack(&mut graph, image, budget, classes, NORMALISE, |graph, place, outputs| {
        let mixture = if place.reduction { reduce } else { normal };
        cell(graph, place, outputs, mixture)
    })?;
    Ok(Supernet { graph, architecture })
}

/// Nodes that sum an edge from each input and each node before; concatenated.
fn cell(
    graph: &mut Graph,
    place: &CellPlace,
    outputs: [ValueId; INPUTS],
    mixture: Mixture,
) -> Result<ValueId, kernels::Error> {
    let name = &place.name;
    let mut states = layers::inputs(graph, place, outputs, NORMALISE)?.to_vec();
    let concat = graph.concat(NODES, place.node(graph.shape(states[1])));
    let mut edge = 0;
    for node in 0..NODES {
        let mut terms = Vec::new();
        for (input, &state) in states.iter().enumerate() {
            // A `none` gives zero, and has a weight all the same.
            for (choice, operation) in Operation::ALL.into_iter().enumerate() {
                if operation == Operation::None {
                    continue;
                }
                let name = format!("{name}.edges.{edge}.{operation}");
                let stride = place.stride(input);
                let value = layers::operation(graph, &name, operation, state, stride, NORMALISE)?;
                terms.push(Term { value, drop: false, weight: Some((mixture, edge, choice)) });
            }
            edge += 1;
        }
        states.push(graph.weighted_sum(&format!("{name}.nodes.{node}"), &terms, concat, node)?);
    }
    graph.concat_value(concat)
}
