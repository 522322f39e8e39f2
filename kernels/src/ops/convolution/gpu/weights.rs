//! Weights as shaders read them: quads of neighbouring channels, which each step makes anew from the parameters before anything
//! reads them. A quad is one load where four words are four.

use super::shaders::REORDER_WEIGHTS;
use super::tiles::{reordering_groups, tile};
use super::{Convolution, Matrix, Workspace};
use crate::gpu::{Lowering, Parts, Style};
use crate::ops::convolution::Columns;
use crate::ops::convolution::calls::{Pass, ReorderWeights};
use crate::program::ParamId;

/// Quads that one job makes, so that grids of all parameters are alike and share a dispatch.
const QUADS_A_JOB: usize = 4096;

/// Quads `[tile][quad of the tile][element]` of the weights of channels; the last quad of a tile may hold fewer than four.
#[derive(Clone, Copy, Debug)]
pub(super) struct WeightQuads {
    pub(super) workspace: Workspace,
    param: ParamId,
    /// Channels of a tile.
    tile: usize,
    tiles: usize,
    /// Weights of a channel, which are read one after the other.
    elements: usize,
    /// Where they lie in the parameter: so many side by side, such runs `row` words from each other, and channels `channel`
    /// words.
    run: usize,
    row: usize,
    channel: usize,
}

impl WeightQuads {
    /// What the forward pass of the matrix reads: tiles of output channels.
    fn outputs(op: &Convolution, param: ParamId, batch: usize, style: Style) -> Self {
        let columns = op.column_count();
        let tile = tile(style, op.output.shape, batch, false).0;
        Self {
            workspace: Workspace::Weights,
            param,
            tile,
            tiles: op.output.shape.channels / tile,
            elements: columns,
            run: columns,
            row: 0,
            channel: columns,
        }
    }

    /// What the gradient of the matrix's input reads: tiles of input channels.
    fn inputs(op: &Convolution, param: ParamId, batch: usize, style: Style) -> Self {
        let matrix = Matrix::of(op);
        let (channels, columns) = (matrix.shape.channels, op.column_count());
        let taps = columns / channels;
        let tile = matrix.gradient_tile(batch, style).0;
        Self {
            workspace: Workspace::GradientWeights,
            param,
            tile,
            tiles: channels / tile,
            elements: op.output.shape.channels * taps,
            run: taps,
            row: columns,
            channel: taps,
        }
    }

    /// What both passes of the depthwise part read: a tile for each row of taps of a channel.
    pub(super) fn taps(param: ParamId, kernel: usize, channels: usize) -> Self {
        Self {
            workspace: Workspace::Taps,
            param,
            tile: kernel,
            tiles: channels * kernel,
            elements: 1,
            run: 1,
            row: 0,
            channel: 1,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.tiles * self.tile.div_ceil(4) * self.elements
    }
}

impl ReorderWeights {
    /// What it makes.
    pub(super) fn quads(&self, batch: usize, style: Style) -> Vec<WeightQuads> {
        let op = &self.op;
        let taps = match (op.depthwise, op.columns, self.read_by) {
            (Some(param), Columns::Depthwise { kernel, .. }, Pass::Forward) => {
                Some(WeightQuads::taps(param, kernel, op.input.tensor.shape.channels))
            }
            _ => None,
        };
        let matrix = op.weight.map(|param| match self.read_by {
            Pass::Forward => WeightQuads::outputs(op, param, batch, style),
            Pass::Backward => WeightQuads::inputs(op, param, batch, style),
        });
        taps.into_iter().chain(matrix).collect()
    }

    pub(super) fn launches(&self, lowering: &mut Lowering<'_>) {
        for quads in self.quads(lowering.settings.batch_size, lowering.style) {
            let to = lowering.places.quads(self.op.workspace(quads.workspace));
            for first in (0..quads.count()).step_by(QUADS_A_JOB) {
                let groups = reordering_groups(lowering.style);
                let parts = Parts::default()
                    .view("w", "w_block", to)
                    .field("weight", lowering.places.state.parameters + lowering.layout.offset(quads.param))
                    .field("first", first)
                    .field("end", quads.count().min(first + QUADS_A_JOB))
                    .field("tile", quads.tile)
                    .field("elements", quads.elements)
                    .field("run", quads.run)
                    .field("row", quads.row)
                    .field("channel", quads.channel)
                    .constant("GROUPS", groups);
                lowering.push(0, lowering.launch_groups(&REORDER_WEIGHTS, parts, groups));
            }
        }
    }
}
