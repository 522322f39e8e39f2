//! Launches of ReLU6.

use super::Relu6;
use crate::gpu::{INPUT, SINK, Shader};
use crate::ops::unary::Launches;

const RELU6: Shader = Shader { name: "relu6", workgroup: 64, files: &[INPUT, include_str!("relu6.wgsl")] };
const RELU6_BACKWARD: Shader = Shader {
    name: "relu6_backward",
    workgroup: 64,
    files: &[INPUT, SINK, include_str!("relu6_backward.wgsl")],
};

#[cfg(test)]
pub(in crate::ops) const SHADERS: &[&Shader] = &Relu6::SHADERS;

impl Launches for Relu6 {
    const SHADERS: [&'static Shader; 2] = [&RELU6, &RELU6_BACKWARD];
}
