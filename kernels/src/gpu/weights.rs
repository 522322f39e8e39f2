//! Weights as kernels read them: quads of neighbouring channels, which each step makes anew from the parameters while it loads
//! its images. A quad is one load where four words are four.

use std::collections::HashSet;

use super::lower::Lowering;
use super::lower_convolution::Matrix;
use super::memory::Held;
use super::source;
use super::tiles::Style;
use super::views::{Parts, View};
use crate::graph::ParamId;
use crate::ops::{Columns, Convolution};
use crate::program::Call;
use crate::shape::Shape;

/// Quads that one job makes, so that grids of all parameters are alike and share a dispatch.
const QUADS_A_JOB: usize = 4096;

/// Quads `[tile][quad of the tile][element]` of the weights of channels; the last quad of a tile may hold fewer than four.
#[derive(Clone, Copy, Debug)]
pub(super) struct WeightQuads {
    pub(super) held: Held,
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
    fn outputs(op: &Convolution, batch: usize, style: Style) -> Self {
        let columns = op.column_count();
        let tile = style.tile(op.output.shape, batch, false).0;
        Self {
            held: Held::Weights(op.weight.0),
            param: op.weight,
            tile,
            tiles: op.output.shape.channels / tile,
            elements: columns,
            run: columns,
            row: 0,
            channel: columns,
        }
    }

    /// What the gradient of the matrix's input reads: tiles of input channels.
    fn inputs(op: &Convolution, batch: usize, style: Style) -> Self {
        let matrix = Matrix::of(op);
        let (channels, columns) = (matrix.shape.channels, op.column_count());
        let taps = columns / channels;
        let tile = matrix.gradient_tile(batch, style).0;
        Self {
            held: Held::GradientWeights(op.weight.0),
            param: op.weight,
            tile,
            tiles: channels / tile,
            elements: op.output.shape.channels * taps,
            run: taps,
            row: columns,
            channel: taps,
        }
    }

    /// What both passes of the depthwise part read: a tile for each row of taps of a channel.
    fn taps(param: ParamId, kernel: usize, channels: usize) -> Self {
        Self {
            held: Held::Weights(param.0),
            param,
            tile: kernel,
            tiles: channels * kernel,
            elements: 1,
            run: 1,
            row: 0,
            channel: 1,
        }
    }

    /// All that a call reads.
    pub(super) fn read_by(call: &Call, batch: usize, style: Style) -> Vec<Self> {
        let (op, mut read) = match call {
            Call::Convolve { op } => (op, vec![Self::outputs(op, batch, style)]),
            Call::ConvolveBackward { op, sink, .. } if sink.is_some() || op.depthwise.is_some() => {
                (op, vec![Self::inputs(op, batch, style)])
            }
            _ => return Vec::new(),
        };
        if let (Some(param), Columns::Depthwise { kernel, .. }) = (op.depthwise, op.columns) {
            read.push(Self::taps(param, kernel, op.input.tensor.shape.channels));
        }
        read
    }

    pub(super) fn count(&self) -> usize {
        self.tiles * self.tile.div_ceil(4) * self.elements
    }
}

impl Lowering<'_> {
    /// Makes all quads of weights that the program reads.
    pub(super) fn arrange_weights(&mut self) {
        let program = self.places.program;
        let mut made = HashSet::new();
        let read = program
            .calls
            .iter()
            .flat_map(|call| WeightQuads::read_by(call, self.recipe.batch_size, self.style));
        for quads in read.filter(|quads| made.insert(quads.held)).collect::<Vec<_>>() {
            for first in (0..quads.count()).step_by(QUADS_A_JOB) {
                let parts = Parts::default()
                    .view("w", "w_block", self.weights(quads.held))
                    .field("weight", self.places.state.parameters + self.layout.offset(quads.param))
                    .field("first", first)
                    .field("end", quads.count().min(first + QUADS_A_JOB))
                    .field("tile", quads.tile)
                    .field("elements", quads.elements)
                    .field("run", quads.run)
                    .field("row", quads.row)
                    .field("channel", quads.channel);
                let groups = self.style.arranging_groups();
                let parts = parts.constant("GROUPS", groups);
                self.push(0, self.launch_groups(&source::ARRANGE_WEIGHTS, parts, groups));
            }
        }
    }

    /// Where quads of weights lie.
    pub(super) fn weights(&self, held: Held) -> View {
        self.places.workspace(held, Shape { channels: 0, height: 0, width: 0 })
    }
}
