//! A shuffle of a map's channels.

use crate::ops::typical::Typical;

pub(in crate::ops) fn typical() -> Vec<Typical> {
    vec![Typical::of_map("channel shuffle", |graph, map| graph.shuffle_channels("shuffle", map, 4))]
}
