//! Shapes of one image's activations, and the layout of a batch in memory.
//!
//! A tensor of a batch of N images is stored as `[N/BLOCK][C][H][W][BLOCK]`: the lanes of a vector register
//! or of a GPU subgroup are images. Padding, stride, dilation and pooling are then the same for all lanes,
//! weights are uniform over lanes, and a slice of channels of one block is one contiguous run.

use std::fmt;

/// Images in a block, the innermost dimension of every activation. A last block that is not full has idle
/// lanes.
pub const BLOCK: usize = 16;

/// Channels, height and width of one image's activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Channels.
    pub channels: usize,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
}

impl Shape {
    /// A shape of `channels` maps of `height` × `width` pixels.
    pub const fn new(channels: usize, height: usize, width: usize) -> Self {
        Self { channels, height, width }
    }

    /// Pixels of one channel.
    pub const fn pixels(self) -> usize {
        self.height * self.width
    }

    /// Elements of one image.
    pub const fn elements(self) -> usize {
        self.channels * self.pixels()
    }

    /// The same map with another number of channels.
    #[must_use]
    pub const fn with_channels(self, channels: usize) -> Self {
        Self { channels, ..self }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}×{}", self.channels, self.height, self.width)
    }
}

/// Blocks that a batch of `images` takes.
pub(crate) const fn blocks(images: usize) -> usize {
    images.div_ceil(BLOCK)
}

/// Output extent of a sliding window with a stride above 0; `None` when it does not fit.
pub(crate) const fn window_output(
    input: usize,
    extent: usize,
    stride: usize,
    padding: usize,
) -> Option<usize> {
    let Some(both) = padding.checked_mul(2) else { return None };
    match input.checked_add(both) {
        Some(padded) if padded >= extent => Some((padded - extent) / stride + 1),
        _ => None,
    }
}
