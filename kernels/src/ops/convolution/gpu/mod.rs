//! Launches of convolutions: the matrix of a dense or separable one, and the depthwise part of the latter, which goes
//! through a workspace that the backward pass reads again.

mod kernels;
mod shaders;
mod tiles;
mod weights;

#[cfg(test)]
pub(in crate::ops) use shaders::SHADERS;

use shaders::{
    BIAS_GRADIENT, CONVOLVE, CONVOLVE_INPUT_GRADIENT, DEPTHWISE, DEPTHWISE_INPUT_GRADIENT,
    DEPTHWISE_WEIGHT_PARTIALS, DEPTHWISE_WEIGHT_PARTIALS_WALK, SUM_PARTIALS, WEIGHT_PARTIALS,
    WEIGHT_PARTIALS_WALK,
};
use tiles::{DepthwiseTiles, WeightTiles, abreast, gradient_strip, tile};

use super::{Columns, Convolution, Workspace};
use crate::gpu::{Arguments, Lowering, Page, Read, SinkViews, Style, View, X_SHAPE, Y_SHAPE, launch, strip};
use crate::ops::node_sum::put_gradient;
use crate::program::{Accesses, Gradient, Resource, Sink};
use crate::shape::Shape;

/// The depthwise part of a convolution.
struct Depthwise {
    kernel: usize,
    stride: usize,
    dilation: usize,
    padding: usize,
    /// Its weights.
    weight: View,
}

/// A convolution and where its launches go.
struct ConvolutionLowering<'a, 'l> {
    op: &'a Convolution,
    lowering: &'a mut Lowering<'l>,
}

impl ConvolutionLowering<'_, '_> {
    fn convolve(&mut self) {
        let op = self.op;
        let shape = op.output.shape;
        let mut stage = 0;
        if let Some(depthwise) = self.depthwise() {
            // Without a matrix the output is the columns.
            let columns =
                op.weight.map_or_else(|| self.lowering.places.tensor(op.output), |_| self.columns());
            let tile = strip(shape.width);
            let arguments = Arguments::default()
                .read(self.lowering.places.input(op.input))
                .view("w", "w_block", depthwise.weight)
                .view("y", "y_block", columns);
            let arguments = depthwise.arguments(arguments, tile, op.input.tensor.shape, columns.shape);
            self.lowering.push(
                stage,
                self.lowering.launch_over(&DEPTHWISE, arguments, shape, tile, columns.shape.channels),
            );
            stage = 1;
        }
        if op.weight.is_none() {
            return;
        }
        let (style, batch) = (self.lowering.style, self.lowering.settings.batch_size);
        let (tile, pixels) = tile(style, shape, op.groups(), batch, false);
        let matrix = Matrix::of(op);
        let abreast = abreast(style, matrix.shape.channels / matrix.groups, matrix.kernel);
        let bias = op
            .bias
            .map_or(0, |bias| self.lowering.places.state.parameters + self.lowering.layout.offset(bias));
        let arguments = Arguments::default()
            .view("y", "y_block", self.lowering.places.tensor(op.output))
            .choice("BIAS", op.bias.is_some())
            .constant("OUT_TILE", tile)
            .constant("PIXELS", pixels)
            .constant("ABREAST", abreast)
            .field("bias", bias)
            .view("w", "w_block", self.quads(Workspace::Weights));
        let arguments = self.matrix(arguments);
        let (tiles, rounds) = (shape.channels / tile, matrix.rounds(matrix.shape.channels));
        let launch = self.lowering.launch_loops(&CONVOLVE, arguments, shape, pixels, tiles, rounds);
        self.lowering.push(stage, launch);
    }

    fn convolve_backward(&mut self, gradient: Gradient, sink: Option<Sink>) {
        if self.op.weight.is_some() {
            self.weight_partials(gradient);
        }
        if let Some(depthwise) = self.depthwise() {
            let gradients = self.lanes(Workspace::ColumnGradients, self.columns().shape);
            let own = self.lowering.places.own_sink(gradients);
            let part =
                Accesses::default().reads_gradient(gradient).writes(self.own(Workspace::ColumnGradients));
            if self.op.weight.is_some() {
                let part = part.reads(self.own(Workspace::GradientWeights));
                self.matrix_input_gradient(gradient, own, part);
            } else {
                let launch = put_gradient(self.lowering, gradient, None, own);
                self.lowering.push_part(0, launch, part);
            }
            self.depthwise_partials(&depthwise, gradients);
            if let Some(sink) = sink {
                self.depthwise_input_gradient(&depthwise, gradients, sink);
            }
        } else if let Some(sink) = sink {
            let to = self.lowering.places.sink(sink);
            // The gate of a ReLU is what was read.
            let part = Accesses::default().reads_gradient(gradient).reads_input(self.op.input).gives(sink);
            let part = part.reads(self.own(Workspace::GradientWeights));
            self.matrix_input_gradient(gradient, to, part);
        }
    }

    /// A workspace, as something that launches read and write.
    fn own(&self, workspace: Workspace) -> Resource {
        Resource::Workspace(self.op.workspace(workspace))
    }

    fn weight_gradient(&mut self) {
        let op = self.op;
        let gradients = self.lowering.places.state.gradients;
        if let Some(weight) = op.weight {
            let parts = WeightTiles::new(op, self.lowering.settings.batch_size, self.lowering.style).parts;
            let elements = op.output.shape.channels * op.columns_of_group();
            self.sum(Workspace::Partials, parts, elements, gradients + self.lowering.layout.offset(weight));
        }
        if let (Some(weight), Some(depthwise)) = (op.depthwise, self.depthwise()) {
            let parts = DepthwiseTiles::new(op, self.lowering.settings.batch_size, self.lowering.style).parts;
            let elements = op.input.tensor.shape.channels * depthwise.kernel * depthwise.kernel;
            let gradient = gradients + self.lowering.layout.offset(weight);
            self.sum(Workspace::DepthwisePartials, parts, elements, gradient);
        }
    }

    fn sum(&mut self, partials: Workspace, parts: usize, elements: usize, gradient: usize) {
        let (page, base) = self.words(partials);
        let arguments = Arguments::default()
            .words("partials", page)
            .field("partials", base as usize)
            .field("parts", parts)
            .field("elements", elements)
            .field("gradient", gradient);
        self.lowering.push(0, launch(&SUM_PARTIALS, arguments, elements, 1));
    }

    fn weight_partials(&mut self, gradient: Gradient) {
        let op = self.op;
        let part = Accesses::default().reads_gradient(gradient);
        let columns = match op.columns {
            Columns::Dense { .. } => part.reads_input(op.input),
            Columns::Depthwise { .. } => part.reads(self.own(Workspace::Columns)),
        };
        let columns = columns.writes(self.own(Workspace::Partials));
        let bias_part = Accesses::default().reads_gradient(gradient).shares(Resource::ParameterGradients);
        let gradient = self.lowering.places.gradient(gradient);
        let shape = op.output.shape;
        let WeightTiles { out_tile, column_tile, parts: split } =
            WeightTiles::new(op, self.lowering.settings.batch_size, self.lowering.style);
        let (page, base) = self.words(Workspace::Partials);
        let arguments = Arguments::default()
            .gradient(gradient)
            .words("partials", page)
            .field("partials", base as usize)
            .constant("OUT_TILE", out_tile)
            .constant("COLUMN_TILE", column_tile)
            .field("parts", split);
        let arguments = self.matrix(arguments);
        let (across, down) = (op.columns_of_group() / column_tile, shape.channels / out_tile);
        let kernels = [&WEIGHT_PARTIALS, &WEIGHT_PARTIALS_WALK];
        let launch_of_sums = self.lowering.launch_sums(kernels, arguments, split * across, down);
        self.lowering.push_part(0, launch_of_sums, columns);
        if let Some(bias) = op.bias {
            let arguments = Arguments::default()
                .gradient(gradient)
                .field("outputs", shape.channels)
                .field("y_pixels", shape.pixels())
                .field(
                    "bias_gradient",
                    self.lowering.places.state.gradients + self.lowering.layout.offset(bias),
                );
            self.lowering.push_part(0, launch(&BIAS_GRADIENT, arguments, shape.channels, 1), bias_part);
        }
    }

    fn matrix_input_gradient(&mut self, gradient: Gradient, to: SinkViews, part: Accesses) {
        let op = self.op;
        let gradient = self.lowering.places.gradient(gradient);
        let matrix = Matrix::of(op);
        let (shape, (tile, pixels)) =
            (matrix.shape, matrix.gradient_tile(self.lowering.settings.batch_size, self.lowering.style));
        let arguments = Arguments::default()
            .gradient(gradient)
            .sink(to)
            .constant("IN_TILE", tile)
            .constant("PIXELS", pixels)
            .view("w", "w_block", self.quads(Workspace::GradientWeights));
        let arguments = self.matrix(arguments);
        let (tiles, rounds) = (shape.channels / tile, matrix.rounds(op.output.shape.channels));
        let launch =
            self.lowering.launch_loops(&CONVOLVE_INPUT_GRADIENT, arguments, shape, pixels, tiles, rounds);
        self.lowering.push_part(0, launch, part);
    }

    fn depthwise_partials(&mut self, depthwise: &Depthwise, gradients: View) {
        let op = self.op;
        let DepthwiseTiles { strip: tile, parts: split } =
            DepthwiseTiles::new(op, self.lowering.settings.batch_size, self.lowering.style);
        let channels = op.input.tensor.shape.channels;
        let (page, base) = self.words(Workspace::DepthwisePartials);
        let arguments = Arguments::default()
            .read(self.lowering.places.input(op.input))
            .view("g", "g_block", gradients)
            .words("partials", page)
            .field("partials", base as usize)
            .field("parts", split);
        let arguments = depthwise.arguments(arguments, tile, op.input.tensor.shape, gradients.shape);
        let kernels = [&DEPTHWISE_WEIGHT_PARTIALS, &DEPTHWISE_WEIGHT_PARTIALS_WALK];
        let part = Accesses::default().reads_input(op.input).reads(self.own(Workspace::ColumnGradients));
        let part = part.writes(self.own(Workspace::DepthwisePartials));
        self.lowering.push_part(1, self.lowering.launch_sums(kernels, arguments, split, channels), part);
    }

    fn depthwise_input_gradient(&mut self, depthwise: &Depthwise, gradients: View, sink: Sink) {
        let op = self.op;
        let shape = op.input.tensor.shape;
        let stride = depthwise.stride;
        let tile = gradient_strip(shape.width, stride);
        let arguments = Arguments::default()
            .read(self.lowering.places.input(op.input))
            .view("w", "w_block", depthwise.weight)
            .view("g", "g_block", gradients)
            .sink(self.lowering.places.sink(sink));
        let arguments = depthwise.arguments(arguments, tile, shape, gradients.shape);
        let tiles =
            Shape { height: shape.height.div_ceil(stride), width: shape.width.div_ceil(tile), ..shape };
        let launch =
            self.lowering.launch_over(&DEPTHWISE_INPUT_GRADIENT, arguments, tiles, 1, shape.channels);
        let part = Accesses::default().reads_input(op.input).reads(self.own(Workspace::ColumnGradients));
        let part = part.reads(self.own(Workspace::Taps)).gives(sink);
        self.lowering.push_part(1, launch, part);
    }

    fn depthwise(&self) -> Option<Depthwise> {
        let op = self.op;
        let (Columns::Depthwise { kernel, stride, dilation, padding }, Some(_)) = (op.columns, op.depthwise)
        else {
            return None;
        };
        let weight = self.quads(Workspace::Taps);
        Some(Depthwise { kernel, stride, dilation, padding, weight })
    }

    /// Workspace of the depthwise results.
    fn columns(&self) -> View {
        let op = self.op;
        let shape = op.output.shape.with_channels(op.input.tensor.shape.channels);
        self.lanes(Workspace::Columns, shape)
    }

    /// What the matrix reads: the input, or the depthwise results.
    fn matrix_input(&self) -> Read {
        let op = self.op;
        match op.columns {
            Columns::Dense { .. } => self.lowering.places.input(op.input),
            Columns::Depthwise { .. } => Read { view: self.columns(), record: None, relu: false },
        }
    }

    /// What kernels of the matrix need of it.
    fn matrix(&self, arguments: Arguments) -> Arguments {
        let op = self.op;
        let matrix = Matrix::of(op);
        // Pixels from the corner of the first window to that of the image, which may be less than none: two's complement.
        let [above, left] = matrix.padding.map(|padding| padding.wrapping_sub(matrix.offset));
        arguments
            .read(self.matrix_input())
            .shape(X_SHAPE, matrix.shape)
            .shape(Y_SHAPE, op.output.shape)
            .constant("KERNEL_HEIGHT", matrix.kernel[0])
            .constant("KERNEL_WIDTH", matrix.kernel[1])
            .constant("FLATTENED", matrix.flattened)
            .flag("PLAIN", matrix.is_plain())
            .field("groups", matrix.groups)
            .field("group_inputs", matrix.shape.channels / matrix.groups)
            .field("group_outputs", op.output.shape.channels / matrix.groups)
            .field("stride", matrix.stride)
            .field("above", above)
            .field("left", left)
    }

    /// A workspace of quads of weights.
    fn quads(&self, workspace: Workspace) -> View {
        self.lowering.places.quads(self.op.workspace(workspace))
    }

    /// Page and word offset of a workspace of words.
    fn words(&self, workspace: Workspace) -> (Page, u32) {
        self.lowering.places.words(self.op.workspace(workspace))
    }

    /// A workspace of quads of lanes.
    fn lanes(&self, workspace: Workspace, shape: Shape) -> View {
        self.lowering.places.workspace(self.op.workspace(workspace), shape)
    }
}

/// What the matrix of a convolution is multiplied with.
struct Matrix {
    /// Of its input.
    shape: Shape,
    kernel: [usize; 2],
    stride: usize,
    padding: [usize; 2],
    offset: usize,
    /// Pixels of a channel, where each counts as a channel of its own; 1 where they do not.
    flattened: usize,
    groups: usize,
}

impl Matrix {
    /// Rounds of the loops over so many channels and the taps of each, of one group.
    fn rounds(&self, channels: usize) -> usize {
        let [height, width] = self.kernel;
        channels / self.groups * (1 + height * (1 + width))
    }

    fn of(op: &Convolution) -> Self {
        let plain = Self {
            shape: op.output.shape.with_channels(op.column_count()),
            kernel: [1, 1],
            stride: 1,
            padding: [0, 0],
            offset: 0,
            flattened: 1,
            groups: op.groups(),
        };
        let shape = op.input.tensor.shape;
        match op.columns {
            Columns::Depthwise { .. } => plain,
            // A window of the whole input: each weight serves one pixel only.
            Columns::Dense { kernel, padding: [0, 0], offset: 0, .. }
                if [shape.height, shape.width] == kernel =>
            {
                Self { flattened: shape.pixels(), ..plain }
            }
            Columns::Dense { kernel, stride, padding, offset, .. } => {
                Self { shape, kernel, stride, padding, offset, ..plain }
            }
        }
    }

    /// Whether the matrix reads the pixel that it writes.
    fn is_plain(&self) -> bool {
        (self.kernel, self.stride, self.padding, self.offset) == ([1, 1], 1, [0, 0], 0)
    }

    /// Channels and pixels that one invocation of the gradient of the input makes.
    fn gradient_tile(&self, batch: usize, style: Style) -> (usize, usize) {
        tile(style, self.shape, self.groups, batch, !self.is_plain())
    }
}

impl Depthwise {
    /// What depthwise kernels need that make `tile` neighbouring elements of a row.
    fn arguments(&self, arguments: Arguments, tile: usize, input: Shape, output: Shape) -> Arguments {
        arguments
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
