//! The launch of an update.

use super::UpdateGroup;
use crate::gpu::{Arguments, Kernel, Lowering, RATES, Shader};
use crate::ops::vector::{NORM, runs};
use crate::optimiser::{GroupSettings, Optimiser};
use crate::step::Vector;

const UPDATE: Shader = Shader {
    name: "update",
    workgroup: 256,
    files: &[NORM[0], NORM[1], NORM[2], include_str!("update.wgsl")],
};

#[cfg(test)]
pub(in crate::ops) const SHADERS: &[&Shader] = &[&UPDATE];

impl Kernel for UpdateGroup {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let (state, settings) = (lowering.places.state, lowering.settings);
        let range = lowering.layout.groups[self.group.0].clone();
        if range.is_empty() {
            return;
        }
        let (run, runs) = runs(range.len());
        let GroupSettings { optimiser, weight_decay, grad_clip } = settings.groups[self.group.0];
        let (is_adam, numbers) = match optimiser {
            Optimiser::Sgd { momentum } => (false, [momentum, 0.0, 0.0]),
            Optimiser::Adam { beta1, beta2, epsilon } => (true, [beta1, beta2, epsilon]),
        };
        let [momentum, beta2, epsilon] = numbers.map(|number| number.to_bits() as usize);
        let vector = |of| lowering.vector(self.group, of);
        let arguments = Arguments::default()
            .flag("ADAM", is_adam)
            .field("run", run)
            .field("runs", runs)
            .field("elements", range.len())
            .field("parameters", vector(Vector::Parameters))
            .field("gradients", vector(Vector::Gradients))
            .field("momenta", vector(Vector::Momenta))
            .field("second", state.second + range.start)
            .field("products", state.products)
            .field("metrics", state.metrics)
            .field("loss_scale", state.loss_scale)
            .field("heads", lowering.places.tables.heads.len())
            .field("rates", state.rates + RATES * self.group.0)
            .field("rates_a_row", RATES * settings.groups.len())
            // Compilers may take it that numbers are finite.
            .field("grad_clip", grad_clip.min(f32::MAX).to_bits() as usize)
            .field("momentum", momentum)
            .field("beta2", beta2)
            .field("epsilon", epsilon)
            .field("weight_decay", weight_decay.to_bits() as usize);
        lowering.push(0, lowering.launch_groups(&UPDATE, arguments, runs));
    }
}
