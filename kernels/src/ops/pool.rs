//! 3×3 pooling with padding 1: the maximum, or the average over the pixels inside the image.
//!
//! Backward: the maximum sends `dy` to the first tap, in row order, that held it (the forward pass stores its
//! number, 0..9, in a byte); the average sends `dy / count` to every tap.

use crate::Error;
use crate::graph::{Graph, Input, NormId, StorageId, Tensor, ValueId};

/// What is taken of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PoolKind {
    /// The largest value.
    Max,
    /// The mean of the values inside the image.
    Average,
}

#[derive(Clone, Debug)]
pub(crate) struct Pool {
    pub(crate) kind: PoolKind,
    pub(crate) stride: usize,
    pub(crate) input: Input,
    pub(crate) output: Tensor,
    /// Numbers of the taps that held the maximum, one byte an output; of a maximum only.
    pub(crate) taps: Option<StorageId>,
    pub(crate) norm: Option<NormId>,
}

/// Pixels of the window's side.
pub(crate) const POOL_KERNEL: usize = 3;
/// Padding on every side.
pub(crate) const POOL_PADDING: usize = 1;

impl Pool {
    pub(crate) fn flops(&self) -> u64 {
        (POOL_KERNEL * POOL_KERNEL * self.output.shape.elements()) as u64
    }
}

impl Graph {
    /// 3×3 pooling with padding 1.
    ///
    /// # Errors
    /// When the window does not fit (it fits every image of one pixel or more).
    pub fn pool(
        &mut self,
        name: &str,
        input: ValueId,
        kind: PoolKind,
        stride: usize,
    ) -> Result<ValueId, Error> {
        let shape = self.windowed(name, input, POOL_KERNEL, stride, POOL_PADDING)?;
        let output = Tensor { storage: self.storage(shape), channel: 0, shape };
        let taps = (kind == PoolKind::Max).then(|| self.storage(shape));
        let input = self.read(input, false);
        Ok(self.push_pool(Pool { kind, stride, input, output, taps, norm: None }))
    }
}
