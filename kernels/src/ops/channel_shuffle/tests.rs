//! Networks with shuffles of channels.

use crate::ConvSpec;
use crate::checks::{Example, example, relu_conv_norm};

pub(in crate::ops) fn examples() -> Vec<Example> {
    vec![example("shuffles of a concatenation, and behind a ReLU", 6, |graph, value| {
        let made = relu_conv_norm(graph, "conv", value, 6, 1, 1);
        let open = graph.relu(made);
        let shuffled = graph.shuffle_channels("open", open, 3).unwrap();
        let left = graph.slice(shuffled, 0, 2).unwrap();
        let both = graph.concatenate("both", &[left, open]).unwrap();
        let both = graph.shuffle_channels("both", both, 2).unwrap();
        let spec = ConvSpec { padding: [1, 1], relu: true, ..ConvSpec::square(4, 3) };
        graph.conv("last", both, spec).unwrap()
    })]
}
