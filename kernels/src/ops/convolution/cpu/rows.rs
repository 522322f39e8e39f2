//! Rows of input gradients on their way to a sink. Bands overlap: a row is whole when the last band that reaches it has
//! added to it.

use std::ops::Range;

use super::Bands;
use crate::cpu::{BlockSink, ChannelSink, Element};
use crate::shape::BLOCK;

/// Where the gradients of a band's inputs go.
pub(super) struct BandSink<E> {
    pub(super) sink: BlockSink<E>,
    /// Input rows that the band writes gradients to.
    pub(super) range: Range<usize>,
    /// Input rows before this one were begun by an earlier band.
    pub(super) done: usize,
    /// Input rows from this one on are added to by later bands.
    pub(super) open: usize,
    /// Sums of rows that are not whole, in scratch memory: where the sink would round them, and has none.
    pub(super) carried: Option<*mut f32>,
}

/// The same of one channel.
pub(super) struct SinkRows<E> {
    sink: ChannelSink<E>,
    pub(super) range: Range<usize>,
    done: usize,
    open: usize,
    carried: Option<*mut f32>,
    /// Rows that are carried at a time.
    count: usize,
    /// Elements of a row.
    row: usize,
}

impl<E: Element> BandSink<E> {
    #[inline(always)]
    pub(super) fn rows(&self, bands: &Bands, channel: usize) -> SinkRows<E> {
        let (input, count) = (bands.windows.input, bands.carried);
        let row = input.width * BLOCK;
        SinkRows {
            sink: self.sink.channel(channel).on(channel * input.height * row),
            range: self.range.clone(),
            done: self.done,
            open: self.open,
            carried: self.carried.map(|at| at.wrapping_add(channel * count * row)),
            count,
            row,
        }
    }
}

impl<E: Element> SinkRows<E> {
    /// All of the image, where bands do not overlap.
    #[inline(always)]
    pub(super) fn plane(&self) -> ChannelSink<E> {
        self.sink
    }

    /// Row `y` of the image.
    #[inline(always)]
    pub(super) fn row(&self, y: usize) -> ChannelSink<E> {
        let ChannelSink { to, sum, accumulate, is_whole } = self.sink.on(y * self.row);
        let sum = self.carried.map_or(sum, |at| at.wrapping_add(y % self.count * self.row));
        ChannelSink { to, sum, accumulate: accumulate || y < self.done, is_whole: is_whole && y < self.open }
    }
}
