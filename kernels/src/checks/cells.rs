//! Networks of cells with random operations, sizes and recipes, as in the architectures that are searched but wilder: any
//! number of edges a node, several edges from one value, channels that fill no vector, odd sizes.

use super::case::{CLASSES, Case, Dice, random_images};
use crate::graph::{Graph, ValueId};
use crate::{ConvSpec, PoolKind, SeparableSpec, Shape};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CellOperation {
    Max,
    Average,
    Skip,
    Separable(usize),
    Dilated(usize),
}

pub(crate) const OPERATIONS: [CellOperation; 7] = [
    CellOperation::Max,
    CellOperation::Average,
    CellOperation::Skip,
    CellOperation::Separable(3),
    CellOperation::Separable(5),
    CellOperation::Dilated(3),
    CellOperation::Dilated(5),
];

/// ReLU, a k×k convolution and its normalisation.
pub(crate) fn relu_conv_norm(
    graph: &mut Graph,
    name: &str,
    input: ValueId,
    channels: usize,
    kernel: usize,
    stride: usize,
) -> ValueId {
    let spec = ConvSpec { stride, relu: true, ..ConvSpec::square(channels, kernel) };
    let value = graph.conv(name, input, spec).unwrap();
    graph.batch_norm(&format!("{name}.bn"), value).unwrap()
}

/// A 3×3 convolution of the image and its normalisation.
pub(crate) fn stem(graph: &mut Graph, image: ValueId, channels: usize) -> ValueId {
    let spec = ConvSpec { padding: [1, 1], ..ConvSpec::square(channels, 3) };
    let value = graph.conv("stem", image, spec).unwrap();
    graph.batch_norm("stem.bn", value).unwrap()
}

/// Halves a map where its size allows it as the architectures do, and by a strided convolution where it does not.
pub(crate) fn halve(graph: &mut Graph, name: &str, input: ValueId, channels: usize) -> ValueId {
    let shape = graph.shape(input);
    if channels % 2 == 1 || shape.height % 2 == 1 {
        return relu_conv_norm(graph, name, input, channels, 1, 2);
    }
    let (first, second) = (format!("{name}.1"), format!("{name}.2"));
    let value = graph.factorized_reduce(&first, &second, input, channels).unwrap();
    graph.batch_norm(&format!("{name}.bn"), value).unwrap()
}

pub(crate) fn separable(
    graph: &mut Graph,
    name: &str,
    input: ValueId,
    kernel: usize,
    stride: usize,
    dilation: usize,
) -> ValueId {
    let channels = graph.shape(input).channels;
    let padding = dilation * (kernel - 1) / 2;
    let spec = SeparableSpec { channels, kernel, stride, dilation, padding };
    let (depthwise, pointwise) = (format!("{name}.dw"), format!("{name}.pw"));
    let value = graph.separable(&depthwise, &pointwise, input, spec).unwrap();
    graph.batch_norm(&format!("{name}.bn"), value).unwrap()
}

/// An edge, and whether drop path applies to it.
pub(crate) fn edge(
    graph: &mut Graph,
    name: &str,
    operation: CellOperation,
    input: ValueId,
    stride: usize,
) -> (ValueId, bool) {
    let value = match operation {
        CellOperation::Skip if stride == 1 => return (input, false),
        CellOperation::Skip => {
            let channels = graph.shape(input).channels;
            halve(graph, name, input, channels)
        }
        CellOperation::Max | CellOperation::Average => {
            let kind = if operation == CellOperation::Max { PoolKind::Max } else { PoolKind::Average };
            let value = graph.pool(name, input, kind, stride).unwrap();
            graph.batch_norm(&format!("{name}.bn"), value).unwrap()
        }
        CellOperation::Separable(kernel) => {
            let half = separable(graph, &format!("{name}.a"), input, kernel, stride, 1);
            separable(graph, &format!("{name}.b"), half, kernel, 1, 1)
        }
        CellOperation::Dilated(kernel) => separable(graph, name, input, kernel, stride, 2),
    };
    (value, true)
}

/// Edges of each node: operations and which earlier values they read (0 and 1 are the cell's inputs).
pub(crate) type Nodes = Vec<Vec<(CellOperation, usize)>>;

pub(crate) fn random_nodes(dice: &mut Dice, most_edges: usize) -> Nodes {
    let node = |node: usize, dice: &mut Dice| {
        let edges = dice.below(most_edges + 1);
        (0..edges).map(|_| (dice.pick(&OPERATIONS), dice.below(node + 2))).collect()
    };
    (0..4).map(|i| node(i, dice)).collect()
}

/// The concatenation of a cell's nodes.
pub(crate) fn cell(
    graph: &mut Graph,
    name: &str,
    inputs: [ValueId; 2],
    channels: usize,
    reduction: bool,
    nodes: &Nodes,
) -> ValueId {
    let sizes = inputs.map(|input| graph.shape(input).height);
    let first = if sizes[0] > sizes[1] {
        halve(graph, &format!("{name}.pre0"), inputs[0], channels)
    } else {
        relu_conv_norm(graph, &format!("{name}.pre0"), inputs[0], channels, 1, 1)
    };
    let second = relu_conv_norm(graph, &format!("{name}.pre1"), inputs[1], channels, 1, 1);
    let size = if reduction { sizes[1].div_ceil(2) } else { sizes[1] };
    let concat = graph.concat(nodes.len(), Shape::new(channels, size, size));
    let mut values = vec![first, second];
    for (i, node) in nodes.iter().enumerate() {
        let edges: Vec<_> = (node.iter().enumerate())
            .map(|(e, &(operation, from))| {
                let stride = if reduction && from < 2 { 2 } else { 1 };
                edge(graph, &format!("{name}.{i}.{e}"), operation, values[from], stride)
            })
            .collect();
        values.push(graph.node_sum(&format!("{name}.{i}"), &edges, concat, i).unwrap());
    }
    graph.concat_value(concat).unwrap()
}

/// The auxiliary head.
pub(crate) fn auxiliary_head(graph: &mut Graph, input: ValueId) {
    graph.in_training_only(|graph| {
        let pooled = graph.auxiliary_pool("aux.pool", input).unwrap();
        let spec = ConvSpec::square(7, 1);
        let value = graph.conv("aux.1", pooled, spec).unwrap();
        let value = graph.batch_norm("aux.1.bn", value).unwrap();
        let value = relu_conv_norm(graph, "aux.2", value, 9, 2, 1);
        let logits = graph.linear("aux.linear", value, CLASSES, true).unwrap();
        graph.head(logits, 0.4).unwrap();
    });
}

/// A normal cell, a reduction and a normal one behind a stem, on request with the auxiliary head behind the reduction.
pub(crate) fn network(
    name: &str,
    input: Shape,
    channels: usize,
    batch_size: usize,
    count: usize,
    auxiliary: bool,
    [normal, reduction]: [&Nodes; 2],
) -> Case {
    Case::new(name, input, batch_size, count, |graph, image| {
        let stem = stem(graph, image, channels + 2);
        let first = cell(graph, "cells.0", [stem, stem], channels, false, normal);
        let second = cell(graph, "cells.1", [stem, first], 2 * channels, true, reduction);
        if auxiliary {
            auxiliary_head(graph, second);
        }
        cell(graph, "cells.2", [first, second], 2 * channels, false, normal)
    })
}

/// A network of which everything is drawn.
pub(crate) fn random_network(seed: u64) -> Case {
    let mut dice = Dice::new(seed);
    let size = dice.pick(&[7, 7, 8, 11, 14]);
    let batch_size = dice.pick(&[1, 5, 16, 20, 33]);
    let channels = 3 + dice.below(if size > 8 { 2 } else { 7 });
    let input = Shape::new(1 + 2 * dice.below(2), size, size);
    let (normal, reduction) = (random_nodes(&mut dice, 3), random_nodes(&mut dice, 3));
    let partial = 1 + dice.below(batch_size);
    // The head normalises a single pixel. Of a single image that is exactly 0, where a ReLU follows that may be open or closed.
    let auxiliary = batch_size > 1 && partial > 1;
    let name = format!("random network {seed}");
    let count = batch_size + partial;
    let mut case = network(&name, input, channels, batch_size, count, auxiliary, [&normal, &reduction]);
    let stored = dice.pick(&[size, 2 * size, size + 3]);
    case.images = random_images(Shape::new(input.channels, stored, stored), count, CLASSES, seed);
    case.settings.preprocess.augment = dice.below(2) == 1;
    case.settings.preprocess.cutout = dice.pick(&[0, 3, 4]);
    case.settings.label_smoothing = dice.pick(&[0.0, 0.1]);
    case.settings.groups[0].grad_clip = dice.pick(&[0.3, 5.0, 1e6]);
    case.settings.seed = seed << 30 | seed;
    case.drop_path = dice.pick(&[0.0, 0.2, 0.5]);
    case
}
