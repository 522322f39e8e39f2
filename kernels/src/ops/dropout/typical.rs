//! Dropout of a map.

use crate::ops::typical::Typical;

pub(in crate::ops) fn typical() -> Vec<Typical> {
    vec![Typical::of_map("dropout", |graph, map| graph.dropout("dropout", map, 0.2))]
}
