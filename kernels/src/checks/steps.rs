//! Steps that are made of parts: every device does what the reference does, alone and in a pack.

use super::case::{Case, devices};
use super::cells::{relu_conv_norm, stem};
use crate::backend::{Backend, DataPass, Nobody, Stream};
use crate::optimiser::{GroupSettings, Optimiser, Progress};
use crate::reference::Rounding;
use crate::step::{Difference, Group, Part, RunningStatistics, Scale, Step, Unrolled, Vector};
use crate::{Checkpoint, ConvSpec, Device, DeviceChoice, Draw, Epoch, Error, PoolKind, Shape, Term, Trainer};

const WEIGHTS: Group = Group::WEIGHTS;
const ARCHITECTURE: Group = Group(1);
const RATES: [f32; 2] = [0.05, 0.01];
/// Of SGD and of Adam.
const MOMENTUM: f32 = 0.9;
const DECAY: f32 = 0.02;
const ADAM: Optimiser = Optimiser::Adam { beta1: 0.5, beta2: 0.999, epsilon: 1e-8 };

/// A cell whose operations a mixture weighs, trained by Adam beside weights that SGD trains.
fn supernet() -> Case {
    supernet_drawn(None)
}

/// The same with weights that may be drawn.
fn supernet_drawn(draw: Option<Draw>) -> Case {
    let mut case = Case::new("supernet", Shape::new(3, 6, 6), 8, 40, |graph, image| {
        let stem = stem(graph, image, 4);
        assert_eq!(graph.group(), ARCHITECTURE);
        let mixture = graph.in_group(ARCHITECTURE, |graph| match draw {
            None => graph.mixture("alpha", 1, 3),
            Some(draw) => graph.drawn_mixture("alpha", 1, 3, draw),
        });
        let mixture = mixture.unwrap();
        let pooled = graph.serving("pool", (mixture, 0, 0), |graph| {
            let pooled = graph.pool("pool", stem, PoolKind::Average, 1)?;
            graph.batch_norm("pool.bn", pooled)
        });
        let pooled = pooled.unwrap();
        let conv = graph
            .serving("conv", (mixture, 0, 2), |graph| Ok(relu_conv_norm(graph, "conv", stem, 4, 1, 1)))
            .unwrap();
        let term = |choice, value| Term { value, drop: false, weight: Some((mixture, 0, choice)) };
        let concat = graph.concat(1, graph.shape(stem));
        let terms = [term(0, pooled), term(1, stem), term(2, conv)];
        let sum = graph.weighted_sum("sum", &terms, concat, 0).unwrap();
        relu_conv_norm(graph, "last", sum, 4, 1, 1)
    });
    let architecture = GroupSettings { optimiser: ADAM, weight_decay: 1e-3, grad_clip: f32::INFINITY };
    case.settings.groups = vec![GroupSettings::sgd(MOMENTUM, DECAY, 5.0), architecture];
    case.settings.extra_vectors = 2;
    case
}

fn differentiate(stream: usize, running: RunningStatistics) -> Part {
    Part::Differentiate { stream, running }
}

fn copy(group: Group, from: Vector, to: Vector) -> Part {
    Part::Copy { group, from, to }
}

fn axpy(group: Group, scale: Scale, from: Vector, to: Vector) -> Part {
    Part::Axpy { group, scale, from, to }
}

/// The finite difference of DARTS over `distance` on both sides.
fn unrolled(distance: f32) -> Unrolled {
    Unrolled { momentum: MOMENTUM, weight_decay: DECAY, distance, difference: Difference::Quotient }
}

fn second_order(distance: f32) -> Step {
    Step::bilevel(ARCHITECTURE, Some(unrolled(distance)))
}

fn published(distance: f32) -> Step {
    Step::bilevel(ARCHITECTURE, Some(Unrolled { difference: Difference::Product, ..unrolled(distance) }))
}

/// The mean of the gradients of two batches.
fn accumulated() -> Step {
    let (kept, gradients) = (Vector::Extra(0), Vector::Gradients);
    let both = [WEIGHTS, ARCHITECTURE];
    let mut parts = vec![differentiate(0, RunningStatistics::Updated)];
    parts.extend(both.map(|group| copy(group, gradients, kept)));
    parts.push(differentiate(1, RunningStatistics::Updated));
    for group in both {
        parts.push(axpy(group, Scale::from(1.0), kept, gradients));
        parts.push(axpy(group, Scale::from(-0.5), gradients, gradients));
        parts.push(Part::Update { group });
    }
    Step::new(parts).unwrap()
}

fn pass<'a>(step: &Step, streams: &[&'a [u32]]) -> DataPass<'a> {
    DataPass {
        step: step.clone(),
        streams: streams.iter().map(|order| Stream { set: 0, order }).collect(),
        epoch: 1,
        first_step: 0,
        progress: RATES.map(|learning_rate| Progress { learning_rate, updates: 0 }).to_vec(),
        drop_path: 0.0,
        temperature: 0.7,
        monitor: &Nobody,
    }
}

/// Losses of all parts, then parameters and statistics, after an epoch in which the last batches are not full.
fn ran(backend: &mut dyn Backend, step: &Step, order: &[u32]) -> Vec<f32> {
    let (first, second) = order.split_at(order.len() / 2);
    let metrics = backend.train(&pass(step, &[first, second])).unwrap();
    let state = backend.state().unwrap();
    let losses = metrics.into_iter().flat_map(|metrics| metrics.losses);
    losses.chain(state.parameters).chain(state.running_mean).chain(state.running_var).collect()
}

#[test]
fn steps_of_parts_agree_with_the_reference() {
    let case = supernet();
    for (name, step) in [
        ("first order", Step::bilevel(ARCHITECTURE, None)),
        ("second order", second_order(0.01)),
        ("as published", published(0.01)),
        ("accumulated", accumulated()),
    ] {
        agrees(&case, name, &step);
    }
}

#[test]
fn steps_whose_mixtures_are_drawn_agree_with_the_reference() {
    for draw in [Draw::Concrete, Draw::OneHot, Draw::Dirichlet { divergence: 0.1 }] {
        agrees(&supernet_drawn(Some(draw)), &format!("{draw:?}"), &Step::bilevel(ARCHITECTURE, None));
    }
}

fn agrees(case: &Case, name: &str, step: &Step) {
    let order = case.order();
    let expected = ran(&mut case.reference(Rounding::Double), step, &order);
    let differentiations = step.differentiations().count();
    for device in devices() {
        let found = ran(&mut *case.backend(&device).unwrap(), step, &order);
        assert_eq!(found.len(), expected.len(), "{name}");
        for (place, (e, f)) in expected.iter().zip(&found).enumerate() {
            let is_loss = place < 3 * differentiations;
            let tolerance = if is_loss { 1e-4 * e.abs() } else { 2e-4 * e.abs().max(0.1) };
            assert!((e - f).abs() <= tolerance, "{name}, {}, {place}: {f}, expected {e}", device.name());
        }
    }
}

/// The architecture's gradient of a second-order step is the derivative of the loss after the weights' step.
#[test]
fn a_second_order_step_follows_the_loss_behind_the_weights_step() {
    let mut case = supernet();
    // The weights' step is one of plain gradient descent, and what Adam sees is the gradient.
    case.settings.groups[0] = GroupSettings::sgd(0.0, 0.0, f32::INFINITY);
    case.settings.groups[1].weight_decay = 0.0;
    let order = &case.order()[..16];
    let (train, valid) = order.split_at(8);
    let layout = case.layout();
    let alpha = layout.groups[1].start;
    let rate = Scale::from(-1.0).times_learning_rate(WEIGHTS);
    let inner = Step::new(vec![
        differentiate(0, RunningStatistics::Kept),
        axpy(WEIGHTS, rate, Vector::Gradients, Vector::Parameters),
        differentiate(1, RunningStatistics::Kept),
    ])
    .unwrap();
    // In double precision.
    let loss_at = |choice: usize, change: f64| {
        let mut reference = case.reference(Rounding::Double);
        reference.parameters[alpha + choice] += change;
        reference.train(&pass(&inner, &[train, valid])).unwrap();
        reference.last_loss
    };
    let plain = Unrolled { momentum: 0.0, weight_decay: 0.0, ..unrolled(1e-4) };
    let parts = Step::bilevel(ARCHITECTURE, Some(plain));
    let until = parts.parts().iter().position(|part| *part == Part::Update { group: ARCHITECTURE }).unwrap();
    let step = Step::new(parts.parts()[..until].to_vec()).unwrap();
    let mut reference = case.reference(Rounding::Double);
    reference.train(&pass(&step, &[train, valid])).unwrap();
    let gradients = reference.gradients().unwrap();
    let mut largest = 0.0_f64;
    for choice in 0..3 {
        let difference = (loss_at(choice, 1e-4) - loss_at(choice, -1e-4)) / 2e-4;
        let found = f64::from(gradients[alpha + choice]);
        largest = largest.max(difference.abs());
        assert!((difference - found).abs() < 2e-2 * largest.max(1e-3), "{choice}: {found}, {difference}");
    }
    assert!(largest > 1e-3, "the loss does not depend on the architecture");
}

#[test]
fn differentiating_changes_gradients_only_and_statistics_by_choice() {
    let case = supernet();
    let order = case.order();
    let initial = case.initial();
    for device in devices() {
        let mut backend = case.backend(&device).unwrap();
        let mut differentiate = |running| {
            let step = Step::new(vec![differentiate(0, running)]).unwrap();
            let losses = backend.train(&pass(&step, &[&order[..8]])).unwrap().remove(0).losses;
            (losses, backend.gradients().unwrap(), backend.state().unwrap())
        };
        let (losses, gradients, state) = differentiate(RunningStatistics::Kept);
        assert!(state == initial && gradients.iter().any(|&g| g != 0.0), "{}", device.name());
        let (again, same, state) = differentiate(RunningStatistics::Updated);
        assert!(again == losses && same == gradients, "{}", device.name());
        assert_eq!(state.parameters, initial.parameters, "{}", device.name());
        assert_ne!(state.running_mean, initial.running_mean, "{}", device.name());
    }
}

#[test]
fn products_of_vectors_are_those_of_their_numbers() {
    let case = supernet();
    let order = case.order();
    let layout = case.layout();
    for device in devices() {
        let mut backend = case.backend(&device).unwrap();
        backend.train(&pass(&Step::plain(2), &[&order[..8]])).unwrap();
        let (gradients, parameters) = (backend.gradients().unwrap(), backend.state().unwrap().parameters);
        for group in [WEIGHTS, ARCHITECTURE] {
            let range = layout.groups[group.0].clone();
            let pairs = gradients[range.clone()].iter().zip(&parameters[range]);
            let expected: f64 = pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            let found = backend.dot(group, [Vector::Gradients, Vector::Parameters]).unwrap();
            assert!(
                (found - expected).abs() < 1e-5 * expected.abs().max(1e-3),
                "{found}, expected {expected}"
            );
        }
    }
}

/// Without a normalisation a batch's gradient is the mean of its halves'.
#[test]
fn accumulated_gradients_are_those_of_the_whole_batch() {
    let mut case = Case::new("plain", Shape::new(3, 6, 6), 16, 16, |graph, image| {
        let spec = ConvSpec { padding: [1; 2], ..ConvSpec::square(5, 3) };
        let value = graph.conv("conv", image, spec).unwrap();
        graph.relu(value)
    });
    case.settings.extra_vectors = 1;
    let order = case.order();
    let mut half = case.clone();
    half.settings.batch_size = 8;
    let only_weights = accumulated();
    let parts = only_weights.parts().iter().copied();
    let step = Step::new(parts.filter(|part| !part.names(ARCHITECTURE)).collect()).unwrap();
    for device in devices() {
        let mut whole = case.backend(&device).unwrap();
        whole.train(&case.pass(&order, 1, 0)).unwrap();
        let mut halves = half.backend(&device).unwrap();
        let (first, second) = order.split_at(8);
        let progress = vec![Progress { learning_rate: case.learning_rate, updates: 0 }];
        halves.train(&DataPass { progress, ..pass(&step, &[first, second]) }).unwrap();
        let [whole, halves] = [whole, halves].map(|mut backend| backend.state().unwrap().parameters);
        for (a, b) in whole.iter().zip(&halves) {
            assert!((a - b).abs() < 1e-6, "{}: {a} and {b}", device.name());
        }
    }
}

#[test]
fn trainings_of_a_pack_make_steps_of_their_own() {
    let device = Device::open(DeviceChoice::Software).unwrap();
    let case = supernet();
    let order = case.order();
    let steps = [second_order(0.01), Step::plain(2), accumulated(), second_order(0.01)];
    let run = |device: &Device, number: usize| {
        let mut backend = case.backend(device).unwrap();
        let order = if number == 3 { &order[..20] } else { &order[..] };
        let (first, second) = order.split_at(order.len() / 2);
        let streams = if number == 1 { vec![first] } else { vec![first, second] };
        let losses = backend.train(&pass(&steps[number], &streams)).unwrap();
        let norm = backend.dot(WEIGHTS, [Vector::Parameters; 2]).unwrap();
        (losses, backend.state().unwrap(), backend.moments().unwrap(), norm.to_bits())
    };
    let packed: Vec<_> = std::thread::scope(|scope| {
        let seats = device.pack(steps.len()).into_iter().enumerate();
        let threads: Vec<_> = seats.map(|(number, seat)| scope.spawn(move || run(&seat, number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (number, packed) in packed.into_iter().enumerate() {
        assert!(run(&device, number) == packed, "training {number}");
    }
}

#[test]
fn a_search_goes_on_from_its_checkpoint() {
    let case = supernet();
    let order = case.order();
    let (first, second) = order.split_at(20);
    for device in devices() {
        let trainer = || {
            let sets = std::slice::from_ref(&case.images);
            Trainer::new(&device, &case.graph, &case.settings, sets).unwrap()
        };
        let run = |trainer: &mut Trainer, number: u32| {
            let streams = &[Stream { set: 0, order: first }, Stream { set: 0, order: second }];
            let epoch = Epoch { streams, number, learning_rates: &RATES, drop_path: 0.0, temperature: 1.0 };
            trainer.run(&second_order(0.01), &epoch, &Nobody).unwrap()
        };
        let (mut unbroken, mut resumed) = (trainer(), trainer());
        run(&mut unbroken, 0);
        resumed.restore(&unbroken.checkpoint().unwrap()).unwrap();
        assert!(run(&mut unbroken, 1) == run(&mut resumed, 1), "{}", device.name());
        assert!(unbroken.checkpoint().unwrap() == resumed.checkpoint().unwrap());
        let alpha = resumed.parameter("alpha").unwrap();
        assert!(alpha.len() == 3 && alpha.iter().all(|&a| a != 0.0), "{alpha:?}");
        let bytes = unbroken.checkpoint().unwrap().to_bytes();
        assert!(Checkpoint::from_bytes(&bytes).unwrap() == resumed.checkpoint().unwrap());
    }
}

#[test]
fn a_parameter_is_replaced_and_all_else_stays() {
    let case = supernet();
    let order = case.order();
    let sets = std::slice::from_ref(&case.images);
    for device in devices() {
        let mut trainer = Trainer::new(&device, &case.graph, &case.settings, sets).unwrap();
        let streams = &[Stream { set: 0, order: &order[..8] }];
        let epoch = Epoch { streams, number: 0, learning_rates: &RATES, drop_path: 0.0, temperature: 1.0 };
        trainer.run(&Step::plain(2), &epoch, &Nobody).unwrap();
        let weight = trainer.parameter("conv.weight").unwrap();
        let norms = |trainer: &mut Trainer| {
            [WEIGHTS, ARCHITECTURE].map(|group| trainer.norm(group, Vector::Momenta).unwrap())
        };
        let momenta = norms(&mut trainer);
        trainer.set_parameter("alpha", &[1.0, -2.0, 0.5]).unwrap();
        assert_eq!(trainer.parameter("alpha").unwrap(), [1.0, -2.0, 0.5]);
        assert_eq!(trainer.parameter("conv.weight").unwrap(), weight);
        assert!(momenta.iter().all(|&norm| norm > 0.0));
        assert_eq!(norms(&mut trainer), momenta);
        for (name, problem) in [("alpha", "it has 3 numbers, and 2"), ("beta", "no parameter of this name")] {
            let error = trainer.set_parameter(name, &[0.0; 2]).unwrap_err();
            assert!(error.to_string().contains(problem), "{error}");
        }
    }
}

#[test]
fn steps_that_do_not_fit_a_training_are_refused() {
    let case = supernet();
    let order = case.order();
    let device = Device::open(DeviceChoice::Cpu { threads: 1 }).unwrap();
    let sets = std::slice::from_ref(&case.images);
    let mut trainer = Trainer::new(&device, &case.graph, &case.settings, sets).unwrap();
    let mut refused = |step: Step, orders: &[&[u32]], rates: &[f32], message: &str| {
        let streams: Vec<_> = orders.iter().map(|order| Stream { set: 0, order }).collect();
        let epoch =
            Epoch { streams: &streams, number: 0, learning_rates: rates, drop_path: 0.0, temperature: 1.0 };
        let error = trainer.run(&step, &epoch, &Nobody).unwrap_err();
        assert!(matches!(error, Error::Step { .. }) && error.to_string().contains(message), "{error}");
    };
    let other = copy(Group(2), Vector::Gradients, Vector::Extra(0));
    refused(Step::new(vec![other]).unwrap(), &[], &RATES, "a part names group 2");
    let beyond = copy(WEIGHTS, Vector::Gradients, Vector::Extra(2));
    refused(Step::new(vec![beyond]).unwrap(), &[], &RATES, "a part names Extra(2)");
    refused(Step::plain(2), &[], &RATES, "reads 1 streams of images, and 0 are given");
    refused(Step::plain(2), &[&order], &RATES[..1], "1 learning rates are given for 2 groups");
    refused(accumulated(), &[&order, &order[..5]], &RATES, "[5, 1] batches");
    let mut settings = case.settings.clone();
    settings.groups.pop();
    let error = Trainer::new(&device, &case.graph, &settings, sets).err().unwrap();
    assert!(error.to_string().contains("1 groups of parameters have settings"), "{error}");
}
