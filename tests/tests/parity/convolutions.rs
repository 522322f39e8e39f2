//! Kernels that are no squares, and groups, in the blocks that are known for them, held to the same ones in PyTorch:
//! `tests/reference/convolutions.py`.

use kernels::{ConvSpec, Error, Graph, ValueId};

use crate::handmade::{conv, conv_bn, depthwise_bn, hold_handmade};
use crate::on_each_device;

fn convolutions(graph: &mut Graph, image: ValueId) -> Result<ValueId, Error> {
    let stem = conv_bn(graph, "stem", image, conv(8, 3, 1))?;
    let stem = graph.relu(stem);
    let map = inception(graph, "blocks.0", stem)?;
    let map = resnext(graph, "blocks.1", map, [12, 16], 4, 1)?;
    let map = resnext(graph, "blocks.2", map, [16, 24], 2, 2)?;
    shuffle(graph, "blocks.3", map, 12, 3)
}

/// Inception's 1×7 and 7×1 beside a 1×1.
fn inception(graph: &mut Graph, name: &str, input: ValueId) -> Result<ValueId, Error> {
    let part = |part: &str| format!("{name}.{part}");
    let one = conv_bn(graph, &part("one"), input, conv(6, 1, 1))?;
    let reduced = conv_bn(graph, &part("reduce"), input, conv(6, 1, 1))?;
    let row = ConvSpec { padding: [0, 3], relu: true, ..ConvSpec::new(6, [1, 7]) };
    let row = conv_bn(graph, &part("row"), reduced, row)?;
    let column = ConvSpec { padding: [3, 0], relu: true, ..ConvSpec::new(10, [7, 1]) };
    let column = conv_bn(graph, &part("column"), row, column)?;
    let both = graph.concatenate(name, &[one, column])?;
    Ok(graph.relu(both))
}

/// A bottleneck whose 3×3 is in groups.
fn resnext(
    graph: &mut Graph,
    name: &str,
    input: ValueId,
    [hidden, channels]: [usize; 2],
    groups: usize,
    stride: usize,
) -> Result<ValueId, Error> {
    let part = |part: &str| format!("{name}.{part}");
    let reduced = conv_bn(graph, &part("reduce"), input, conv(hidden, 1, 1))?;
    let grouped = ConvSpec { groups, relu: true, ..conv(hidden, 3, stride) };
    let grouped = conv_bn(graph, &part("grouped"), reduced, grouped)?;
    let expand = ConvSpec { relu: true, ..conv(channels, 1, 1) };
    let expanded = conv_bn(graph, &part("expand"), grouped, expand)?;
    let shortcut = if stride == 1 && graph.shape(input).channels == channels {
        input
    } else {
        conv_bn(graph, &part("shortcut"), input, conv(channels, 1, stride))?
    };
    let sum = graph.sum(name, &[expanded, shortcut])?;
    Ok(graph.relu(sum))
}

/// A unit of 1×1 convolutions in groups, between them a shuffle and a depthwise one.
fn shuffle(
    graph: &mut Graph,
    name: &str,
    input: ValueId,
    hidden: usize,
    groups: usize,
) -> Result<ValueId, Error> {
    let part = |part: &str| format!("{name}.{part}");
    let reduce = ConvSpec { groups, ..conv(hidden, 1, 1) };
    let reduced = conv_bn(graph, &part("reduce"), input, reduce)?;
    let reduced = graph.relu(reduced);
    let shuffled = graph.shuffle_channels(&part("shuffle"), reduced, groups)?;
    let map = depthwise_bn(graph, &part("depthwise"), shuffled, 1)?;
    let expand = ConvSpec { groups, ..conv(graph.shape(input).channels, 1, 1) };
    let expanded = conv_bn(graph, &part("expand"), map, expand)?;
    let sum = graph.sum(name, &[expanded, input])?;
    Ok(graph.relu(sum))
}

on_each_device! { hold_handmade:
    convolutions("convolutions", super::convolutions)
}
