//! Networks with every kernel in every place, and their trainings.

use crate::backend::{DataPass, Setup, Stream};
use crate::gpu::Kernel;
use crate::graph::{Call, Graph, ValueId};
use crate::optimiser::Progress;
use crate::rng::{Purpose, random};
use crate::step::Step;
use crate::trainer::unchecked_setup;
use crate::{
    ConvSpec, GroupSettings, ImageSet, Monitor, NormInit, PoolKind, Preprocess, SeparableSpec, Shape,
    TrainerSettings,
};

fn norm(graph: &mut Graph, name: &str, value: ValueId) -> ValueId {
    graph.batch_norm(&format!("{name}.bn"), value).unwrap()
}

fn point(graph: &mut Graph, name: &str, input: ValueId, channels: usize, relu: bool) -> ValueId {
    let spec = ConvSpec { relu, ..ConvSpec::square(channels, 1) };
    let value = graph.conv(name, input, spec).unwrap();
    norm(graph, name, value)
}

fn halve(graph: &mut Graph, name: &str, input: ValueId, channels: usize) -> ValueId {
    let value = graph.factorized_reduce(&format!("{name}.1"), &format!("{name}.2"), input, channels).unwrap();
    norm(graph, name, value)
}

/// The n-th of the seven operations.
fn edge(graph: &mut Graph, name: &str, operation: usize, input: ValueId, stride: usize) -> (ValueId, bool) {
    let channels = graph.shape(input).channels;
    let separable = |graph: &mut Graph, half: &str, input, kernel, stride, dilation| {
        let spec = SeparableSpec { channels, kernel, stride, dilation, padding: dilation * (kernel - 1) / 2 };
        let name = format!("{name}.{half}");
        let value = graph.separable(&format!("{name}.dw"), &format!("{name}.pw"), input, spec).unwrap();
        norm(graph, &name, value)
    };
    let value = match operation {
        0 | 1 => {
            let kind = if operation == 0 { PoolKind::Max } else { PoolKind::Average };
            let value = graph.pool(name, input, kind, stride).unwrap();
            norm(graph, name, value)
        }
        2 if stride == 1 => return (input, false),
        2 => halve(graph, name, input, channels),
        3 | 4 => {
            let kernel = 2 * operation - 3;
            let value = separable(graph, "a", input, kernel, stride, 1);
            separable(graph, "b", value, kernel, 1, 1)
        }
        _ => separable(graph, "a", input, 2 * operation - 7, stride, 2),
    };
    (value, true)
}

/// Operation `n` behind a convolution: few kernels.
pub(super) fn short(size: usize, operation: usize) -> Graph {
    let (mut graph, image) = Graph::new(Shape::new(3, size, size), 10);
    let stem = point(&mut graph, "stem", image, 4, false);
    let (value, _) = edge(&mut graph, "edge", operation, stem, 1);
    let pooled = graph.global_average(value);
    let logits = graph.linear("linear", pooled, 10, false).unwrap();
    graph.head(logits, 1.0).unwrap();
    graph
}

/// A network of `layers` dense cells (all 14 edges; operations in turn, from `first` on) with an auxiliary head.
pub(super) fn dense(channels: usize, layers: usize, size: usize, first: usize) -> Graph {
    let (mut graph, image) = Graph::new(Shape::new(3, size, size), 10);
    let spec = ConvSpec { padding: [1, 1], ..ConvSpec::square(3 * channels, 3) };
    let stem = graph.conv("stem", image, spec).unwrap();
    let stem = norm(&mut graph, "stem", stem);
    let mut inputs = [stem, stem];
    let (mut width, mut operation) = (channels, first);
    for layer in 0..layers {
        let reduction = layer == layers / 3 || layer == 2 * layers / 3;
        width *= 1 + usize::from(reduction);
        let name = format!("cells.{layer}");
        let sizes = inputs.map(|input| graph.shape(input).height);
        let left = format!("{name}.pre0");
        let left = if sizes[0] > sizes[1] {
            halve(&mut graph, &left, inputs[0], width)
        } else {
            point(&mut graph, &left, inputs[0], width, true)
        };
        let right = point(&mut graph, &format!("{name}.pre1"), inputs[1], width, true);
        let size = sizes[1] >> u32::from(reduction);
        let concat = graph.concat(4, Shape::new(width, size, size));
        let mut values = vec![left, right];
        for node in 0..4 {
            let edges: Vec<_> = (0..node + 2)
                .map(|from| {
                    operation += 1;
                    let stride = 1 + usize::from(reduction && from < 2);
                    edge(&mut graph, &format!("{name}.{node}.{from}"), operation % 7, values[from], stride)
                })
                .collect();
            values.push(graph.node_sum(&name, &edges, concat, node).unwrap());
        }
        inputs = [inputs[1], graph.concat_value(concat).unwrap()];
        if layer == 2 * layers / 3 {
            graph.in_training_only(|graph| auxiliary(graph, inputs[1]));
        }
    }
    let pooled = graph.global_average(inputs[1]);
    let logits = graph.linear("linear", pooled, 10, false).unwrap();
    graph.head(logits, 1.0).unwrap();
    graph
}

fn auxiliary(graph: &mut Graph, input: ValueId) {
    let value = graph.auxiliary_pool("aux", input).unwrap();
    let value = point(graph, "aux.1", value, 16, false);
    let spec = ConvSpec { relu: true, ..ConvSpec::square(24, 2) };
    let value = graph.conv("aux.2", value, spec).unwrap();
    let value = norm(graph, "aux.2", value);
    let logits = graph.linear("aux.linear", value, 10, true).unwrap();
    graph.head(logits, 0.4).unwrap();
}

/// A training on `count` random images of twice the size that the network reads.
#[derive(Clone)]
pub(super) struct Training {
    pub(super) graph: Graph,
    pub(super) settings: TrainerSettings,
    pub(super) sets: Vec<ImageSet>,
}

impl Training {
    pub(super) fn new(graph: Graph, batch_size: usize, float_bits: u32, count: usize) -> Self {
        let size = graph.tables.input.height;
        let shape = Shape::new(3, 2 * size, 2 * size);
        let byte = |i: usize| (random(1, Purpose::Shuffle, 0, 0, i as u32)[0] >> 24) as u8;
        let pixels: Vec<u8> = (0..count * shape.elements()).map(byte).collect();
        let labels: Vec<u16> = (0..count).map(|i| u16::from(byte(i) % 10)).collect();
        let preprocess =
            Preprocess { image_size: size, mean: vec![0.5; 3], std: vec![0.25; 3], augment: true, cutout: 3 };
        let settings = TrainerSettings {
            batch_size,
            groups: vec![GroupSettings::sgd(0.9, 3e-4, 5.0)],
            extra_vectors: 0,
            label_smoothing: 0.1,
            float_bits,
            preprocess,
            seed: 1,
            norm_init: NormInit::One,
        };
        Self { graph, settings, sets: vec![ImageSet::new(shape, pixels.into(), labels.into(), 10).unwrap()] }
    }

    pub(super) fn setup(&self) -> Setup<dyn Kernel> {
        self.setup_of_calls().map(|call| call as _)
    }

    pub(super) fn setup_of_calls(&self) -> Setup<dyn Call> {
        unchecked_setup(&self.graph, &self.settings, &self.sets)
    }
}

/// An epoch of plain steps.
pub(super) fn pass<'a>(order: &'a [u32], learning_rate: f32, monitor: &'a dyn Monitor) -> DataPass<'a> {
    let streams = vec![Stream { set: 0, order }];
    let progress = vec![Progress { learning_rate, updates: 0 }];
    let (step, epoch, first_step, drop_path, temperature) = (Step::plain(1), 2, 40, 0.2, 1.0);
    DataPass { step, streams, epoch, first_step, progress, drop_path, temperature, monitor }
}
