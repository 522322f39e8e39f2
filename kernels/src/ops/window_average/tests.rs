//! Networks with averages over windows: the auxiliary head's, which overlap or adapt to the map.

use crate::checks::{CellOperation, Example, auxiliary_head, check_gradients, edge, example, relu_conv_norm};

pub(in crate::ops) fn examples() -> Vec<Example> {
    let head = |size: usize| {
        let head = example(format!("auxiliary head of {size}"), size, |graph, value| {
            auxiliary_head(graph, value);
            edge(graph, "edge", CellOperation::Skip, value, 1).0
        });
        Example { label_smoothing: 0.1, ..head }
    };
    [5, 7, 8].map(head).into()
}

#[test]
fn gradients_of_overlapping_and_adaptive_windows() {
    for size in [3, 5, 6, 7, 8] {
        check_gradients(&example(format!("window average of {size}"), size, |graph, value| {
            let pooled = graph.auxiliary_pool("pool", value).unwrap();
            relu_conv_norm(graph, "conv", pooled, 4, 2, 1)
        }));
    }
}
