//! Gradients of the whole loss against central differences of fourth order, in double precision.

use super::case::Case;
use super::cells::{Operation, auxiliary_head, cell, edge, network, relu_conv_norm, separable, stem};
use super::readers::readers;
use crate::graph::{Graph, ParamId, ValueId};
use crate::reference::{Kinks, Rounding};
use crate::{ConvSpec, PoolKind, Shape};

const INPUT: Shape = Shape::new(2, 6, 6);
const BATCH: usize = 3;

/// Compares several elements of each parameter; fails when one differs, or when a tensor has a kink within reach of every
/// element that was tried.
fn check(case: &Case) {
    let mut reference = case.reference(Rounding::Double);
    let order = case.order();
    let images = &order[..case.recipe.batch_size];
    let calls = reference.train.calls.clone();
    let trained = reference.train.trained.clone();
    let base = reference.differentiate(&calls, case.batch(images));
    let gradients = reference.gradients.clone();
    let largest = gradients.iter().fold(0.0, |m: f64, g| m.max(g.abs()));
    let layout = case.layout();
    for (index, param) in case.graph.params.iter().enumerate() {
        if !trained[index] {
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

/// Checks an operation between a stem and a head, so that the gradients of its input are checked as those of the stem.
fn check_operation(name: &str, build: impl FnOnce(&mut Graph, ValueId) -> ValueId) {
    check(&Case::new(name, INPUT, BATCH, BATCH, |graph, image| {
        let stem = stem(graph, image, 4);
        build(graph, stem)
    }));
}

#[test]
fn dense_convolutions_of_every_kernel_stride_and_gate() {
    for kernel in 1..=3 {
        for stride in 1..=2 {
            for relu in [false, true] {
                for padding in [0, kernel / 2] {
                    let name = format!("conv {kernel} stride {stride} relu {relu} padding {padding}");
                    check_operation(&name, |graph, value| {
                        let spec = ConvSpec { channels: 3, kernel, stride, padding, relu };
                        let value = graph.conv("conv", value, spec).unwrap();
                        graph.batch_norm("bn", value).unwrap()
                    });
                }
            }
        }
    }
}

#[test]
fn convolution_that_no_normalisation_follows() {
    check_operation("plain conv", |graph, value| {
        let spec = ConvSpec { channels: 3, kernel: 3, stride: 1, padding: 1, relu: true };
        graph.conv("conv", value, spec).unwrap()
    });
}

#[test]
fn values_that_are_read_in_every_way() {
    for (name, build) in readers() {
        check_operation(name, build);
    }
}

#[test]
fn factorized_reduce() {
    check_operation("factorized reduce", |graph, value| {
        let value = graph.factorized_reduce("first", "second", value, 6).unwrap();
        graph.batch_norm("bn", value).unwrap()
    });
}

#[test]
fn separable_convolutions_of_every_kernel_stride_and_dilation() {
    for kernel in [3, 5] {
        for stride in 1..=2 {
            for dilation in 1..=2 {
                let name = format!("separable {kernel} stride {stride} dilation {dilation}");
                check_operation(&name, |graph, value| {
                    separable(graph, "sep", value, kernel, stride, dilation)
                });
            }
        }
    }
}

#[test]
fn pools_of_both_kinds_and_strides() {
    for kind in [PoolKind::Max, PoolKind::Average] {
        for stride in 1..=2 {
            check_operation(&format!("{kind:?} pool stride {stride}"), |graph, value| {
                let value = graph.pool("pool", value, kind, stride).unwrap();
                graph.batch_norm("bn", value).unwrap()
            });
            check_operation(&format!("{kind:?} pool stride {stride}, not normalised"), |graph, value| {
                graph.pool("pool", value, kind, stride).unwrap()
            });
        }
    }
}

#[test]
fn node_sums_of_none_to_five_edges_with_and_without_drop_path() {
    use Operation::{Average, Dilated, Max, Separable, Skip};
    for count in 0..=5 {
        for drop_path in [0.0, 0.4] {
            let name = format!("sum of {count} edges, drop path {drop_path}");
            let mut case = Case::new(&name, INPUT, 5, 5, |graph, image| {
                let stem = stem(graph, image, 4);
                let concat = graph.concat(2, graph.shape(stem));
                let chosen = &[Separable(3), Skip, Max, Dilated(3), Average][..count];
                let edges: Vec<_> = (chosen.iter().enumerate())
                    .map(|(i, &operation)| edge(graph, &format!("edge{i}"), operation, stem, 1))
                    .collect();
                let node = graph.node_sum("node", &edges, concat, 0).unwrap();
                // The second node reads the first twice and the stem, one of them with drop path on an identity.
                let edges = [(node, false), (node, true), (stem, false)];
                graph.node_sum("last", &edges, concat, 1).unwrap();
                graph.concat_value(concat).unwrap()
            });
            case.drop_path = drop_path;
            check(&case);
        }
    }
}

#[test]
fn normalised_value_that_only_one_edge_reads_and_one_that_several_read() {
    for readers in 1..=3 {
        let mut case = Case::new(&format!("{readers} readers"), INPUT, 5, 5, |graph, image| {
            let stem = stem(graph, image, 4);
            let value = relu_conv_norm(graph, "conv", stem, 4, 1, 1);
            let concat = graph.concat(readers, graph.shape(value));
            for slot in 0..readers {
                graph.node_sum(&format!("node{slot}"), &[(value, true)], concat, slot).unwrap();
            }
            graph.concat_value(concat).unwrap()
        });
        case.drop_path = 0.3;
        check(&case);
    }
}

#[test]
fn concatenation_that_is_read_whole_and_in_parts() {
    check_operation("concat", |graph, value| {
        let part = graph.shape(value);
        let concat = graph.concat(3, part);
        let a = graph.node_sum("a", &[(value, false)], concat, 0).unwrap();
        let pooled = edge(graph, "pool", Operation::Max, a, 1);
        let b = graph.node_sum("b", &[pooled, (a, false)], concat, 1).unwrap();
        let convolved = edge(graph, "conv", Operation::Dilated(3), b, 1);
        graph.node_sum("c", &[convolved], concat, 2).unwrap();
        let whole = graph.concat_value(concat).unwrap();
        let first = relu_conv_norm(graph, "first", whole, 4, 1, 1);
        let second = relu_conv_norm(graph, "second", whole, 4, 1, 1);
        let sum = graph.concat(1, graph.shape(first));
        graph.node_sum("sum", &[(first, false), (second, false)], sum, 0).unwrap()
    });
}

#[test]
fn window_averages_overlapping_and_adaptive() {
    for size in [3, 5, 6, 7, 8] {
        let input = Shape::new(2, size, size);
        check(&Case::new(&format!("window average of {size}"), input, BATCH, BATCH, |graph, image| {
            let stem = stem(graph, image, 4);
            let pooled = graph.auxiliary_pool("pool", stem).unwrap();
            relu_conv_norm(graph, "conv", pooled, 4, 2, 1)
        }));
    }
}

#[test]
fn linear_layer_behind_relu_and_a_hidden_one() {
    check_operation("hidden linear", |graph, value| {
        let value = graph.global_average(value);
        let hidden = graph.linear("hidden", value, 6, true).unwrap();
        graph.linear("second", hidden, 4, true).unwrap()
    });
}

#[test]
fn auxiliary_head_with_label_smoothing() {
    let mut case = Case::new("auxiliary head", Shape::new(2, 7, 7), BATCH, BATCH, |graph, image| {
        let stem = stem(graph, image, 4);
        auxiliary_head(graph, stem);
        relu_conv_norm(graph, "conv", stem, 4, 3, 1)
    });
    case.recipe.label_smoothing = 0.1;
    check(&case);
}

#[test]
fn normal_and_reduction_cells_of_all_operations() {
    use Operation::{Average, Dilated, Max, Separable, Skip};
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
    use Operation::{Average, Dilated, Max, Separable, Skip};
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
    case.recipe.label_smoothing = 0.1;
    case.recipe.preprocess.cutout = 3;
    case.recipe.preprocess.augment = true;
    case.drop_path = 0.2;
    check(&case);
}
