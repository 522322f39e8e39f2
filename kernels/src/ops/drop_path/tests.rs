//! Networks with drop path, also of values that others read.

use crate::checks::{Example, example, relu_conv_norm};

pub(in crate::ops) fn examples() -> Vec<Example> {
    let dropped = example("drop path of one value twice", 6, |graph, value| {
        let made = relu_conv_norm(graph, "conv", value, 4, 1, 1);
        let concat = graph.concat(1, graph.shape(made));
        graph.node_sum("sum", &[(made, true), (made, true)], concat, 0).unwrap()
    });
    vec![Example { drop_path: 0.5, ..dropped }]
}
