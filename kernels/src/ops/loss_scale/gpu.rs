//! Launches that scale the loss.

use super::{Adapt, GOOD, LARGEST, Unscale};
use crate::gpu::{Arguments, Kernel, Lowering, Shader, TOTALS};
use crate::ops::vector::runs;

const UNSCALE: Shader =
    Shader { name: "unscale", workgroup: 256, files: &[TOTALS, include_str!("unscale.wgsl")] };
const ADAPT: Shader = Shader {
    name: "adapt_loss_scale",
    workgroup: 256,
    files: &[TOTALS, include_str!("adapt_loss_scale.wgsl")],
};

#[cfg(test)]
pub(in crate::ops) const SHADERS: &[&Shader] = &[&UNSCALE, &ADAPT];

impl Kernel for Unscale {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        if !lowering.places.half_precision {
            return;
        }
        let (state, elements) = (lowering.places.state, lowering.layout.trained);
        let (run, runs) = runs(elements);
        let arguments = Arguments::default()
            .field("run", run)
            .field("elements", elements)
            .field("gradients", state.gradients)
            .field("loss_scale", state.loss_scale)
            .field("products", state.products);
        lowering.push(0, lowering.launch_groups(&UNSCALE, arguments, runs));
    }
}

impl Kernel for Adapt {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        if !lowering.places.half_precision {
            return;
        }
        let state = lowering.places.state;
        let arguments = Arguments::default()
            .float("GOOD", GOOD)
            .float("LARGEST", LARGEST)
            .field("runs", runs(lowering.layout.trained).1)
            .field("loss_scale", state.loss_scale)
            .field("products", state.products);
        lowering.push(0, lowering.launch_groups(&ADAPT, arguments, 1));
    }
}
