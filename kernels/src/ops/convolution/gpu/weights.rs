//! Weights as shaders read them: quads of neighbouring channels, which each step makes anew from the parameters before anything
//! reads them. A quad is one load where four words are four.

use super::shaders::REORDER_WEIGHTS;
use super::tiles::{reordering_groups, tile};
use super::{Convolution, Matrix, Workspace};
use crate::gpu::{Arguments, Lowering, Style, View};
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
    groups: usize,
    /// Tiles of a group.
    tiles: usize,
    /// Channels of a tile.
    tile: usize,
    /// Weights of a channel, which are read one after the other.
    elements: usize,
    /// Where they lie in the parameter: so many side by side, such runs `row` words from each other, channels `channel`
    /// words, and groups `group` words.
    run: usize,
    row: usize,
    channel: usize,
    group: usize,
}

impl WeightQuads {
    /// What the forward pass of the matrix reads: tiles of output channels.
    fn outputs(op: &Convolution, param: ParamId, batch: usize, style: Style) -> Self {
        let columns = op.columns_of_group();
        let tile = tile(style, op.output.shape, op.groups(), batch, false).0;
        Self {
            workspace: Workspace::Weights,
            param,
            // Those of all groups, which lie one after the other.
            groups: 1,
            tiles: op.output.shape.channels / tile,
            tile,
            elements: columns,
            run: columns,
            row: 0,
            channel: columns,
            group: 0,
        }
    }

    /// What the gradient of the matrix's input reads: tiles of input channels.
    fn inputs(op: &Convolution, param: ParamId, batch: usize, style: Style) -> Self {
        let matrix = Matrix::of(op);
        let channels = matrix.shape.channels / matrix.groups;
        let outputs = op.output.shape.channels / matrix.groups;
        let columns = op.columns_of_group();
        let taps = columns / channels;
        let tile = matrix.gradient_tile(batch, style).0;
        Self {
            workspace: Workspace::GradientWeights,
            param,
            groups: matrix.groups,
            tiles: channels / tile,
            tile,
            elements: outputs * taps,
            run: taps,
            row: columns,
            channel: taps,
            group: outputs * columns,
        }
    }

    /// What both passes of the depthwise part read: a tile for each row of taps of a channel.
    pub(super) fn taps(param: ParamId, kernel: usize, channels: usize) -> Self {
        Self {
            workspace: Workspace::Taps,
            param,
            groups: 1,
            tiles: channels * kernel,
            tile: kernel,
            elements: 1,
            run: 1,
            row: 0,
            channel: 1,
            group: 0,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.groups * self.group_count()
    }

    fn group_count(&self) -> usize {
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
            let weight = lowering.places.state.parameters + lowering.layout.offset(quads.param);
            let (workgroups, count) = (reordering_groups(lowering.style), quads.group_count());
            let jobs = |group| (0..count).step_by(QUADS_A_JOB).map(move |first| (group, first));
            for (group, first) in (0..quads.groups).flat_map(jobs) {
                let arguments = Arguments::default()
                    .view("w", "w_block", View { base: to.base + (group * count) as u32, ..to })
                    .field("weight", weight + group * quads.group)
                    .field("first", first)
                    .field("end", count.min(first + QUADS_A_JOB))
                    .field("tile", quads.tile)
                    .field("elements", quads.elements)
                    .field("run", quads.run)
                    .field("row", quads.row)
                    .field("channel", quads.channel)
                    .constant("GROUPS", workgroups);
                lowering.push(0, lowering.launch_groups(&REORDER_WEIGHTS, arguments, workgroups));
            }
        }
    }
}
