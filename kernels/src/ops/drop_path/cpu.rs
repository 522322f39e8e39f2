//! Drawing the scales of one block.

use super::DrawDropPath;
use crate::cpu::{Context, Element, Kernel, Simd, Unit};
use crate::program::DropId;
use crate::rng::{Purpose, random, unit};
use crate::shape::BLOCK;

impl Kernel for DrawDropPath {
    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        if let Unit::Block(block) = unit {
            // SAFETY: the caller's promise.
            unsafe { draw_drop_path(cx, cx.tables.drops, block.number) }
        }
    }
}

/// Draws the drop-path scale of every edge for the images of a block: 0, or 1 / keep probability.
///
/// # Safety
/// No other thread may touch the block's scales.
unsafe fn draw_drop_path(cx: &Context<'_>, drops: usize, block: usize) {
    let kept = 1.0 / (1.0 - cx.drop_path);
    for drop in 0..drops {
        let to = cx.memory.drop_scale(DropId(drop), block);
        for lane in 0..BLOCK {
            let scale = match cx.batch.get(block * BLOCK + lane) {
                Some(&image) => {
                    let word = random(cx.settings.seed, Purpose::DropPath, drop as u32, cx.epoch, image)[0];
                    if unit(word) < cx.drop_path { 0.0 } else { kept }
                }
                None => 0.0,
            };
            // SAFETY: the block's 16 scales of this edge.
            unsafe { *to.add(lane) = scale }
        }
    }
}
