//! Networks with dropout: of maps and of features, behind a normalisation and behind a ReLU.

use crate::checks::{Example, example, relu_conv_norm};

pub(in crate::ops) fn examples() -> Vec<Example> {
    vec![example("dropout of a map and of features", 6, |graph, value| {
        let made = relu_conv_norm(graph, "conv", value, 4, 3, 1);
        let some = graph.dropout("map", made, 0.4).unwrap();
        let open = graph.relu(some);
        let all = graph.dropout("all", open, 0.0).unwrap();
        let pooled = graph.global_average(all);
        let features = graph.linear("features", pooled, 6, false).unwrap();
        let open = graph.relu(features);
        graph.dropout("features", open, 0.3).unwrap()
    })]
}
