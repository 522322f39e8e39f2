//! Launches of a step.

use super::{Squares, Update};
use crate::gpu::{Kernel, Lowering, MAX_RUNS, Parts, Shader};

const SQUARES: &str = include_str!("squares.wgsl");
const GRADIENT_NORM: Shader =
    Shader { name: "gradient_norm", workgroup: 256, files: &[SQUARES, include_str!("gradient_norm.wgsl")] };
const UPDATE: Shader =
    Shader { name: "update", workgroup: 256, files: &[SQUARES, include_str!("update.wgsl")] };

#[cfg(test)]
pub(in crate::ops) const SHADERS: &[&Shader] = &[&GRADIENT_NORM, &UPDATE];

/// Least number of gradients whose squares one workgroup sums.
const LEAST_RUN: usize = 1024;

/// Gradients that one workgroup sums, and workgroups that sum all.
fn runs(elements: usize) -> (usize, usize) {
    let run = elements.div_ceil(MAX_RUNS).max(LEAST_RUN);
    (run, elements.div_ceil(run))
}

impl Kernel for Squares {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let (state, elements) = (lowering.places.state, lowering.layout.trained);
        let (run, runs) = runs(elements);
        let parts = Parts::default()
            .field("run", run)
            .field("elements", elements)
            .field("gradients", state.gradients)
            .field("squares", state.squares);
        lowering.push(0, lowering.launch_groups(&GRADIENT_NORM, parts, runs));
    }
}

impl Kernel for Update {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let (state, settings) = (lowering.places.state, lowering.settings);
        let elements = lowering.layout.trained;
        let (run, runs) = runs(elements);
        let parts = Parts::default()
            .field("run", run)
            .field("runs", runs)
            .field("elements", elements)
            .field("parameters", state.parameters)
            .field("gradients", state.gradients)
            .field("momenta", state.momenta)
            .field("squares", state.squares)
            .field("metrics", state.metrics)
            .field("heads", lowering.places.tables.heads.len())
            .field("grad_clip", settings.grad_clip.to_bits() as usize)
            .field("momentum", settings.momentum.to_bits() as usize)
            .field("weight_decay", settings.weight_decay.to_bits() as usize);
        lowering.push(0, lowering.launch_groups(&UPDATE, parts, runs));
    }
}
