//! Launches of shuffles of channels.

use super::ChannelShuffle;
use crate::gpu::{Arguments, INPUT, Lowering, SINK, Shader};
use crate::ops::unary::Launches;

const CHANNEL_SHUFFLE: Shader =
    Shader { name: "channel_shuffle", workgroup: 64, files: &[INPUT, include_str!("channel_shuffle.wgsl")] };
const CHANNEL_SHUFFLE_BACKWARD: Shader = Shader {
    name: "channel_shuffle_backward",
    workgroup: 64,
    files: &[INPUT, SINK, include_str!("channel_shuffle_backward.wgsl")],
};

#[cfg(test)]
pub(in crate::ops) const SHADERS: &[&Shader] = &ChannelShuffle::SHADERS;

impl Launches for ChannelShuffle {
    const SHADERS: [&'static Shader; 2] = [&CHANNEL_SHUFFLE, &CHANNEL_SHUFFLE_BACKWARD];

    fn arguments(&self, _: &Lowering<'_>) -> Arguments {
        Arguments::default().field("groups", self.groups)
    }
}
