//! The draws of a sum's edges.

use crate::graph::{Graph, ValueId};
use crate::ops::typical::{Typical, classify, map};

pub(in crate::ops) fn typical() -> Vec<Typical> {
    const EDGES: usize = 8;
    const KINDS: &[&str] = &["drop path: draw", "draw_drop_path"];
    let network = |graph: &mut Graph, image: ValueId| {
        let map = map(graph, image)?;
        let concat = graph.concat(1, graph.shape(map));
        let sum = graph.node_sum("sum", &[(map, true); EDGES], concat, 0)?;
        classify(graph, sum)
    };
    let drawn = Typical::of_kinds("drop path", format!("{EDGES} edges"), KINDS);
    vec![Typical { network: Box::new(network), ..drawn }]
}
