//! What an operation can't have is refused by name, when the graph is built.

use crate::graph::Graph;
use crate::{ConvSpec, Error, SeparableSpec, Shape};

#[test]
fn impossible_convolutions_are_refused() {
    let (mut graph, image) = Graph::new(Shape::new(3, 7, 7), 10);
    let fits = SeparableSpec { channels: 4, kernel: 7, stride: 2, dilation: 1, padding: 3 };
    graph.separable("dw", "pw", image, fits).unwrap();
    for (spec, part) in [
        (SeparableSpec { kernel: 8, ..fits }, "its kernel is 8"),
        (SeparableSpec { kernel: 0, ..fits }, "its kernel is 0"),
        (SeparableSpec { dilation: 0, ..fits }, "its dilation 0"),
    ] {
        let error = graph.separable("dw", "pw", image, spec).unwrap_err();
        assert!(matches!(error, Error::BadSize { .. }), "{error}");
        assert!(error.to_string().contains(part) && error.to_string().contains("`dw`"), "{error}");
    }
    let fits = ConvSpec { channels: 4, kernel: 7, stride: 1, padding: 0, relu: true };
    graph.conv("conv", image, fits).unwrap();
    let error = graph.conv("conv", image, ConvSpec { kernel: 8, ..fits }).unwrap_err();
    assert!(matches!(error, Error::WindowTooLarge { window: 8, .. }), "{error}");
    for spec in [ConvSpec { kernel: 0, ..fits }, ConvSpec { stride: 0, ..fits }] {
        let error = graph.conv("conv", image, spec).unwrap_err();
        assert!(matches!(error, Error::BadSize { .. }), "{error}");
    }
}

#[test]
fn concatenations_are_whole_and_logits_as_they_are() {
    let (mut graph, image) = Graph::new(Shape::new(3, 7, 7), 10);
    let concat = graph.concat(2, graph.shape(image));
    graph.node_sum("first", &[(image, false)], concat, 0).unwrap();
    let refused = |found: Result<_, Error>, part: &str| {
        let error = found.unwrap_err();
        assert!(matches!(error, Error::BadSize { .. }) && error.to_string().contains(part), "{error}");
    };
    refused(graph.concat_value(concat), "slot 1 was not written");
    refused(graph.node_sum("third", &[], concat, 2), "no slot 2");
    refused(graph.node_sum("again", &[], concat, 0), "written before");
    graph.node_sum("second", &[], concat, 1).unwrap();
    let whole = graph.concat_value(concat).unwrap();

    let pooled = graph.global_average(whole);
    let spec = ConvSpec { channels: 10, kernel: 1, stride: 1, padding: 0, relu: false };
    let logits = graph.conv("logits", pooled, spec).unwrap();
    let normalised = graph.batch_norm("bn", logits).unwrap();
    refused(graph.head(normalised, 1.0).map(|()| logits), "normalised");
    graph.head(logits, 1.0).unwrap();
}
