//! Networks with the logistic function.

use crate::ConvSpec;
use crate::checks::{Example, example, relu_conv_norm};

pub(in crate::ops) fn examples() -> Vec<Example> {
    vec![example("sigmoid behind a normalisation and behind a ReLU", 6, |graph, value| {
        let normalised = relu_conv_norm(graph, "conv", value, 4, 3, 1);
        let first = graph.sigmoid(normalised);
        let open = graph.relu(normalised);
        let second = graph.sigmoid(open);
        let spec = ConvSpec::square(5, 1);
        let both = graph.sum("both", &[first, second]).unwrap();
        graph.conv("last", both, spec).unwrap()
    })]
}
