//! How a device likes its work: how much one invocation does.

use super::format::Format;
use super::shader::Shader;
use crate::shape::{Shape, blocks};

/// Sums of an invocation that a workgroup adds up at a time, in its memory.
pub(crate) const SUMS_AT_ONCE: usize = 36;
/// Most neighbouring outputs of a kernel that slides.
pub(crate) const STRIP: usize = 4;

/// Invocations of a workgroup on a processor: a vector of them. It goes through one vector after the other, so more would not
/// read side by side, and those that sum together would need memory of the workgroup, which is slow there.
pub(crate) const VECTOR: u32 = 8;

/// Rounds of all loops of an invocation together, after which lavapipe leaves them without a word: 65,535, some of which are for
/// what is not counted.
pub(super) const LOOP_ROUNDS: usize = 60_000;
/// Most pixels of an image that an invocation walks through: for each there are loops over taps and channels.
const WALKED_PIXELS: usize = 1024;

/// How a device likes its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// Few invocations do much each, with what lies together in memory: a processor goes through them one vector after the
    /// other and waits for its caches. Hardware hides what an invocation waits for behind many others.
    pub(crate) coarse: bool,
    /// Memory is textures: lavapipe gathers texels a vector at a time, and elements of buffers lane by lane.
    pub(crate) textured: bool,
    /// Dispatches that do not depend on each other run at once, so that one costs little and what it waits for much.
    pub(crate) overlaps: bool,
}

impl Style {
    pub(crate) const HARDWARE: Self = Self { coarse: false, textured: false, overlaps: true };
    pub(crate) const SOFTWARE: Self = Self { coarse: true, textured: true, overlaps: false };

    pub(crate) fn format(self, half_precision: bool) -> Format {
        Format { half_precision, textured: self.textured }
    }

    /// Invocations of a workgroup of `kernel`.
    pub(crate) fn workgroup(self, kernel: &Shader) -> u32 {
        if self.coarse { VECTOR } else { kernel.workgroup }
    }

    /// Neighbouring pixels that one invocation adds up edges of.
    pub(crate) fn summed_pixels(self, shape: Shape) -> usize {
        divisor(shape.pixels(), if self.coarse { 4 } else { 1 })
    }

    /// Whether an invocation goes through pixels of a block, one after the other; where images are one pixel, there is no other,
    /// and where they are large, it would go through more than [`WALKED_PIXELS`].
    pub(crate) fn walks(self, shape: Shape) -> bool {
        self.coarse && (2..=WALKED_PIXELS).contains(&shape.pixels())
    }

    /// Whether an invocation can go through a map of such images: through the pixels of one, as averages do, and through its share
    /// of a channel of the batch, as statistics do, which read four quads in a round.
    pub(crate) fn loops_through(self, shape: Shape, batch: usize) -> bool {
        let rounds = shape.pixels().max(quads(shape, batch) / (4 * VECTOR as usize));
        !self.coarse || rounds <= LOOP_ROUNDS
    }
}

/// Largest divisor of `number` that is at most `most`.
pub(crate) fn divisor(number: usize, most: usize) -> usize {
    (1..=most.min(number)).rev().find(|&divisor| number.is_multiple_of(divisor)).unwrap_or(1)
}

/// Neighbouring outputs of a row that one invocation of such a kernel makes.
pub(crate) fn strip(width: usize) -> usize {
    divisor(width, STRIP)
}

/// Quads of lanes of one channel of a batch.
pub(crate) fn quads(shape: Shape, batch: usize) -> usize {
    blocks(batch) * shape.pixels() * 4
}
