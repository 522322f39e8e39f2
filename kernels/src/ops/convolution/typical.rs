//! Convolutions of a map that keep its size, one that halves it, and a linear layer.

use super::{ConvSpec, DepthwiseSpec, SeparableSpec};
use crate::error::Error;
use crate::graph::{Graph, ValueId};
use crate::ops::typical::{Own, Typical, classify};

pub(in crate::ops) fn typical() -> Vec<Typical> {
    let dense = |name, kernel| {
        Typical::of_map(name, move |graph, map| {
            let channels = graph.shape(map).channels;
            let spec =
                ConvSpec { padding: [kernel / 2; 2], relu: true, ..ConvSpec::square(channels, kernel) };
            graph.conv("convolution", map, spec)
        })
    };
    let separable = |name, kernel: usize, dilation| {
        Typical::of_map(name, move |graph, map| {
            let channels = graph.shape(map).channels;
            let padding = dilation * (kernel / 2);
            let spec = SeparableSpec { channels, kernel, stride: 1, dilation, padding };
            graph.separable("depthwise", "pointwise", map, spec)
        })
    };
    let depthwise = Typical::of_map("depthwise convolution 3×3", |graph, map| {
        let spec = DepthwiseSpec { kernel: 3, stride: 1, dilation: 1, padding: 1, relu: true };
        graph.depthwise("depthwise", map, spec)
    });
    let halved = Typical::of_map("factorised reduction", |graph, map| {
        graph.factorized_reduce("first", "second", map, graph.shape(map).channels)
    });
    vec![
        dense("convolution 1×1", 1),
        dense("convolution 3×3", 3),
        depthwise,
        separable("separable convolution 3×3", 3, 1),
        separable("separable convolution 5×5", 5, 1),
        separable("dilated convolution 3×3", 3, 2),
        separable("dilated convolution 5×5", 5, 2),
        halved,
        linear(),
    ]
}

fn linear() -> Typical {
    const WIDTH: usize = 512;
    fn features(graph: &mut Graph, image: ValueId) -> Result<ValueId, Error> {
        let features = graph.global_average(image);
        graph.linear("features", features, WIDTH, false)
    }
    let network = |graph: &mut Graph, image: ValueId| {
        let features = features(graph, image)?;
        let linear = graph.linear("linear", features, WIDTH, true)?;
        classify(graph, linear)
    };
    let without = |graph: &mut Graph, image: ValueId| {
        let features = features(graph, image)?;
        classify(graph, features)
    };
    let own = Own::Beyond(Box::new(without));
    let plain = Typical::of_kinds("linear", format!("{WIDTH} to {WIDTH}"), &[]);
    Typical { network: Box::new(network), own, ..plain }
}
