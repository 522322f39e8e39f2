//! The update in double precision.

use super::UpdateGroup;
use crate::ops::vector::reference_norm;
use crate::optimiser::{GroupSettings, Optimiser};
use crate::reference::{Batch, Kernel, Memory, Reference};
use crate::step::Vector;

impl Kernel for UpdateGroup {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, batch: Batch<'_>) {
        let norm = reference_norm(reference, self.group, Vector::Gradients);
        if !norm.is_finite() {
            memory.loss = f64::NAN;
            return;
        }
        let GroupSettings { optimiser, weight_decay, grad_clip } = reference.settings.groups[self.group.0];
        let clip = (f64::from(grad_clip) / (norm + 1e-6)).min(1.0);
        let progress = batch.progress[self.group.0];
        let rate = f64::from(progress.learning_rate);
        for i in reference.layout.groups[self.group.0].clone() {
            let weight = reference.parameters[i];
            let gradient = clip * reference.gradients[i] + f64::from(weight_decay) * weight;
            let first = &mut reference.momentum[i];
            let change = match optimiser {
                Optimiser::Sgd { momentum } => {
                    *first = f64::from(momentum) * *first + gradient;
                    rate * *first
                }
                Optimiser::Adam { beta1, beta2, epsilon } => {
                    let [beta1, beta2] = [beta1, beta2].map(f64::from);
                    let second = &mut reference.second[i];
                    *first = beta1 * *first + (1.0 - beta1) * gradient;
                    *second = beta2 * *second + (1.0 - beta2) * gradient * gradient;
                    let updates = (progress.updates + 1) as f64;
                    let (first, second) =
                        (*first / (1.0 - beta1.powf(updates)), *second / (1.0 - beta2.powf(updates)));
                    rate * first / (second.sqrt() + f64::from(epsilon))
                }
            };
            reference.parameters[i] = reference.rounded(weight - change);
        }
    }
}
