//! Networks with poolings.

use crate::checks::{Example, check_gradients, example};
use crate::{PoolKind, PoolSpec};

fn pooling(kind: PoolKind, stride: usize, normalised: bool) -> Example {
    example(format!("{kind:?} pool stride {stride}, normalised {normalised}"), 7, move |graph, value| {
        let value = graph.pool("pool", value, kind, stride).unwrap();
        if normalised { graph.batch_norm("bn", value).unwrap() } else { value }
    })
}

pub(in crate::ops) fn examples() -> Vec<Example> {
    let kinds = [PoolKind::Max, PoolKind::Average];
    let plain = kinds.into_iter().flat_map(|kind| [1, 2].map(|stride| pooling(kind, stride, true)));
    // As residual networks do.
    let gated = kinds.into_iter().map(|kind| {
        example(format!("{kind:?} pool behind a ReLU"), 7, move |graph, value| {
            let value = graph.relu(value);
            graph.pool("pool", value, kind, 2).unwrap()
        })
    });
    // As dense networks, inception and stems for large images do; the last passes pixels over.
    let others = [(2, 2, 0), (5, 1, 2), (3, 2, 0), (7, 3, 3), (1, 2, 0)].into_iter().flat_map(|sizes| {
        let (kernel, stride, padding) = sizes;
        kinds.map(|kind| {
            let name = format!("{kind:?} pool {kernel}x{kernel} stride {stride} padding {padding}");
            example(name, 7, move |graph, value| {
                let spec = PoolSpec { kind, kernel, stride, padding };
                let value = graph.pool_with("pool", value, spec).unwrap();
                graph.batch_norm("bn", value).unwrap()
            })
        })
    });
    plain.chain(gated).chain(others).collect()
}

#[test]
fn gradients_where_no_normalisation_follows() {
    for kind in [PoolKind::Max, PoolKind::Average] {
        for stride in 1..=2 {
            check_gradients(&pooling(kind, stride, false));
        }
    }
}
