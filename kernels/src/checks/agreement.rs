//! Every device trains and evaluates like the reference.

use std::sync::LazyLock;

use super::case::{CLASSES, Case, random_images};
use super::cells::{
    CellOperation, Nodes, auxiliary_head, cell, edge, network, random_network, relu_conv_norm, stem,
};
use super::tiles::{TILES, parts, tiles};
use super::trace::{Tolerance, Trace, differences, trace};
use crate::device::Device;
use crate::ops;
use crate::optimiser::Optimiser;
use crate::reference::Rounding;
use crate::state::NormInit;
use crate::{ConvSpec, DeviceChoice, PoolKind, Shape};

const TOLERANCE: Tolerance = Tolerance { loss: 1e-5, tensor: 1e-4, later: 5.0 };

/// Values closer than this to a kink may fall on its other side in single precision.
const MARGIN: f64 = 1e-6;

/// Drawn networks; a software GPU, which compiles shaders for seconds a network, sees the first of them only.
const RANDOM_NETWORKS: u64 = 10;
const RANDOM_NETWORKS_IN_SOFTWARE: usize = 2;

/// Cases and what the reference did with them, computed once for all devices: the drawn networks are the last.
static CASES: LazyLock<Vec<(Case, Trace)>> = LazyLock::new(|| {
    let random = (1..=RANDOM_NETWORKS).map(random_network);
    operations().into_iter().chain(networks()).chain(random).map(expected).collect()
});

/// Chooses images with which no value comes near a kink.
fn expected(mut case: Case) -> (Case, Trace) {
    for seed in 1..=20 {
        case.images = random_images(case.images.shape(), case.images.len(), case.graph.tables.classes, seed);
        let mut reference = case.reference(Rounding::Double);
        let trace = trace(&mut reference, &case, &case.initial()).unwrap();
        if reference.margin > MARGIN {
            return (case, trace);
        }
    }
    panic!("{}: always near a kink", case.name)
}

/// The operations between a stem and a head, in a batch of more than one block and a last one of less.
fn operations() -> Vec<Case> {
    ops::examples().iter().map(|example| example.case(3, 5, 20, 33)).collect()
}

fn usual_nodes() -> [Nodes; 2] {
    use CellOperation::{Average, Dilated, Max, Separable, Skip};
    let normal = vec![
        vec![(Separable(3), 0), (Skip, 1)],
        vec![(Max, 0), (Dilated(3), 2)],
        vec![(Skip, 3), (Average, 1)],
        vec![(Separable(5), 1), (Skip, 0)],
    ];
    let reduction = vec![
        vec![(Skip, 0), (Max, 1)],
        vec![(Dilated(5), 1), (Average, 2)],
        vec![(Skip, 2), (Separable(3), 0)],
        vec![(Average, 0), (Dilated(3), 3)],
    ];
    [normal, reduction]
}

/// Whole networks: usual sizes, two reductions from 28 pixels, a single image a step, and the smallest and largest images.
fn networks() -> Vec<Case> {
    let [normal, reduction] = usual_nodes();
    let mut usual = network("usual network", Shape::new(3, 8, 8), 8, 20, 25, true, [&normal, &reduction]);
    usual.images = random_images(Shape::new(3, 16, 16), 25, CLASSES, 1);
    usual.settings.norm_init = NormInit::One;
    usual.settings.preprocess.augment = true;
    usual.settings.preprocess.cutout = 4;
    usual.settings.label_smoothing = 0.1;
    usual.settings.groups[0].grad_clip = 0.5;
    usual.drop_path = 0.2;
    let deep = Case::new("28 to 14 to 7", Shape::new(1, 28, 28), 5, 7, |graph, image| {
        let stem = stem(graph, image, 3);
        let first = cell(graph, "cells.0", [stem, stem], 4, true, &reduction);
        let second = cell(graph, "cells.1", [stem, first], 4, true, &reduction);
        auxiliary_head(graph, second);
        cell(graph, "cells.2", [first, second], 4, false, &normal)
    });
    let mut alone = Case::new("one image a step", Shape::new(3, 7, 7), 1, 3, |graph, image| {
        let stem = stem(graph, image, 4);
        let value = edge(graph, "edge", CellOperation::Separable(3), stem, 2);
        relu_conv_norm(graph, "conv", value.0, 9, 1, 1)
    });
    alone.settings.preprocess.augment = true;
    let small = Case::new("8 pixels", Shape::new(3, 8, 8), 2, 2, |graph, image| {
        let stem = stem(graph, image, 4);
        edge(graph, "edge", CellOperation::Separable(3), stem, 2).0
    });
    let large = Case::new("224 pixels", Shape::new(3, 224, 224), 2, 2, |graph, image| {
        let spec = ConvSpec { stride: 2, padding: [1; 2], ..ConvSpec::square(3, 3) };
        let stem = graph.conv("stem", image, spec).unwrap();
        let pooled = graph.pool("pool", stem, PoolKind::Max, 2).unwrap();
        let halved = relu_conv_norm(graph, "conv", pooled, 4, 3, 2);
        edge(graph, "edge", CellOperation::Separable(5), halved, 2).0
    });
    vec![usual, deep, alone, small, large]
}

/// Trains on `device` and compares with what the reference did.
fn agree(device: &Device, case: &Case, expected: &Trace, tolerance: Tolerance) -> Result<(), String> {
    let found = case.backend(device).and_then(|mut backend| trace(&mut *backend, case, &case.initial()));
    let found = found.map_err(|error| format!("{}: {error}", case.name))?;
    let list = differences(case, expected, &found, tolerance);
    if list.is_empty() { Ok(()) } else { Err(list.join("\n")) }
}

fn agrees_on(device: &Device, cases: &[(Case, Trace)]) {
    let wrong: Vec<String> =
        cases.iter().filter_map(|(case, expected)| agree(device, case, expected, TOLERANCE).err()).collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn cpu_with_one_thread_agrees_with_the_reference() {
    agrees_on(&Device::open(DeviceChoice::Cpu { threads: 1 }).unwrap(), &CASES);
}

#[test]
fn cpu_with_two_threads_agrees_with_the_reference() {
    agrees_on(&Device::open(DeviceChoice::Cpu { threads: 2 }).unwrap(), &CASES);
}

#[test]
fn tiles_and_parts_agree_with_the_reference_on_every_instruction_set() {
    let cases: Vec<_> = tiles(&TILES).into_iter().chain(parts()).map(expected).collect();
    for device in Device::with_every_isa() {
        agrees_on(&device, &cases);
    }
}

#[test]
fn software_gpu_agrees_with_the_reference() {
    let count = CASES.len() - RANDOM_NETWORKS as usize + RANDOM_NETWORKS_IN_SOFTWARE;
    agrees_on(&Device::open(DeviceChoice::Software).unwrap(), &CASES[..count]);
}

/// What a hardware GPU runs, on this processor.
#[test]
fn hardware_gpu_agrees_with_the_reference() {
    agrees_on(&Device::like_hardware(), &CASES[..CASES.len() - RANDOM_NETWORKS as usize]);
}

/// Sixteen bits stray by their rounding, on all devices alike. One step: later ones drift apart.
const HALF_TOLERANCE: Tolerance = Tolerance { loss: 5e-3, tensor: 0.35, later: f64::INFINITY };

#[test]
fn sixteen_bits_agree_within_their_rounding() {
    let open = |choice| Device::open(choice).unwrap();
    let devices = [
        ("processor", open(DeviceChoice::Cpu { threads: 1 })),
        ("software GPU", open(DeviceChoice::Software)),
        ("hardware GPU", Device::like_hardware()),
    ];
    for (name, device) in devices {
        // Shaders are compiled for seconds, and counts of the drawn ones are off by one.
        let sees = |case: &Case| name == "processor" || case.name == "usual network";
        let cases = &CASES[..CASES.len() - RANDOM_NETWORKS as usize];
        for (case, expected) in cases.iter().filter(|(case, _)| sees(case)) {
            let mut half_precision = case.clone();
            half_precision.settings.float_bits = 16;
            if let Err(list) = agree(&device, &half_precision, expected, HALF_TOLERANCE) {
                panic!("{name}: {list}");
            }
        }
    }
}

#[test]
fn single_precision_is_within_the_tolerances() {
    for (case, expected) in CASES.iter() {
        let mut reference = case.reference(Rounding::Single);
        let found = trace(&mut reference, case, &case.initial()).unwrap();
        let list = differences(case, expected, &found, TOLERANCE);
        assert!(list.is_empty(), "{}", list.join("\n"));
    }
}

type Deviation = fn(&mut Case);

#[test]
fn comparison_finds_every_small_deviation() {
    let (case, expected) = CASES.iter().find(|(case, _)| case.name == "usual network").unwrap();
    let deviations: [(&str, Deviation); 11] = [
        ("momentum", |case| case.settings.groups[0].optimiser = Optimiser::Sgd { momentum: 0.89 }),
        ("weight decay", |case| case.settings.groups[0].weight_decay *= 0.9),
        ("clip", |case| case.settings.groups[0].grad_clip *= 1.01),
        ("label smoothing", |case| case.settings.label_smoothing = 0.099),
        ("seed of augmentation", |case| case.settings.seed ^= 1 << 32),
        ("no flip and crop", |case| case.settings.preprocess.augment = false),
        ("cutout", |case| case.settings.preprocess.cutout = 5),
        ("standard deviation", |case| case.settings.preprocess.std[1] *= 1.01),
        ("drop path", |case| case.drop_path = 0.21),
        ("learning rate", |case| case.learning_rate *= 1.01),
        ("order of images", |case| case.images = random_images(case.images.shape(), 25, CLASSES, 99)),
    ];
    for (name, deviate) in deviations {
        let mut other = case.clone();
        deviate(&mut other);
        let mut reference = other.reference(Rounding::Double);
        let initial = case.initial();
        let found = trace(&mut reference, &other, &initial).unwrap();
        assert!(!differences(case, expected, &found, TOLERANCE).is_empty(), "{name} is not noticed");
    }
    // One weight in all, by a hundredth.
    let mut initial = case.initial();
    initial.parameters[0] *= 1.01;
    let found = trace(&mut case.reference(Rounding::Double), case, &initial).unwrap();
    assert!(!differences(case, expected, &found, TOLERANCE).is_empty(), "a weight is not noticed");
}
