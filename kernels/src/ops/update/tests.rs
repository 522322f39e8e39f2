//! Networks with more parameters than one segment of the step.

use crate::checks::{Example, example, relu_conv_norm};

pub(in crate::ops) fn examples() -> Vec<Example> {
    vec![example("parameters of several segments", 6, |graph, value| {
        let wide = relu_conv_norm(graph, "wide", value, 64, 3, 1);
        relu_conv_norm(graph, "narrow", wide, 32, 3, 1)
    })]
}
