//! The network of an architecture under a budget, as a graph of the training runtime.
//!
//! Cells of every space go through one builder. Layers are built in canonical order (so that initial weights and drop path
//! do not depend on how a genotype was written) and named after the genotype's own order, in the names of the reference
//! PyTorch network's `state_dict`.

mod flops;
pub(crate) mod layers;
mod named;

use kernels::{ConvSpec, Graph, Shape, ValueId};

use self::layers::{CellPlace, Normalise, is_reduction};
use crate::architecture::{CellEdge, CellGraph, Cells, Primitive};
use crate::genotype::{INPUTS, Operation};
use crate::recipe::{Recipe, Skeleton};
use crate::{Architecture, Budget, Error, Genotype};

pub use flops::EdgeFlops;

/// Channels of the two layers of the auxiliary head.
const AUXILIARY_CHANNELS: [usize; 2] = [128, 768];

/// Layers have scales and shifts.
const NORMALISE: Normalise = Graph::batch_norm;

/// What a network costs for one image; see [`kernels::Cost`].
pub type Cost = kernels::Cost;

/// Builds the network of a genotype for small images, of `channels` colour channels and `classes` classes, with the
/// auxiliary head's loss times `aux_weight` in training.
///
/// # Errors
/// As [`build_architecture`].
pub fn build(
    genotype: &Genotype,
    budget: &Budget,
    channels: usize,
    classes: usize,
    aux_weight: f64,
) -> Result<Graph, Error> {
    let recipe = Recipe { aux_weight, ..Recipe::default() };
    build_architecture(&genotype.into(), budget, &recipe, channels, classes)
}

/// Builds the network of an architecture for images of `channels` colour channels and `classes` classes, in the recipe's
/// skeleton and with its weight of the auxiliary head's loss. A network that is called by name has no such head, and takes
/// nothing of the budget but the size of the images.
///
/// # Errors
/// [`Error::Budget`] when the budget's sizes do not fit the network, naming the layer and what to change, and when the
/// network has no form for the skeleton.
pub fn build_architecture(
    architecture: &Architecture,
    budget: &Budget,
    recipe: &Recipe,
    channels: usize,
    classes: usize,
) -> Result<Graph, Error> {
    let size = budget.image_size as usize;
    let (mut graph, image) = Graph::new(Shape::new(channels, size, size), classes);
    let built = match architecture {
        Architecture::Network(network) => {
            let Some(features) = named::features(*network, recipe.skeleton) else {
                let place = format!("skeleton `{}`", recipe.skeleton.name());
                let problem = format!("{network} has no form for it; choose another recipe");
                return Err(Error::Budget { place, problem });
            };
            named::classified(&mut graph, image, classes, &*features)
        }
        Architecture::Darts(genotype) => stack(&mut graph, image, &genotype.into(), budget, recipe, classes),
        Architecture::Cells(cells) => stack(&mut graph, image, cells, budget, recipe, classes),
    };
    match built {
        Ok(()) => Ok(graph),
        Err(error) => Err(Error::Budget { place: format!("budget `{budget}`"), problem: error.to_string() }),
    }
}

fn stack(
    graph: &mut Graph,
    image: ValueId,
    cells: &Cells,
    budget: &Budget,
    recipe: &Recipe,
    classes: usize,
) -> Result<(), kernels::Error> {
    let layers = budget.layers as usize;
    let skeleton = recipe.skeleton;
    let size = (budget, skeleton);
    let logits = layers::stack(graph, image, size, classes, NORMALISE, |graph, place, outputs| {
        let cell = if place.reduction { &cells.reduce } else { &cells.normal };
        let output = build_cell(graph, cell, place, outputs, NORMALISE)?;
        if place.layer == 2 * layers / 3 {
            graph.in_training_only(|graph| auxiliary_head(graph, output, classes, recipe))?;
        }
        Ok(output)
    })?;
    graph.head(logits, 1.0)
}

/// What becomes of normalisations and of the loss in a network that is scored without a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Untrained {
    /// All is as in training.
    AsTrained,
    /// There are no normalisations, and in the place of the loss is the sum of the logits.
    Linearised,
}

/// Builds the network of a genotype for small images without the auxiliary head, to be scored before any training.
///
/// # Errors
/// As [`build_architecture`].
pub(crate) fn build_untrained(
    genotype: &Genotype,
    budget: &Budget,
    channels: usize,
    classes: usize,
    untrained: Untrained,
) -> Result<Graph, Error> {
    let side = budget.image_size as usize;
    let (mut graph, image) = Graph::new(Shape::new(channels, side, side), classes);
    let normalise = match untrained {
        Untrained::AsTrained => NORMALISE,
        Untrained::Linearised => |_: &mut Graph, _: &str, value| Ok(value),
    };
    let cells = Cells::from(genotype);
    let size = (budget, Skeleton::Cifar);
    let built = layers::stack(&mut graph, image, size, classes, normalise, |graph, place, outputs| {
        let cell = if place.reduction { &cells.reduce } else { &cells.normal };
        build_cell(graph, cell, place, outputs, normalise)
    });
    let head = |logits| match untrained {
        Untrained::AsTrained => graph.head(logits, 1.0),
        Untrained::Linearised => graph.sum_head(logits, 1.0),
    };
    match built.and_then(head) {
        Ok(()) => Ok(graph),
        Err(error) => Err(Error::Budget { place: format!("budget `{budget}`"), problem: error.to_string() }),
    }
}

/// Parameters, multiply-adds and FLOPs of a genotype's network for small images; also the check that the budget's sizes
/// fit.
///
/// # Errors
/// As [`build_architecture`].
pub fn cost(genotype: &Genotype, budget: &Budget, channels: usize, classes: usize) -> Result<Cost, Error> {
    Ok(build(genotype, budget, channels, classes, 1.0)?.cost())
}

/// The same of an architecture's network in a skeleton.
///
/// # Errors
/// As [`build_architecture`].
pub fn cost_in(
    architecture: &Architecture,
    budget: &Budget,
    skeleton: Skeleton,
    channels: usize,
    classes: usize,
) -> Result<Cost, Error> {
    let recipe = Recipe { skeleton, ..Recipe::default() };
    Ok(build_architecture(architecture, budget, &recipe, channels, classes)?.cost())
}

fn build_cell(
    graph: &mut Graph,
    cell: &CellGraph,
    place: &CellPlace,
    outputs: [ValueId; INPUTS],
    normalise: Normalise,
) -> Result<ValueId, kernels::Error> {
    let name = &place.name;
    let mut states = layers::inputs(graph, place, outputs, normalise)?.to_vec();
    let shape = place.node(graph.shape(states[1]));
    let concat = graph.concat(cell.concat.len(), shape);
    for (node, edges) in cell.nodes.iter().enumerate() {
        let mut built = Vec::new();
        for (number, edge) in canonical_order(edges) {
            let name = format!("{name}.dag.{node}.{number}.0");
            let stride = place.stride(edge.input);
            let value =
                layers::operation(graph, &name, edge.primitive, states[edge.input], stride, normalise)?;
            // Drop path applies to all but identities.
            built.push((value, edge.primitive != Primitive::Skip || stride > 1));
        }
        // A node that is no part of the output has memory of its own.
        let (into, slot) = match cell.concat.iter().position(|output| *output == INPUTS + node) {
            Some(slot) => (concat, slot),
            None => (graph.concat(1, shape), 0),
        };
        states.push(graph.node_sum(&format!("{name}.dag.{node}"), &built, into, slot)?);
    }
    graph.concat_value(concat)
}

/// Edges other than `none` in canonical order, each with its place in the genotype's own order. A `none` has a place as
/// in PyTorch, where it is a module without parameters.
fn canonical_order(edges: &[CellEdge]) -> Vec<(usize, CellEdge)> {
    let mut order: Vec<_> = edges.iter().copied().enumerate().collect();
    order.retain(|(_, edge)| edge.primitive != Primitive::None);
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
    recipe: &Recipe,
) -> Result<(), kernels::Error> {
    let pooled = graph.auxiliary_pool("aux_head.net.1", input)?;
    let [first, second] = AUXILIARY_CHANNELS;
    let spec = ConvSpec::square(first, 1);
    let value = graph.conv("aux_head.net.2", pooled, spec)?;
    let value = graph.batch_norm("aux_head.net.3", value)?;
    let spec = ConvSpec { relu: true, ..ConvSpec::square(second, 2) };
    let value = graph.conv("aux_head.net.5", value, spec)?;
    let value = match recipe.skeleton {
        Skeleton::Cifar => graph.batch_norm("aux_head.net.6", value)?,
        Skeleton::ImageNet => value,
    };
    let logits = graph.linear("aux_head.linear", value, classes, true)?;
    graph.head(logits, recipe.aux_weight as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genotype::Edge;

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
        let edges = node.map(|Edge { input, operation }| CellEdge { input, primitive: operation.into() });
        assert_eq!(canonical_order(&edges), [(2, edges[2]), (1, edges[1])]);
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
