//! Gradients of the whole loss against central differences of fourth order, in double precision.

use super::case::Case;
use super::cells::{CellOperation, cell, network, stem};
use super::example::Example;
use crate::Shape;
use crate::ops;
use crate::program::ParamId;
use crate::reference::{Kinks, Rounding};

const INPUT: Shape = Shape::new(2, 6, 6);
const BATCH: usize = 3;

/// Compares several elements of each parameter; fails when one differs, or when a tensor has a kink within reach of every
/// element that was tried.
fn check(case: &Case) {
    check_but(case, None);
}

/// The same of all parameters but one.
fn check_but(case: &Case, but: Option<&str>) {
    let mut reference = case.reference(Rounding::Double);
    let order = case.order();
    let images = &order[..case.settings.batch_size];
    let calls = reference.train.calls.clone();
    let trained = reference.train.trained.clone();
    let base = reference.differentiate(&calls, case.batch(images));
    let gradients = reference.gradients.clone();
    let largest = gradients.iter().fold(0.0, |m: f64, g| m.max(g.abs()));
    let layout = case.layout();
    for (index, param) in case.graph.tables.params.iter().enumerate() {
        if !trained[index] || but == Some(param.name.as_str()) {
            continue;
        }
        let (begin, count) = (layout.offset(ParamId(index)), param.elements());
        let mut compared = 0;
        for element in (0..count).step_by(count.div_ceil(4)) {
            let place = begin + element;
            let mut loss_at = |value: f64| -> (f64, Kinks) {
                let old = std::mem::replace(&mut reference.parameters[place], value);
                let memory = reference.differentiate(&calls, case.batch(images));
                reference.parameters[place] = old;
                (memory.loss, memory.kinks)
            };
            let at = f64::from(case.initial().parameters[place]);
            let smooth = [1e-5, 1e-6].into_iter().find_map(|h| {
                let losses = [-2.0, -1.0, 1.0, 2.0].map(|steps| loss_at(at + steps * h));
                let same_side = losses.iter().all(|(_, kinks)| kinks.side == base.kinks.side);
                let [far_below, below, above, far_above] = losses.map(|(loss, _)| loss);
                same_side.then_some((8.0 * (above - below) - (far_above - far_below)) / (12.0 * h))
            });
            if let Some(difference) = smooth {
                let gradient = gradients[place];
                let error = (gradient - difference).abs();
                assert!(
                    error < 1e-6 * gradient.abs() + 1e-8 * largest,
                    "{}: {}[{element}]: gradient {gradient}, difference {difference}",
                    case.name,
                    param.name
                );
                compared += 1;
            }
        }
        assert!(compared > 0, "{}: {}: kinks everywhere; choose another seed", case.name, param.name);
    }
}

/// The same between a stem and a head, so that the gradients of its input are checked as those of the stem.
pub(crate) fn check_gradients(example: &Example) {
    let batch = if example.drop_path > 0.0 { 5 } else { BATCH };
    check_but(&example.case(2, 4, batch, BATCH + 2), example.drawn_from);
}

#[test]
fn of_all_operations() {
    ops::examples().iter().for_each(check_gradients);
}

#[test]
fn normal_and_reduction_cells_of_all_operations() {
    use CellOperation::{Average, Dilated, Max, Separable, Skip};
    let nodes = vec![
        vec![(Separable(3), 0), (Skip, 1), (Dilated(5), 1)],
        vec![(Max, 0), (Average, 2), (Skip, 0)],
        vec![],
        vec![(Dilated(3), 3), (Separable(5), 1), (Skip, 4), (Skip, 3), (Max, 2)],
    ];
    for reduction in [false, true] {
        let mut case =
            Case::new(&format!("cell, reduction {reduction}"), INPUT, BATCH, BATCH, |graph, image| {
                let stem = stem(graph, image, 5);
                cell(graph, "cell", [stem, stem], 4, reduction, &nodes)
            });
        case.drop_path = 0.2;
        check(&case);
    }
}

#[test]
fn whole_network_with_everything() {
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
    let mut case = network("whole network", Shape::new(3, 8, 8), 4, 4, 4, true, [&normal, &reduction]);
    case.settings.label_smoothing = 0.1;
    case.settings.preprocess.cutout = 3;
    case.settings.preprocess.augment = true;
    case.drop_path = 0.2;
    check(&case);
}
