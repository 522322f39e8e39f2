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
    supernet_with(graph, image, SupernetPlan { group: Group::WEIGHTS, draw: None, drops_skips: false })
}

/// How a supernet is searched.
#[derive(Clone, Copy)]
pub(crate) struct SupernetPlan {
    /// Of the numbers of its mixtures.
    pub(crate) group: Group,
    /// How their weights are drawn, if they are.
    pub(crate) draw: Option<Draw>,
    /// Whether drop path applies to skip connections.
    pub(crate) drops_skips: bool,
}

pub(crate) fn supernet_with(
    graph: &mut Graph,
    image: ValueId,
    SupernetPlan { group, draw, drops_skips }: SupernetPlan,
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
    let first = cell(graph, "cells.0", [stem, stem], Edges { mixture: normal?, stride: 1, drops_skips })?;
    cell(graph, "cells.1", [stem, first], Edges { mixture: reduce?, stride: 2, drops_skips })
}

/// What the edges of a cell are made of.
#[derive(Clone, Copy)]
struct Edges {
    mixture: Mixture,
    /// Of those that read the cell's inputs.
    stride: usize,
    drops_skips: bool,
}

/// Nodes that sum an edge from each of the two inputs and each node before; concatenated.
fn cell(graph: &mut Graph, name: &str, inputs: [ValueId; 2], edges: Edges) -> Result<ValueId, Error> {
    let mut states = Vec::new();
    for (number, input) in inputs.into_iter().enumerate() {
        let name = format!("{name}.pre{number}");
        let spec = ConvSpec { relu: true, ..ConvSpec::square(CHANNELS, 1) };
        let raw = graph.conv(&format!("{name}.conv"), input, spec)?;
        states.push(graph.batch_norm_plain(&format!("{name}.bn"), raw)?);
    }
    let size = graph.shape(states[1]).height / edges.stride;
    let concat = graph.concat(NODES, Shape::new(CHANNELS, size, size));
    let mut edge = 0;
    for node in 0..NODES {
        let mut terms = Vec::new();
        for (source, &state) in states.iter().enumerate() {
            let stride = if source < 2 { edges.stride } else { 1 };
            for (choice, operation) in (1..).zip(OPERATIONS) {
                let (name, weight) = (format!("{name}.edges.{edge}"), (edges.mixture, edge, choice));
                let build = |graph: &mut Graph| operation(graph, &name, state, stride);
                let value = graph.serving(&name, weight, build)?;
                let drop = edges.drops_skips && choice == SKIP;
                terms.push(Term { value, drop, weight: Some(weight) });
            }
            edge += 1;
        }
        states.push(graph.weighted_sum(&format!("{name}.{node}"), &terms, concat, node)?);
    }
    graph.concat_value(concat)
}

/// Adds an operation with a name, of a value, with a stride.
type Build = fn(&mut Graph, &str, ValueId, usize) -> Result<ValueId, Error>;

/// All operations but none, which is the first choice.
const OPERATIONS: [Build; 7] = [
    |graph, name, input, stride| pool(graph, &format!("{name}.max"), input, PoolKind::Max, stride),
    |graph, name, input, stride| pool(graph, &format!("{name}.average"), input, PoolKind::Average, stride),
    skip,
    |graph, name, input, stride| twice(graph, &format!("{name}.sep3"), input, 3, stride),
    |graph, name, input, stride| twice(graph, &format!("{name}.sep5"), input, 5, stride),
    |graph, name, input, stride| separable(graph, &format!("{name}.dil3"), input, 3, stride, 2),
    |graph, name, input, stride| separable(graph, &format!("{name}.dil5"), input, 5, stride, 2),
];

/// The choice that is a skip connection.
const SKIP: usize = 3;

fn pool(
    graph: &mut Graph,
    name: &str,
    input: ValueId,
    kind: PoolKind,
    stride: usize,
) -> Result<ValueId, Error> {
    let raw = graph.pool(name, input, kind, stride)?;
    graph.batch_norm_plain(&format!("{name}.bn"), raw)
}

fn skip(graph: &mut Graph, name: &str, input: ValueId, stride: usize) -> Result<ValueId, Error> {
    if stride == 1 {
        return Ok(input);
    }
    let [first, second] = ["first", "second"].map(|half| format!("{name}.skip.{half}"));
    let raw = graph.factorized_reduce(&first, &second, input, CHANNELS)?;
    graph.batch_norm_plain(&format!("{name}.skip.bn"), raw)
}

fn twice(
    graph: &mut Graph,
    name: &str,
    input: ValueId,
    kernel: usize,
    stride: usize,
) -> Result<ValueId, Error> {
    let first = separable(graph, &format!("{name}.0"), input, kernel, stride, 1)?;
    separable(graph, &format!("{name}.1"), first, kernel, 1, 1)
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
        data: DataId { name: name.to_owned(), digest: cache::Digest::of("test", b""), augmentation: None },
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
        darts("darts-first")
    }
}
