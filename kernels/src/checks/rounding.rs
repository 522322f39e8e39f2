//! With 16 bits what several operations add to is rounded once, and the gradients of a network are those that it has
//! with 32.

use super::case::{Case, devices};
use super::cells::{CellOperation, edge, random_network};
use super::trace::{Snapshot, trace};
use crate::backend::Backend;
use crate::device::Device;
use crate::graph::{Graph, ValueId};
use crate::ops;
use crate::program::Content;
use crate::reference::Rounding;
use crate::state::State;
use crate::{ConvSpec, Shape};

/// Weights of a convolution that makes each channel so many times itself; powers of two have no error.
fn times(case: &Case, state: &mut State, name: &str, factor: f32) {
    let channels = WIDTH + 1;
    case.change(state, name, |element, _| if element % channels == 0 { factor } else { 0.0 });
}

const WIDTH: usize = 16;

/// Gradients of a step, of the reference and of a backend.
fn gradients(case: &Case, state: &State, backend: &mut dyn Backend) -> [Vec<f64>; 2] {
    let order = case.order();
    let pass = case.pass(&order, 0, 0);
    let gradients = |backend: &mut dyn Backend| -> Vec<f64> {
        backend.set_state(state).unwrap();
        backend.train(&pass).unwrap();
        backend.gradients().unwrap().into_iter().map(f64::from).collect()
    };
    [gradients(&mut case.reference(Rounding::Double)), gradients(backend)]
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// By how much the gradients of a step differ from those of the reference, as a share of these.
fn error(case: &Case, backend: &mut dyn Backend) -> f64 {
    let [expected, found] = gradients(case, &case.initial(), backend);
    let difference: Vec<_> = expected.iter().zip(&found).map(|(a, b)| a - b).collect();
    (dot(&difference, &difference) / dot(&expected, &expected)).sqrt()
}

/// By how much a gradient of a step strays from that of the reference in its direction: what is lost always, not now
/// and then.
fn stray(case: &Case, state: &State, parameter: &str, backend: &mut dyn Backend) -> f64 {
    let own = case.place(parameter);
    let [expected, found] = gradients(case, state, backend).map(|all| all[own.clone()].to_vec());
    dot(&expected, &found) / dot(&expected, &expected) - 1.0
}

fn case(name: &str, build: impl FnOnce(&mut Graph, ValueId) -> ValueId) -> Case {
    let mut case = Case::new(name, Shape::new(3, 4, 4), 40, 40, |graph, image| {
        let stem = graph.conv("stem", image, ConvSpec::square(WIDTH, 1)).unwrap();
        build(graph, stem)
    });
    case.settings.float_bits = 16;
    case
}

/// Of the devices, and of the processor with each of its instruction sets.
fn all_devices() -> Vec<Device> {
    Device::with_every_isa().into_iter().chain(devices()).collect()
}

/// What is lost where it is rounded each time: seven terms that are less than half of the last digit of 16 bits, 2^-11.
const LOST: f64 = 7.0 / 4096.0;

#[test]
fn gradients_that_eight_operations_add_to_are_rounded_once() {
    let case = case("eight readers", |graph, value| {
        let read = |graph: &mut Graph, reader: usize| {
            graph.conv(&format!("reader{reader}"), value, ConvSpec::square(WIDTH, 1)).unwrap()
        };
        let read: Vec<_> = (0..8).map(|reader| read(graph, reader)).collect();
        graph.sum("sum", &read).unwrap()
    });
    let mut state = case.initial();
    // The last one gives its gradient first.
    case.change(&mut state, "linear.weight", |_, weight| 4.0 * weight);
    for reader in 0..8 {
        let factor = if reader == 7 { 1.0 } else { 1.0 / 4096.0 };
        times(&case, &mut state, &format!("reader{reader}.weight"), factor);
    }
    for device in all_devices() {
        let stray = stray(&case, &state, "stem.weight", &mut *case.backend(&device).unwrap());
        assert!(stray.abs() < LOST / 4.0, "{}: {stray}", device.name());
    }
    // Added up where the gradient lies, and beside it.
    for (float_bits, expected) in [(32, -LOST), (16, 0.0)] {
        let mut other = case.clone();
        other.settings.float_bits = float_bits;
        let stray = stray(&case, &state, "stem.weight", &mut other.reference(Rounding::Half));
        assert!((stray - expected).abs() < LOST / 4.0, "{float_bits} bits: {stray}");
    }
}

/// Rows of the input that several bands of outputs read.
#[test]
fn bands_add_up_with_16_bits() {
    for operation in [CellOperation::Separable(3), CellOperation::Separable(5), CellOperation::Dilated(5)] {
        for stride in [1, 2] {
            let mut case = Case::new("bands", Shape::new(3, 48, 48), 3, 3, |graph, image| {
                let stem = graph.conv("stem", image, ConvSpec::square(WIDTH, 1)).unwrap();
                let (value, _) = edge(graph, "edge", operation, stem, stride);
                // Not a normalisation last: averages of images would hardly depend on anything before it.
                let spec = ConvSpec { relu: true, padding: [1; 2], ..ConvSpec::square(5, 3) };
                graph.conv("dense", value, spec).unwrap()
            });
            case.settings.float_bits = 16;
            for device in Device::with_every_isa() {
                let mut backend = case.backend(&device).unwrap();
                let error = error(&case, &mut *backend);
                assert!(error < 0.05, "{operation:?}, stride {stride}, {}: {error}", device.name());
            }
        }
    }
}

/// Tiles that overlap in a row give what they share once, and windows of several pixels add to what others gave.
#[test]
fn readers_of_one_value_add_up_with_16_bits() {
    for size in [11, 14] {
        let mut case = Case::new("readers", Shape::new(3, size, size), 3, 3, |graph, image| {
            let stem = graph.conv("stem", image, ConvSpec::square(WIDTH, 1)).unwrap();
            let mut read = Vec::new();
            for (reader, operation) in
                [CellOperation::Separable(3), CellOperation::Dilated(5)].into_iter().enumerate()
            {
                read.push(edge(graph, &format!("edge{reader}"), operation, stem, 1).0);
                let spec = ConvSpec { relu: true, padding: [1; 2], ..ConvSpec::square(WIDTH, 3) };
                read.push(graph.conv(&format!("dense{reader}"), stem, spec).unwrap());
            }
            let sum = graph.sum("sum", &read).unwrap();
            graph.conv("conv", sum, ConvSpec { relu: true, ..ConvSpec::square(5, 1) }).unwrap()
        });
        case.settings.float_bits = 16;
        for device in Device::with_every_isa() {
            let error = error(&case, &mut *case.backend(&device).unwrap());
            assert!(error < 0.05, "{size} pixels, {}: {error}", device.name());
        }
    }
}

#[test]
fn sums_of_more_edges_than_are_added_at_once_are_rounded_once() {
    // Of 57 edges a processor sums eight at once, and a GPU five.
    let case = case("many edges", |graph, value| {
        let small = graph.conv("small", value, ConvSpec::square(WIDTH, 1)).unwrap();
        let mut edges = vec![small; 57];
        edges[0] = value;
        graph.sum("sum", &edges).unwrap()
    });
    let mut state = case.initial();
    case.change(&mut state, "stem.weight", |_, weight| 8.0 * weight.abs());
    times(&case, &mut state, "small.weight", 1.0 / 32768.0);
    for device in all_devices() {
        let stray = stray(&case, &state, "linear.weight", &mut *case.backend(&device).unwrap());
        assert!(stray.abs() < LOST / 4.0, "{}: {stray}", device.name());
    }
}

#[test]
fn programs_of_16_bits_give_what_those_of_32_give() {
    let examples = ops::examples().into_iter().map(|example| example.case(3, 5, 4, 7));
    let mut apart = 0;
    for mut case in examples.chain((81..=86).map(random_network)) {
        let traces = [32, 16].map(|float_bits| {
            case.settings.float_bits = float_bits;
            let mut reference = case.reference(Rounding::Double);
            apart +=
                reference.train.storages.iter().filter(|storage| storage.content == Content::Sum).count();
            trace(&mut reference, &case, &case.initial()).unwrap()
        });
        let [whole, half] = traces.each_ref().map(|trace| {
            let pass = |pass: &Snapshot| (pass.losses.clone(), pass.gradients.clone());
            trace.passes.iter().map(pass).collect::<Vec<_>>()
        });
        assert_eq!(whole, half, "{}", case.name);
    }
    assert!(apart > 0);
}
