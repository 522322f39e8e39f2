//! What an operation can't have is refused by name when the graph is built, and what a whole network can't be before it is
//! trained.

use super::case::{CLASSES, Case};
use super::cells::relu_conv_norm;
use crate::device::Device;
use crate::graph::{Graph, ValueId};
use crate::{
    ConvSpec, DepthwiseSpec, DeviceChoice, Error, ImageSet, PoolKind, PoolSpec, SeparableSpec, Shape, Term,
    Trainer,
};

fn refused<T>(found: Result<T, Error>, part: &str) {
    let Err(error) = found else { panic!("nothing is refused: {part}") };
    assert!(matches!(error, Error::BadSize { .. }) && error.to_string().contains(part), "{error}");
}

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
    let fits = ConvSpec { relu: true, ..ConvSpec::square(4, 7) };
    graph.conv("conv", image, fits).unwrap();
    let error = graph.conv("conv", image, ConvSpec { kernel: [1, 8], ..fits }).unwrap_err();
    assert!(matches!(error, Error::WindowTooLarge { window: [1, 8], .. }), "{error}");
    for (spec, part) in [
        (ConvSpec { kernel: [0, 3], ..fits }, "its window is 0×3 pixels"),
        (ConvSpec { kernel: [3, 0], ..fits }, "at least 1×1"),
        (ConvSpec { stride: 0, ..fits }, "stride 1 to"),
        (ConvSpec { stride: usize::MAX, ..fits }, "stride 1 to"),
        (ConvSpec { padding: [usize::MAX, 0], ..fits }, "padding"),
        (ConvSpec { padding: [0, usize::MAX], ..fits }, "padding"),
        (ConvSpec { groups: 0, ..fits }, "its groups are 0"),
        (ConvSpec { groups: 2, ..fits }, "must divide the 3 channels that it reads"),
        (ConvSpec { groups: 3, ..fits }, "and the 4 that it gives"),
        (ConvSpec { groups: usize::MAX, ..fits }, "must divide"),
        (ConvSpec { channels: 0, ..fits }, "0 channels"),
        (ConvSpec { channels: usize::MAX, ..fits }, "channels"),
    ] {
        refused(graph.conv("conv", image, spec), part);
    }
    let huge = DepthwiseSpec { kernel: 3, stride: 1, dilation: usize::MAX, padding: 0, relu: false };
    let error = graph.depthwise("dw", image, huge).unwrap_err();
    assert!(matches!(error, Error::WindowTooLarge { .. }), "{error}");
    refused(graph.factorized_reduce("a", "b", image, 0), "choose an image_size");
    let pooled = graph.global_average(image);
    refused(graph.linear("linear", pooled, 0, false), "0 channels");
    let spec = PoolSpec { kind: PoolKind::Max, kernel: 3, stride: 1, padding: 1 << (usize::BITS - 1) };
    refused(graph.pool_with("pool", image, spec), "half");
    refused(graph.slice(image, usize::MAX, 2), "the value has 3 channels");
    let concat = graph.concat(0, graph.shape(image));
    refused(graph.concat_value(concat), "no parts");
}

/// A training of a network that has what `add` makes of an image and of its classes' logits beside the rest.
fn trained(add: impl FnOnce(&mut Graph, ValueId, ValueId)) -> Result<Trainer, Error> {
    let mut inside = None;
    let mut case = Case::new("refused", Shape::new(3, 6, 6), 4, 4, |graph, image| {
        let features = relu_conv_norm(graph, "conv", image, CLASSES, 1, 1);
        inside = Some((image, graph.global_average(features)));
        features
    });
    let (image, logits) = inside.unwrap();
    add(&mut case.graph, image, logits);
    let device = Device::open(DeviceChoice::Cpu { threads: 1 }).unwrap();
    Trainer::new(&device, &case.graph, &case.settings, std::slice::from_ref(&case.images))
}

#[test]
fn networks_are_whole_and_their_tensors_have_names() {
    trained(|_, _, _| {}).unwrap();
    let again = trained(|graph, image, _| {
        relu_conv_norm(graph, "conv", image, 4, 1, 1);
    });
    refused(again, "two layers");
    trained(|graph, _, logits| graph.in_training_only(|graph| graph.head(logits, 0.4)).unwrap()).unwrap();
    trained(|graph, _, logits| refused(graph.head(logits, 0.4), "has a head already")).unwrap();
    let spec = ConvSpec::square(2, 1);
    let leaks = trained(|graph, image, _| {
        let value = graph.in_training_only(|graph| graph.conv("inside", image, spec)).unwrap();
        graph.conv("outside", value, spec).unwrap();
    });
    refused(leaks, "in training only");
    let leaks = trained(|graph, image, _| {
        let mixture = graph.in_training_only(|graph| graph.mixture("inside", 1, 1)).unwrap();
        let concat = graph.concat(1, graph.shape(image));
        let term = Term { value: image, drop: false, weight: Some((mixture, 0, 0)) };
        graph.weighted_sum("outside", &[term], concat, 0).unwrap();
    });
    refused(leaks, "in training only");

    let device = Device::open(DeviceChoice::Cpu { threads: 1 }).unwrap();
    let mut case = Case::new("whole", Shape::new(3, 6, 6), 4, 4, |_, image| image);
    let sets = std::slice::from_ref(&case.images);
    let bits = crate::TrainerSettings { float_bits: 8, ..case.settings.clone() };
    refused(Trainer::new(&device, &case.graph, &bits, sets), "8 bits");
    refused(Trainer::new(&device, &case.graph, &case.settings, &[]), "there is none");
    case.graph = Graph::new(Shape::new(3, 6, 6), CLASSES).0;
    refused(Trainer::new(&device, &case.graph, &case.settings, sets), "no head");
}

#[test]
fn labels_name_a_class_of_the_network() {
    let shape = Shape::new(1, 1, 1);
    let set = |labels: &[u16], classes| {
        ImageSet::new(shape, vec![0; labels.len()].into(), labels.to_vec().into(), classes)
    };
    set(&[999, 256, 0], 1000).unwrap();
    for (labels, classes, part) in
        [([0, 999], 999, "label 999 of image 1"), ([256, 0], 256, "label 256 of image 0")]
    {
        let error = set(&labels, classes).unwrap_err();
        assert!(matches!(error, Error::Images { .. }) && error.to_string().contains(part), "{error}");
    }
    let device = Device::open(DeviceChoice::Cpu { threads: 1 }).unwrap();
    let case = Case::new("too few classes", Shape::new(3, 6, 6), 4, 4, |_, image| image);
    let pixels = vec![0; 3 * 6 * 6];
    let other = ImageSet::new(Shape::new(3, 6, 6), pixels.into(), vec![999].into(), 1000).unwrap();
    let Err(error) = Trainer::new(&device, &case.graph, &case.settings, &[other]) else {
        panic!("a label of no class is taken");
    };
    assert!(error.to_string().contains("label 999 is not one of the network's 5 classes"), "{error}");
}

#[test]
fn concatenations_are_whole_and_logits_as_they_are() {
    let (mut graph, image) = Graph::new(Shape::new(3, 7, 7), 10);
    let concat = graph.concat(2, graph.shape(image));
    graph.node_sum("first", &[(image, false)], concat, 0).unwrap();
    refused(graph.concat_value(concat), "slot 1 was not written");
    refused(graph.node_sum("third", &[], concat, 2), "no slot 2");
    refused(graph.node_sum("again", &[], concat, 0), "written before");
    graph.node_sum("second", &[], concat, 1).unwrap();
    let whole = graph.concat_value(concat).unwrap();

    let pooled = graph.global_average(whole);
    let spec = ConvSpec::square(10, 1);
    let logits = graph.conv("logits", pooled, spec).unwrap();
    let normalised = graph.batch_norm("bn", logits).unwrap();
    refused(graph.head(normalised, 1.0).map(|()| logits), "normalised");
    graph.head(logits, 1.0).unwrap();
    let overlapping = graph.in_training_only(|graph| graph.head(logits, 0.4));
    refused(overlapping.map(|()| logits), "some of them");
}
