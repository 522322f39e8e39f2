//! Networks in which values are read with and without their normalisation, as a whole and in parts, and nowhere.

use crate::ConvSpec;
use crate::checks::{Example, example, readers};
use crate::graph::{Graph, ValueId};

pub(in crate::ops) fn examples() -> Vec<Example> {
    let mut list: Vec<_> = readers().into_iter().map(|(name, build)| example(name, 6, build)).collect();
    list.push(example("normalisations of a sum and of what it is a part of", 6, |graph, value| {
        let concat = graph.concat(2, graph.shape(value));
        let first = graph.node_sum("first", &[(value, false), (value, true)], concat, 0).unwrap();
        let other = conv(graph, "other", first, graph.shape(value).channels);
        graph.node_sum("second", &[(other, false)], concat, 1).unwrap();
        let whole = graph.concat_value(concat).unwrap();
        let sum = graph.batch_norm("sum", first).unwrap();
        let both = graph.batch_norm("both", whole).unwrap();
        let left = conv(graph, "left", sum, 4);
        let right = conv(graph, "right", both, 4);
        let raw = conv(graph, "raw", whole, 4);
        let concat = graph.concat(1, graph.shape(left));
        graph.node_sum("last", &[(left, false), (right, false), (raw, false)], concat, 0).unwrap()
    }));
    // As DenseNet does.
    list.push(example("two normalisations of one convolution", 6, |graph, value| {
        let made = conv(graph, "made", value, 5);
        let [first, second] = ["first", "second"].map(|name| graph.batch_norm(name, made).unwrap());
        let left = conv(graph, "left", first, 3);
        let right = conv(graph, "right", second, 3);
        let concat = graph.concat(1, graph.shape(left));
        graph.node_sum("last", &[(left, false), (right, false)], concat, 0).unwrap()
    }));
    // As ShuffleNet does.
    list.push(example("slices of a normalised value", 6, |graph, value| {
        let made = conv(graph, "made", value, 6);
        let made = graph.batch_norm("made.bn", made).unwrap();
        let made = graph.relu(made);
        let left = graph.slice(made, 0, 2).unwrap();
        let right = graph.slice(made, 2, 3).unwrap();
        let left = conv(graph, "left", left, 3);
        let concat = graph.concat(1, graph.shape(left));
        graph.node_sum("last", &[(left, false), (right, true)], concat, 0).unwrap()
    }));
    list
}

fn conv(graph: &mut Graph, name: &str, value: ValueId, channels: usize) -> ValueId {
    let spec = ConvSpec { relu: true, ..ConvSpec::square(channels, 1) };
    graph.conv(name, value, spec).unwrap()
}
