//! The weighted sum of two maps.

use crate::ops::Term;
use crate::ops::typical::Typical;

pub(in crate::ops) fn typical() -> Vec<Typical> {
    vec![Typical::of_map("mixture of two", |graph, map| {
        let mixture = graph.mixture("mixture", 1, 2)?;
        let terms = [0, 1].map(|choice| Term { value: map, drop: false, weight: Some((mixture, 0, choice)) });
        let concat = graph.concat(1, graph.shape(map));
        graph.weighted_sum("sum", &terms, concat, 0)
    })]
}
