//! The launch of a sum of logits.

use super::{HeadCall, LogitSum};
use crate::gpu::{Arguments, Kernel, Lowering, SINK, Shader, TOTALS};

const LOGIT_SUM: Shader =
    Shader { name: "logit_sum", workgroup: 64, files: &[TOTALS, SINK, include_str!("logit_sum.wgsl")] };

#[cfg(test)]
pub(in crate::ops) const SHADERS: &[&Shader] = &[&LOGIT_SUM];

impl Kernel for HeadCall<LogitSum> {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let Self { head, number, sink, .. } = self;
        let logits = lowering.places.tensor(head.logits);
        let state = lowering.places.state;
        let arguments = Arguments::default()
            .field("classes", head.logits.shape.channels)
            .flag("BACKWARD", sink.is_some())
            .view("x", "x_block", logits)
            .sink(sink.map_or_else(|| lowering.places.own_sink(logits), |sink| lowering.places.sink(sink)))
            .field("weight", head.weight.to_bits() as usize)
            .field("metrics", state.metrics)
            .field("loss_scale", state.loss_scale)
            .field("heads", lowering.places.tables.heads.len())
            .field("head", *number);
        lowering.push(0, lowering.launch_groups(&LOGIT_SUM, arguments, 1));
    }
}
