//! The sum of a node's edges: `y = Σ_e scale_e · x_e`, where `x_e` is read through its normalisation and
//! `scale_e` is the edge's drop-path mask, one number an image (0 or 1 / keep probability).
//!
//! Backward: each `x_e` gets `scale_e · dy`.

use crate::graph::{DropId, Input, Tensor};

#[derive(Clone, Debug)]
pub(crate) struct NodeSum {
    pub(crate) edges: Vec<(Input, Option<DropId>)>,
    pub(crate) output: Tensor,
}

impl NodeSum {
    pub(crate) fn flops(&self) -> u64 {
        (self.edges.len() * self.output.shape.elements()) as u64
    }
}
