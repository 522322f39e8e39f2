//! What is no number is found by every device at the same step, and hidden by no ReLU.

use super::case::{Case, devices};
use super::cells::{relu_conv_norm, stem};
use crate::backend::{Backend, Nobody, Stream};
use crate::program::ParamId;
use crate::reference::Rounding;
use crate::state::State;
use crate::{Error, Shape};

fn case() -> Case {
    Case::new("no numbers", Shape::new(3, 6, 6), 20, 33, |graph, image| {
        let stem = stem(graph, image, 5);
        relu_conv_norm(graph, "conv", stem, 6, 1, 1)
    })
}

/// Sets the elements of a parameter.
fn set(state: &mut State, case: &Case, name: &str, value: impl Fn(usize) -> f32) {
    let index = case.graph.tables.params.iter().position(|param| param.name == name).unwrap();
    let first = case.layout().offset(ParamId(index));
    let elements = case.graph.tables.params[index].elements();
    (0..elements).for_each(|element| state.parameters[first + element] = value(element));
}

#[test]
fn gradients_that_are_too_large_end_a_training_at_their_step() {
    let case = case();
    // Logits of about 1, and one of 5 that is seldom right, so that the loss is a number; what goes back through weights that
    // all say the same is beyond 32 bits.
    let mut state = case.initial();
    set(&mut state, &case, "linear.weight", |element| if element < 6 { 3e38 } else { -3e38 });
    set(&mut state, &case, "linear.bias", |class| if class == 0 { 5.0 } else { 0.0 });
    set(&mut state, &case, "conv.bn.weight", |_| 1e-38);
    set(&mut state, &case, "conv.bn.bias", |_| 0.0);
    let order = case.order();
    for device in devices() {
        let mut backend = case.backend(&device).unwrap();
        backend.set_state(&state).unwrap();
        let ended = backend.train(&case.pass(&order, 0, 7));
        assert!(matches!(ended, Err(Error::NonFinite { step: 7, epoch: 0 })), "{}: {ended:?}", device.name());
        assert_eq!(backend.state().unwrap().parameters, state.parameters, "{}", device.name());
    }
}

#[test]
fn no_relu_hides_what_is_no_number() {
    let case = case();
    let mut state = case.initial();
    set(&mut state, &case, "stem.weight", |_| f32::NAN);
    let order = case.order();
    let hides = |backend: &mut dyn Backend| {
        backend.set_state(&state).unwrap();
        backend.evaluate(Stream { set: 0, order: &order }, &Nobody).unwrap().loss.is_finite()
    };
    assert!(!hides(&mut case.reference(Rounding::Double)));
    for device in devices() {
        assert!(!hides(&mut *case.backend(&device).unwrap()), "{}", device.name());
    }
}

#[test]
fn large_gradients_are_clipped_alike() {
    let mut case = case();
    case.learning_rate = 1.0;
    // Squares of these gradients are beyond 32 bits, they are not.
    let mut state = case.initial();
    set(&mut state, &case, "linear.weight", |element| 1e25 * (element as f32).sin());
    let order = &case.order()[..case.settings.batch_size];
    let train = |backend: &mut dyn Backend| {
        backend.set_state(&state).unwrap();
        backend.train(&case.pass(order, 0, 0)).unwrap();
        backend.state().unwrap().parameters
    };
    let expected = train(&mut case.reference(Rounding::Double));
    for device in devices() {
        let found = train(&mut *case.backend(&device).unwrap());
        for (place, (a, b)) in expected.iter().zip(&found).enumerate() {
            assert!((a - b).abs() <= 1e-3 * a.abs().max(1e-2), "{}: {place}: {a} and {b}", device.name());
        }
    }
}
