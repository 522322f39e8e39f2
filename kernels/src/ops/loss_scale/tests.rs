//! Gradients that 16 bits cannot hold.

use crate::checks::{Case, Example, devices, relu_conv_norm};
use crate::state::State;
use crate::{Device, DeviceChoice, Error, Shape};

/// Every network has a loss.
pub(in crate::ops) fn examples() -> Vec<Example> {
    Vec::new()
}

fn case(float_bits: u32) -> Case {
    let mut case = Case::new("scaled", Shape::new(3, 6, 6), 16, 80, |graph, image| {
        relu_conv_norm(graph, "conv", image, 6, 1, 1)
    });
    case.settings.float_bits = float_bits;
    case
}

/// With so many times the weights of the linear layer.
fn linear(case: &Case, factor: f32) -> State {
    let mut state = case.initial();
    case.change(&mut state, "linear.weight", |_, weight| factor * weight);
    state
}

#[test]
fn gradients_below_the_least_number_of_16_bits_are_kept() {
    // What goes back through such weights is below 3e-8, and rounded to 0 without a scale; it ends in weights of 32 bits.
    let [single, half] = [32, 16].map(case);
    let order = &single.order()[..16];
    let gradient = |case: &Case, device: &Device| {
        let mut backend = case.backend(device).unwrap();
        backend.set_state(&linear(case, 1e-5)).unwrap();
        backend.train(&case.pass(order, 0, 0)).unwrap();
        let gradients = backend.gradients().unwrap();
        gradients[..case.graph.tables.params[0].elements()].to_vec()
    };
    let cpu = Device::open(DeviceChoice::Cpu { threads: 1 }).unwrap();
    let expected = gradient(&single, &cpu);
    let length = |values: &[f32]| values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    for device in devices() {
        let found = gradient(&half, &device);
        let error: Vec<f32> = found.iter().zip(&expected).map(|(a, b)| a - b).collect();
        assert!(length(&error) < 0.1 * length(&expected), "{}: {found:?}, {expected:?}", device.name());
    }
}

#[test]
fn gradients_that_are_too_large_for_a_scale_halve_it_and_cost_a_step() {
    let case = case(16);
    let order = &case.order()[..16];
    for device in devices() {
        let mut backend = case.backend(&device).unwrap();
        let state = linear(&case, 3e3);
        backend.set_state(&state).unwrap();
        let mut scales = Vec::new();
        for step in 0..12 {
            let before = backend.state().unwrap().parameters;
            backend.train(&case.pass(order, 0, step)).unwrap();
            let scale = backend.moments().unwrap().loss_scale;
            let changed = backend.state().unwrap().parameters != before;
            assert_eq!(changed, scale.skips == 0.0, "{}, step {step}", device.name());
            scales.push(scale.scale);
            if changed {
                break;
            }
        }
        let halved = scales.windows(2).all(|pair| pair[1] == pair[0] / 2.0 || pair[1] == pair[0]);
        assert!(scales.len() > 2 && scales.len() < 12 && halved, "{}: {scales:?}", device.name());
    }
}

#[test]
fn gradients_that_are_no_numbers_at_any_scale_end_the_training() {
    let mut case = case(16);
    case.settings.batch_size = 1;
    // Every image is taken for one of class 0, with a loss of about 5, and what goes back is beyond 16 bits.
    let mut state = case.initial();
    case.change(&mut state, "linear.weight", |element, _| if element < 6 { 6e4 } else { -6e4 });
    case.change(&mut state, "linear.bias", |class, _| if class == 0 { 5.0 } else { 0.0 });
    case.change(&mut state, "conv.bn.weight", |_, _| 1e-38);
    case.change(&mut state, "conv.bn.bias", |_, _| 0.0);
    let others = case.order().into_iter().filter(|&image| case.images.labels()[image as usize] != 0);
    let order: Vec<u32> = others.collect();
    assert!(order.len() > 13);
    for device in devices() {
        let mut backend = case.backend(&device).unwrap();
        backend.set_state(&state).unwrap();
        let ended = backend.train(&case.pass(&order, 0, 0));
        // From 4096 to 1 it is halved twelve times.
        assert!(matches!(ended, Err(Error::NonFinite { step: 12, .. })), "{}: {ended:?}", device.name());
    }
}
