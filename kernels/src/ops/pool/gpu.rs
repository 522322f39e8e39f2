//! Launches of poolings.

use super::{Backward, Forward, Pool, PoolKind};
use crate::gpu::{
    Arguments, GRADIENT, INPUT, Kernel, Lowering, Page, Read, SINK, Shader, X_SHAPE, Y_SHAPE, strip,
};

const POOL: Shader = Shader { name: "pool", workgroup: 64, files: &[INPUT, include_str!("pool.wgsl")] };
const POOL_BACKWARD: Shader = Shader {
    name: "pool_backward",
    workgroup: 64,
    files: &[INPUT, GRADIENT, SINK, include_str!("pool_backward.wgsl")],
};

#[cfg(test)]
pub(in crate::ops) const SHADERS: &[&Shader] = &[&POOL, &POOL_BACKWARD];

impl Kernel for Forward {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let Self { op } = self;
        let shape = op.output.shape;
        let tile = strip(shape.width);
        let arguments = Arguments::default().read(lowering.places.input(op.input)).view(
            "y",
            "y_block",
            lowering.places.tensor(op.output),
        );
        let arguments =
            arguments_of(op, lowering, arguments).constant("TILE", tile).constant("STRIDE", op.spec.stride);
        lowering.push(0, lowering.launch_over(&POOL, arguments, shape, tile, shape.channels));
    }
}

impl Kernel for Backward {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let Self { op, gradient, sink } = self;
        let shape = op.input.tensor.shape;
        let tile = strip(shape.width);
        let sink_view = lowering.places.tensor(sink.tensor);
        let ungated = Read { view: sink_view, record: None, relu: false };
        let arguments = Arguments::default()
            .gradient(lowering.places.gradient(*gradient))
            .read(if op.input.relu { lowering.places.input(op.input) } else { ungated })
            .sink(lowering.places.sink(*sink))
            .constant("TILE", tile);
        let arguments = arguments_of(op, lowering, arguments);
        lowering.push(0, lowering.launch_over(&POOL_BACKWARD, arguments, shape, tile, shape.channels));
    }
}

fn arguments_of(op: &Pool, lowering: &Lowering<'_>, arguments: Arguments) -> Arguments {
    let arguments = arguments
        .flag("MAXIMUM", op.spec.kind == PoolKind::Max)
        .constant("KERNEL", op.spec.kernel)
        .constant("PADDING", op.spec.padding)
        .field("stride", op.spec.stride)
        .field("channels", op.output.shape.channels)
        .shape(X_SHAPE, op.input.tensor.shape)
        .shape(Y_SHAPE, op.output.shape);
    // An average has no tap numbers; its kernel never touches the slot.
    let taps = op.taps.map(|storage| lowering.places.bytes(storage, op.output.shape));
    arguments
        .words("taps", taps.map_or(Page::Unused, |taps| taps.page))
        .field("taps", taps.map_or(0, |taps| taps.base as usize))
        .field("taps_block", taps.map_or(0, |taps| taps.block as usize))
}
