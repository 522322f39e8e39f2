//! Shaders of convolutions.

use crate::gpu::{GRADIENT, INPUT, SINK, Shader, WORKGROUP_SUMS};

const WEIGHT_SUMS: &str = include_str!("weight_sums.wgsl");
const DEPTHWISE_WEIGHT_SUMS: &str = include_str!("depthwise_weight_sums.wgsl");

pub(super) const REORDER_WEIGHTS: Shader =
    Shader { name: "reorder_weights", workgroup: 64, files: &[include_str!("reorder_weights.wgsl")] };
pub(super) const CONVOLVE: Shader =
    Shader { name: "convolve", workgroup: 64, files: &[INPUT, include_str!("convolve.wgsl")] };
pub(super) const DEPTHWISE: Shader =
    Shader { name: "depthwise", workgroup: 64, files: &[INPUT, include_str!("depthwise.wgsl")] };
pub(super) const CONVOLVE_INPUT_GRADIENT: Shader = Shader {
    name: "convolve_input_gradient",
    workgroup: 64,
    files: &[INPUT, GRADIENT, SINK, include_str!("convolve_input_gradient.wgsl")],
};
pub(super) const WEIGHT_PARTIALS: Shader = Shader {
    name: "weight_partials",
    workgroup: 64,
    files: &[INPUT, GRADIENT, WEIGHT_SUMS, WORKGROUP_SUMS, include_str!("weight_partials.wgsl")],
};
pub(super) const WEIGHT_PARTIALS_WALK: Shader = Shader {
    name: "weight_partials_walk",
    workgroup: 64,
    files: &[INPUT, GRADIENT, WEIGHT_SUMS, include_str!("weight_partials_walk.wgsl")],
};
pub(super) const BIAS_GRADIENT: Shader =
    Shader { name: "bias_gradient", workgroup: 64, files: &[GRADIENT, include_str!("bias_gradient.wgsl")] };
pub(super) const DEPTHWISE_INPUT_GRADIENT: Shader = Shader {
    name: "depthwise_input_gradient",
    workgroup: 64,
    files: &[INPUT, SINK, include_str!("depthwise_input_gradient.wgsl")],
};
pub(super) const DEPTHWISE_WEIGHT_PARTIALS: Shader = Shader {
    name: "depthwise_weight_partials",
    workgroup: 64,
    files: &[INPUT, DEPTHWISE_WEIGHT_SUMS, WORKGROUP_SUMS, include_str!("depthwise_weight_partials.wgsl")],
};
pub(super) const DEPTHWISE_WEIGHT_PARTIALS_WALK: Shader = Shader {
    name: "depthwise_weight_partials_walk",
    workgroup: 64,
    files: &[INPUT, DEPTHWISE_WEIGHT_SUMS, include_str!("depthwise_weight_partials_walk.wgsl")],
};
pub(super) const SUM_PARTIALS: Shader =
    Shader { name: "sum_partials", workgroup: 64, files: &[include_str!("sum_partials.wgsl")] };

/// All of them.
#[cfg(test)]
pub(in crate::ops) const SHADERS: &[&Shader] = &[
    &REORDER_WEIGHTS,
    &CONVOLVE,
    &DEPTHWISE,
    &CONVOLVE_INPUT_GRADIENT,
    &WEIGHT_PARTIALS,
    &WEIGHT_PARTIALS_WALK,
    &BIAS_GRADIENT,
    &DEPTHWISE_INPUT_GRADIENT,
    &DEPTHWISE_WEIGHT_PARTIALS,
    &DEPTHWISE_WEIGHT_PARTIALS_WALK,
    &SUM_PARTIALS,
];
