//! How much of an operation one invocation holds in registers, and into how many parts sums over the batch are split.

use super::source::{DEPTHWISE_WEIGHT_PARTIALS, Kernel, WEIGHT_PARTIALS};
use super::storage::Format;
use crate::ops::{Convolution, DEPTHWISE_KERNEL_MAX};
use crate::shape::{Shape, blocks};

/// Least number of quads of pixels that an invocation sums.
const LEAST_ITEMS: usize = 8;
/// The same where a workgroup adds up what its invocations found.
const LEAST_ITEMS_OF_GROUP: usize = 4;

/// Workgroups that make the sums of one weight tensor: enough for a large GPU.
const GROUPS_A_SUM: usize = 1024;
/// Invocations of a workgroup of sums.
const GROUP: usize = 64;
/// Output channels and columns of the weights whose gradients an invocation of a GPU sums. A gradient is two loads, a column one.
const WEIGHTS_TILE: (usize, usize) = (8, 9);

/// Sums of an invocation that a workgroup adds up at a time: half of the rows of a tile, or of a depthwise kernel.
pub(super) const SUMS_AT_ONCE: usize = 36;
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

/// Most neighbouring outputs of a depthwise kernel.
const STRIP: usize = 4;

/// Invocations of a workgroup on a processor: a vector of them. It goes through one vector after the other, so more would not
/// read side by side, and those that sum together would need memory of the workgroup, which is slow there.
const VECTOR: u32 = 8;

/// How a device likes its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    /// Few invocations do much each, with what lies together in memory: a processor goes through them one vector after the
    /// other and waits for its caches. Hardware hides what an invocation waits for behind many others.
    pub(super) coarse: bool,
    /// Memory is textures: lavapipe gathers texels a vector at a time, and elements of buffers lane by lane.
    pub(super) textured: bool,
    /// Dispatches that do not depend on each other run at once, so that one costs little and what it waits for much.
    pub(super) overlaps: bool,
}

impl Style {
    pub(super) const HARDWARE: Self = Self { coarse: false, textured: false, overlaps: true };
    pub(super) const SOFTWARE: Self = Self { coarse: true, textured: true, overlaps: false };

    pub(super) fn format(self, half: bool) -> Format {
        Format { half, textured: self.textured }
    }

    /// Invocations of a workgroup of `kernel`.
    pub(super) fn workgroup(self, kernel: &Kernel) -> u32 {
        if self.coarse { VECTOR } else { kernel.workgroup }
    }

    /// Channels and pixels of images of `shape` that one invocation of a dense convolution, or of its gradient, makes. On a
    /// GPU fewer where that leaves too few invocations; on a processor one pixel `alone` where few taps lead to each, and
    /// channels only where an image is one pixel.
    pub(super) fn tile(self, shape: Shape, batch: usize, alone: bool) -> (usize, usize) {
        let of_sums = |sums: usize, channels: usize| {
            let channels = divisor(shape.channels, channels);
            (channels, divisor(shape.pixels(), (sums / channels).clamp(1, 4)))
        };
        if self.coarse {
            let (channels, pixels) =
                of_sums(SUMS_IN_CACHE, if shape.pixels() == 1 { SUMS_IN_CACHE } else { 8 });
            return (channels, if alone { 1 } else { pixels });
        }
        let enough = |&(channels, pixels): &(usize, usize)| {
            quads(shape, batch) / pixels * (shape.channels / channels) >= LEAST_INVOCATIONS
        };
        let mut tiles = [SUMS, SUMS / 2, SUMS / 4].map(|sums| of_sums(sums, sums)).into_iter();
        tiles.find(enough).unwrap_or_else(|| of_sums(SUMS / 4, SUMS / 4))
    }

    /// How many of the channels that a dense convolution reads one after the other are asked for at a time.
    pub(super) fn abreast(self, channels: usize, taps: usize) -> usize {
        if self.coarse || taps > 1 { 1 } else { divisor(channels, ABREAST) }
    }

    /// Workgroups that put the weights of one job into quads.
    pub(super) fn arranging_groups(self) -> usize {
        if self.coarse { 1 } else { 8 }
    }

    /// Neighbouring pixels that one invocation adds up edges of.
    pub(super) fn summed_pixels(self, shape: Shape) -> usize {
        divisor(shape.pixels(), if self.coarse { 4 } else { 1 })
    }

    /// Output channels and columns of the weights whose gradients one invocation sums.
    fn weights_tile(self) -> (usize, usize) {
        if self.coarse { (4, 16) } else { WEIGHTS_TILE }
    }

    /// Parts that the sums of the gradients of one weight tensor are split into, of `tiles` tiles over `items` quads: of a
    /// workgroup each or, on a processor, of an invocation.
    fn parts(self, tiles: usize, items: usize) -> usize {
        if !self.coarse {
            return (GROUPS_A_SUM.div_ceil(tiles)).min(items / (GROUP * LEAST_ITEMS_OF_GROUP)).max(1);
        }
        let parts = (128 / tiles).min(items / LEAST_ITEMS).max(1);
        // Those of a workgroup go through memory together.
        if parts > VECTOR as usize { parts - parts % VECTOR as usize } else { parts }
    }

    /// Whether an invocation goes through pixels of a block, one after the other; where images are one pixel, there is no other.
    pub(super) fn walks(self, shape: Shape) -> bool {
        self.coarse && shape.pixels() > 1
    }
}

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
    pub(super) fn new(op: &Convolution, batch: usize, style: Style) -> Self {
        let (outputs, columns) = (op.output.shape.channels, op.column_count());
        let (out_tile, column_tile) = style.weights_tile();
        let (out_tile, column_tile) = (divisor(outputs, out_tile), divisor(columns, column_tile));
        let tiles = (outputs / out_tile) * (columns / column_tile);
        Self { out_tile, column_tile, parts: style.parts(tiles, quads(op.output.shape, batch)) }
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
        Self { strip, parts: style.parts(op.input.tensor.shape.channels, items) }
    }
}

/// Neighbouring outputs that one invocation of a depthwise kernel makes.
pub(super) fn strip(width: usize) -> usize {
    divisor(width, STRIP)
}

/// Neighbouring pixels of a row of `width` whose gradients one invocation of a depthwise kernel with `stride` makes, in each of
/// `stride` rows.
pub(super) fn gradient_strip(width: usize, stride: usize) -> usize {
    stride * divisor(width.div_ceil(stride), (STRIP / stride).max(1))
}

/// Quads of lanes of one channel of a batch.
pub(super) fn quads(shape: Shape, batch: usize) -> usize {
    blocks(batch) * shape.pixels() * 4
}
