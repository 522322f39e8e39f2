//! The launch that draws drop path.

use super::DrawDropPath;
use crate::gpu::{Arguments, Kernel, Lowering, RNG, Shader, launch};
use crate::rng::Purpose;
use crate::shape::{BLOCK, blocks};

const DRAW_DROP_PATH: Shader =
    Shader { name: "draw_drop_path", workgroup: 64, files: &[RNG, include_str!("draw_drop_path.wgsl")] };

#[cfg(test)]
pub(in crate::ops) const SHADERS: &[&Shader] = &[&DRAW_DROP_PATH];

impl Kernel for DrawDropPath {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let lanes = blocks(lowering.settings.batch_size) * BLOCK;
        let edges = lowering.places.tables.drops;
        let arguments = Arguments::default()
            .constant("DROP_PATH", Purpose::DropPath as usize)
            .field("lanes", lanes)
            .field("edges", edges)
            .field("order", lowering.places.state.order)
            .field("drops", lowering.places.state.drops);
        lowering.push(0, launch(&DRAW_DROP_PATH, arguments, lanes * edges, 1));
    }
}
