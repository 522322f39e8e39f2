//! A normalised map.

use crate::ops::typical::Typical;

pub(in crate::ops) fn typical() -> Vec<Typical> {
    vec![Typical::of_map("batch normalisation", |graph, map| graph.batch_norm("norm", map))]
}
