//! Networks with convolutions of every kind.

use crate::checks::{CellOperation, Example, check_gradients, edge, example, halve, separable};
use crate::{ConvSpec, DepthwiseSpec, SeparableSpec};

fn dense(kernel: usize, stride: usize, padding: usize, relu: bool) -> Example {
    let name = format!("conv {kernel}x{kernel} stride {stride} padding {padding} relu {relu}");
    example(name, 7, move |graph, value| {
        let spec = ConvSpec { stride, padding: [padding; 2], relu, ..ConvSpec::square(6, kernel) };
        let value = graph.conv("conv", value, spec).unwrap();
        graph.batch_norm("bn", value).unwrap()
    })
}

/// Kernels that are no squares, and padding that is another down than across.
fn rectangular([height, width]: [usize; 2], stride: usize, padding: [usize; 2], relu: bool) -> Example {
    let name = format!("conv {height}x{width} stride {stride} padding {padding:?} relu {relu}");
    example(name, 7, move |graph, value| {
        let spec = ConvSpec { stride, padding, relu, ..ConvSpec::new(6, [height, width]) };
        let value = graph.conv("conv", value, spec).unwrap();
        graph.batch_norm("bn", value).unwrap()
    })
}

/// Groups of what a convolution of six channels gives, normalised where `relu`.
fn grouped(
    channels: usize,
    kernel: [usize; 2],
    stride: usize,
    padding: [usize; 2],
    groups: usize,
    relu: bool,
) -> Example {
    let name = format!("{channels} channels {kernel:?} stride {stride} in {groups} groups, relu {relu}");
    example(name, 7, move |graph, value| {
        let value = graph.conv("six", value, ConvSpec::square(6, 1)).unwrap();
        let value = if relu { graph.batch_norm("six.bn", value).unwrap() } else { value };
        let spec = ConvSpec { stride, padding, groups, relu, ..ConvSpec::new(channels, kernel) };
        let value = graph.conv("conv", value, spec).unwrap();
        graph.batch_norm("bn", value).unwrap()
    })
}

pub(in crate::ops) fn examples() -> Vec<Example> {
    use CellOperation::{Dilated, Separable};
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
    list.extend(
        [
            ([1, 7], 1, [0, 3], true),
            ([7, 1], 1, [3, 0], false),
            ([3, 1], 2, [1, 0], true),
            ([2, 3], 2, [0, 2], true),
            ([1, 1], 1, [0, 1], true),
            // One output pixel.
            ([7, 9], 1, [0, 1], true),
        ]
        .map(|(kernel, stride, padding, relu)| rectangular(kernel, stride, padding, relu)),
    );
    list.push(example("conv down a column, then along a row", 7, |graph, value| {
        let value = graph.conv("down", value, ConvSpec::new(6, [7, 1])).unwrap();
        let value = graph.batch_norm("down.bn", value).unwrap();
        let spec = ConvSpec { relu: true, ..ConvSpec::new(9, [1, 7]) };
        let value = graph.conv("across", value, spec).unwrap();
        graph.batch_norm("across.bn", value).unwrap()
    }));
    list.extend(
        [
            (9, [3, 3], 1, [1, 1], 3, true),
            (4, [3, 3], 2, [1, 1], 2, false),
            (24, [1, 1], 1, [0, 0], 2, true),
            (6, [1, 1], 2, [0, 0], 3, true),
            (8, [1, 7], 1, [0, 3], 2, true),
            // A group of each channel, with two outputs.
            (12, [2, 2], 1, [1, 0], 6, true),
            // One output pixel, of the whole image and of a part of it.
            (6, [7, 7], 1, [0, 0], 2, true),
            (6, [5, 5], 3, [0, 0], 3, false),
        ]
        .map(|(channels, kernel, stride, padding, groups, relu)| {
            grouped(channels, kernel, stride, padding, groups, relu)
        }),
    );
    list.push(example("window of a slice", 6, |graph, value| {
        let concat = graph.concat(2, graph.shape(value));
        let a = graph.node_sum("a", &[(value, false)], concat, 0).unwrap();
        let b = graph.node_sum("b", &[(a, false), (value, false)], concat, 1).unwrap();
        let spec = ConvSpec { relu: true, ..ConvSpec::square(9, 6) };
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
        let spec = ConvSpec { padding: [1, 1], relu: true, ..ConvSpec::square(3, 3) };
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
