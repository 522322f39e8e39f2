//! Launches over vectors: each workgroup has a run of a group's numbers.

use super::{AddScaled, DotProducts, SetVector, SquareSums};
use crate::gpu::{Arguments, Kernel, Lowering, MAX_RUNS, RATES, Shader, TOTALS};
use crate::step::{Group, NORM_EPSILON};

const LARGE: &str = include_str!("large.wgsl");
/// What kernels include that need the norm of what [`SquareSums`] has gone through.
pub(in crate::ops) const NORM: [&str; 3] = [TOTALS, LARGE, include_str!("norm.wgsl")];

const SQUARES: Shader =
    Shader { name: "squares", workgroup: 256, files: &[TOTALS, LARGE, include_str!("squares.wgsl")] };
const DOT: Shader = Shader { name: "dot", workgroup: 256, files: &[TOTALS, include_str!("dot.wgsl")] };
const SET: Shader = Shader { name: "set_vector", workgroup: 256, files: &[include_str!("set_vector.wgsl")] };
const AXPY: Shader =
    Shader { name: "axpy", workgroup: 256, files: &[NORM[0], NORM[1], NORM[2], include_str!("axpy.wgsl")] };

#[cfg(test)]
pub(in crate::ops) const SHADERS: &[&Shader] = &[&SQUARES, &DOT, &SET, &AXPY];

/// Least number of elements of a run.
const LEAST_RUN: usize = 1024;

/// Elements of a run, and how many runs there are.
pub(in crate::ops) fn runs(elements: usize) -> (usize, usize) {
    let run = elements.div_ceil(MAX_RUNS).max(LEAST_RUN);
    (run, elements.div_ceil(run))
}

/// Launches a shader over a group's elements; nothing where there are none.
fn push(lowering: &mut Lowering<'_>, shader: &'static Shader, group: Group, arguments: Arguments) {
    let elements = lowering.layout.groups[group.0].len();
    if elements > 0 {
        let (run, runs) = runs(elements);
        let arguments = arguments.field("run", run).field("elements", elements);
        lowering.push(0, lowering.launch_groups(shader, arguments, runs));
    }
}

impl Kernel for SquareSums {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let arguments = Arguments::default()
            .field("numbers", lowering.vector(self.group, self.of))
            .field("products", lowering.places.state.products);
        push(lowering, &SQUARES, self.group, arguments);
    }
}

impl Kernel for DotProducts {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let [left, right] = self.vectors.map(|of| lowering.vector(self.group, of));
        let arguments = Arguments::default()
            .field("left", left)
            .field("right", right)
            .field("products", lowering.places.state.products);
        push(lowering, &DOT, self.group, arguments);
    }
}

impl Kernel for SetVector {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let arguments = Arguments::default()
            .flag("COPIES", self.from.is_some())
            .field("source", self.from.map_or(0, |from| lowering.vector(self.group, from)))
            .field("result", lowering.vector(self.group, self.to));
        push(lowering, &SET, self.group, arguments);
    }
}

impl Kernel for AddScaled {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let [from, to] = [self.from, self.to].map(|of| lowering.vector(self.group, of));
        let (scale, state) = (self.scale, lowering.places.state);
        let rate = scale.learning_rate.map_or(0, |Group(group)| group);
        let normed = scale.norm.map_or(0, |norm| lowering.layout.groups[norm.group.0].len());
        let arguments = Arguments::default()
            .field("source", from)
            .field("result", to)
            .field("factor", scale.factor.to_bits() as usize)
            .flag("RATED", scale.learning_rate.is_some())
            .field("rates", state.rates + RATES * rate)
            .field("rates_a_row", RATES * lowering.settings.groups.len())
            .flag("NORMED", scale.norm.is_some())
            .flag("DIVIDES", scale.norm.is_some_and(|norm| norm.divides))
            .float("NORM_EPSILON", NORM_EPSILON as f32)
            .field("products", state.products)
            .field("runs", runs(normed).1);
        push(lowering, &AXPY, self.group, arguments);
    }
}
