//! Networks with ReLU6: behind a normalisation, of a value that others read too, and of what reaches both bounds.

use crate::checks::{Example, example, relu_conv_norm};
use crate::graph::{Graph, ValueId};
use crate::{Concat, ConvSpec};

fn sum(graph: &mut Graph, edges: &[(ValueId, bool)]) -> ValueId {
    let concat: Concat = graph.concat(1, graph.shape(edges[0].0));
    graph.node_sum("sum", edges, concat, 0).unwrap()
}

pub(in crate::ops) fn examples() -> Vec<Example> {
    vec![
        example("relu6 behind a normalisation", 6, |graph, value| {
            let normalised = relu_conv_norm(graph, "conv", value, 4, 3, 1);
            let bounded = graph.relu6(normalised);
            relu_conv_norm(graph, "last", bounded, 4, 1, 1)
        }),
        example("relu6 of sums beyond six, which others read too", 6, |graph, value| {
            // Five times a normalised value is beyond six now and then.
            let fivefold = sum(graph, &[(value, false); 5]);
            let bounded = graph.relu6(fivefold);
            let spec = ConvSpec { relu: true, ..ConvSpec::square(5, 1) };
            let other = graph.conv("other", fivefold, spec).unwrap();
            let channels = graph.shape(bounded).channels;
            let own = graph.conv("own", bounded, ConvSpec { channels, ..spec }).unwrap();
            let other = graph.conv("same", other, ConvSpec { channels, ..spec }).unwrap();
            sum(graph, &[(own, false), (other, true)])
        }),
    ]
}
