//! The launch of a loss.

use super::CrossEntropy;
use crate::gpu::{Kernel, Lowering, Parts, Shader, TOTALS, divisor};

const CROSS_ENTROPY: Shader =
    Shader { name: "cross_entropy", workgroup: 64, files: &[TOTALS, include_str!("cross_entropy.wgsl")] };

/// Most logits of an image that are asked for before one is used.
const LOGITS_AT_ONCE: usize = 8;

#[cfg(test)]
pub(in crate::ops) const SHADERS: &[&Shader] = &[&CROSS_ENTROPY];

impl Kernel for CrossEntropy {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let Self { head, number, gradient } = self;
        let logits = lowering.places.tensor(head.logits);
        let state = lowering.places.state;
        let classes = head.logits.shape.channels;
        let parts = Parts::default()
            .constant("LOGITS", divisor(classes, LOGITS_AT_ONCE))
            .field("classes", classes)
            .flag("BACKWARD", gradient.is_some())
            .view("x", "x_block", logits)
            .view("g", "g_block", gradient.map_or(logits, |gradient| lowering.places.tensor(gradient)))
            .field("weight", head.weight.to_bits() as usize)
            .field("smoothing", lowering.settings.label_smoothing.to_bits() as usize)
            .field("metrics", state.metrics)
            .field("order", state.order)
            .field("loss_scale", state.loss_scale)
            .field("heads", lowering.places.tables.heads.len())
            .field("head", *number);
        lowering.push(0, lowering.launch_groups(&CROSS_ENTROPY, parts, 1));
    }
}
