//! Launches of normalisations: statistics and gradients, a workgroup a channel.

use super::{EPSILON, GradientMap, GradientSums, MOMENTUM, RunningMap, Statistics, Sums};
use crate::gpu::{Arguments, GRADIENT, Kernel, Lowering, Shader, TOTALS, launch};
use crate::program::Declare;

const NORM_STATISTICS: Shader =
    Shader { name: "norm_statistics", workgroup: 256, files: &[include_str!("norm_statistics.wgsl")] };
const NORM_RUNNING: Shader =
    Shader { name: "norm_running", workgroup: 64, files: &[include_str!("norm_running.wgsl")] };
const NORM_GRADIENT: Shader = Shader {
    name: "norm_gradient",
    workgroup: 256,
    files: &[GRADIENT, TOTALS, include_str!("norm_gradient.wgsl")],
};

#[cfg(test)]
pub(in crate::ops) const SHADERS: &[&Shader] = &[&NORM_STATISTICS, &NORM_RUNNING, &NORM_GRADIENT];

impl Kernel for Sums {
    /// The workgroup that makes the statistics of a channel takes them.
    fn lower(&self, _: &mut Lowering<'_>) {}
}

impl Kernel for Statistics {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let Self(op) = self;
        let (state, first) = (lowering.places.state, lowering.places.tables.norms[op.norm.0].offset);
        let arguments = Arguments::default()
            .field("pixels", op.raw.shape.pixels())
            .float("EPSILON", EPSILON as f32)
            .float("MOMENTUM", MOMENTUM)
            .view("x", "x_block", lowering.places.tensor(op.raw))
            .field("channels", op.raw.shape.channels)
            .field("record", lowering.places.record(op.norm, op.raw) as usize)
            .field("scale", state.parameters + lowering.layout.offset(op.scale))
            .field("shift", state.parameters + lowering.layout.offset(op.shift))
            .field("running_mean", state.running_mean + first)
            .field("running_var", state.running_var + first);
        let channels = op.raw.shape.channels;
        lowering.push(0, lowering.launch_groups(&NORM_STATISTICS, arguments, channels));
    }
}

impl Kernel for RunningMap {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let Self(op) = self;
        let (state, first) = (lowering.places.state, lowering.places.tables.norms[op.norm.0].offset);
        let channels = op.raw.shape.channels;
        let arguments = Arguments::default()
            .float("EPSILON", EPSILON as f32)
            .field("channels", channels)
            .field("scale", state.parameters + lowering.layout.offset(op.scale))
            .field("shift", state.parameters + lowering.layout.offset(op.shift))
            .field("running_mean", state.running_mean + first)
            .field("running_var", state.running_var + first)
            .field("record", lowering.places.record(op.norm, op.raw) as usize);
        lowering.push(0, launch(&NORM_RUNNING, arguments, channels, 1));
    }
}

impl Kernel for GradientSums {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let Self { op, gradient } = self;
        let state = lowering.places.state;
        let channels = op.raw.shape.channels;
        let arguments = Arguments::default()
            .field("pixels", op.raw.shape.pixels())
            .gradient(lowering.places.gradient(*gradient))
            .field("channels", channels)
            .field("scale", state.parameters + lowering.layout.offset(op.scale))
            .field("shift", state.parameters + lowering.layout.offset(op.shift))
            .weight(lowering.places.weight(gradient.mixed))
            .field("scale_gradient", state.gradients + lowering.layout.offset(op.scale))
            .field("shift_gradient", state.gradients + lowering.layout.offset(op.shift));
        let map = GradientMap { op: *op, mixed: gradient.mixed };
        let accesses = [self.accesses(), map.accesses()].concat();
        lowering.push_as(0, lowering.launch_groups(&NORM_GRADIENT, arguments, channels), accesses);
    }
}

impl Kernel for GradientMap {
    /// The workgroup that sums a channel goes on to its coefficients.
    fn lower(&self, _: &mut Lowering<'_>) {}
}
