//! Networks with convolutions of every kind.

use crate::checks::{Example, Operation, check_gradients, edge, example, halve, separable};
use crate::{ConvSpec, DepthwiseSpec, SeparableSpec};

fn dense(kernel: usize, stride: usize, padding: usize, relu: bool) -> Example {
    let name = format!("conv {kernel}x{kernel} stride {stride} padding {padding} relu {relu}");
    example(name, 7, move |graph, value| {
        let spec = ConvSpec { channels: 6, kernel, stride, padding, relu };
        let value = graph.conv("conv", value, spec).unwrap();
        graph.batch_norm("bn", value).unwrap()
    })
}

pub(in crate::ops) fn examples() -> Vec<Example> {
    use Operation::{Dilated, Separable};
    let mut list = [(1, 1, 0, true), (2, 1, 0, true), (3, 2, 1, false), (3, 1, 1, true), (7, 2, 0, true)]
        .map(|(kernel, stride, padding, relu)| dense(kernel, stride, padding, relu))
        .into_iter()
        .collect::<Vec<_>>();
    // Strides that taps pass over, divide the dilation or share a part with it, and padding wider than the taps reach.
    for (kernel, stride, dilation, padding) in
        [(3, 3, 2, 3), (1, 1, 1, 0), (1, 2, 1, 0), (3, 2, 1, 4), (3, 4, 2, 2), (7, 2, 1, 3)]
    {
        let name =
            format!("separable {kernel}x{kernel} stride {stride} dilation {dilation} padding {padding}");
        list.push(example(name, 7, move |graph, value| {
            let spec = SeparableSpec { channels: 6, kernel, stride, dilation, padding };
            let value = graph.separable("dw", "pw", value, spec).unwrap();
            graph.batch_norm("bn", value).unwrap()
        }));
    }
    for operation in [Separable(3), Separable(5), Dilated(3), Dilated(5)] {
        for stride in [1, 2] {
            let name = format!("{operation:?} stride {stride}");
            list.push(example(name, 7, move |graph, value| edge(graph, "edge", operation, value, stride).0));
        }
    }
    for (kernel, stride, dilation, padding, relu) in
        [(3, 1, 1, 1, false), (3, 2, 1, 1, true), (5, 1, 2, 4, true), (1, 1, 1, 0, false)]
    {
        let name = format!("depthwise {kernel}x{kernel} stride {stride} dilation {dilation} relu {relu}");
        list.push(example(name, 7, move |graph, value| {
            let spec = DepthwiseSpec { kernel, stride, dilation, padding, relu };
            let value = graph.depthwise("dw", value, spec).unwrap();
            graph.batch_norm("bn", value).unwrap()
        }));
    }
    list.push(example("window of a slice", 6, |graph, value| {
        let concat = graph.concat(2, graph.shape(value));
        let a = graph.node_sum("a", &[(value, false)], concat, 0).unwrap();
        let b = graph.node_sum("b", &[(a, false), (value, false)], concat, 1).unwrap();
        let spec = ConvSpec { channels: 9, kernel: 6, stride: 1, padding: 0, relu: true };
        graph.conv("conv", b, spec).unwrap()
    }));
    list.push(example("factorized reduce", 8, |graph, value| halve(graph, "halve", value, 6)));
    list.push(example("hidden linear", 6, |graph, value| {
        let value = graph.global_average(value);
        let hidden = graph.linear("hidden", value, 11, true).unwrap();
        graph.linear("second", hidden, 4, true).unwrap()
    }));
    list
}

#[test]
fn gradients_of_dense_ones_of_every_kernel_stride_and_gate() {
    for kernel in 1..=3 {
        for stride in 1..=2 {
            for relu in [false, true] {
                for padding in [0, kernel / 2] {
                    check_gradients(&dense(kernel, stride, padding, relu));
                }
            }
        }
    }
    check_gradients(&example("no normalisation follows", 6, |graph, value| {
        let spec = ConvSpec { channels: 3, kernel: 3, stride: 1, padding: 1, relu: true };
        graph.conv("conv", value, spec).unwrap()
    }));
}

#[test]
fn gradients_of_separable_ones_of_every_kernel_stride_and_dilation() {
    for kernel in [3, 5] {
        for stride in 1..=2 {
            for dilation in 1..=2 {
                let name = format!("separable {kernel} stride {stride} dilation {dilation}");
                check_gradients(&example(name, 6, move |graph, value| {
                    separable(graph, "sep", value, kernel, stride, dilation)
                }));
            }
        }
    }
}
