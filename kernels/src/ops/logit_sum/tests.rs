//! A network that adds the sum of an auxiliary head's logits to its loss.

use crate::Graph;
use crate::checks::{Example, example, relu_conv_norm};

pub(in crate::ops) fn examples() -> Vec<Example> {
    let build = |graph: &mut Graph, value| {
        let value = relu_conv_norm(graph, "conv", value, 4, 3, 1);
        graph.in_training_only(|graph| {
            let features = graph.global_average(value);
            let logits = graph.linear("sum", features, graph.tables.classes, true).unwrap();
            graph.sum_head(logits, 0.3).unwrap();
        });
        value
    };
    vec![example("sum of logits", 4, build)]
}
