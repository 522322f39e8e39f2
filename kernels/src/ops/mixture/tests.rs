//! Networks whose sums a mixture weighs: of what only they read, what others read too, and what is not normalised; in cells that
//! share it.

use crate::checks::{CellOperation, Example, edge, example, relu_conv_norm};
use crate::graph::{Graph, ValueId};
use crate::{Draw, Mixture, Term};

/// A node of all operations between values, as in the supernet of a search.
fn node<const N: usize>(
    graph: &mut Graph,
    name: &str,
    from: [ValueId; N],
    mixture: Mixture,
    stride: usize,
) -> ValueId {
    use CellOperation::{Average, Dilated, Max, Separable, Skip};
    let mut terms = Vec::new();
    for (row, value) in from.into_iter().enumerate() {
        // The first choice is none of them.
        for (choice, operation) in [Max, Average, Skip, Separable(3), Dilated(3)].into_iter().enumerate() {
            let (value, drop) = edge(graph, &format!("{name}.{row}.{choice}"), operation, value, stride);
            terms.push(Term { value, drop, weight: Some((mixture, row, choice + 1)) });
        }
    }
    let concat = graph.concat(1, graph.shape(terms[0].value));
    graph.weighted_sum(name, &terms, concat, 0).unwrap()
}

pub(in crate::ops) fn examples() -> Vec<Example> {
    let shared = example("a mixture that two nodes share", 6, |graph, value| {
        let mixture = graph.mixture("alpha", 2, 6).unwrap();
        let other = relu_conv_norm(graph, "other", value, graph.shape(value).channels, 1, 1);
        let first = node(graph, "first", [value, other], mixture, 1);
        node(graph, "second", [first, value], mixture, 1)
    });
    let uneven = example("weighted terms behind a ReLU, unweighted ones beside them", 6, |graph, value| {
        let mixture = graph.mixture("alpha", 1, 3).unwrap();
        let made = relu_conv_norm(graph, "made", value, 4, 1, 1);
        let plain = graph.batch_norm_plain("plain", value);
        assert!(plain.is_err(), "what is normalised is not normalised again");
        let open = graph.relu(made);
        let summed = graph.sum("summed", &[made, open]).unwrap();
        let plain = graph.batch_norm_plain("plain", summed).unwrap();
        let weight = |choice| Some((mixture, 0, choice));
        let terms = [
            Term { value: open, drop: true, weight: weight(0) },
            Term { value: plain, drop: false, weight: weight(1) },
            Term { value: summed, drop: false, weight: weight(1) },
            Term { value: made, drop: true, weight: None },
        ];
        let concat = graph.concat(1, graph.shape(made));
        graph.weighted_sum("sum", &terms, concat, 0).unwrap()
    });
    let concrete = example("weights drawn from a concrete distribution", 6, |graph, value| {
        let mixture = graph.drawn_mixture("alpha", 2, 6, Draw::Concrete).unwrap();
        let other = relu_conv_norm(graph, "other", value, graph.shape(value).channels, 1, 1);
        node(graph, "node", [value, other], mixture, 2)
    });
    let dirichlet = example("weights drawn from a Dirichlet distribution", 6, |graph, value| {
        let mixture = graph.drawn_mixture("alpha", 1, 6, Draw::Dirichlet { divergence: 0.1 }).unwrap();
        node(graph, "node", [value; 1], mixture, 1)
    });
    let dirichlet = Example { drawn_from: Some("alpha"), ..dirichlet };
    vec![shared, Example { drop_path: 0.3, ..uneven }, concrete, dirichlet]
}
