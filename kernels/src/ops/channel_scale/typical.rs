//! A map whose channels are scaled; the scales cost next to nothing.

use crate::ops::typical::Typical;

pub(in crate::ops) fn typical() -> Vec<Typical> {
    vec![Typical::of_map("channel scale", |graph, map| {
        let features = graph.global_average(map);
        let scale = graph.linear("scale", features, graph.shape(map).channels, false)?;
        graph.scale_channels("scaled", map, scale)
    })]
}
