//! How much of a convolution one invocation holds in registers, and into how many parts sums over the batch are split.

use super::{Convolution, DEPTHWISE_WEIGHT_PARTIALS, WEIGHT_PARTIALS};
use crate::gpu::{STRIP, SUMS_AT_ONCE, Style, VECTOR, divisor, quads};
use crate::ops::convolution::DEPTHWISE_KERNEL_MAX;
use crate::shape::Shape;

/// Most quads of pixels that an invocation sums on a processor in a GPU's place, whose loops end without a word after twice as
/// many.
const MOST_ITEMS: usize = 1 << 15;
/// Least number of them.
const LEAST_ITEMS: usize = 8;
/// The same where a workgroup adds up what its invocations found.
const LEAST_ITEMS_OF_GROUP: usize = 4;

/// Workgroups that make the sums of one weight tensor: enough for a large GPU.
const GROUPS_A_SUM: usize = 1024;
/// Invocations of a workgroup of sums.
const GROUP: usize = 64;
/// Output channels and columns of the weights whose gradients an invocation of a GPU sums. A gradient is two loads, a column one.
const WEIGHTS_TILE: (usize, usize) = (8, 9);

const _: () = assert!(WEIGHTS_TILE.0.div_ceil(2) * WEIGHTS_TILE.1 <= SUMS_AT_ONCE);
const _: () = assert!(DEPTHWISE_KERNEL_MAX.div_ceil(2) * DEPTHWISE_KERNEL_MAX <= SUMS_AT_ONCE);
const _: () = assert!(WEIGHT_PARTIALS.workgroup as usize == GROUP);
const _: () = assert!(DEPTHWISE_WEIGHT_PARTIALS.workgroup as usize == GROUP);

/// Quads that an invocation of a dense convolution sums, where there are so many pixels or channels; on a processor, which
/// holds them in its cache, twice as many. On an H100 twice as many gave 0.93 to 0.95 of the speed.
const SUMS: usize = 16;
const SUMS_IN_CACHE: usize = 2 * SUMS;

/// Channels that a dense convolution of a GPU asks for before it uses them.
const ABREAST: usize = 4;

/// Invocations of a launch below which each makes less, so that a GPU has something to do while others wait.
const LEAST_INVOCATIONS: usize = 4096;

/// Channels, all of one of `groups`, and pixels of images of `shape` that one invocation of a dense convolution, or of its
/// gradient, makes. On a GPU fewer where that leaves too few invocations; on a processor one pixel `alone` where few taps
/// lead to each, and channels only where an image is one pixel.
pub(super) fn tile(style: Style, shape: Shape, groups: usize, batch: usize, alone: bool) -> (usize, usize) {
    let of_sums = |sums: usize, channels: usize| {
        let channels = divisor(shape.channels / groups, channels);
        (channels, divisor(shape.pixels(), (sums / channels).clamp(1, 4)))
    };
    if style.coarse {
        let (channels, pixels) = of_sums(SUMS_IN_CACHE, if shape.pixels() == 1 { SUMS_IN_CACHE } else { 8 });
        return (channels, if alone { 1 } else { pixels });
    }
    let enough = |&(channels, pixels): &(usize, usize)| {
        quads(shape, batch) / pixels * (shape.channels / channels) >= LEAST_INVOCATIONS
    };
    let mut tiles = [SUMS, SUMS / 2, SUMS / 4].map(|sums| of_sums(sums, sums)).into_iter();
    tiles.find(enough).unwrap_or_else(|| of_sums(SUMS / 4, SUMS / 4))
}

/// How many of the channels that a dense convolution reads one after the other are asked for at a time.
pub(super) fn abreast(style: Style, channels: usize, kernel: [usize; 2]) -> usize {
    if style.coarse || kernel != [1, 1] { 1 } else { divisor(channels, ABREAST) }
}

/// Workgroups that put the weights of one job into quads.
pub(super) fn reordering_groups(style: Style) -> usize {
    if style.coarse { 1 } else { 8 }
}

/// Output channels and columns of the weights whose gradients one invocation sums.
fn weights_tile(style: Style) -> (usize, usize) {
    if style.coarse { (4, 16) } else { WEIGHTS_TILE }
}

/// Parts that the sums of the gradients of one weight tensor are split into, of `tiles` tiles over `items` quads: of a
/// workgroup each or, on a processor, of an invocation.
fn parts(style: Style, tiles: usize, items: usize) -> usize {
    if !style.coarse {
        return (GROUPS_A_SUM.div_ceil(tiles)).min(items / (GROUP * LEAST_ITEMS_OF_GROUP)).max(1);
    }
    let parts = (128 / tiles).min(items / LEAST_ITEMS).max(items.div_ceil(MOST_ITEMS));
    // Those of a workgroup go through memory together.
    if parts > VECTOR as usize { parts - parts % VECTOR as usize } else { parts }
}

/// Tiles and parts of the gradient of the weights of a matrix of `outputs` × `columns`; a tile's outputs are of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WeightTiles {
    pub(super) out_tile: usize,
    pub(super) column_tile: usize,
    pub(super) parts: usize,
}

impl WeightTiles {
    pub(super) fn new(op: &Convolution, batch: usize, style: Style) -> Self {
        let (outputs, columns) = (op.output.shape.channels, op.columns_of_group());
        let (out_tile, column_tile) = weights_tile(style);
        let out_tile = divisor(outputs / op.groups(), out_tile);
        let column_tile = divisor(columns, column_tile);
        let tiles = (outputs / out_tile) * (columns / column_tile);
        Self { out_tile, column_tile, parts: parts(style, tiles, quads(op.output.shape, batch)) }
    }
}

/// Strips and parts of the gradient of depthwise weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DepthwiseTiles {
    /// Neighbouring outputs whose products an invocation sums at a time.
    pub(super) strip: usize,
    pub(super) parts: usize,
}

impl DepthwiseTiles {
    pub(super) fn new(op: &Convolution, batch: usize, style: Style) -> Self {
        let strip = divisor(op.output.shape.width, if style.coarse { 2 } else { STRIP });
        let items = quads(op.output.shape, batch) / strip;
        Self { strip, parts: parts(style, op.input.tensor.shape.channels, items) }
    }
}

/// Neighbouring pixels of a row of `width` whose gradients one invocation of a depthwise kernel with `stride` makes, in each of
/// `stride` rows.
pub(super) fn gradient_strip(width: usize, stride: usize) -> usize {
    stride * divisor(width.div_ceil(stride), (STRIP / stride).max(1))
}
