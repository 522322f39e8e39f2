//! The launch of a loss.

use super::{CrossEntropy, HeadCall};
use crate::gpu::{Arguments, Kernel, Lowering, SINK, Shader, TOTALS, divisor};

const CROSS_ENTROPY: Shader = Shader {
    name: "cross_entropy",
    workgroup: 64,
    files: &[TOTALS, SINK, include_str!("cross_entropy.wgsl")],
};

/// Most logits of an image that are asked for before one is used.
const LOGITS_AT_ONCE: usize = 8;

#[cfg(test)]
pub(in crate::ops) const SHADERS: &[&Shader] = &[&CROSS_ENTROPY];

impl Kernel for HeadCall<CrossEntropy> {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let Self { head, number, sink, .. } = self;
        let logits = lowering.places.tensor(head.logits);
        let state = lowering.places.state;
        let classes = head.logits.shape.channels;
        let arguments = Arguments::default()
            .constant("LOGITS", divisor(classes, LOGITS_AT_ONCE))
            .field("classes", classes)
            .flag("BACKWARD", sink.is_some())
            .view("x", "x_block", logits)
            .sink(sink.map_or_else(|| lowering.places.own_sink(logits), |sink| lowering.places.sink(sink)))
            .field("weight", head.weight.to_bits() as usize)
            .field("smoothing", lowering.settings.label_smoothing.to_bits() as usize)
            .field("metrics", state.metrics)
            .field("order", state.order)
            .field("loss_scale", state.loss_scale)
            .field("heads", lowering.places.tables.heads.len())
            .field("head", *number);
        lowering.push(0, lowering.launch_groups(&CROSS_ENTROPY, arguments, 1));
    }
}
