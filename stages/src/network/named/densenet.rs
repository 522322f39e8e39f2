//! DenseNet-BC for small images, with as many layers as DenseNet-121.

use kernels::{ConvSpec, Error, Graph, PoolKind, PoolSpec, ValueId};

use super::{Features, conv};

/// Channels that each layer adds.
const GROWTH: usize = 12;
/// Layers of each block.
const BLOCKS: [usize; 4] = [6, 12, 24, 16];

/// Four dense blocks, between which channels and image are halved.
pub(super) struct DenseNet;

impl Features for DenseNet {
    fn build(&self, graph: &mut Graph, image: ValueId) -> Result<ValueId, Error> {
        let mut map = graph.conv("stem", image, conv(2 * GROWTH, 3, 1))?;
        let mut number = 0;
        let mut next_name = || {
            let name = format!("layers.{number}");
            number += 1;
            name
        };
        for (block, layers) in BLOCKS.into_iter().enumerate() {
            if block > 0 {
                map = transition(graph, &next_name(), map)?;
            }
            for _ in 0..layers {
                map = layer(graph, &next_name(), map)?;
            }
        }
        let last = graph.batch_norm("bn", map)?;
        Ok(graph.relu(last))
    }
}

/// A bottleneck and a 3×3 convolution, behind what they read.
fn layer(graph: &mut Graph, name: &str, map: ValueId) -> Result<ValueId, Error> {
    let part = |part: &str| format!("{name}.{part}");
    let hidden = norm_relu_conv(graph, [&part("bn1"), &part("conv1")], map, conv(4 * GROWTH, 1, 1))?;
    let grown = norm_relu_conv(graph, [&part("bn2"), &part("conv2")], hidden, conv(GROWTH, 3, 1))?;
    graph.concatenate(name, &[map, grown])
}

/// Half of the channels, on half of the image's height and width.
fn transition(graph: &mut Graph, name: &str, map: ValueId) -> Result<ValueId, Error> {
    let half = graph.shape(map).channels / 2;
    let parts = [format!("{name}.bn"), format!("{name}.conv")];
    let mixed = norm_relu_conv(graph, parts.each_ref().map(String::as_str), map, conv(half, 1, 1))?;
    graph.pool_with(name, mixed, PoolSpec { kind: PoolKind::Average, kernel: 2, stride: 2, padding: 0 })
}

fn norm_relu_conv(
    graph: &mut Graph,
    [norm, conv]: [&str; 2],
    input: ValueId,
    spec: ConvSpec,
) -> Result<ValueId, Error> {
    let normalised = graph.batch_norm(norm, input)?;
    graph.conv(conv, normalised, ConvSpec { relu: true, ..spec })
}
