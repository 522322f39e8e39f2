//! What a backend did with a case, and how two such traces differ.

use super::case::Case;
use crate::backend::{Backend, Nobody, Stream};
use crate::state::{State, parameter_tensors};
use crate::{Error, Evaluation};

/// What one pass left.
pub(crate) struct Snapshot {
    pub(crate) losses: Vec<f32>,
    pub(crate) correct: u64,
    /// Of the last step.
    pub(crate) gradients: Vec<f32>,
    pub(crate) state: State,
}

pub(crate) struct Trace {
    /// A single step; from the initial state again, an epoch over all images; a second epoch in reverse order.
    pub(crate) passes: Vec<Snapshot>,
    pub(crate) evaluation: Evaluation,
}

pub(crate) const PASSES: [&str; 3] = ["one step", "first epoch", "second epoch"];

/// Largest relative errors.
#[derive(Clone, Copy)]
pub(crate) struct Tolerance {
    pub(crate) loss: f64,
    /// Of the norm of the difference of each tensor's gradient, and of its change since the initial state.
    pub(crate) tensor: f64,
    /// How much more is allowed after several steps.
    pub(crate) later: f64,
}

/// Norms below this share of the norm of all tensors together are compared with that share: what is exactly 0 for a reason
/// (a normalisation behind it) has no relative error.
const NEGLIGIBLE: f64 = 1e-2;

pub(crate) fn trace(backend: &mut dyn Backend, case: &Case, initial: &State) -> Result<Trace, Error> {
    let order = case.order();
    let one = &order[..case.settings.batch_size.min(order.len())];
    let reverse: Vec<u32> = order.iter().rev().copied().collect();
    let steps = order.len().div_ceil(case.settings.batch_size) as u64;
    let mut passes = Vec::new();
    for (restart, pass) in [
        (true, case.pass(one, 1, 0)),
        (true, case.pass(&order, 2, 0)),
        (false, case.pass(&reverse, 3, steps)),
    ] {
        if restart {
            backend.set_state(initial)?;
        }
        let metrics = backend.train(&pass)?.remove(0);
        passes.push(Snapshot {
            losses: metrics.losses,
            correct: metrics.correct,
            gradients: backend.gradients()?,
            state: backend.state()?,
        });
    }
    Ok(Trace { passes, evaluation: backend.evaluate(Stream { set: 0, order: &order }, &Nobody)? })
}

/// All that differs, in words.
pub(crate) fn differences(case: &Case, expected: &Trace, found: &Trace, tolerance: Tolerance) -> Vec<String> {
    let mut list = Vec::new();
    let initial = case.initial();
    for (pass, (name, (expected, found))) in
        PASSES.iter().zip(expected.passes.iter().zip(&found.passes)).enumerate()
    {
        let later = if pass == 0 { 1.0 } else { tolerance.later };
        let mut report = |what: String| list.push(format!("{}, {name}: {what}", case.name));
        if expected.losses.len() != found.losses.len() {
            report(format!("{} steps, expected {}", found.losses.len(), expected.losses.len()));
            continue;
        }
        for (step, (e, f)) in expected.losses.iter().zip(&found.losses).enumerate() {
            if !close(f64::from(*e), f64::from(*f), later * tolerance.loss) {
                report(format!("loss of step {step} is {f}, expected {e}"));
            }
        }
        if expected.correct != found.correct {
            report(format!("{} right, expected {}", found.correct, expected.correct));
        }
        let gradients = [&expected.gradients, &found.gradients].map(Clone::clone);
        let change =
            |state: &State| state.parameters.iter().zip(&initial.parameters).map(|(a, b)| a - b).collect();
        let changes: [Vec<f32>; 2] = [change(&expected.state), change(&found.state)];
        for (what, [e, f]) in [("gradient", gradients), ("update", changes)] {
            for error in tensor_errors(case, &e, &f, later * tolerance.tensor) {
                report(format!("{what} of {error}"));
            }
        }
        for norm in &case.graph.tables.norms {
            let part = |values: &[f32]| values[norm.offset..][..norm.raw.shape.channels].to_vec();
            let (e, f) = (&expected.state, &found.state);
            for (what, e, f) in [
                ("running_mean", part(&e.running_mean), part(&f.running_mean)),
                ("running_var", part(&e.running_var), part(&f.running_var)),
            ] {
                let (error, size) = (distance(&e, &f), length(&e).max(1e-2));
                if error.is_nan() || error > later * tolerance.tensor * size {
                    report(format!("{}.{what}: differs by {error:e}, its norm is {size:e}", norm.name));
                }
            }
        }
    }
    let (e, f) = (expected.evaluation, found.evaluation);
    if (e.correct, e.images) != (f.correct, f.images)
        || !close(e.loss, f.loss, tolerance.later * tolerance.loss)
    {
        list.push(format!("{}: evaluation {f:?}, expected {e:?}", case.name));
    }
    list
}

fn tensor_errors(case: &Case, expected: &[f32], found: &[f32], tolerance: f64) -> Vec<String> {
    let layout = case.layout();
    let negligible = NEGLIGIBLE * length(expected);
    let expected = parameter_tensors(expected, &case.graph.tables, &layout);
    let found = parameter_tensors(found, &case.graph.tables, &layout);
    let mut list = Vec::new();
    for (name, (_, expected)) in &expected {
        let (error, size) = (distance(expected, &found[name].1), length(expected));
        if error.is_nan() || error > tolerance * size.max(negligible) {
            list.push(format!("{name}: differs by {error:e}, its norm is {size:e}"));
        }
    }
    list
}

fn close(expected: f64, found: f64, tolerance: f64) -> bool {
    (expected - found).abs() <= tolerance * expected.abs()
}

fn length(values: &[f32]) -> f64 {
    values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt()
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum::<f64>().sqrt()
}
