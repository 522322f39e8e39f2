//! The op table: for each operation its shape rule, parameters and FLOPs, and the calls of its backward rule
//! (`program.rs` puts them together). The kernels are `cpu/<op>.rs` and `gpu/wgsl/<op>.wgsl`.

mod convolution;
mod node_sum;
mod pool;
mod window_average;

pub use convolution::{ConvSpec, SeparableSpec};
pub use pool::PoolKind;

pub(crate) use convolution::{Columns, Convolution, DEPTHWISE_KERNEL_MAX};
pub(crate) use node_sum::NodeSum;
pub(crate) use pool::{POOL_KERNEL, POOL_PADDING, Pool};
pub(crate) use window_average::WindowAverage;

use crate::graph::{Input, NormId, ParamId, Tensor};

/// One operation of a graph.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Convolution(Convolution),
    Pool(Pool),
    NodeSum(NodeSum),
    WindowAverage(WindowAverage),
}

impl Op {
    /// Multiply-adds of one image in the forward pass.
    pub(crate) fn mult_adds(&self) -> u64 {
        match self {
            Self::Convolution(op) => op.mult_adds(),
            Self::Pool(_) | Self::NodeSum(_) | Self::WindowAverage(_) => 0,
        }
    }

    /// FLOPs of one image beside the multiply-adds; a following normalisation counts four an element.
    pub(crate) fn elementwise_flops(&self) -> u64 {
        let own = match self {
            Self::Convolution(_) => 0,
            Self::Pool(op) => op.flops(),
            Self::NodeSum(op) => op.flops(),
            Self::WindowAverage(op) => op.flops(),
        };
        let normalise = if self.norm().is_some() { 4 * self.output().shape.elements() as u64 } else { 0 };
        own + normalise
    }

    /// What it writes.
    pub(crate) fn output(&self) -> Tensor {
        match self {
            Self::Convolution(op) => op.output,
            Self::Pool(op) => op.output,
            Self::NodeSum(op) => op.output,
            Self::WindowAverage(op) => op.output,
        }
    }

    /// What it reads.
    pub(crate) fn inputs(&self) -> Vec<Input> {
        match self {
            Self::Convolution(op) => vec![op.input],
            Self::Pool(op) => vec![op.input],
            Self::NodeSum(op) => op.edges.iter().map(|edge| edge.0).collect(),
            Self::WindowAverage(op) => vec![op.input],
        }
    }

    /// Its own parameters (those of a following normalisation belong to that).
    pub(crate) fn params(&self) -> Vec<ParamId> {
        match self {
            Self::Convolution(op) => op.depthwise.into_iter().chain([op.weight]).chain(op.bias).collect(),
            Self::Pool(_) | Self::NodeSum(_) | Self::WindowAverage(_) => Vec::new(),
        }
    }

    /// The normalisation of its output.
    pub(crate) fn norm(&self) -> Option<NormId> {
        match self {
            Self::Convolution(op) => op.norm,
            Self::Pool(op) => op.norm,
            Self::NodeSum(_) | Self::WindowAverage(_) => None,
        }
    }

    /// Tells the operation that wrote (a part of) `raw` that `norm` follows it.
    pub(crate) fn normalise(&mut self, raw: Tensor, norm: NormId) {
        if raw.contains(self.output()) {
            match self {
                Self::Convolution(op) => op.norm = Some(norm),
                Self::Pool(op) => op.norm = Some(norm),
                Self::NodeSum(_) | Self::WindowAverage(_) => {}
            }
        }
    }
}
