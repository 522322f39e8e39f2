//! The logistic function of a map.

use crate::ops::typical::Typical;

pub(in crate::ops) fn typical() -> Vec<Typical> {
    vec![Typical::of_map("sigmoid", |graph, map| Ok(graph.sigmoid(map)))]
}
