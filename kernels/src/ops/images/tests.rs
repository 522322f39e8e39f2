//! Networks whose input has one channel, and an odd size.

use crate::checks::{Example, example, relu_conv_norm};

pub(in crate::ops) fn examples() -> Vec<Example> {
    vec![example("images of an odd size", 9, |graph, value| relu_conv_norm(graph, "conv", value, 4, 3, 2))]
}
