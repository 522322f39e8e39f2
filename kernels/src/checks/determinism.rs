//! Results do not depend on threads, on what ran before, or (where the batch does not enter the mathematics) on batches.

use super::case::{CLASSES, Case, random_images};
use super::cells::{CellOperation, edge, random_network, relu_conv_norm, stem};
use super::tiles::{parts, tiles};
use super::trace::{Trace, trace};
use crate::backend::{Backend, Nobody, Stream};
use crate::device::Device;
use crate::reference::Rounding;
use crate::{ConvSpec, DeviceChoice, Shape};

fn run(device: &Device, case: &Case) -> Trace {
    trace(&mut *case.backend(device).unwrap(), case, &case.initial()).unwrap()
}

fn assert_same_bits(case: &Case, one: &Trace, other: &Trace) {
    for (a, b) in one.passes.iter().zip(&other.passes) {
        assert_eq!(a.losses, b.losses, "{}: losses", case.name);
        assert_eq!(a.correct, b.correct, "{}: hits", case.name);
        assert_eq!(a.gradients, b.gradients, "{}: gradients", case.name);
        assert_eq!(a.state, b.state, "{}: state", case.name);
    }
    assert_eq!(one.evaluation, other.evaluation, "{}: evaluation", case.name);
}

#[test]
fn cpu_gives_the_same_bits_with_one_thread_two_and_three() {
    let devices = [1, 2, 3].map(|threads| Device::open(DeviceChoice::Cpu { threads }).unwrap());
    for case in (21..=24).map(random_network) {
        let [one, two, three] = [0, 1, 2].map(|i| run(&devices[i], &case));
        assert_same_bits(&case, &one, &two);
        assert_same_bits(&case, &one, &three);
    }
}

#[test]
fn every_instruction_set_of_the_processor_gives_the_same_bits() {
    let devices = Device::with_every_isa();
    for bits in [32, 16] {
        let overlapping = tiles(&[(19, 3, 1)]);
        for mut case in (21..=22).map(random_network).chain(overlapping).chain(parts()) {
            case.settings.float_bits = bits;
            let traces: Vec<Trace> = devices.iter().map(|device| run(device, &case)).collect();
            for other in &traces[1..] {
                assert_same_bits(&case, &traces[0], other);
            }
        }
    }
}

/// Alone, after another training on the same device, and while another one runs beside it.
fn same_bits_in_any_company(choice: DeviceChoice, case: &Case, other: &Case) {
    let alone = run(&Device::open(choice).unwrap(), case);
    let device = Device::open(choice).unwrap();
    run(&device, other);
    assert_same_bits(case, &alone, &run(&device, case));
    let beside = std::thread::scope(|scope| {
        scope.spawn(|| run(&device, other));
        run(&device, case)
    });
    assert_same_bits(case, &alone, &beside);
}

#[test]
fn cpu_gives_the_same_bits_in_any_company() {
    let (case, other) = (random_network(25), random_network(26));
    same_bits_in_any_company(DeviceChoice::Cpu { threads: 2 }, &case, &other);
}

#[test]
fn software_gpu_gives_the_same_bits_in_any_company() {
    // Small ones: each new shader is compiled for the processor.
    let small = |operation| {
        Case::new("small", Shape::new(3, 7, 7), 20, 33, |graph, image| {
            let stem = stem(graph, image, 5);
            edge(graph, "edge", operation, stem, 2).0
        })
    };
    let (case, other) = (small(CellOperation::Separable(3)), small(CellOperation::Max));
    same_bits_in_any_company(DeviceChoice::Software, &case, &other);
}

/// Without normalisation and learning, the mean loss over all images is a function of each image alone: augmentation, cutout
/// and drop path must be drawn for the image, not for its place in a batch.
fn draws_are_those_of_the_image(open: &dyn Fn(&Case) -> Box<dyn Backend>) {
    let mut case = Case::new("no normalisation", Shape::new(3, 8, 8), 1, 35, |graph, image| {
        let spec = ConvSpec { padding: [1, 1], ..ConvSpec::square(4, 3) };
        let value = graph.conv("stem", image, spec).unwrap();
        let concat = graph.concat(1, graph.shape(value));
        graph.node_sum("node", &[(value, true), (value, true)], concat, 0).unwrap()
    });
    case.images = random_images(Shape::new(3, 16, 16), 35, CLASSES, 1);
    case.settings.preprocess.augment = true;
    case.settings.preprocess.cutout = 3;
    case.drop_path = 0.5;
    case.learning_rate = 0.0;
    let forward = case.order();
    let backward: Vec<u32> = forward.iter().rev().copied().collect();
    let mut sums = Vec::new();
    for (batch_size, order) in [(1, &forward), (5, &backward), (16, &forward), (33, &backward)] {
        case.settings.batch_size = batch_size;
        let losses = open(&case).train(&case.pass(order, 4, 0)).unwrap().remove(0).losses;
        let sizes = order.chunks(batch_size).map(<[u32]>::len);
        sums.push(losses.iter().zip(sizes).map(|(&loss, size)| f64::from(loss) * size as f64).sum::<f64>());
    }
    case.settings.batch_size = 16;
    let other = open(&case).train(&case.pass(&forward, 5, 0)).unwrap().remove(0).losses;
    for sum in &sums[1..] {
        assert!((sum - sums[0]).abs() < 1e-5 * sums[0], "{sums:?}");
    }
    let other = other.iter().zip([16.0, 16.0, 3.0]).map(|(&loss, size)| f64::from(loss) * size).sum::<f64>();
    assert!((other - sums[0]).abs() > 1e-4 * sums[0], "another epoch drew the same: {other}");
}

/// Of a network with normalisations: they use running statistics.
fn evaluation_is_that_of_each_image(open: &dyn Fn(&Case) -> Box<dyn Backend>) {
    let mut case = Case::new("evaluation", Shape::new(3, 7, 7), 1, 37, |graph, image| {
        let stem = stem(graph, image, 5);
        let value = edge(graph, "edge", CellOperation::Separable(3), stem, 2);
        relu_conv_norm(graph, "conv", value.0, 6, 1, 1)
    });
    case.settings.preprocess.augment = true;
    case.settings.preprocess.cutout = 3;
    let mut state = case.initial();
    state.running_mean.iter_mut().enumerate().for_each(|(i, mean)| *mean = (i % 3) as f32 * 0.2);
    state.running_var.iter_mut().enumerate().for_each(|(i, var)| *var = 0.3 + (i % 4) as f32);
    let forward = case.order();
    let backward: Vec<u32> = forward.iter().rev().copied().collect();
    let mut found = Vec::new();
    for (batch_size, order) in [(1, &forward), (5, &backward), (16, &forward), (33, &backward)] {
        case.settings.batch_size = batch_size;
        let mut backend = open(&case);
        backend.set_state(&state).unwrap();
        found.push(backend.evaluate(Stream { set: 0, order }, &Nobody).unwrap());
    }
    for one in &found[1..] {
        assert_eq!((one.correct, one.images), (found[0].correct, 37));
        assert!((one.loss - found[0].loss).abs() < 1e-5 * found[0].loss, "{found:?}");
    }
}

fn reference(case: &Case) -> Box<dyn Backend> {
    Box::new(case.reference(Rounding::Double))
}

fn on_device(choice: DeviceChoice) -> impl Fn(&Case) -> Box<dyn Backend> {
    let device = Device::open(choice).unwrap();
    move |case| case.backend(&device).unwrap()
}

#[test]
fn draws_and_evaluation_do_not_depend_on_batches_in_the_reference() {
    draws_are_those_of_the_image(&reference);
    evaluation_is_that_of_each_image(&reference);
}

#[test]
fn draws_and_evaluation_do_not_depend_on_batches_on_the_cpu() {
    let open = on_device(DeviceChoice::Cpu { threads: 2 });
    draws_are_those_of_the_image(&open);
    evaluation_is_that_of_each_image(&open);
}

#[test]
fn draws_and_evaluation_do_not_depend_on_batches_on_the_software_gpu() {
    let open = on_device(DeviceChoice::Software);
    draws_are_those_of_the_image(&open);
    evaluation_is_that_of_each_image(&open);
}
