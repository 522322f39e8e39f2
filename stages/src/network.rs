//! The evaluation network of an architecture under a budget, as a graph of the training runtime.
//!
//! Layers are built in canonical order (so that initial weights and drop path do not depend on how a genotype
//! was written) and named after the genotype's own order, in the names of the reference PyTorch network's
//! `state_dict`.

mod flops;

use kernels::{ConvSpec, Graph, PoolKind, SeparableSpec, Shape, ValueId};

use crate::genotype::{Cell, Edge, INPUTS, NODES, Operation};
use crate::{Budget, Error, Genotype};

pub use flops::EdgeFlops;

/// Channels of the two layers of the auxiliary head.
const AUXILIARY_CHANNELS: [usize; 2] = [128, 768];

/// Channels of the stem, in channels of the first cell's nodes.
const STEM_MULTIPLIER: usize = 3;

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
    let mut width = budget.channels as usize;
    let stem = ConvSpec { padding: [1, 1], ..ConvSpec::square(STEM_MULTIPLIER * width, 3) };
    let stem = graph.conv("stem.0", image, stem)?;
    let stem = graph.batch_norm("stem.1", stem)?;
    let (mut before, mut previous, mut after_reduction) = (stem, stem, false);
    for layer in 0..layers {
        let reduction = is_reduction(layer, layers);
        if reduction {
            width *= 2;
        }
        let cell = if reduction { &genotype.reduce } else { &genotype.normal };
        let place = CellPlace { name: format!("cells.{layer}"), width, reduction, after_reduction };
        let output = build_cell(&mut graph, cell, &place, before, previous)?;
        (before, previous, after_reduction) = (previous, output, reduction);
        if layer == 2 * layers / 3 {
            graph.in_training_only(|graph| auxiliary_head(graph, output, classes, aux_weight as f32))?;
        }
    }
    let pooled = graph.global_average(previous);
    let logits = graph.linear("linear", pooled, classes, false)?;
    graph.head(logits, 1.0)?;
    Ok(graph)
}

/// Parameters, multiply-adds and FLOPs of the network; also the check that the budget's sizes fit.
///
/// # Errors
/// As [`build`].
pub fn cost(genotype: &Genotype, budget: &Budget, channels: usize, classes: usize) -> Result<Cost, Error> {
    Ok(build(genotype, budget, channels, classes, 1.0)?.cost())
}

/// Where a cell stands.
struct CellPlace {
    name: String,
    width: usize,
    reduction: bool,
    after_reduction: bool,
}

fn build_cell(
    graph: &mut Graph,
    cell: &Cell,
    place: &CellPlace,
    before: ValueId,
    previous: ValueId,
) -> Result<ValueId, kernels::Error> {
    let CellPlace { name, width, reduction, after_reduction } = place;
    let first = if *after_reduction {
        factorized_reduce(graph, &format!("{name}.preproc0"), before, *width)?
    } else {
        relu_conv_norm(graph, &format!("{name}.preproc0"), before, *width)?
    };
    let second = relu_conv_norm(graph, &format!("{name}.preproc1"), previous, *width)?;
    let mut states = vec![first, second];
    let map = graph.shape(second);
    let halved = |size: usize| if *reduction { size.div_ceil(2) } else { size };
    let part = Shape::new(*width, halved(map.height), halved(map.width));
    let concat = graph.concat(NODES, part);
    for (node, edges) in cell.nodes.iter().enumerate() {
        let mut built = Vec::new();
        for (place, edge) in canonical_order(edges) {
            let stride = if *reduction && edge.input < INPUTS { 2 } else { 1 };
            let name = format!("{name}.dag.{node}.{place}.0");
            built.push(build_edge(graph, &name, edge.operation, states[edge.input], stride)?);
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

/// Whether a layer of so many is a reduction cell: those after a third and after two thirds.
fn is_reduction(layer: usize, layers: usize) -> bool {
    layer == layers / 3 || layer == 2 * layers / 3
}

/// The value of an edge, and whether drop path applies to it (to all but identities).
fn build_edge(
    graph: &mut Graph,
    name: &str,
    operation: Operation,
    input: ValueId,
    stride: usize,
) -> Result<(ValueId, bool), kernels::Error> {
    let width = graph.shape(input).channels;
    let pool = |graph: &mut Graph, kind| -> Result<ValueId, kernels::Error> {
        let pooled = graph.pool(&format!("{name}.pool"), input, kind, stride)?;
        graph.batch_norm(&format!("{name}.bn"), pooled)
    };
    let half = |graph: &mut Graph,
                name: &str,
                input,
                kernel: usize,
                stride,
                dilation: usize|
     -> Result<ValueId, kernels::Error> {
        let padding = dilation * (kernel - 1) / 2;
        let spec = SeparableSpec { channels: width, kernel, stride, dilation, padding };
        let value = graph.separable(&format!("{name}.net.1"), &format!("{name}.net.2"), input, spec)?;
        graph.batch_norm(&format!("{name}.net.3"), value)
    };
    let separable = |graph: &mut Graph, kernel| -> Result<ValueId, kernels::Error> {
        let first = half(graph, &format!("{name}.net.0"), input, kernel, stride, 1)?;
        half(graph, &format!("{name}.net.1"), first, kernel, 1, 1)
    };
    let value = match operation {
        Operation::MaxPool3x3 => pool(graph, PoolKind::Max)?,
        Operation::AvgPool3x3 => pool(graph, PoolKind::Average)?,
        Operation::SkipConnect if stride == 1 => return Ok((input, false)),
        Operation::SkipConnect => factorized_reduce(graph, name, input, width)?,
        Operation::SepConv3x3 => separable(graph, 3)?,
        Operation::SepConv5x5 => separable(graph, 5)?,
        Operation::DilConv3x3 => half(graph, name, input, 3, stride, 2)?,
        Operation::DilConv5x5 => half(graph, name, input, 5, stride, 2)?,
        Operation::None => unreachable!("`none` edges are dropped before"),
    };
    Ok((value, true))
}

fn relu_conv_norm(
    graph: &mut Graph,
    name: &str,
    input: ValueId,
    channels: usize,
) -> Result<ValueId, kernels::Error> {
    let spec = ConvSpec { relu: true, ..ConvSpec::square(channels, 1) };
    let value = graph.conv(&format!("{name}.net.1"), input, spec)?;
    graph.batch_norm(&format!("{name}.net.2"), value)
}

fn factorized_reduce(
    graph: &mut Graph,
    name: &str,
    input: ValueId,
    channels: usize,
) -> Result<ValueId, kernels::Error> {
    let halves = [format!("{name}.conv1"), format!("{name}.conv2")];
    let value = graph.factorized_reduce(&halves[0], &halves[1], input, channels)?;
    graph.batch_norm(&format!("{name}.bn"), value)
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
