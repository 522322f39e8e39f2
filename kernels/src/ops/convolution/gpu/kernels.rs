//! The calls of a convolution as launches, and the memory that they need.

use super::tiles::{DepthwiseTiles, WeightTiles};
use super::{Convolution, ConvolutionLowering};
use crate::gpu::{Held, Kernel, Lowering, Sizes};
use crate::ops::convolution::calls::{Backward, Forward, ReorderWeights, WeightGradient};
use crate::ops::convolution::{Columns, Workspace};
use crate::program::WorkspaceId;
use crate::shape::{BLOCK, blocks};

/// The depthwise results of a depthwise or separable convolution, or their gradients.
fn columns(op: &Convolution, sizes: &Sizes) -> Held {
    Held::Quads(op.column_count() * op.output.shape.pixels() * blocks(sizes.batch) * BLOCK / 4)
}

impl Kernel for ReorderWeights {
    fn workspaces(&self, sizes: &Sizes) -> Vec<(WorkspaceId, Held)> {
        let quads = self.quads(sizes.batch, sizes.style).into_iter();
        quads.map(|quads| (self.op.workspace(quads.workspace), Held::Quads(quads.count()))).collect()
    }

    fn lower(&self, lowering: &mut Lowering<'_>) {
        self.launches(lowering);
    }
}

impl Kernel for Forward {
    fn workspaces(&self, sizes: &Sizes) -> Vec<(WorkspaceId, Held)> {
        let op = &self.op;
        let has_columns = op.weight.is_some() && op.depthwise.is_some();
        has_columns.then(|| (op.workspace(Workspace::Columns), columns(op, sizes))).into_iter().collect()
    }

    fn lower(&self, lowering: &mut Lowering<'_>) {
        ConvolutionLowering { op: &self.op, lowering }.convolve();
    }
}

impl Kernel for Backward {
    fn workspaces(&self, sizes: &Sizes) -> Vec<(WorkspaceId, Held)> {
        let op = &self.op;
        let mut list = Vec::new();
        if op.weight.is_some() {
            let parts = WeightTiles::new(op, sizes.batch, sizes.style).parts;
            let sums = parts * op.output.shape.channels * op.columns_of_group();
            list.push((op.workspace(Workspace::Partials), Held::Words(sums)));
        }
        if let Columns::Depthwise { kernel, .. } = op.columns {
            let parts = DepthwiseTiles::new(op, sizes.batch, sizes.style).parts;
            let sums = parts * op.input.tensor.shape.channels * kernel * kernel;
            list.push((op.workspace(Workspace::DepthwisePartials), Held::Words(sums)));
            list.push((op.workspace(Workspace::ColumnGradients), columns(op, sizes)));
        }
        list
    }

    fn lower(&self, lowering: &mut Lowering<'_>) {
        ConvolutionLowering { op: &self.op, lowering }.convolve_backward(self.gradient, self.sink);
    }
}

impl Kernel for WeightGradient {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        ConvolutionLowering { op: &self.op, lowering }.weight_gradient();
    }
}
