//! Launches of the logistic function.

use super::Sigmoid;
use crate::gpu::{INPUT, SINK, Shader};
use crate::ops::unary::Launches;

const SIGMOID: Shader =
    Shader { name: "sigmoid", workgroup: 64, files: &[INPUT, include_str!("sigmoid.wgsl")] };
const SIGMOID_BACKWARD: Shader = Shader {
    name: "sigmoid_backward",
    workgroup: 64,
    files: &[INPUT, SINK, include_str!("sigmoid_backward.wgsl")],
};

#[cfg(test)]
pub(in crate::ops) const SHADERS: &[&Shader] = &Sigmoid::SHADERS;

impl Launches for Sigmoid {
    const SHADERS: [&'static Shader; 2] = [&SIGMOID, &SIGMOID_BACKWARD];
}
