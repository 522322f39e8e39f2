//! The sum of two maps, and two maps side by side.

use crate::ops::typical::Typical;

pub(in crate::ops) fn typical() -> Vec<Typical> {
    vec![
        Typical::of_map("sum of two", |graph, map| graph.sum("sum", &[map, map])),
        Typical::of_map("concatenation of two", |graph, map| {
            let half = graph.shape(map).channels / 2;
            let parts = [graph.slice(map, 0, half)?, graph.slice(map, half, half)?];
            graph.concatenate("concatenation", &parts)
        }),
    ]
}
