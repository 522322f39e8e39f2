//! The sum of a thousand logits.

use crate::graph::Graph;
use crate::ops::typical::{Own, Typical, map};

pub(in crate::ops) fn typical() -> Vec<Typical> {
    const CLASSES: usize = 1000;
    const KINDS: &[&str] = &["logit sum", "logit_sum"];
    let network = Box::new(|graph: &mut Graph, image| {
        let map = map(graph, image)?;
        let features = graph.global_average(map);
        let logits = graph.linear("classes", features, CLASSES, false)?;
        graph.sum_head(logits, 1.0)
    });
    let own = Own::Kinds { kinds: KINDS, parameter_bytes: 0 };
    vec![Typical {
        name: "sum of logits",
        size: format!("{CLASSES} classes"),
        classes: CLASSES,
        network,
        own,
    }]
}
