//! Convolutions that a processor cuts into tiles of a row and into parts of their channels.

use super::case::Case;
use super::cells::{CellOperation, edge, stem};
use crate::{ConvSpec, Shape};

/// Pixels of a map's side, channels and stride: rows of outputs that are one tile of four, seven or eight pixels, two,
/// or one with neighbours on both sides, rows whose tiles overlap, and such that have none; the last in bands of rows,
/// less than taps reach.
pub(super) const TILES: [(usize, usize, usize); 10] = [
    (4, 5, 1),
    (7, 5, 1),
    (8, 5, 1),
    (11, 5, 1),
    (14, 5, 1),
    (19, 3, 1),
    (24, 24, 1),
    (8, 5, 2),
    (28, 5, 2),
    (48, 16, 2),
];

/// Separable convolutions of such maps that keep their size or halve it.
pub(super) fn tiles(sizes: &[(usize, usize, usize)]) -> Vec<Case> {
    use CellOperation::{Dilated, Separable};
    let mut cases = Vec::new();
    for operation in [Separable(3), Separable(5), Dilated(3), Dilated(5)] {
        for &(size, channels, stride) in sizes {
            let name = format!("{operation:?} of {channels} x {size} x {size}, stride {stride}");
            cases.push(Case::new(&name, Shape::new(3, size, size), 2, 3, |graph, image| {
                let stem = stem(graph, image, channels);
                let (value, _) = edge(graph, "edge", operation, stem, stride);
                // Not a normalisation last: the average of an image alone would not depend on anything before it.
                let spec = ConvSpec { relu: true, ..ConvSpec::square(4, 1) };
                graph.conv("conv", value, spec).unwrap()
            }));
        }
    }
    cases
}

/// Dense and grouped convolutions of more channels than a processor sums over at once, and 1×1 ones that it gathers.
pub(super) fn parts() -> Vec<Case> {
    let kinds =
        [([3, 3], 1, 1), ([3, 3], 2, 1), ([1, 7], 1, 1), ([7, 1], 1, 1), ([3, 3], 1, 2), ([1, 1], 1, 1)];
    let case = |(kernel, stride, groups): ([usize; 2], usize, usize)| {
        let name = format!("{kernel:?} of 40 channels, stride {stride}, in {groups} groups");
        Case::new(&name, Shape::new(3, 12, 12), 2, 3, move |graph, image| {
            let stem = stem(graph, image, 40);
            let padding = kernel.map(|side| side / 2);
            let spec = ConvSpec { padding, stride, groups, relu: true, ..ConvSpec::new(44, kernel) };
            let value = graph.conv("parts", stem, spec).unwrap();
            let value = graph.batch_norm("norm", value).unwrap();
            let spec = ConvSpec { relu: true, ..ConvSpec::square(4, 1) };
            graph.conv("conv", value, spec).unwrap()
        })
    };
    kinds.map(case).into()
}
