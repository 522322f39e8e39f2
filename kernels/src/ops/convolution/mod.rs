//! Convolution as columns times a matrix: dense (with an optional bias; a linear layer is one over a single
//! pixel), grouped, depthwise-separable, and depthwise alone, all reading through an optional normalisation and ReLU.
//!
//! Forward: `y[o] = bias[o] + Σ_k weight[o][k] · t[k]`, where the columns `t` are either the taps of all input channels
//! (dense), those of the output's group of them (grouped), or one depthwise result an input channel (separable); a
//! depthwise convolution alone has no matrix, and its columns are its output. Backward, with `dy` the gradient of `y`:
//! `dweight[o][k] = Σ dy[o]·t[k]`, `dt[k] = Σ_o weight[o][k]·dy[o]`, and `dt` goes back through the taps to the input
//! (gated by the ReLU) and to the depthwise weights. Columns are computed again in the backward pass, which is cheaper
//! than to store and load them.
//!
//! Which way is taken when, on a processor (`cpu/`):
//!
//! | way | when | why |
//! | --- | --- | --- |
//! | pixel by pixel (`pixels.rs`) | 1×1, stride 1, no padding; forward of few channels only | products read and write activations where they lie |
//! | taps in place (`implicit/`) | dense or grouped with windows of several pixels | a channel's rows are copied once, between zeros, and products read each tap there, instead of a column for each |
//! | rows in place (`same/`) | depthwise 3×3 and 5×5 that keep the size or halve it, on registers, of nearly any width | no padded copy; a kernel for each place of a tile |
//! | bands of columns (`columns.rs`) | every other one: depthwise of other kernels, 1×1 with a stride, 1×1 of many channels forward | a band's columns stay in the second-level cache |
//! | wide (`wide.rs`) | dense, in one group, with one output pixel: linear layers | images of the whole batch are the run of the products, so that large weights are read once |
//!
//! Rows are cut into tiles of eight pixels (four where a block is two registers). Where the width is no multiple of that the
//! last tile begins earlier and leaves out what the one before it did; rows of four and of seven pixels are one tile. Products
//! go through the pixels of several rows as one run, so that no width is slow there.
//!
//! Groups share all of it but the products, of which each has its own (`groups.rs`). No way depends on the number of threads,
//! nor does the order of any sum, which is the same on every instruction set.
//!
//! On a GPU (`gpu/`) a dense convolution is one kernel that reads its window; the depthwise part of a separable one goes
//! through a workspace that the backward pass reads again. Weights are reordered into quads first. Sums of weights'
//! gradients are made by workgroups, each of a part of the batch, or, where a processor stands in for a GPU, by
//! invocations that walk. A tile of channels lies in one group, so that groups are parts of one dispatch.

mod build;
mod calls;
mod cpu;
mod gpu;
mod onnx;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
mod typical;

use std::sync::Arc;

pub use build::{ConvSpec, DepthwiseSpec, SeparableSpec};
use calls::{Backward, Forward, Pass, ReorderWeights, WeightGradient};
#[cfg(test)]
pub(super) use gpu::SHADERS;
#[cfg(test)]
pub(super) use tests::examples;
pub(super) use typical::typical;

use crate::graph::{Operation, Tape};
use crate::program::{Input, NormId, ParamId, Tensor, WorkspaceId};

/// Largest height and width of a depthwise kernel.
const DEPTHWISE_KERNEL_MAX: usize = 7;

/// What a convolution keeps for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workspace {
    /// Weights as a GPU reads them: depthwise ones, those of the matrix, and those for the gradient of its input.
    Taps,
    Weights,
    GradientWeights,
    /// The columns that the backward pass reads again, where it does.
    Columns,
    /// Their gradients; on a processor, those of the outputs.
    ColumnGradients,
    /// Partial sums of the gradients of the weights, and on a GPU of the depthwise ones.
    Partials,
    DepthwisePartials,
}

/// Number of its workspaces.
const WORKSPACES: usize = 7;

/// What the matrix of a convolution multiplies, per output pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Columns {
    /// All taps of all channels, `[channel][kernel row][kernel column]`, of which each of `groups` of output channels is made
    /// from its own. Kernel and padding are down and across. The window of output pixel (0, 0) begins at pixel
    /// (`offset`, `offset`) of the padded input.
    Dense { kernel: [usize; 2], stride: usize, padding: [usize; 2], offset: usize, groups: usize },
    /// One depthwise sum a channel.
    Depthwise { kernel: usize, stride: usize, dilation: usize, padding: usize },
}

#[derive(Clone, Debug)]
pub(crate) struct Convolution {
    pub(crate) columns: Columns,
    pub(crate) input: Input,
    pub(crate) output: Tensor,
    /// `[channels][1][kernel][kernel]`, of a depthwise or separable convolution.
    pub(crate) depthwise: Option<ParamId>,
    /// `[output channels][columns of a group]`; none where the depthwise results are the output.
    pub(crate) weight: Option<ParamId>,
    pub(crate) bias: Option<ParamId>,
    /// The normalisation of the output; it may cover more channels than this convolution writes.
    pub(crate) norm: Option<NormId>,
    /// The first of its workspaces.
    workspace: WorkspaceId,
}

impl Convolution {
    /// Columns a pixel: rows of `t`.
    pub(crate) fn column_count(&self) -> usize {
        let channels = self.input.tensor.shape.channels;
        match self.columns {
            Columns::Dense { kernel, .. } => channels * kernel[0] * kernel[1],
            Columns::Depthwise { .. } => channels,
        }
    }

    /// Groups of its channels.
    pub(crate) fn groups(&self) -> usize {
        match self.columns {
            Columns::Dense { groups, .. } => groups,
            Columns::Depthwise { .. } => 1,
        }
    }

    /// Columns that an output is made from: those of its group, a row of the weights.
    pub(crate) fn columns_of_group(&self) -> usize {
        self.column_count() / self.groups()
    }

    /// One of its workspaces.
    pub(crate) fn workspace(&self, workspace: Workspace) -> WorkspaceId {
        WorkspaceId(self.workspace.0 + workspace as usize)
    }

    /// Its parameters: depthwise weights, weights, bias.
    fn trained(&self) -> impl Iterator<Item = ParamId> {
        self.depthwise.into_iter().chain(self.weight).chain(self.bias)
    }
}

impl Operation for Convolution {
    fn inputs(&self) -> Vec<Input> {
        vec![self.input]
    }

    fn output(&self) -> Option<Tensor> {
        Some(self.output)
    }

    fn params(&self) -> Vec<ParamId> {
        self.trained().collect()
    }

    fn mult_adds(&self) -> u64 {
        let pixels = self.output.shape.pixels();
        let outputs = if self.weight.is_some() { self.output.shape.channels } else { 0 };
        let matrix = outputs * self.columns_of_group() * pixels;
        let depthwise = match self.columns {
            Columns::Dense { .. } => 0,
            Columns::Depthwise { kernel, .. } => kernel * kernel * self.input.tensor.shape.channels * pixels,
        };
        (matrix + depthwise) as u64
    }

    fn normalised(&self, norm: NormId) -> Option<Arc<dyn Operation>> {
        let op = Self { norm: Some(norm), ..self.clone() };
        self.norm.is_none().then(|| Arc::new(op) as _)
    }

    fn forward(&self, tape: &mut Tape) {
        tape.push(ReorderWeights { op: self.clone(), read_by: Pass::Forward });
        tape.push(Forward { op: self.clone() });
    }

    fn backward(&self, tape: &mut Tape) {
        let Some(gradient) = tape.gradient(self.output, self.norm) else { return };
        let sink = tape.sink(self.input);
        tape.train(self.trained());
        let op = self.clone();
        let backward = Backward { op, gradient, sink };
        if backward.reads_weights() {
            tape.push(ReorderWeights { op: self.clone(), read_by: Pass::Backward });
        }
        tape.push(backward);
        tape.push(WeightGradient { op: self.clone() });
    }
}
