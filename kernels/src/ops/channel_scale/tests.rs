//! Networks with squeeze and excitation.

use crate::checks::{Example, example, relu_conv_norm};

pub(in crate::ops) fn examples() -> Vec<Example> {
    vec![
        example("squeeze and excitation", 6, |graph, value| {
            let made = relu_conv_norm(graph, "conv", value, 6, 3, 1);
            let squeezed = graph.global_average(made);
            let squeezed = graph.linear("squeeze", squeezed, 3, false).unwrap();
            let excited = graph.linear("excite", squeezed, 6, true).unwrap();
            let scale = graph.sigmoid(excited);
            graph.scale_channels("scale", made, scale).unwrap()
        }),
        example("scales and maps behind a ReLU, which others read too", 6, |graph, value| {
            let made = relu_conv_norm(graph, "conv", value, 4, 1, 1);
            let made = graph.relu(made);
            let pooled = graph.global_average(value);
            let scale = graph.linear("scale", pooled, 4, false).unwrap();
            let scale = graph.relu(scale);
            let once = graph.scale_channels("once", made, scale).unwrap();
            let twice = graph.scale_channels("twice", once, scale).unwrap();
            graph.sum("all", &[made, once, twice]).unwrap()
        }),
    ]
}
