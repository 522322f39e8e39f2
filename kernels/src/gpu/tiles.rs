//! How much of an operation one invocation holds in registers, and into how many parts sums over the batch are split.

use crate::ops::Convolution;
use crate::shape::{Shape, blocks};

/// Invocations among which the sums of one weight tensor's gradient are split.
const SUMMING_INVOCATIONS: usize = 512;

/// Least number of quads of pixels that an invocation sums.
const LEAST_ITEMS: usize = 8;

/// Quads of sums that an invocation of a dense convolution keeps.
const MOST_SUMS: usize = 32;

/// Largest divisor of `number` that is at most `most`.
pub(super) fn divisor(number: usize, most: usize) -> usize {
    (1..=most.min(number)).rev().find(|&divisor| number.is_multiple_of(divisor)).unwrap_or(1)
}

/// Tiles and parts of the gradient of the weights of a matrix of `outputs` × `columns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WeightTiles {
    pub(super) out_tile: usize,
    pub(super) column_tile: usize,
    pub(super) parts: usize,
}

impl WeightTiles {
    pub(super) fn new(op: &Convolution, batch: usize) -> Self {
        let (outputs, columns) = (op.output.shape.channels, op.column_count());
        let (out_tile, column_tile) = (divisor(outputs, 8), divisor(columns, 9));
        let tiles = (outputs / out_tile) * (columns / column_tile);
        Self { out_tile, column_tile, parts: parts(tiles, quads(op.output.shape, batch)) }
    }
}

/// Parts of the gradient of depthwise weights, whose strips are `tile` outputs wide.
pub(super) fn depthwise_parts(op: &Convolution, batch: usize, tile: usize) -> usize {
    parts(op.input.tensor.shape.channels, quads(op.output.shape, batch) / tile)
}

/// Neighbouring outputs that one invocation of a depthwise kernel makes.
pub(super) fn strip(width: usize) -> usize {
    divisor(width, 4)
}

/// Pixels that one invocation of a dense convolution makes of each of `tile` channels.
pub(super) fn pixels(shape: Shape, tile: usize) -> usize {
    divisor(shape.pixels(), (MOST_SUMS / tile).clamp(1, 4))
}

/// Quads of lanes of one channel of a batch.
pub(super) fn quads(shape: Shape, batch: usize) -> usize {
    blocks(batch) * shape.pixels() * 4
}

fn parts(tiles: usize, items: usize) -> usize {
    (SUMMING_INVOCATIONS / tiles).min(items / LEAST_ITEMS).max(1)
}
