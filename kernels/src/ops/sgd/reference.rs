//! The step in double precision.

use super::{Squares, Update};
use crate::reference::{Batch, Kernel, Memory, Reference};

impl Kernel for Squares {
    /// The update takes the norm.
    fn run(&self, _: &mut Reference, _: &mut Memory, _: Batch<'_>) {}
}

impl Kernel for Update {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, batch: Batch<'_>) {
        let trained = reference.layout.trained;
        let norm = reference.gradients[..trained].iter().map(|g| g * g).sum::<f64>().sqrt();
        if !norm.is_finite() {
            memory.loss = f64::NAN;
            return;
        }
        let [clip, decay, momentum] =
            [reference.settings.grad_clip, reference.settings.weight_decay, reference.settings.momentum]
                .map(f64::from);
        let clip = (clip / (norm + 1e-6)).min(1.0);
        for i in 0..trained {
            let gradient = clip * reference.gradients[i] + decay * reference.parameters[i];
            reference.momentum[i] = momentum * reference.momentum[i] + gradient;
            let stepped = reference.parameters[i] - f64::from(batch.learning_rate) * reference.momentum[i];
            reference.parameters[i] = reference.rounded(stepped);
        }
    }
}
