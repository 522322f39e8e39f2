//! Six published networks, each built with the runtime's public builder as a person would build it, held to the same ones in
//! PyTorch: `tests/reference/handmade.py`. What is built here is the map that a linear classifier reads.

use kernels::{
    ConvSpec, DepthwiseSpec, DeviceChoice, Error, Graph, PoolKind, PoolSpec, SeparableSpec, ValueId,
};

use crate::golden::{self, Golden};
use crate::{hold_network, on_each_device};

/// Adds a network behind its images.
pub(crate) type Features = fn(&mut Graph, ValueId) -> Result<ValueId, Error>;

pub(crate) fn hold_handmade(name: &str, features: Features, choice: DeviceChoice) {
    let golden: Golden = golden::read(&format!("handmade-{name}"));
    let graph = classifier(&golden, features).unwrap();
    hold_network(&golden, &graph, choice);
}

fn classifier(golden: &Golden, features: Features) -> Result<Graph, Error> {
    let (graph, image) = Graph::new(golden.input(), golden.classes);
    classified(golden, graph, |graph| features(graph, image))
}

/// A linear classifier of the mean of what `features` builds.
pub(crate) fn classified(
    golden: &Golden,
    mut graph: Graph,
    features: impl FnOnce(&mut Graph) -> Result<ValueId, Error>,
) -> Result<Graph, Error> {
    let map = features(&mut graph)?;
    let mean = graph.global_average(map);
    let logits = graph.linear("linear", mean, golden.classes, false)?;
    graph.head(logits, 1.0)?;
    Ok(graph)
}

/// A convolution that keeps the size but for its stride.
pub(crate) fn conv(channels: usize, kernel: usize, stride: usize) -> ConvSpec {
    ConvSpec { stride, padding: [kernel / 2; 2], ..ConvSpec::square(channels, kernel) }
}

/// A convolution and its normalisation.
pub(crate) fn conv_bn(
    graph: &mut Graph,
    name: &str,
    input: ValueId,
    spec: ConvSpec,
) -> Result<ValueId, Error> {
    let raw = graph.conv(&format!("{name}.conv"), input, spec)?;
    graph.batch_norm(&format!("{name}.bn"), raw)
}

/// A 3×3 depthwise convolution and its normalisation.
pub(crate) fn depthwise_bn(
    graph: &mut Graph,
    name: &str,
    input: ValueId,
    stride: usize,
) -> Result<ValueId, Error> {
    let spec = DepthwiseSpec { kernel: 3, stride, dilation: 1, padding: 1, relu: false };
    let raw = graph.depthwise(&format!("{name}.conv"), input, spec)?;
    graph.batch_norm(&format!("{name}.bn"), raw)
}

/// The two convolutions of a residual block, and its shortcut.
fn branches(
    graph: &mut Graph,
    name: &str,
    input: ValueId,
    channels: usize,
    stride: usize,
) -> Result<[ValueId; 2], Error> {
    let first = conv_bn(graph, &format!("{name}.first"), input, conv(channels, 3, stride))?;
    let first = graph.relu(first);
    let second = conv_bn(graph, &format!("{name}.second"), first, conv(channels, 3, 1))?;
    if stride == 1 && graph.shape(input).channels == channels {
        return Ok([second, input]);
    }
    let shortcut = conv_bn(graph, &format!("{name}.shortcut"), input, conv(channels, 1, stride))?;
    Ok([second, shortcut])
}

/// Channels and stride of residual blocks, two for each width.
fn stages(widths: &[usize]) -> impl Iterator<Item = (usize, usize)> + '_ {
    let stage = |(stage, &channels)| [(channels, if stage == 0 { 1 } else { 2 }), (channels, 1)];
    widths.iter().enumerate().flat_map(stage)
}

fn resnet_18(graph: &mut Graph, image: ValueId) -> Result<ValueId, Error> {
    let stem = conv_bn(graph, "stem", image, conv(8, 7, 2))?;
    let stem = graph.relu(stem);
    let mut map = graph.pool("pool", stem, PoolKind::Max, 2)?;
    for (block, (channels, stride)) in stages(&[8, 12, 16, 24]).enumerate() {
        let name = format!("blocks.{block}");
        let branches = branches(graph, &name, map, channels, stride)?;
        let sum = graph.sum(&name, &branches)?;
        map = graph.relu(sum);
    }
    Ok(map)
}

fn se_resnet(graph: &mut Graph, image: ValueId) -> Result<ValueId, Error> {
    let stem = conv_bn(graph, "stem", image, conv(8, 3, 1))?;
    let mut map = graph.relu(stem);
    for (block, (channels, stride)) in stages(&[8, 16, 24]).enumerate() {
        let name = format!("blocks.{block}");
        let [main, shortcut] = branches(graph, &name, map, channels, stride)?;
        let mean = graph.global_average(main);
        let squeezed = graph.linear(&format!("{name}.squeeze"), mean, channels / 4, false)?;
        let excited = graph.linear(&format!("{name}.excite"), squeezed, channels, true)?;
        let weights = graph.sigmoid(excited);
        let scaled = graph.scale_channels(&name, main, weights)?;
        let sum = graph.sum(&name, &[scaled, shortcut])?;
        map = graph.relu(sum);
    }
    Ok(map)
}

/// BN, ReLU and a convolution.
fn bn_relu_conv(
    graph: &mut Graph,
    [bn, conv]: [&str; 2],
    input: ValueId,
    spec: ConvSpec,
) -> Result<ValueId, Error> {
    let normalised = graph.batch_norm(bn, input)?;
    graph.conv(conv, normalised, ConvSpec { relu: true, ..spec })
}

fn densenet(graph: &mut Graph, image: ValueId) -> Result<ValueId, Error> {
    const GROWTH: usize = 6;
    let halve = PoolSpec { kind: PoolKind::Average, kernel: 2, stride: 2, padding: 0 };
    let mut map = graph.conv("stem", image, conv(2 * GROWTH, 3, 1))?;
    let mut names = (0..).map(|layer| format!("layers.{layer}"));
    for block in 0..3 {
        if block > 0 {
            let name = names.next().unwrap();
            let spec = conv(graph.shape(map).channels / 2, 1, 1);
            let mixed = bn_relu_conv(graph, [&format!("{name}.bn"), &format!("{name}.conv")], map, spec)?;
            map = graph.pool_with(&name, mixed, halve)?;
        }
        for name in names.by_ref().take(3) {
            let part = |part: &str| format!("{name}.{part}");
            let (bottleneck, growth) = (conv(4 * GROWTH, 1, 1), conv(GROWTH, 3, 1));
            let hidden = bn_relu_conv(graph, [&part("bn1"), &part("conv1")], map, bottleneck)?;
            let grown = bn_relu_conv(graph, [&part("bn2"), &part("conv2")], hidden, growth)?;
            map = graph.concatenate(&name, &[map, grown])?;
        }
    }
    let last = graph.batch_norm("bn", map)?;
    Ok(graph.relu(last))
}

fn mobilenet_v2(graph: &mut Graph, image: ValueId) -> Result<ValueId, Error> {
    let stem = conv_bn(graph, "stem", image, conv(8, 3, 1))?;
    let mut map = graph.relu6(stem);
    let blocks = [(8, 1, 1), (12, 6, 2), (12, 6, 1), (16, 6, 2), (16, 6, 1)];
    for (block, (channels, expansion, stride)) in blocks.into_iter().enumerate() {
        let name = format!("blocks.{block}");
        let inputs = graph.shape(map).channels;
        let mut hidden = map;
        if expansion > 1 {
            hidden = conv_bn(graph, &format!("{name}.expand"), map, conv(expansion * inputs, 1, 1))?;
            hidden = graph.relu6(hidden);
        }
        hidden = depthwise_bn(graph, &format!("{name}.depthwise"), hidden, stride)?;
        hidden = graph.relu6(hidden);
        let projected = conv_bn(graph, &format!("{name}.project"), hidden, conv(channels, 1, 1))?;
        let has_shortcut = stride == 1 && inputs == channels;
        map = if has_shortcut { graph.sum(&name, &[map, projected])? } else { projected };
    }
    let last = conv_bn(graph, "last", map, conv(32, 1, 1))?;
    Ok(graph.relu6(last))
}

fn shufflenet_v2(graph: &mut Graph, image: ValueId) -> Result<ValueId, Error> {
    let stem = conv_bn(graph, "stem", image, conv(8, 3, 2))?;
    let stem = graph.relu(stem);
    let mut map = graph.pool("pool", stem, PoolKind::Max, 2)?;
    for unit in 0..6 {
        let name = format!("units.{unit}");
        let half = if unit < 3 { 8 } else { 12 };
        let stride = if unit % 3 == 0 { 2 } else { 1 };
        let (left, right) = if stride == 2 {
            let left = depthwise_bn(graph, &format!("{name}.left.0"), map, 2)?;
            let left = conv_bn(graph, &format!("{name}.left.1"), left, conv(half, 1, 1))?;
            (graph.relu(left), map)
        } else {
            (graph.slice(map, 0, half)?, graph.slice(map, half, half)?)
        };
        let right = conv_bn(graph, &format!("{name}.expand"), right, conv(half, 1, 1))?;
        let right = graph.relu(right);
        let right = depthwise_bn(graph, &format!("{name}.depthwise"), right, stride)?;
        let right = conv_bn(graph, &format!("{name}.project"), right, conv(half, 1, 1))?;
        let right = graph.relu(right);
        let both = graph.concatenate(&name, &[left, right])?;
        map = graph.shuffle_channels(&name, both, 2)?;
    }
    let last = conv_bn(graph, "last", map, conv(32, 1, 1))?;
    Ok(graph.relu(last))
}

/// A 1×1 convolution behind a ReLU.
fn adjusted(graph: &mut Graph, name: &str, input: ValueId) -> Result<ValueId, Error> {
    conv_bn(graph, name, input, ConvSpec { relu: true, ..conv(8, 1, 1) })
}

/// A separable convolution, applied twice.
fn separable(graph: &mut Graph, name: &str, mut value: ValueId, kernel: usize) -> Result<ValueId, Error> {
    let spec = SeparableSpec { channels: 8, kernel, stride: 1, dilation: 1, padding: kernel / 2 };
    for half in 0..2 {
        let [depthwise, pointwise, bn] = [1, 2, 3].map(|part| format!("{name}.halves.{half}.{part}"));
        value = graph.separable(&depthwise, &pointwise, value, spec)?;
        value = graph.batch_norm(&bn, value)?;
    }
    Ok(value)
}

fn nasnet_a(graph: &mut Graph, image: ValueId) -> Result<ValueId, Error> {
    let stem = conv_bn(graph, "stem", image, conv(12, 3, 1))?;
    let mut maps = [stem, stem];
    for cell in 0..2 {
        let name = format!("cells.{cell}");
        let [before, now] = maps;
        let before = adjusted(graph, &format!("{name}.previous"), before)?;
        let now = adjusted(graph, &format!("{name}.current"), now)?;
        let average = |graph: &mut Graph, input| graph.pool(&name, input, PoolKind::Average, 1);
        let (average_before, average_now) = (average(graph, before)?, average(graph, now)?);
        let mut number = 0..;
        let mut separable = |graph: &mut Graph, input, kernel| {
            separable(graph, &format!("{name}.separables.{}", number.next().unwrap()), input, kernel)
        };
        let pairs = [
            [separable(graph, now, 3)?, now],
            [separable(graph, before, 3)?, separable(graph, now, 5)?],
            [average_now, before],
            [average_before, average_before],
            [separable(graph, before, 5)?, separable(graph, before, 3)?],
        ];
        let cell = graph.concat(pairs.len(), graph.shape(now));
        for (slot, pair) in pairs.into_iter().enumerate() {
            graph.node_sum(&name, &pair.map(|value| (value, false)), cell, slot)?;
        }
        maps = [maps[1], graph.concat_value(cell)?];
    }
    Ok(graph.relu(maps[1]))
}

/// All of them by name.
pub(crate) const NETWORKS: [(&str, Features); 6] = [
    ("resnet-18", resnet_18),
    ("se-resnet", se_resnet),
    ("densenet", densenet),
    ("mobilenet-v2", mobilenet_v2),
    ("shufflenet-v2", shufflenet_v2),
    ("nasnet-a", nasnet_a),
];

on_each_device! { hold_handmade:
    resnet_18("resnet-18", super::resnet_18)
    se_resnet("se-resnet", super::se_resnet)
    densenet("densenet", super::densenet)
    mobilenet_v2("mobilenet-v2", super::mobilenet_v2)
    shufflenet_v2("shufflenet-v2", super::shufflenet_v2)
    nasnet_a("nasnet-a", super::nasnet_a)
}
