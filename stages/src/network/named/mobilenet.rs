//! `MobileNetV2` of width 1.

use kernels::{Error, Graph, ValueId};

use super::{Features, conv, conv_norm, depthwise_norm};
use crate::recipe::Skeleton;

/// Channels of the stem and of the last convolution.
const STEM: usize = 32;
const LAST: usize = 1280;
/// Expansion, channels, repeats and stride of the blocks (Table 2 of the paper).
const BLOCKS: [[usize; 4]; 7] = [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
];

/// Inverted residuals. For small images stem and second group keep the size.
pub(super) struct MobileNet {
    pub(super) skeleton: Skeleton,
}

impl Features for MobileNet {
    fn build(&self, graph: &mut Graph, image: ValueId) -> Result<ValueId, Error> {
        let is_small = self.skeleton == Skeleton::Cifar;
        let stem = conv_norm(graph, "stem", image, conv(STEM, 3, if is_small { 1 } else { 2 }))?;
        let mut map = graph.relu6(stem);
        let mut block = 0;
        for (group, [expansion, channels, repeats, stride]) in BLOCKS.into_iter().enumerate() {
            let first = if is_small && group == 1 { 1 } else { stride };
            for repeat in 0..repeats {
                let stride = if repeat == 0 { first } else { 1 };
                map = inverted(graph, &format!("blocks.{block}"), map, [expansion, channels, stride])?;
                block += 1;
            }
        }
        let last = conv_norm(graph, "last", map, conv(LAST, 1, 1))?;
        Ok(graph.relu6(last))
    }
}

/// Expansion, depthwise convolution, linear projection, and a shortcut where shapes allow it.
fn inverted(
    graph: &mut Graph,
    name: &str,
    map: ValueId,
    [expansion, channels, stride]: [usize; 3],
) -> Result<ValueId, Error> {
    let inputs = graph.shape(map).channels;
    let mut hidden = map;
    if expansion > 1 {
        hidden = conv_norm(graph, &format!("{name}.expand"), map, conv(expansion * inputs, 1, 1))?;
        hidden = graph.relu6(hidden);
    }
    hidden = depthwise_norm(graph, &format!("{name}.depthwise"), hidden, stride)?;
    hidden = graph.relu6(hidden);
    let projected = conv_norm(graph, &format!("{name}.project"), hidden, conv(channels, 1, 1))?;
    if stride == 1 && inputs == channels { graph.sum(name, &[map, projected]) } else { Ok(projected) }
}
