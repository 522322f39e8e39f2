//! Poolings that keep the size of a map.

use super::PoolKind;
use crate::ops::typical::Typical;

pub(in crate::ops) fn typical() -> Vec<Typical> {
    vec![
        Typical::of_map("max pooling 3×3", |graph, map| graph.pool("pool", map, PoolKind::Max, 1)),
        Typical::of_map("average pooling 3×3", |graph, map| graph.pool("pool", map, PoolKind::Average, 1)),
    ]
}
