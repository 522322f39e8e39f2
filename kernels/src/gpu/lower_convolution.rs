//! Launches of convolutions: the matrix of a dense or separable one, and the depthwise part of the latter, which goes
//! through a workspace that the backward pass reads again.

use super::grid::launch;
use super::lower::Lowering;
use super::memory::Held;
use super::source;
use super::tiles::{DepthwiseTiles, Style, WeightTiles, gradient_strip, strip};
use super::views::{GradientRead, Parts, Read, View, X_SHAPE, Y_SHAPE};
use crate::ops::{Columns, Convolution};
use crate::program::{Gradient, Sink};
use crate::shape::Shape;

/// The depthwise part of a separable convolution.
struct Depthwise {
    kernel: usize,
    stride: usize,
    dilation: usize,
    padding: usize,
    /// Its weights.
    weight: View,
}

impl Lowering<'_> {
    pub(super) fn convolve(&mut self, op: &Convolution) {
        let shape = op.output.shape;
        let mut stage = 0;
        if let Some(depthwise) = self.depthwise(op) {
            let columns = self.columns(op);
            let tile = strip(shape.width);
            let parts = Parts::default()
                .read(self.places.input(op.input))
                .view("w", "w_block", depthwise.weight)
                .view("y", "y_block", columns);
            let parts = depthwise.parts(parts, tile, op.input.tensor.shape, columns.shape);
            self.push(
                stage,
                self.launch_over(&source::DEPTHWISE, parts, shape, tile, columns.shape.channels),
            );
            stage = 1;
        }
        let (tile, pixels) = self.style.tile(shape, self.recipe.batch_size, false);
        let matrix = Matrix::of(op);
        let abreast = self.style.abreast(matrix.shape.channels, matrix.kernel);
        let bias = op.bias.map_or(0, |bias| self.places.state.parameters + self.layout.offset(bias));
        let parts = Parts::default()
            .view("y", "y_block", self.places.tensor(op.output))
            .flag("BIAS", op.bias.is_some())
            .constant("OUT_TILE", tile)
            .constant("PIXELS", pixels)
            .constant("ABREAST", abreast)
            .field("bias", bias)
            .view("w", "w_block", self.weights(Held::Weights(op.weight.0)));
        let parts = self.matrix(op, parts);
        self.push(stage, self.launch_over(&source::CONVOLVE, parts, shape, pixels, shape.channels / tile));
    }

    pub(super) fn convolve_backward(&mut self, op: &Convolution, gradient: Gradient, sink: Option<Sink>) {
        let gradient = self.places.gradient(gradient);
        self.weight_partials(op, gradient);
        if let Some(depthwise) = self.depthwise(op) {
            let columns = self.columns(op);
            let held = Held::ColumnGradients(op.weight.0);
            let gradients = self.places.workspace(held, columns.shape);
            self.matrix_input_gradient(op, gradient, gradients, false);
            self.depthwise_partials(op, &depthwise, gradients);
            if let Some(sink) = sink {
                self.depthwise_input_gradient(op, &depthwise, gradients, sink);
            }
        } else if let Some(sink) = sink {
            let view = self.places.tensor(sink.tensor);
            self.matrix_input_gradient(op, gradient, view, sink.accumulate);
        }
    }

    pub(super) fn weight_gradient(&mut self, op: &Convolution) {
        let gradients = self.places.state.gradients;
        let parts = WeightTiles::new(op, self.recipe.batch_size, self.style).parts;
        let elements = op.output.shape.channels * op.column_count();
        self.sum(Held::Partials(op.weight.0), parts, elements, gradients + self.layout.offset(op.weight));
        if let (Some(weight), Some(depthwise)) = (op.depthwise, self.depthwise(op)) {
            let parts = DepthwiseTiles::new(op, self.recipe.batch_size, self.style).parts;
            let elements = op.input.tensor.shape.channels * depthwise.kernel * depthwise.kernel;
            let gradient = gradients + self.layout.offset(weight);
            self.sum(Held::DepthwisePartials(op.weight.0), parts, elements, gradient);
        }
    }

    fn sum(&mut self, partials: Held, parts: usize, elements: usize, gradient: usize) {
        let (page, base) = self.places.partials(partials);
        let parts = Parts::default()
            .words("partials", page)
            .field("partials", base as usize)
            .field("parts", parts)
            .field("elements", elements)
            .field("gradient", gradient);
        self.push(0, launch(&source::SUM_PARTIALS, parts, elements, 1));
    }

    fn weight_partials(&mut self, op: &Convolution, gradient: GradientRead) {
        let shape = op.output.shape;
        let WeightTiles { out_tile, column_tile, parts: split } =
            WeightTiles::new(op, self.recipe.batch_size, self.style);
        let (page, base) = self.places.partials(Held::Partials(op.weight.0));
        let parts = Parts::default()
            .gradient(gradient)
            .words("partials", page)
            .field("partials", base as usize)
            .constant("OUT_TILE", out_tile)
            .constant("COLUMN_TILE", column_tile)
            .field("parts", split);
        let parts = self.matrix(op, parts);
        let (across, down) = (op.column_count() / column_tile, shape.channels / out_tile);
        let kernels = [&source::WEIGHT_PARTIALS, &source::WEIGHT_PARTIALS_WALK];
        self.push(0, self.launch_sums(kernels, parts, split * across, down));
        if let Some(bias) = op.bias {
            let parts = Parts::default()
                .gradient(gradient)
                .field("outputs", shape.channels)
                .field("y_pixels", shape.pixels())
                .field("bias_gradient", self.places.state.gradients + self.layout.offset(bias));
            self.push(0, launch(&source::BIAS_GRADIENT, parts, shape.channels, 1));
        }
    }

    fn matrix_input_gradient(
        &mut self,
        op: &Convolution,
        gradient: GradientRead,
        sink: View,
        accumulate: bool,
    ) {
        let matrix = Matrix::of(op);
        let (shape, (tile, pixels)) =
            (matrix.shape, matrix.gradient_tile(self.recipe.batch_size, self.style));
        let parts = Parts::default()
            .gradient(gradient)
            .view("sink", "sink_block", sink)
            .flag("ACCUMULATE", accumulate)
            .constant("IN_TILE", tile)
            .constant("PIXELS", pixels)
            .view("w", "w_block", self.weights(Held::GradientWeights(op.weight.0)));
        let parts = self.matrix(op, parts);
        let launch =
            self.launch_over(&source::CONVOLVE_INPUT_GRADIENT, parts, shape, pixels, shape.channels / tile);
        self.push(0, launch);
    }

    fn depthwise_partials(&mut self, op: &Convolution, depthwise: &Depthwise, gradients: View) {
        let DepthwiseTiles { strip: tile, parts: split } =
            DepthwiseTiles::new(op, self.recipe.batch_size, self.style);
        let channels = op.input.tensor.shape.channels;
        let (page, base) = self.places.partials(Held::DepthwisePartials(op.weight.0));
        let parts = Parts::default()
            .read(self.places.input(op.input))
            .view("g", "g_block", gradients)
            .words("partials", page)
            .field("partials", base as usize)
            .field("parts", split);
        let parts = depthwise.parts(parts, tile, op.input.tensor.shape, gradients.shape);
        let kernels = [&source::DEPTHWISE_WEIGHT_PARTIALS, &source::DEPTHWISE_WEIGHT_PARTIALS_WALK];
        self.push(1, self.launch_sums(kernels, parts, split, channels));
    }

    fn depthwise_input_gradient(
        &mut self,
        op: &Convolution,
        depthwise: &Depthwise,
        gradients: View,
        sink: Sink,
    ) {
        let shape = op.input.tensor.shape;
        let stride = depthwise.stride;
        let tile = gradient_strip(shape.width, stride);
        let parts = Parts::default()
            .read(self.places.input(op.input))
            .view("w", "w_block", depthwise.weight)
            .view("g", "g_block", gradients)
            .view("sink", "sink_block", self.places.tensor(sink.tensor))
            .flag("ACCUMULATE", sink.accumulate);
        let parts = depthwise.parts(parts, tile, shape, gradients.shape);
        let tiles =
            Shape { height: shape.height.div_ceil(stride), width: shape.width.div_ceil(tile), ..shape };
        self.push(1, self.launch_over(&source::DEPTHWISE_INPUT_GRADIENT, parts, tiles, 1, shape.channels));
    }

    fn depthwise(&self, op: &Convolution) -> Option<Depthwise> {
        let (Columns::Depthwise { kernel, stride, dilation, padding }, Some(weight)) =
            (op.columns, op.depthwise)
        else {
            return None;
        };
        let weight = self.weights(Held::Weights(weight.0));
        Some(Depthwise { kernel, stride, dilation, padding, weight })
    }

    /// Workspace of the depthwise results.
    fn columns(&self, op: &Convolution) -> View {
        let shape = op.output.shape.with_channels(op.input.tensor.shape.channels);
        self.places.workspace(Held::Columns(op.weight.0), shape)
    }

    /// What the matrix reads: the input, or the depthwise results.
    fn matrix_input(&self, op: &Convolution) -> Read {
        match op.columns {
            Columns::Dense { .. } => self.places.input(op.input),
            Columns::Depthwise { .. } => Read { view: self.columns(op), record: None, relu: false },
        }
    }

    /// What kernels of the matrix need of it.
    fn matrix(&self, op: &Convolution, parts: Parts) -> Parts {
        let matrix = Matrix::of(op);
        parts
            .read(self.matrix_input(op))
            .shape(X_SHAPE, matrix.shape)
            .shape(Y_SHAPE, op.output.shape)
            .constant("KERNEL", matrix.kernel)
            .constant("FLATTENED", matrix.flattened)
            .flag("PLAIN", matrix.is_plain())
            .field("inputs", matrix.shape.channels)
            .field("outputs", op.output.shape.channels)
            .field("columns", op.column_count())
            .field("stride", matrix.stride)
            .field("padding", matrix.padding)
            .field("offset", matrix.offset)
    }
}

/// What the matrix of a convolution is multiplied with.
pub(super) struct Matrix {
    /// Of its input.
    pub(super) shape: Shape,
    kernel: usize,
    stride: usize,
    padding: usize,
    offset: usize,
    /// Pixels of a channel, where each counts as a channel of its own; 1 where they do not.
    flattened: usize,
}

impl Matrix {
    pub(super) fn of(op: &Convolution) -> Self {
        let plain = Self {
            shape: op.output.shape.with_channels(op.column_count()),
            kernel: 1,
            stride: 1,
            padding: 0,
            offset: 0,
            flattened: 1,
        };
        let shape = op.input.tensor.shape;
        match op.columns {
            Columns::Depthwise { .. } => plain,
            // A window of the whole input: each weight serves one pixel only.
            Columns::Dense { kernel, padding: 0, offset: 0, .. }
                if shape.height == kernel && shape.width == kernel =>
            {
                Self { flattened: kernel * kernel, ..plain }
            }
            Columns::Dense { kernel, stride, padding, offset } => {
                Self { shape, kernel, stride, padding, offset, ..plain }
            }
        }
    }

    /// Whether the matrix reads the pixel that it writes.
    fn is_plain(&self) -> bool {
        (self.kernel, self.stride, self.padding, self.offset) == (1, 1, 0, 0)
    }

    /// Channels and pixels that one invocation of the gradient of the input makes.
    pub(super) fn gradient_tile(&self, batch: usize, style: Style) -> (usize, usize) {
        style.tile(self.shape, batch, !self.is_plain())
    }
}

impl Depthwise {
    /// What depthwise kernels need that make `tile` neighbouring elements of a row.
    fn parts(&self, parts: Parts, tile: usize, input: Shape, output: Shape) -> Parts {
        parts
            .shape(X_SHAPE, input)
            .shape(Y_SHAPE, output)
            .constant("KERNEL", self.kernel)
            .constant("STRIDE", self.stride)
            .constant("DILATION", self.dilation)
            .constant("PADDING", self.padding)
            .field("channels", input.channels)
            .constant("TILE", tile)
    }
}
