//! The evaluation network of an architecture under a budget, as a graph of the training runtime.
//!
//! Layers are built in canonical order (so that initial weights and drop path do not depend on how a genotype
//! was written) and named after the genotype's own order, in the names of the reference PyTorch network's
//! `state_dict`.

mod flops;
pub(crate) mod layers;

use kernels::{ConvSpec, Graph, Shape, ValueId};

use self::layers::{CellPlace, Normalise, is_reduction};
use crate::genotype::{Cell, Edge, INPUTS, NODES, Operation};
use crate::{Budget, Error, Genotype};

pub use flops::EdgeFlops;

/// Channels of the two layers of the auxiliary head.
const AUXILIARY_CHANNELS: [usize; 2] = [128, 768];

/// Layers have scales and shifts.
const NORMALISE: Normalise = Graph::batch_norm;

/// What a network costs for one image; see [`kernels::Cost`].
pub type Cost = kernels::Cost;

/// Builds the network for images of `channels` colour channels and `classes` classes, with the auxiliary
/// head's loss times `aux_weight` in training.
///
/// # Errors
/// [`Error::Budget`] when the budget's sizes do not fit the network, naming the layer and what to change.
pub fn build(
    genotype: &Genotype,
    budget: &Budget,
    channels: usize,
    classes: usize,
    aux_weight: f64,
) -> Result<Graph, Error> {
    build_layers(genotype, budget, channels, classes, aux_weight)
        .map_err(|error| Error::Budget { place: format!("budget `{budget}`"), problem: error.to_string() })
}

fn build_layers(
    genotype: &Genotype,
    budget: &Budget,
    channels: usize,
    classes: usize,
    aux_weight: f64,
) -> Result<Graph, kernels::Error> {
    let size = budget.image_size as usize;
    let (mut graph, image) = Graph::new(Shape::new(channels, size, size), classes);
    let layers = budget.layers as usize;
    layers::stack(&mut graph, image, budget, classes, NORMALISE, |graph, place, outputs| {
        let cell = if place.reduction { &genotype.reduce } else { &genotype.normal };
        let output = build_cell(graph, cell, place, outputs)?;
        if place.layer == 2 * layers / 3 {
            graph.in_training_only(|graph| auxiliary_head(graph, output, classes, aux_weight as f32))?;
        }
        Ok(output)
    })?;
    Ok(graph)
}

/// Parameters, multiply-adds and FLOPs of the network; also the check that the budget's sizes fit.
///
/// # Errors
/// As [`build`].
pub fn cost(genotype: &Genotype, budget: &Budget, channels: usize, classes: usize) -> Result<Cost, Error> {
    Ok(build(genotype, budget, channels, classes, 1.0)?.cost())
}

fn build_cell(
    graph: &mut Graph,
    cell: &Cell,
    place: &CellPlace,
    outputs: [ValueId; INPUTS],
) -> Result<ValueId, kernels::Error> {
    let name = &place.name;
    let mut states = layers::inputs(graph, place, outputs, NORMALISE)?.to_vec();
    let concat = graph.concat(NODES, place.node(graph.shape(states[1])));
    for (node, edges) in cell.nodes.iter().enumerate() {
        let mut built = Vec::new();
        for (number, edge) in canonical_order(edges) {
            let name = format!("{name}.dag.{node}.{number}.0");
            let stride = place.stride(edge.input);
            let value =
                layers::operation(graph, &name, edge.operation, states[edge.input], stride, NORMALISE)?;
            // Drop path applies to all but identities.
            built.push((value, edge.operation != Operation::SkipConnect || stride > 1));
        }
        states.push(graph.node_sum(&format!("{name}.dag.{node}"), &built, concat, node)?);
    }
    graph.concat_value(concat)
}

/// Edges other than `none` in canonical order, each with its place in the genotype's own order. A `none` has a place as
/// in PyTorch, where it is a module without parameters.
fn canonical_order(edges: &[Edge]) -> Vec<(usize, Edge)> {
    let mut order: Vec<_> = edges.iter().copied().enumerate().collect();
    order.retain(|(_, edge)| edge.operation != Operation::None);
    order.sort_by_key(|&(_, edge)| edge);
    order
}

/// What a tensor is called that an earlier version wrote as `name`: it gave places to edges other than `none` only.
pub(crate) fn renamed(genotype: &Genotype, layers: u32, name: &str) -> String {
    let new_name = || {
        let (layer, rest) = name.strip_prefix("cells.")?.split_once(".dag.")?;
        let mut rest = rest.splitn(3, '.');
        let (node, place, rest) = (rest.next()?, rest.next()?, rest.next()?);
        let cell = if is_reduction(layer.parse().ok()?, layers as usize) {
            &genotype.reduce
        } else {
            &genotype.normal
        };
        let edges = cell.nodes.get(node.parse::<usize>().ok()?)?;
        let mut kept = edges.iter().enumerate().filter(|(_, edge)| edge.operation != Operation::None);
        let (place, _) = kept.nth(place.parse().ok()?)?;
        Some(format!("cells.{layer}.dag.{node}.{place}.{rest}"))
    };
    new_name().unwrap_or_else(|| name.to_owned())
}

fn auxiliary_head(
    graph: &mut Graph,
    input: ValueId,
    classes: usize,
    weight: f32,
) -> Result<(), kernels::Error> {
    let pooled = graph.auxiliary_pool("aux_head.net.1", input)?;
    let [first, second] = AUXILIARY_CHANNELS;
    let spec = ConvSpec::square(first, 1);
    let value = graph.conv("aux_head.net.2", pooled, spec)?;
    let value = graph.batch_norm("aux_head.net.3", value)?;
    let spec = ConvSpec { relu: true, ..ConvSpec::square(second, 2) };
    let value = graph.conv("aux_head.net.5", value, spec)?;
    let value = graph.batch_norm("aux_head.net.6", value)?;
    let logits = graph.linear("aux_head.linear", value, classes, true)?;
    graph.head(logits, weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Genotype {
        name.parse().expect("a published genotype")
    }

    #[test]
    fn darts_v2_has_its_published_size() {
        let full: Budget = "full".parse().expect("a named budget");
        let cost = cost(&named("DARTS_V2"), &full, 3, 10).expect("a network that fits");
        // The published 3.3 million parameters (with those of the normalisations after its ten poolings), and
        // 528 million multiply-adds of convolutions and the linear layer.
        assert_eq!(cost.parameters, 3_351_502);
        assert!((500_000_000..560_000_000).contains(&cost.mult_adds), "{}", cost.mult_adds);
    }

    #[test]
    fn a_none_has_a_place_among_the_edges() {
        let edge = |input, operation| Edge { input, operation };
        let node = [edge(1, Operation::None), edge(2, Operation::SepConv3x3), edge(0, Operation::MaxPool3x3)];
        assert_eq!(canonical_order(&node), [(2, node[2]), (1, node[1])]);
        let mut genotype = Genotype::default();
        genotype.normal.nodes[1] = node.to_vec();
        // Of four layers 1 and 2 are reduction cells.
        for (name, now) in [
            ("cells.0.dag.1.0.0.net.0.net.1.weight", "cells.0.dag.1.1.0.net.0.net.1.weight"),
            ("cells.3.dag.1.1.0.bn.bias", "cells.3.dag.1.2.0.bn.bias"),
            ("cells.2.dag.1.0.0.bn.bias", "cells.2.dag.1.0.0.bn.bias"),
            ("cells.0.preproc0.net.1.weight", "cells.0.preproc0.net.1.weight"),
            ("cells.0.dag.1.9.0.bn.bias", "cells.0.dag.1.9.0.bn.bias"),
            ("cells.x.dag.9.y", "cells.x.dag.9.y"),
            ("stem.0.weight", "stem.0.weight"),
        ] {
            assert_eq!(renamed(&genotype, 4, name), now);
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let small: Budget = "BPE-1,image_size=6".parse().expect("a budget");
        let error = cost(&named("DARTS_V2"), &small, 3, 10).expect_err("6 pixels cannot be halved twice");
        assert!(error.to_string().contains("image_size"), "{error}");
    }
}
