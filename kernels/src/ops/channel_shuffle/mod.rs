//! Channel shuffle (Zhang et al., 2018, ShuffleNet): of `g` groups of channels, the first of each, then the second of each, and
//! so on: `y[j·g + i] = x[i·(C/g) + j]`.
//!
//! Backward: the same way back.

mod cpu;
mod gpu;
mod onnx;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
mod typical;

#[cfg(test)]
pub(super) use gpu::SHADERS;
#[cfg(test)]
pub(super) use tests::examples;
pub(super) use typical::typical;

use crate::error::Error;
use crate::graph::{Graph, ValueId};
use crate::ops::unary::{Saved, UnaryOperation};

#[derive(Clone, Copy, Debug)]
struct ChannelShuffle {
    groups: usize,
}

impl ChannelShuffle {
    /// The channel of the output that a channel of the input becomes, of `channels`.
    fn output_channel(self, channels: usize, input: usize) -> usize {
        let each = channels / self.groups;
        input % each * self.groups + input / each
    }
}

impl UnaryOperation for ChannelShuffle {
    const KINDS: [&'static str; 2] = ["channel shuffle", "channel shuffle: backward"];
    const SAVED: Saved = Saved::Nothing;
}

impl Graph {
    /// The channels of `groups` groups in turns.
    ///
    /// # Errors
    /// When the channels are no multiple of the groups.
    pub fn shuffle_channels(&mut self, name: &str, input: ValueId, groups: usize) -> Result<ValueId, Error> {
        let shape = self.shape(input);
        if groups == 0 || !shape.channels.is_multiple_of(groups) {
            let problem = format!(
                "{} channels cannot be split into {groups} groups; choose a number of groups that divides the channels",
                shape.channels
            );
            return Err(Error::BadSize { op: "channel shuffle", name: name.to_owned(), problem });
        }
        Ok(self.unary(input, ChannelShuffle { groups }))
    }
}
