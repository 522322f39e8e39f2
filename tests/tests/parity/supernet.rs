//! A supernet, whose edges are mixtures of all operations, held to the same one in PyTorch: `tests/reference/supernet.py`. The
//! gradients of the mixtures' numbers are among those of all parameters.

use kernels::{
    ConvSpec, DeviceChoice, Draw, Error, Graph, Group, Mixture, PoolKind, SeparableSpec, Shape, Term, ValueId,
};

use stages::Budget;
use stages::recipe::Scoring;
use stages::supernet::{Method, SupernetJob};
use stages::train::DataId;

use crate::golden::{self, Golden, Sizes};
use crate::handmade::hold_handmade;
use crate::{hold_network, on_each_device};

const NODES: usize = 2;
const CHANNELS: usize = 4;

fn supernet(graph: &mut Graph, image: ValueId) -> Result<ValueId, Error> {
    supernet_with(graph, image, Group::WEIGHTS, None)
}

/// With the numbers of its mixtures in a group, and weights that may be drawn.
pub(crate) fn supernet_with(
    graph: &mut Graph,
    image: ValueId,
    group: Group,
    draw: Option<Draw>,
) -> Result<ValueId, Error> {
    let spec = ConvSpec { padding: [1, 1], ..ConvSpec::square(CHANNELS, 3) };
    let stem = graph.conv("stem", image, spec)?;
    let stem = graph.batch_norm_plain("stem_bn", stem)?;
    let edges = (0..NODES).map(|node| 2 + node).sum();
    let [normal, reduce] = ["normal.weight", "reduce.weight"].map(|name| {
        graph.in_group(group, |graph| match draw {
            None => graph.mixture(name, edges, 8),
            Some(draw) => graph.drawn_mixture(name, edges, 8, draw),
        })
    });
    let first = cell(graph, "cells.0", [stem, stem], normal?, 1)?;
    cell(graph, "cells.1", [stem, first], reduce?, 2)
}

/// Nodes that sum an edge from each of the two inputs and each node before; concatenated.
fn cell(
    graph: &mut Graph,
    name: &str,
    inputs: [ValueId; 2],
    mixture: Mixture,
    stride: usize,
) -> Result<ValueId, Error> {
    let mut states = Vec::new();
    for (number, input) in inputs.into_iter().enumerate() {
        let name = format!("{name}.pre{number}");
        let spec = ConvSpec { relu: true, ..ConvSpec::square(CHANNELS, 1) };
        let raw = graph.conv(&format!("{name}.conv"), input, spec)?;
        states.push(graph.batch_norm_plain(&format!("{name}.bn"), raw)?);
    }
    let size = graph.shape(states[1]).height / stride;
    let concat = graph.concat(NODES, Shape::new(CHANNELS, size, size));
    let mut edge = 0;
    for node in 0..NODES {
        let mut terms = Vec::new();
        for (source, &state) in states.iter().enumerate() {
            let stride = if source < 2 { stride } else { 1 };
            let values = operations(graph, &format!("{name}.edges.{edge}"), state, stride)?;
            // The first choice is no operation.
            terms.extend((1..).zip(values).map(|(choice, value)| Term {
                value,
                drop: false,
                weight: Some((mixture, edge, choice)),
            }));
            edge += 1;
        }
        states.push(graph.weighted_sum(&format!("{name}.{node}"), &terms, concat, node)?);
    }
    graph.concat_value(concat)
}

/// All operations but none.
fn operations(graph: &mut Graph, name: &str, input: ValueId, stride: usize) -> Result<Vec<ValueId>, Error> {
    let mut values = Vec::new();
    for (kind, part) in [(PoolKind::Max, "max"), (PoolKind::Average, "average")] {
        let raw = graph.pool(&format!("{name}.{part}"), input, kind, stride)?;
        values.push(graph.batch_norm_plain(&format!("{name}.{part}.bn"), raw)?);
    }
    values.push(if stride == 1 {
        input
    } else {
        let [first, second] = ["first", "second"].map(|half| format!("{name}.skip.{half}"));
        let raw = graph.factorized_reduce(&first, &second, input, CHANNELS)?;
        graph.batch_norm_plain(&format!("{name}.skip.bn"), raw)?
    });
    for kernel in [3, 5] {
        let half = separable(graph, &format!("{name}.sep{kernel}.0"), input, kernel, stride, 1)?;
        values.push(separable(graph, &format!("{name}.sep{kernel}.1"), half, kernel, 1, 1)?);
    }
    for kernel in [3, 5] {
        values.push(separable(graph, &format!("{name}.dil{kernel}"), input, kernel, stride, 2)?);
    }
    Ok(values)
}

fn separable(
    graph: &mut Graph,
    name: &str,
    input: ValueId,
    kernel: usize,
    stride: usize,
    dilation: usize,
) -> Result<ValueId, Error> {
    let padding = dilation * (kernel - 1) / 2;
    let spec = SeparableSpec { channels: CHANNELS, kernel, stride, dilation, padding };
    let [depthwise, pointwise] = ["depthwise", "pointwise"].map(|part| format!("{name}.{part}"));
    let raw = graph.separable(&depthwise, &pointwise, input, spec)?;
    graph.batch_norm_plain(&format!("{name}.bn"), raw)
}

on_each_device! { hold_handmade:
    supernet("supernet", super::supernet)
}

/// The supernet that a method searches, as `tests/reference/searched.py` describes it.
fn hold_supernet(name: &str, choice: DeviceChoice) {
    let golden: Golden = golden::read(&format!("supernet-{name}"));
    let method = Method::NAMED.iter().find(|(known, _)| *known == name).unwrap().1;
    let Sizes { batch_size, learning_rate, image_size } = golden.budget;
    let named: Budget = "BPE-1".parse().unwrap();
    let job = SupernetJob {
        method,
        budget: Budget { batch_size, learning_rate, layers: 3, channels: 8, image_size, ..named },
        seed: 0,
        data: DataId { name: name.to_owned(), digest: cache::Digest::of("test", b"") },
        scoring: Scoring::default(),
        recipe: stages::recipe::Recipe::default(),
        architecture: method.architecture_recipe(),
    };
    let graph = job.network(golden.input_channels, golden.classes).unwrap();
    hold_network(&golden, &graph, choice);
}

mod searched {
    use super::hold_supernet;
    use crate::on_each_device;

    on_each_device! { hold_supernet:
        pc_darts("pc-darts")
    }
}
