//! Networks in which values are read in several ways: with and without their normalisation, as a whole and in parts, and
//! nowhere.

use super::cells::relu_conv_norm;
use crate::graph::{Graph, ValueId};
use crate::{ConvSpec, PoolKind};

/// What makes a network of a value.
pub(crate) type Build = fn(&mut Graph, ValueId) -> ValueId;

/// Names and networks.
pub(crate) fn readers() -> Vec<(&'static str, Build)> {
    fn convolution(graph: &mut Graph, name: &str, value: ValueId, channels: usize) -> ValueId {
        let spec = ConvSpec { relu: true, ..ConvSpec::square(channels, 1) };
        graph.conv(name, value, spec).unwrap()
    }
    /// A value, and the same normalised.
    fn both(graph: &mut Graph, value: ValueId) -> [ValueId; 2] {
        let made = convolution(graph, "made", value, 4);
        [made, graph.batch_norm("made.bn", made).unwrap()]
    }
    fn sum(graph: &mut Graph, edges: &[(ValueId, bool)]) -> ValueId {
        let concat = graph.concat(1, graph.shape(edges[0].0));
        graph.node_sum("sum", edges, concat, 0).unwrap()
    }
    vec![
        ("a value and its normalisation, summed", |graph, value| {
            let [made, normalised] = both(graph, value);
            sum(graph, &[(made, false), (normalised, true)])
        }),
        ("a value and its normalisation, convolved", |graph, value| {
            let [made, normalised] = both(graph, value);
            let left = convolution(graph, "left", made, 3);
            let right = convolution(graph, "right", normalised, 3);
            sum(graph, &[(left, true), (right, false)])
        }),
        ("a value that is read before it is normalised", |graph, value| {
            let made = convolution(graph, "made", value, 4);
            let left = convolution(graph, "left", made, 3);
            let normalised = graph.batch_norm("made.bn", made).unwrap();
            let right = convolution(graph, "right", normalised, 3);
            sum(graph, &[(left, true), (right, false)])
        }),
        ("a part of a normalised value that one sum reads as it is", |graph, value| {
            let [_, normalised] = both(graph, value);
            let [left, right] = [0, 2].map(|first| graph.slice(normalised, first, 2).unwrap());
            let left = convolution(graph, "left", left, 2);
            sum(graph, &[(left, false), (right, true)])
        }),
        ("a pooling and its normalisation, of a halved value", |graph, value| {
            let pooled = graph.pool("pool", value, PoolKind::Max, 2).unwrap();
            let normalised = graph.batch_norm("bn", pooled).unwrap();
            let left = relu_conv_norm(graph, "left", pooled, 3, 1, 1);
            let right = relu_conv_norm(graph, "right", normalised, 3, 1, 1);
            sum(graph, &[(left, false), (right, true)])
        }),
        ("halves of one normalisation, also as they are", |graph, value| {
            let made = graph.factorized_reduce("first", "second", value, 6).unwrap();
            let normalised = graph.batch_norm("bn", made).unwrap();
            sum(graph, &[(normalised, true), (made, false)])
        }),
        ("a normalisation that nothing reads", |graph, value| {
            let [made, _] = both(graph, value);
            sum(graph, &[(made, true)])
        }),
        ("parts of a concatenation before and after the whole", |graph, value| {
            let concat = graph.concat(3, graph.shape(value));
            let first = graph.node_sum("first", &[(value, true)], concat, 0).unwrap();
            let early = convolution(graph, "early", first, graph.shape(value).channels);
            let early = graph.batch_norm("early.bn", early).unwrap();
            let second = graph.node_sum("second", &[(early, false)], concat, 1).unwrap();
            graph.node_sum("third", &[], concat, 2).unwrap();
            let whole = graph.concat_value(concat).unwrap();
            let whole = convolution(graph, "whole", whole, 5);
            let late = convolution(graph, "late", second, 5);
            sum(graph, &[(whole, false), (late, true)])
        }),
        ("one part of a concatenation whose whole has readers that lead nowhere", |graph, value| {
            let concat = graph.concat(2, graph.shape(value));
            let first = graph.node_sum("first", &[(value, true)], concat, 0).unwrap();
            graph.node_sum("second", &[(first, false)], concat, 1).unwrap();
            let whole = graph.concat_value(concat).unwrap();
            convolution(graph, "nowhere", whole, 2);
            convolution(graph, "late", first, 5)
        }),
    ]
}
