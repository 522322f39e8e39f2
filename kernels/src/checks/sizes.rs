//! Sizes that an operation can't have are refused by name.

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
