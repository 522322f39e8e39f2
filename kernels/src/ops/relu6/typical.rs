//! ReLU6 of a map.

use crate::ops::typical::Typical;

pub(in crate::ops) fn typical() -> Vec<Typical> {
    vec![Typical::of_map("ReLU6", |graph, map| Ok(graph.relu6(map)))]
}
