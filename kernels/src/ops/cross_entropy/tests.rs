//! Networks whose loss has smoothed labels.

use crate::checks::{Example, example, relu_conv_norm};

pub(in crate::ops) fn examples() -> Vec<Example> {
    let smoothed =
        example("label smoothing", 6, |graph, value| relu_conv_norm(graph, "conv", value, 4, 3, 1));
    vec![Example { label_smoothing: 0.2, ..smoothed }]
}
