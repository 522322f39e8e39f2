//! Networks with sums of none to many edges.

use crate::checks::{CellOperation, Example, check_gradients, edge, example, relu_conv_norm};
use crate::graph::Graph;

pub(in crate::ops) fn examples() -> Vec<Example> {
    use CellOperation::{Average, Dilated};
    let sums = example("node sums with drop path", 6, |graph, value| {
        let concat = graph.concat(4, graph.shape(value));
        let a = graph.node_sum("a", &[], concat, 0).unwrap();
        let pooled = edge(graph, "pool", Average, value, 1);
        let b = graph.node_sum("b", &[pooled, (value, true), (a, false)], concat, 1).unwrap();
        let convolved = edge(graph, "conv", Dilated(3), b, 1);
        graph.node_sum("c", &[convolved, (b, false), (b, true), (value, false)], concat, 2).unwrap();
        graph.node_sum("d", &[(value, false)], concat, 3).unwrap();
        graph.concat_value(concat).unwrap()
    });
    // As residual networks do: the sum is read behind a ReLU, by a sum too.
    let residual = example("sums of what is behind a ReLU", 6, |graph, value| {
        let block = |graph: &mut Graph, name: &str, input| {
            let channels = graph.shape(input).channels;
            let inner = relu_conv_norm(graph, &format!("{name}.1"), input, channels, 1, 1);
            let inner = relu_conv_norm(graph, &format!("{name}.2"), inner, channels, 1, 1);
            let concat = graph.concat(1, graph.shape(input));
            let sum = graph.node_sum(name, &[(inner, true), (input, false)], concat, 0).unwrap();
            graph.relu(sum)
        };
        let first = graph.relu(value);
        let second = block(graph, "a", first);
        block(graph, "b", second)
    });
    [sums, residual].map(|example| Example { drop_path: 0.4, ..example }).into()
}

#[test]
fn gradients_of_none_to_five_edges_with_and_without_drop_path() {
    use CellOperation::{Average, Dilated, Max, Separable, Skip};
    for count in 0..=5 {
        for drop_path in [0.0, 0.4] {
            let name = format!("sum of {count} edges, drop path {drop_path}");
            let sums = example(name, 6, move |graph, value| {
                let concat = graph.concat(2, graph.shape(value));
                let chosen = &[Separable(3), Skip, Max, Dilated(3), Average][..count];
                let edges: Vec<_> = (chosen.iter().enumerate())
                    .map(|(i, &operation)| edge(graph, &format!("edge{i}"), operation, value, 1))
                    .collect();
                let node = graph.node_sum("node", &edges, concat, 0).unwrap();
                // The second node reads the first twice and the stem, one of them with drop path on an identity.
                let edges = [(node, false), (node, true), (value, false)];
                graph.node_sum("last", &edges, concat, 1).unwrap();
                graph.concat_value(concat).unwrap()
            });
            check_gradients(&Example { drop_path, ..sums });
        }
    }
}

#[test]
fn gradients_of_a_normalised_value_that_only_one_edge_reads_and_one_that_several_read() {
    for readers in 1..=3 {
        let summed = example(format!("{readers} readers"), 6, move |graph, value| {
            let value = relu_conv_norm(graph, "conv", value, 4, 1, 1);
            let concat = graph.concat(readers, graph.shape(value));
            for slot in 0..readers {
                graph.node_sum(&format!("node{slot}"), &[(value, true)], concat, slot).unwrap();
            }
            graph.concat_value(concat).unwrap()
        });
        check_gradients(&Example { drop_path: 0.3, ..summed });
    }
}

#[test]
fn gradients_of_a_concatenation_that_is_read_whole_and_in_parts() {
    check_gradients(&example("concat", 6, |graph, value| {
        let part = graph.shape(value);
        let concat = graph.concat(3, part);
        let a = graph.node_sum("a", &[(value, false)], concat, 0).unwrap();
        let pooled = edge(graph, "pool", CellOperation::Max, a, 1);
        let b = graph.node_sum("b", &[pooled, (a, false)], concat, 1).unwrap();
        let convolved = edge(graph, "conv", CellOperation::Dilated(3), b, 1);
        graph.node_sum("c", &[convolved], concat, 2).unwrap();
        let whole = graph.concat_value(concat).unwrap();
        let first = relu_conv_norm(graph, "first", whole, 4, 1, 1);
        let second = relu_conv_norm(graph, "second", whole, 4, 1, 1);
        let sum = graph.concat(1, graph.shape(first));
        graph.node_sum("sum", &[(first, false), (second, false)], sum, 0).unwrap()
    }));
}
