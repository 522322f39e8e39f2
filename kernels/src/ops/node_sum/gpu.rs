//! Launches of sums, and of the gradients of their edges.

use super::{Edge, EdgeBackward, Forward, NodeSum, WeightGradient, Zeros};
use crate::gpu::{
    Arguments, GRADIENT, Held, INPUT, Kernel, Launch, Lowering, Read, SINK, Shader, SinkViews, Sizes, TOTALS,
    X_SHAPE, quads,
};
use crate::program::{Gradient, Input, WorkspaceId};

const NODE_SUM: Shader = Shader { name: "node_sum", workgroup: 64, files: &[include_str!("node_sum.wgsl")] };
const EDGE_BACKWARD: Shader = Shader {
    name: "edge_backward",
    workgroup: 64,
    files: &[INPUT, GRADIENT, SINK, include_str!("edge_backward.wgsl")],
};
const ZEROS: Shader = Shader { name: "zeros", workgroup: 64, files: &[SINK, include_str!("zeros.wgsl")] };
const WEIGHT_GRADIENT: Shader = Shader {
    name: "weight_gradient",
    workgroup: 256,
    files: &[INPUT, GRADIENT, TOTALS, include_str!("weight_gradient.wgsl")],
};

#[cfg(test)]
pub(in crate::ops) const SHADERS: &[&Shader] = &[&NODE_SUM, &EDGE_BACKWARD, &ZEROS, &WEIGHT_GRADIENT];

/// Edges that one launch reads.
const SUMMED_EDGES: usize = 5;

/// Slot, stride, record, drop-path words and weight of each edge of `node_sum.wgsl`.
const EDGE_NAMES: [[&str; 5]; SUMMED_EDGES] = [
    ["e0", "e0_block", "e0_record", "e0_drop", "e0_weight"],
    ["e1", "e1_block", "e1_record", "e1_drop", "e1_weight"],
    ["e2", "e2_block", "e2_record", "e2_drop", "e2_weight"],
    ["e3", "e3_block", "e3_record", "e3_drop", "e3_weight"],
    ["e4", "e4_block", "e4_record", "e4_drop", "e4_weight"],
];

impl Kernel for Forward {
    /// A sum of which not all is added yet, where the output would round it.
    fn workspaces(&self, sizes: &Sizes) -> Vec<(WorkspaceId, Held)> {
        let NodeSum { edges, output, sum } = &self.op;
        let sum = sum.filter(|_| sizes.half_precision && edges.len() > SUMMED_EDGES);
        let held = Held::Sums(quads(output.shape, sizes.batch) * output.shape.channels);
        sum.map(|sum| (sum, held)).into_iter().collect()
    }

    fn lower(&self, lowering: &mut Lowering<'_>) {
        let Self { op } = self;
        let shape = op.output.shape;
        let none: &[Edge] = &[];
        let chunks: Vec<_> =
            if op.edges.is_empty() { vec![none] } else { op.edges.chunks(SUMMED_EDGES).collect() };
        let output = lowering.places.tensor(op.output);
        let (stages, half_precision) = (chunks.len(), lowering.places.half_precision);
        let sum = op.sum.filter(|_| half_precision && stages > 1);
        let sum = sum.map_or(output, |sum| lowering.places.sums(sum, shape));
        for (stage, edges) in chunks.into_iter().enumerate() {
            let set_bits = |has: &mut dyn Iterator<Item = bool>| {
                has.enumerate().map(|(bit, has)| usize::from(has) << bit).sum::<usize>()
            };
            let tile = lowering.style.summed_pixels(shape);
            let mut arguments = Arguments::default()
                .constant("TILE", tile)
                .field("pixels", shape.pixels())
                .field("channels", shape.channels)
                .constant("EDGES", edges.len())
                .numbered_choice("NORMS", set_bits(&mut edges.iter().map(|edge| edge.input.norm.is_some())))
                .numbered_choice("RELUS", set_bits(&mut edges.iter().map(|edge| edge.input.relu)))
                .numbered_choice("WEIGHTS", set_bits(&mut edges.iter().map(|edge| edge.mixed.is_some())))
                .numbered_choice("DROPS", set_bits(&mut edges.iter().map(|edge| edge.drop.is_some())))
                .choice("ACCUMULATE", stage > 0)
                .rounded(half_precision, stage + 1 == stages)
                .view("y", "y_block", output)
                .sums("sum", sum);
            for (slot, names) in EDGE_NAMES.iter().enumerate() {
                let read = edges.get(slot).map(|edge| lowering.places.input(edge.input));
                let drop = edges.get(slot).and_then(|edge| edge.drop).map(|drop| lowering.places.drop(drop));
                let weight = edges.get(slot).and_then(|edge| lowering.places.weight(edge.mixed));
                let Read { view, record, .. } =
                    read.unwrap_or(Read { view: output, record: None, relu: false });
                arguments = arguments
                    .view(names[0], names[1], view)
                    .field(names[2], record.unwrap_or(0) as usize)
                    .field(names[3], drop.unwrap_or(0) as usize)
                    .field(names[4], weight.map_or(0, |words| words.weight));
            }
            lowering.push(stage, lowering.launch_over(&NODE_SUM, arguments, shape, tile, shape.channels));
        }
    }
}

impl Kernel for EdgeBackward {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let Self { gradient, gate, sink } = *self;
        let to = lowering.places.sink(sink);
        lowering.push(0, put_gradient(lowering, gradient, gate, to));
    }
}

impl Kernel for Zeros {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let shape = self.sink.tensor.shape;
        let arguments = Arguments::default()
            .shape(X_SHAPE, shape)
            .field("channels", shape.channels)
            .sink(lowering.places.sink(self.sink));
        lowering.push(0, lowering.launch_over(&ZEROS, arguments, shape, 1, shape.channels));
    }
}

impl Kernel for WeightGradient {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let Self { gradient, input, mixed } = self;
        let channels = input.tensor.shape.channels;
        let arguments = Arguments::default()
            .shape(X_SHAPE, input.tensor.shape)
            .field("channels", channels)
            .gradient(lowering.places.gradient(*gradient))
            .read(lowering.places.input(*input))
            .weight(lowering.places.weight(Some(*mixed)));
        lowering.push(0, lowering.launch_groups(&WEIGHT_GRADIENT, arguments, channels));
    }
}

/// The launch that puts a gradient, through the gate of a ReLU if there is one, into memory of its own.
pub(in crate::ops) fn put_gradient(
    lowering: &Lowering<'_>,
    gradient: Gradient,
    gate: Option<Input>,
    to: SinkViews,
) -> Launch {
    let shape = gradient.raw.shape;
    let ungated = Read { view: lowering.places.tensor(gradient.tensor), record: None, relu: false };
    let arguments = Arguments::default()
        .shape(X_SHAPE, shape)
        .field("channels", shape.channels)
        .gradient(lowering.places.gradient(gradient))
        .weight(lowering.places.weight(gradient.mixed.filter(|_| gradient.norm.is_none())))
        .read(gate.map_or(ungated, |input| lowering.places.input(input)))
        .sink(to);
    lowering.launch_over(&EDGE_BACKWARD, arguments, shape, 1, shape.channels)
}
