//! The update of a network with many parameters.

use crate::graph::{Graph, ValueId};
use crate::ops::typical::{Own, Typical, classify};

pub(in crate::ops) fn typical() -> Vec<Typical> {
    const WIDTH: usize = 1024;
    const KINDS: &[&str] = &["update", "vectors: norm", "squares"];
    // A gradient is read for the norm of all, and with a momentum and a weight for the step, which writes these two.
    let own = Own::Kinds { kinds: KINDS, parameter_bytes: 6 * 4 };
    let network = |graph: &mut Graph, image: ValueId| {
        let features = graph.global_average(image);
        let wide = graph.linear("wide", features, WIDTH, false)?;
        let wide = graph.linear("wider", wide, WIDTH, false)?;
        classify(graph, wide)
    };
    let step = Typical::of_kinds("update", format!("{WIDTH}×{WIDTH} weights"), KINDS);
    vec![Typical { network: Box::new(network), own, ..step }]
}
