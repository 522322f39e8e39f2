//! Networks whose loss has smoothed labels, and those of a thousand classes.

use crate::checks::{Example, example, relu_conv_norm};

pub(in crate::ops) fn examples() -> Vec<Example> {
    let smoothed =
        example("label smoothing", 6, |graph, value| relu_conv_norm(graph, "conv", value, 4, 3, 1));
    let many = example("a thousand classes", 4, |graph, value| relu_conv_norm(graph, "conv", value, 6, 1, 1));
    vec![
        Example { label_smoothing: 0.2, ..smoothed },
        Example { classes: 1000, label_smoothing: 0.1, ..many },
    ]
}
