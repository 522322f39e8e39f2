//! `ShuffleNetV2` of width 2.

use kernels::{Error, Graph, PoolKind, ValueId};

use super::{Features, conv, conv_norm, depthwise_norm};
use crate::recipe::Skeleton;

/// Channels of the stem and of the last convolution.
const STEM: usize = 24;
const LAST: usize = 2048;
/// Channels and units of each stage (Table 5 of the paper, 2×).
const STAGES: [[usize; 2]; 3] = [[244, 4], [488, 8], [976, 4]];

/// Shuffle units. For small images the stem keeps the size, and nothing is pooled behind it.
pub(super) struct ShuffleNet {
    pub(super) skeleton: Skeleton,
}

impl Features for ShuffleNet {
    fn build(&self, graph: &mut Graph, image: ValueId) -> Result<ValueId, Error> {
        let is_small = self.skeleton == Skeleton::Cifar;
        let stem = conv_norm(graph, "stem", image, conv(STEM, 3, if is_small { 1 } else { 2 }))?;
        let mut map = graph.relu(stem);
        if !is_small {
            map = graph.pool("pool", map, PoolKind::Max, 2)?;
        }
        let mut number = 0;
        for [channels, units] in STAGES {
            for place in 0..units {
                map = unit(graph, &format!("units.{number}"), map, channels / 2, place == 0)?;
                number += 1;
            }
        }
        let last = conv_norm(graph, "last", map, conv(LAST, 1, 1))?;
        Ok(graph.relu(last))
    }
}

/// Half of the channels convolved and the others kept, or, where the image is halved, all convolved twice; then shuffled.
fn unit(graph: &mut Graph, name: &str, map: ValueId, half: usize, halves: bool) -> Result<ValueId, Error> {
    let stride = if halves { 2 } else { 1 };
    let (left, right) = if halves {
        let left = depthwise_norm(graph, &format!("{name}.left.0"), map, stride)?;
        let left = conv_norm(graph, &format!("{name}.left.1"), left, conv(half, 1, 1))?;
        (graph.relu(left), map)
    } else {
        (graph.slice(map, 0, half)?, graph.slice(map, half, half)?)
    };
    let right = conv_norm(graph, &format!("{name}.expand"), right, conv(half, 1, 1))?;
    let right = graph.relu(right);
    let right = depthwise_norm(graph, &format!("{name}.depthwise"), right, stride)?;
    let right = conv_norm(graph, &format!("{name}.project"), right, conv(half, 1, 1))?;
    let right = graph.relu(right);
    let both = graph.concatenate(name, &[left, right])?;
    graph.shuffle_channels(name, both, 2)
}
